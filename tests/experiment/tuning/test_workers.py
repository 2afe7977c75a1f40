"""Trials in other processes: the same numbers as here, whatever happens to a worker."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from graded_plugin import fits, numbers, stored_trials, winners, write_plugin

from bench.cli.main import main
from bench.errors import BenchError
from bench.experiment.tuning import dask_cluster, workers
from bench.experiment.tuning.dask_cluster import refuse_threaded_worker, scheduler_address
from bench.experiment.tuning.store import TuningStore
from bench.experiment.tuning.trial import UnfitWorkerError
from bench.experiment.tuning.workers import Workers

Tune = Callable[..., int]


@pytest.fixture
def tune(toy_data_dir: Path, tmp_path: Path) -> Tune:
    """Tune the plug-in's model in a results folder of that name."""
    plugin = write_plugin(tmp_path)

    def run(results: str, *words: str) -> int:
        call = ["-q", "tune", "--dataset", "toy", "--recommenders", "graded"]
        call += ["--plugin", str(plugin), "--data", str(toy_data_dir), "--device", "cpu"]
        return main([*call, "--results", str(tmp_path / results), *words])

    return run


def kill_the_victim(folder: Path) -> threading.Thread:
    """Kill the process that waits in the midst of a trial, as soon as there is one."""

    def kill() -> None:
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline:
            if (folder / "victim").exists() and (pid := (folder / "victim").read_text()):
                os.kill(int(pid), signal.SIGKILL)
                return
            time.sleep(0.02)

    (folder / "hold").touch()
    thread = threading.Thread(target=kill)
    thread.start()
    return thread


