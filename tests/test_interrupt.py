"""Ctrl-C or SIGTERM in the midst of a fit: the next run goes on and ends in the same numbers."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

CALL = "import sys; from bench.cli.main import main; sys.exit(main(sys.argv[1:]))"

PLUGIN = """
import time
from pathlib import Path

from baselines.vbpr import Vbpr

class Slow(Vbpr):
    name = "slow"
    label = "Slow"
    source = "a test"

    def _fit(self, dataset, watch):
        super()._fit(dataset, Slowed(watch, Path(__file__).with_name("fifth-epoch")))

class Slowed:
    def __init__(self, watch, mark):
        self.watch, self.mark = watch, mark
        self.resume = watch.resume

    def __call__(self, epoch, *, loss=None):
        keep_going = self.watch(epoch, loss=loss)
        if epoch == 5 and not self.mark.exists():
            self.mark.touch()
            time.sleep(60)
        return keep_going
"""


def words(plugin: Path, data_dir: Path, results: Path) -> list[str]:
    call = [sys.executable, "-c", CALL, "run", "--dataset", "toy", "--recommenders", "slow"]
    call += ["--plugin", str(plugin), "--data", str(data_dir), "--results", str(results)]
    return [*call, "--set", "slow.epochs=12", "--device", "cpu", "--threads", "1"]


def outcome(results: Path) -> tuple[object, ...]:
    (path,) = results.rglob("result.json")
    record = json.loads(path.read_text())
    with np.load(path.with_name("state.npz")) as state:
        arrays = {name: array.tobytes() for name, array in state.items()}
    return record["metrics"], record["history"], record["best_epoch"], arrays


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["SIGTERM", "Ctrl-C"]
)
def test_an_interrupted_fit_goes_on_where_it_stopped(
    toy_data_dir: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    plugin, results = tmp_path / "slow.py", tmp_path / "results"
    plugin.write_text(PLUGIN)
    process = subprocess.Popen(
        words(plugin, toy_data_dir, results), stderr=subprocess.PIPE, stdout=subprocess.PIPE
    )
    deadline = time.monotonic() + 240  # a busy machine may take long to start
    while not (tmp_path / "fifth-epoch").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert out == b""
    assert err.decode().splitlines()[-1].endswith("what is finished is stored and not made again")
    assert b"Traceback" not in err
    assert not list(results.rglob("result.json"))
    # No minute had passed, so without the interruption there would be no checkpoint yet.
    assert len(list(results.glob("unfinished/*/checkpoint.npz"))) == 1

    again = subprocess.run(
        words(plugin, toy_data_dir, results), check=True, capture_output=True, text=True
    )
    assert "slow goes on after epoch 5" in again.stderr
    undisturbed = tmp_path / "undisturbed"
    subprocess.run(words(plugin, toy_data_dir, undisturbed), check=True, capture_output=True)
    assert outcome(results) == outcome(undisturbed)
    assert not list(results.glob("unfinished/*"))
