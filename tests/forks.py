"""Run `bench` many times without paying for its start: forks of a process that has it imported.

Each run is a process of its own, which can be killed like any other.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["Forks", "forks"]

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)
"""A process that forks must have no threads; and two runs on two cores must not fight."""


MODULES = (
    *("torch", "lightfm", "implicit.cpu.bpr", "dvbpr.training", "dvbpr.images"),
    *("baselines.vbpr", "baselines.kernels", "bench.evaluation.kernels"),
    *("bench.cli.run", "bench.cli.table", "bench.experiment.run", "bench.report.tables"),
)
"""What takes the time of a start."""


class Forks:
    """The process that forks, seen from the tests."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def start(self, words: Sequence[object], output: Path) -> int:
        """Start `bench`, give its process id; stdout goes to `output`, stderr beside it."""
        call = {"words": [str(word) for word in words], "output": str(output)}
        return int(self._ask(call))

    def wait(self, pid: int, seconds: float = 240.0) -> int | None:
        """Give a run's exit code, minus the signal that ended it; None: it goes on."""
        code: int | None = self._ask({"pid": pid, "seconds": seconds})
        return code

    def run(self, words: Sequence[object], output: Path) -> int:
        """Run `bench` to its end."""
        code = self.wait(self.start(words, output))
        assert code is not None, f"still at it: {words}"
        return code

    def _ask(self, question: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@contextmanager
def forks(setup: str = "") -> Iterator[Forks]:
    """Give a process that forks, with `setup` (Python code) run in it; it ends with the block."""
    with subprocess.Popen(
        [sys.executable, __file__, setup],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | ONE_THREAD,
    ) as process:
        yield Forks(process)
        # Leaving closes its stdin, on which it ends, and waits for it.


def _serve(setup: str) -> None:
    for name in MODULES:
        importlib.import_module(name)
    exec(setup, {})
    codes: dict[int, int] = {}
    for line in sys.stdin:
        question = json.loads(line)
        if "words" in question:
            answer: int | None = _fork(question["words"], Path(question["output"]))
        else:
            answer = _wait(question["pid"], question["seconds"], codes)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _fork(words: list[str], output: Path) -> int:
    pid = os.fork()
    if pid:
        return pid
    from bench.cli.main import main

    for number, path in enumerate((Path(os.devnull), output, output.with_suffix(".err"))):
        opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        os.dup2(opened, number)
        os.close(opened)
    code = 3
    try:
        code = main(words)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _wait(pid: int, seconds: float, codes: dict[int, int]) -> int | None:
    deadline = time.monotonic() + seconds
    while pid not in codes:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            codes[pid] = os.waitstatus_to_exitcode(status)
        elif time.monotonic() > deadline:
            return None
        else:
            time.sleep(0.002)
    return codes[pid]


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests
    _serve(sys.argv[1])
