"""Two runs at once on one results folder: every cell is fitted once, both print the same tables."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from forks import Forks, forks

SMALL_DATA = """
from bench.datasets.synthetic import SyntheticFashion, SyntheticOptions

init = SyntheticFashion.__init__
small = SyntheticOptions(
    n_users=60, n_items=120, image_size=32, classifier_garments=100, classifier_epochs=1,
    n_workers=1,
)
SyntheticFashion.__init__ = lambda self: init(self, small)
"""

PLUGIN = """
import os, time
from pathlib import Path

from baselines.rand import Rand

class Slow(Rand):
    name = "slow"
    label = "Slow"
    source = "a test"

    def _fit(self, dataset, watch):
        super()._fit(dataset, watch)
        with Path(__file__).with_name("fits").open("a") as log:
            log.write(f"{self.name} {self.runtime.seed} {os.getpid()}\\n")
        time.sleep(0.4)

class Slower(Slow):
    name = "slower"
    label = "Slower"

    def _fit(self, dataset, watch):
        super()._fit(dataset, watch)
        hold = Path(__file__).with_name("hold")
        while hold.exists():
            time.sleep(0.01)
"""


@pytest.fixture(scope="module")
def bench() -> Iterator[Forks]:
    with forks(SMALL_DATA) as running:
        yield running


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    file = tmp_path / "slow.py"
    file.write_text(PLUGIN)
    return file


def words(plugin: Path, data_dir: Path, names: str, dataset: str = "toy") -> list[object]:
    call = ["run", "--no-generate", "--dataset", dataset, "--data", data_dir, "--threads", 1]
    call += ["--results", plugin.with_name("results"), "--device", "cpu", "--plugin", plugin]
    return [*call, "--recommenders", names, "--seed", 0, "--seed", 1]


def fits(plugin: Path) -> list[tuple[str, int]]:
    """List (recommender and seed, process) of every fit."""
    path = plugin.with_name("fits")
    lines = path.read_text().splitlines() if path.exists() else []
    return [(line.rpartition(" ")[0], int(line.rpartition(" ")[2])) for line in lines]


def test_each_cell_is_fitted_once_and_both_print_all(
    bench: Forks, plugin: Path, toy_data_dir: Path, tmp_path: Path
) -> None:
    call = words(plugin, toy_data_dir, "slow,slower,vbpr,poprank")
    outputs = [tmp_path / "one.txt", tmp_path / "other.txt"]
    pids = [bench.start([*call, "--set=vbpr.epochs=3"], output) for output in outputs]
    assert [bench.wait(pid) for pid in pids] == [0, 0]
    counts = Counter(cell for cell, _ in fits(plugin))
    assert counts == dict.fromkeys(("slow 0", "slow 1", "slower 0", "slower 1"), 1)
    assert {pid for _, pid in fits(plugin)} == set(pids)  # they shared the work
    one, other = (output.read_text() for output in outputs)
    assert one == other
    assert all(label in one for label in ("Slow", "Slower", "VBPR", "PopRank"))
    told = [output.with_suffix(".err").read_text() for output in outputs]
    made = [int(text.rpartition(" made, ")[0].rpartition("\n")[2]) for text in told]
    assert sum(made) == 8
    assert not list((tmp_path / "results" / "unfinished").iterdir())


def test_a_cell_whose_process_is_killed_is_taken_over(
    bench: Forks, plugin: Path, toy_data_dir: Path, tmp_path: Path
) -> None:
    hold = plugin.with_name("hold")
    hold.touch()
    call = words(plugin, toy_data_dir, "slower")[:-2]  # seed 0 alone
    first = bench.start(call, tmp_path / "one.txt")
    until(lambda: bool(fits(plugin)))
    second = bench.start(call, tmp_path / "other.txt")
    told = tmp_path / "other.err"
    until(lambda: told.exists() and "waiting: " in told.read_text())
    assert f"cannot run slower (seed 0): process {first} on " in told.read_text()
    os.kill(first, signal.SIGKILL)
    assert bench.wait(first) == -signal.SIGKILL
    hold.unlink()
    assert bench.wait(second) == 0
    assert fits(plugin) == [("slower 0", first), ("slower 0", second)]
    assert "Slower" in (tmp_path / "other.txt").read_text()


def test_a_data_set_that_both_need_is_drawn_once(
    bench: Forks, plugin: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    call = words(plugin, data, "poprank,rand", "synthetic_fashion")
    outputs = [tmp_path / "one.txt", tmp_path / "other.txt"]
    pids = [bench.start(call, output) for output in outputs]
    assert [bench.wait(pid) for pid in pids] == [0, 0], outputs[0].with_suffix(".err").read_text()
    told = "".join(output.with_suffix(".err").read_text() for output in outputs)
    assert told.count("preparing it") == 1
    assert "waiting: cannot prepare synthetic_fashion" in told
    assert outputs[0].read_text() == outputs[1].read_text()
    assert sorted(path.name for path in data.iterdir() if path.name != ".cache") == [
        "synthetic_fashion"
    ]


def until(there: Callable[[], bool], seconds: float = 240.0) -> None:
    deadline = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.01)
