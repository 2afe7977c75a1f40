"""Searches that are killed, and two at once on one results folder: same trials, same winner."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from forks import Forks, forks
from graded_plugin import PLUGIN, numbers, winners

N_KILLS = 6


@pytest.fixture(scope="module")
def bench() -> Iterator[Forks]:
    with forks() as running:
        yield running


@pytest.fixture
def call(tmp_path: Path, toy_data_dir: Path) -> list[object]:
    """A search of six trials, each of which takes a moment."""
    plugin = tmp_path / "graded_model.py"
    start = "def _misbehave(self):"
    plugin.write_text(PLUGIN.replace(start, f"{start}\n        time.sleep(0.1)"))
    words = ["tune", "--dataset", "toy", "--data", toy_data_dir, "--device", "cpu"]
    return [*words, "--plugin", plugin, "--recommenders", "graded"]


def begun(folder: Path) -> list[tuple[str, int]]:
    """List what was fitted, and in which process."""
    lines = (folder / "fits.txt").read_text().splitlines()
    return [(line.rpartition(" ")[0], int(line.rpartition(" ")[2])) for line in lines]


def test_a_killed_search_ends_with_the_trials_and_the_winner_of_an_undisturbed_one(
    bench: Forks, call: list[object], tmp_path: Path
) -> None:
    output = tmp_path / "tune.txt"
    undisturbed = tmp_path / "undisturbed"
    seconds = 0.0
    for force in ((), ("--force",)):  # the first one fills the caches
        started = time.monotonic()
        assert bench.run([*call, "--results", undisturbed, *force], output) == 0
        seconds = time.monotonic() - started
    expected, won = numbers(undisturbed), winners(undisturbed)
    assert len(expected) == 6

    rng = random.Random(6)
    kills = ends = midway = 0
    results = tmp_path / "killed-0"
    while kills < N_KILLS:
        assert ends < 10 * N_KILLS
        pid = bench.start([*call, "--results", results], output)
        code = bench.wait(pid, rng.uniform(0, seconds))
        if code is None:
            os.kill(pid, signal.SIGKILL)
            code = bench.wait(pid)
        if code == -signal.SIGKILL:
            kills += 1
            midway += 0 < len(numbers(results)) < 6
            continue
        assert code == 0
        assert (numbers(results), winners(results)) == (expected, won)
        ends += 1
        results = tmp_path / f"killed-{ends}"
    assert bench.run([*call, "--results", results], output) == 0
    assert (numbers(results), winners(results)) == (expected, won)
    for folder in tmp_path.glob("killed-*"):
        assert not list(folder.rglob(".tmp-*"))
        assert not list(folder.glob("unfinished/*"))
    assert midway, "no kill fell into a search"


@pytest.mark.parametrize("more", [(), ("--search", "halving", "--jobs", "2")])
def test_two_searches_at_once_share_the_trials(
    bench: Forks, call: list[object], tmp_path: Path, more: tuple[str, ...]
) -> None:
    words = [*call, "--results", tmp_path / "results", *more]
    outputs = [tmp_path / "one.txt", tmp_path / "other.txt"]
    pids = [bench.start(words, output) for output in outputs]
    codes = [bench.wait(pid) for pid in pids]
    assert codes == [0, 0], [output.with_suffix(".err").read_text() for output in outputs]
    fitted = begun(tmp_path)
    assert len(fitted) == (8 if more else 6)
    assert max(Counter(trial for trial, _ in fitted).values()) == (2 if more else 1)
    if not more:
        assert {pid for _, pid in fitted} == set(pids)  # they shared the work
    one, other = (output.read_text() for output in outputs)
    assert one == other  # seconds included: those of the trials that are stored
    assert "Won: quality=4.0" in one
    assert len(winners(tmp_path / "results")) == 1
    assert not list((tmp_path / "results" / "unfinished").iterdir())
