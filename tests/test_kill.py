"""Kill -9 at random moments and run again: the tables equal an undisturbed run's."""

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from forks import Forks, forks

from bench.experiment.store import read_json

N_KILLS = 20

SETTINGS = {
    "vbpr.epochs": 40,
    "vbpr.batch_size": 8,
    "fm.epochs": 40,
    "warp.epochs": 40,
    "bpr-mf.epochs": 40,
    "dvbpr.preset": "slim",
    "dvbpr.pixels": 16,
    "dvbpr.factors": 4,
    "dvbpr.epochs": 1,
    "dvbpr.precision": "float32",
}


@pytest.fixture(scope="module")
def bench() -> Iterator[Forks]:
    with forks() as running:
        yield running


def words(data_dir: Path, results: Path) -> list[object]:
    call = ["run", "--no-generate", "--dataset", "toy", "--data", data_dir, "--results", results]
    call += ["--device", "cpu", "--threads", 1, "--patience", 0, "--checkpoint-seconds", 0]
    return [*call, *(f"--set={name}={value}" for name, value in SETTINGS.items())]


def outcome(bench: Forks, results: Path) -> dict[str, bytes]:
    """Give the tables, and what of every cell does not depend on the clock."""
    found = {}
    for number, extra in (("2", ()), ("3", ("--ci",))):
        output = results.with_name("table.csv")
        call = ["table", number, "--format", "csv", "--results", results, *extra]
        assert bench.run(call, output) == 0
        found[f"table {number}"] = output.read_bytes()
    for path in results.glob("runs/*/*/*/result.json"):
        record = read_json(path)
        kept = (record["metrics"], record["best_epoch"], record["epochs"])
        name = path.parent.relative_to(results).as_posix()
        found[f"{name} metrics"] = repr(kept).encode()
        found[f"{name} counts"] = path.with_name("per_user.parquet").read_bytes()
        with np.load(path.with_name("state.npz"), allow_pickle=False) as state:
            for key, array in state.items():
                found[f"{name} {key}"] = array.tobytes()
    return found


def test_a_killed_run_ends_with_the_tables_of_an_undisturbed_one(
    bench: Forks, toy_data_dir: Path, tmp_path: Path
) -> None:
    """Twenty kills; whenever a run comes to its end between them, the next begins from nothing."""
    output = tmp_path / "run.txt"
    undisturbed = tmp_path / "undisturbed"
    assert bench.run(words(toy_data_dir, undisturbed), output) == 0
    started = time.monotonic()  # the first one filled the caches
    assert bench.run([*words(toy_data_dir, undisturbed), "--force"], output) == 0
    seconds = time.monotonic() - started
    expected = outcome(bench, undisturbed)
    assert len([name for name in expected if name.endswith("metrics")]) == 8

    rng = random.Random(4)
    kills = ends = resumed = midway = 0
    results = tmp_path / "killed-0"
    while kills < N_KILLS:
        assert ends < 10 * N_KILLS, f"{kills} kills: runs end before {seconds:.1f} s"
        pid = bench.start(words(toy_data_dir, results), output)
        code = bench.wait(pid, rng.uniform(0, seconds))
        if code is None:
            os.kill(pid, signal.SIGKILL)
            code = bench.wait(pid)
        resumed += "goes on after epoch" in output.with_suffix(".err").read_text()
        if code == -signal.SIGKILL:
            kills += 1
            midway += any(results.glob("unfinished/*/*"))
            continue
        assert code == 0
        assert outcome(bench, results) == expected
        ends += 1
        results = tmp_path / f"killed-{ends}"
    assert bench.run(words(toy_data_dir, results), output) == 0
    assert outcome(bench, results) == expected
    for folder in tmp_path.glob("killed-*"):
        assert not list(folder.rglob(".tmp-*"))
        assert not list(folder.glob("unfinished/*"))
    assert midway, "no kill fell into a fit"
    assert resumed, "no fit was resumed"
