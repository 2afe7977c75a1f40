"""One process at a time."""

import contextlib
import errno
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import BinaryIO

import pytest

import bench.datasets.lock
from bench.datasets.lock import only_process
from bench.errors import BenchError, StorageError

HOLD = """
import sys, time
from pathlib import Path
from bench.datasets.lock import only_process
with only_process(Path(sys.argv[1]), "work"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lock_is_held_once_and_says_by_whom(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "x.lock"
    message = rf"^cannot fetch x: process {os.getpid()} on {socket.gethostname()} is at it already"
    with only_process(path, "fetch x"):
        with pytest.raises(BenchError, match=message), only_process(path, "fetch x"):
            pytest.fail("held twice")
        assert path.exists()
    assert not path.exists()
    with only_process(path, "fetch x"):
        pass


def test_an_error_inside_lifts_it(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    with pytest.raises(KeyError), only_process(path, "work"):
        raise KeyError
    assert not path.exists()


def test_the_lock_of_a_killed_process_stops_nobody(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == "held\n"
        with (
            pytest.raises(BenchError, match=f"process {process.pid} on"),
            only_process(path, "work"),
        ):
            pytest.fail("held by two processes")
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert path.exists()
    with only_process(path, "work"):
        pass
    assert not path.exists()


@pytest.mark.parametrize("content", [b"", b"{", b'{"pid": null}', b"[]", b"\xff"])
def test_what_the_file_says_does_not_matter(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.lock"
    path.write_bytes(content)
    with only_process(path, "work"):
        path.write_bytes(content)
        with pytest.raises(BenchError, match="another process is at it"), only_process(path, "w"):
            pass


def test_threads_that_come_and_go_are_never_two_inside(tmp_path: Path) -> None:
    """The file is removed and made again all the time, between others' opening and locking."""
    path = tmp_path / "x.lock"
    inside: list[int] = []
    most, entered = 0, 0

    def work() -> None:
        nonlocal most, entered
        for _ in range(150):
            try:
                with only_process(path, "work"):
                    inside.append(1)
                    most = max(most, len(inside))
                    entered += 1
                    inside.pop()
            except BenchError:
                pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert entered > 4


def test_a_file_that_is_replaced_between_opening_and_locking_is_not_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.lock"
    take = bench.datasets.lock._take
    with contextlib.ExitStack() as others:

        def late(file: BinaryIO) -> None:
            monkeypatch.setattr(bench.datasets.lock, "_take", take)
            path.unlink()
            others.enter_context(only_process(path, "work"))
            take(file)

        monkeypatch.setattr(bench.datasets.lock, "_take", late)
        with pytest.raises(BenchError, match="is at it already"), only_process(path, "work"):
            pytest.fail("held twice")
    assert not path.exists()


@pytest.fixture
def _propagating(monkeypatch: pytest.MonkeyPatch) -> None:
    # The command line switches propagation off for the whole process. Switched on before the test
    # begins: pytest listens to a logger itself that does not propagate then.
    monkeypatch.setattr(logging.getLogger("bench"), "propagate", True)


@pytest.mark.usefixtures("_propagating")
def test_file_systems_without_locks_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def none(file: BinaryIO) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(bench.datasets.lock, "_take", none)
    with only_process(tmp_path / "x.lock", "work"):
        pass
    assert caplog.messages == [
        f"{tmp_path / 'x.lock'}: no locks on this file system; start one process at a time"
    ]


def test_a_place_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(StorageError, match="cannot work at"),
        only_process(tmp_path / "file" / "x.lock", "work"),
    ):
        pass