def test_local_processes_find_what_one_finds_even_after_one_was_killed(
    tune: Tune, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tune("serial") == 0
    thread = kill_the_victim(tmp_path)
    capsys.readouterr()
    assert tune("parallel", "--jobs", "2") == 2
    thread.join()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: the workers failed (TerminatedWorkerError")
    assert line.endswith("finished trials are stored, the same command goes on")
    assert tune("parallel", "--jobs", "2") == 0
    serial = numbers(tmp_path / "serial")
    assert len(serial) == 6
    assert numbers(tmp_path / "parallel") == serial
    assert winners(tmp_path / "parallel") == winners(tmp_path / "serial")
    processes = {line.split()[2] for line in (tmp_path / "fits.txt").read_text().splitlines()}
    assert len(processes) >= 3  # this one, the killed one, and those that went on


CALL = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever the shell has done
from bench.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def test_ctrl_c_ends_all_processes_and_the_next_search_goes_on(
    tune: Tune, toy_data_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "hold").touch()
    call = [sys.executable, "-c", CALL, "-q", "tune", "--dataset", "toy"]
    call += ["--recommenders", "graded", "--plugin", str(tmp_path / "graded_model.py")]
    call += ["--data", str(toy_data_dir)]
    call += ["--results", str(tmp_path / "results"), "--device", "cpu", "--jobs", "2"]
    started = subprocess.Popen(
        call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    store = TuningStore(tmp_path / "results")
    deadline = time.monotonic() + 240
    # One process waits in a trial, the other has run all others.
    while len(list(stored_trials(store.root))) < 5 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(started.pid, signal.SIGINT)  # as a terminal does: every process gets it
    out, err = started.communicate(timeout=60)
    assert started.returncode == 130
    assert out == ""
    assert err.strip() == "interrupted; what is finished is stored and not made again"
    before = len(fits(tmp_path))
    assert tune("results") == 0
    assert len(fits(tmp_path)) == before + 1
    assert len(numbers(tmp_path / "results")) == 6
    assert not psutil.pid_exists(int((tmp_path / "victim").read_text()))


def is_there(pid: int) -> bool:
    """Whether a process runs; one that ended and was not waited for does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_local_processes_end_when_the_command_is_killed(
    tune: Tune, toy_data_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "hold").touch()
    call = [sys.executable, "-c", CALL, "-q", "tune", "--dataset", "toy"]
    call += ["--recommenders", "graded", "--plugin", str(tmp_path / "graded_model.py")]
    call += ["--data", str(toy_data_dir)]
    call += ["--results", str(tmp_path / "results"), "--device", "cpu", "--jobs", "2"]
    with subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as started:
        victim = tmp_path / "victim"
        deadline = time.monotonic() + 240
        while not (victim.exists() and victim.read_text()) and time.monotonic() < deadline:
            time.sleep(0.02)
        children = psutil.Process(started.pid).children(recursive=True)
        started.kill()
    assert int(victim.read_text()) in [child.pid for child in children]
    deadline = time.monotonic() + 20
    while any(is_there(child.pid) for child in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [child for child in children if is_there(child.pid)]


@contextmanager
def process(*words: str) -> Iterator[None]:
    started = subprocess.Popen(
        [sys.executable, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        started.terminate()
        started.wait(timeout=60)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Path]:
    """A Dask scheduler and two workers of one thread each on this machine; the scheduler's file."""
    pytest.importorskip("distributed")
    file = tmp_path / "scheduler.json"
    where = ("--scheduler-file", str(file), "--no-dashboard")
    with ExitStack() as stack:
        stack.enter_context(
            process("-m", "dask", "scheduler", "--host", "127.0.0.1", "--port", "0", *where)
        )
        for number in range(2):
            own = tmp_path / f"worker{number}"
            own.mkdir()
            quiet = ("--no-nanny", "--local-directory", str(own))
            stack.enter_context(process("-m", "dask", "worker", *where, "--nthreads", "1", *quiet))
        deadline = time.monotonic() + 240
        while not file.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        yield file


def test_a_cluster_that_loses_a_worker_in_mid_trial_finds_what_one_process_finds(
    tune: Tune, tmp_path: Path, cluster: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tune("serial") == 0
    thread = kill_the_victim(tmp_path)
    address = json.loads(cluster.read_text())["address"]
    assert address.startswith("tcp://127.0.0.1:")
    assert tune("cluster", "--backend", "dask", "--scheduler", address) == 0
    thread.join()
    serial = numbers(tmp_path / "serial")
    assert len(serial) == 6
    assert numbers(tmp_path / "cluster") == serial
    assert winners(tmp_path / "cluster") == winners(tmp_path / "serial")
    here = str(os.getpid())
    there = [line.split() for line in (tmp_path / "fits.txt").read_text().splitlines()]
    there = [words for words in there if words[2] != here]
    victim = (tmp_path / "victim").read_text()
    assert len(there) == 7  # one trial was begun twice, the second time by the other worker
    (lost,) = [words[:2] for words in there if words[2] == victim][-1:]
    assert [words[2] == victim for words in there if words[:2] == lost] == [True, False]
    # The scheduler's file does as well, and stored trials are run nowhere.
    assert tune("cluster", "--backend", "dask", "--scheduler", str(cluster)) == 0
    assert len(fits(tmp_path)) == 6 + 7
    # The workers go on with the code they have loaded: its numbers get no new name.
    plugin = tmp_path / "graded_model.py"
    plugin.write_text(plugin.read_text().replace("default_rng([", "default_rng([7, "))
    capsys.readouterr()
    assert tune("cluster", "--backend", "dask", "--scheduler", address) == 2
    err = capsys.readouterr().err
    assert "restart the workers if the code has changed" in err
    assert err.count("\n") == 1
    assert numbers(tmp_path / "cluster") == serial


@pytest.fixture
def unforgiving(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scheduler gives a task up with the first worker that it kills."""
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "0")


@pytest.mark.usefixtures("unforgiving")
def test_a_trial_that_the_cluster_gives_up_ends_the_search(
    tune: Tune, tmp_path: Path, cluster: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    thread = kill_the_victim(tmp_path)
    assert tune("cluster", "--backend", "dask", "--scheduler", str(cluster)) == 2
    thread.join()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: the workers failed (KilledWorker: ")
    assert line.endswith("finished trials are stored, the same command goes on")


def test_a_worker_that_joins_late_with_several_threads_refuses_its_trial(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    distributed = pytest.importorskip("distributed")
    refuse_threaded_worker()  # here is none
    for n_threads in (1, 3):
        state = SimpleNamespace(nthreads=n_threads)
        worker = SimpleNamespace(address="tcp://late:1", state=state)
        monkeypatch.setattr(distributed, "get_worker", lambda worker=worker: worker)
        if n_threads == 1:
            refuse_threaded_worker()
            continue
        with pytest.raises(UnfitWorkerError, match="tcp://late:1 runs 3 trials at once"):
            refuse_threaded_worker()


def test_no_scheduler_there(
    tune: Tune,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(dask_cluster, "_SECONDS_TO_CONNECT", 0.5)
    with socket.socket() as probe:  # bound, and nobody listens
        probe.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
        assert tune("results", "--backend", "dask", "--scheduler", address) == 2
    err = capsys.readouterr().err
    assert f"error: no Dask scheduler answers at {address}" in err
    assert "start one with `dask scheduler`" in err
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("scheduler", "message"),
    [
        ("scheduler.json", "no such file, and no address"),
        ("tcp://", "no address such as"),
        ("tcp://host", "no address such as"),
        ("foo:bar:9", "no address such as"),
        ("localhost:8786x", "no address such as"),
        ("localhost:99999", "no address such as"),
        ("tcp://localhost:0", "no address such as"),
        ("://x:1", "no address such as"),
        ("tcp://[::1:9", "no address such as"),
        ("tcp://a b:1", "no address such as"),
    ],
)
def test_a_scheduler_that_is_no_place(scheduler: str, message: str) -> None:
    pytest.importorskip("distributed")
    with pytest.raises(BenchError, match=message):
        Workers(backend="dask", scheduler=scheduler)


@pytest.mark.parametrize(
    "content",
    [
        *(b"x", b"", b'{"bad": 1}', b'{"address": 1}', b'{"address": "x"}', b"[]", b"3"),
        *(b"\xff\xfe", b"[" * 100_000),
    ],
)
def test_a_file_that_is_no_scheduler_s(tmp_path: Path, content: bytes) -> None:
    pytest.importorskip("distributed")
    file = tmp_path / "scheduler.json"
    file.write_bytes(content)
    with pytest.raises(BenchError, match="not the file of a scheduler") as caught:
        Workers(backend="dask", scheduler=str(file))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("address", ["tcp://host:8786", "host:8786", "tcp://[::1]:8786"])
def test_where_a_scheduler_may_be(tmp_path: Path, address: str) -> None:
    file = tmp_path / "scheduler.json"
    file.write_text(json.dumps({"address": address}))
    assert scheduler_address(address) == scheduler_address(str(file)) == address


@pytest.mark.parametrize("scheduler", ["bad://localhost:1", "tls://localhost:1"])
def test_an_address_that_dask_does_not_take(
    tune: Tune, tmp_path: Path, capsys: pytest.CaptureFixture[str], scheduler: str
) -> None:
    pytest.importorskip("distributed")
    assert tune("results", "--backend", "dask", "--scheduler", scheduler) == 2
    err = capsys.readouterr().err
    assert f"error: no Dask scheduler answers at {scheduler} (" in err
    assert err.count("\n") == 1


def test_dask_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "find_spec", lambda name: None)
    with pytest.raises(BenchError, match=r"`pip install 'dvbpr-bench\[dask\]'` installs it"):
        Workers(backend="dask", scheduler="tcp://localhost:8786")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"jobs": 0}, "--jobs must be at least 1"),
        ({"scheduler": "tcp://x:1"}, "add --backend dask"),
        ({"backend": "dask"}, "say where the scheduler is"),
        (
            {"backend": "dask", "scheduler": "x:1", "jobs": 2},
            "uses all of its workers: leave it out",
        ),
    ],
)
def test_workers_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        Workers(**options)


@pytest.mark.parametrize(
    ("jobs", "device", "n_gpus", "message"),
    [
        (3, "cuda", 2, "--jobs 3: a trial takes a GPU of its own, and --device cuda has 2"),
        (3, "auto", 2, "--device auto has 2; give --jobs 2 or --device cpu"),
        (2, "cuda:1", 2, "--device cuda:1 has 1"),
        (2, "cuda", 2, None),
        (1, "cuda:1", 2, None),
        (None, "cuda", 1, None),
        (9, "cpu", 2, None),
        (9, "auto", 0, None),
    ],
)
def test_there_are_no_more_jobs_than_gpus(
    monkeypatch: pytest.MonkeyPatch, jobs: int | None, device: str, n_gpus: int, message: str | None
) -> None:
    import torch

    monkeypatch.delenv("LOCAL_RANK", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: n_gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: n_gpus)
    if message is None:
        Workers(jobs=jobs).check_device(device)
    else:
        with pytest.raises(BenchError, match=message):
            Workers(jobs=jobs).check_device(device)
