"""Searches on the toy data set: what is stored, what is run again, what wins."""

import dataclasses
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graded_plugin import fits, stored_trials, write_plugin

from bench.datasets.dataset import Dataset
from bench.datasets.store import open_dataset
from bench.errors import BenchError
from bench.experiment.plan import RunOptions
from bench.experiment.tuning.batch import TrialRunner
from bench.experiment.tuning.grid import grid_points
from bench.experiment.tuning.search import SearchOptions
from bench.experiment.tuning.store import TuningStore
from bench.experiment.tuning.tune import Search, SearchResult, Tuner, check_tunable
from bench.experiment.tuning.workers import Pool, Workers
from bench.registry import Registry

Searching = Callable[..., SearchResult]


@pytest.fixture
def pool() -> Iterator[Pool]:
    with Workers().open(threads=1) as opened:
        yield opened


@pytest.fixture
def dataset(toy_data_dir: Path) -> Dataset:
    return open_dataset(toy_data_dir / "toy")


@pytest.fixture
def store(tmp_path: Path) -> TuningStore:
    return TuningStore(tmp_path / "results")


@pytest.fixture
def searching(
    dataset: Dataset, toy_data_dir: Path, tmp_path: Path, pool: Pool, store: TuningStore
) -> Searching:
    plugin = write_plugin(tmp_path)
    graded = Registry((plugin,)).recommender("graded")

    def search(
        *grids: dict[str, tuple[object, ...]],
        pinned: dict[str, str] | None = None,
        run: dict[str, Any] | None = None,
        **options: Any,
    ) -> SearchResult:
        how = {"device": "cpu", "threads": 1, "patience": 0, **(run or {})}
        tuner = Tuner(
            dataset=dataset,
            folder=toy_data_dir / "toy",
            title="Toy",
            plugins=(plugin,),
            run=RunOptions(**how),
            store=store,
            runner=TrialRunner(store, force=bool(how.get("force"))),
        )
        searched = SearchOptions(**options)
        points = grid_points(graded, pinned=pinned or {}, own=grids or None, options=searched)
        wanted = Search(
            recommender=graded,
            points=points,
            grids=grids or (graded.grid,),
            pinned=pinned or {},
            grid=None,
            options=searched,
        )
        return tuner.search(wanted, pool)

    return search


def test_a_search_tries_all_keeps_all_and_names_the_best(
    searching: Searching, store: TuningStore, tmp_path: Path
) -> None:
    result = searching()
    record = result.record
    assert result.well
    assert len(fits(tmp_path)) == record.n_trials == record.n_points == 6
    aucs = [trial["validation_auc"] for trial in record.ranking]
    assert aucs == sorted(aucs, reverse=True)
    assert record.winner == record.ranking[0]["values"]
    assert record.winner["quality"] == result.params.quality == 4.0
    stored = {trial.key.params["quality"]: trial for trial in stored_trials(store.root)}
    assert set(stored) == {0.1, 1.0, 4.0}
    assert record.seconds == pytest.approx(
        sum(trial.seconds for trial in stored_trials(store.root))
    )
    (file,) = (tmp_path / "results" / "tuning" / "toy" / "graded").glob("search-*.json")
    told = json.loads(file.read_text())
    assert told["winner"] == record.winner
    assert [trial["validation_auc"] for trial in told["ranking"]] == aucs
    assert told["key"]["search"] == "grid"
    assert told["n_trials"] == 6
    for trial in told["ranking"]:
        assert (file.parent / trial["trial"] / "trial.json").is_file()


def test_stored_trials_are_shared_and_made_once(searching: Searching, tmp_path: Path) -> None:
    first, again = (searching({"quality": (1.0, 4.0)}).record for _ in range(2))
    assert again.ranking == first.ranking
    assert len(fits(tmp_path)) == 2
    searching({"quality": (4.0, 2.0)})  # noise is 0 by default in both
    assert fits(tmp_path)[2:] == ["2.0 0"]
    searching({"quality": (4.0,)}, run={"force": True})
    assert fits(tmp_path)[3:] == ["4.0 0"]
    searching({"quality": (4.0,)}, seed=1)
    searching({"quality": (4.0,)}, pinned={"epochs": "4"})
    searching({"quality": (4.0,)}, run={"threads": 2})
    assert fits(tmp_path)[4:] == ["4.0 0"] * 3
    searching({"quality": (4.0,)}, run={"sampled": 3})  # of no concern to a trial
    assert len(fits(tmp_path)) == 7


def test_a_search_that_was_cut_off_goes_on(
    searching: Searching, store: TuningStore, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        searching({"quality": (1.0, 4.0, 99.0, 2.0)})
    assert {trial.key.params["quality"] for trial in stored_trials(store.root)} == {1.0, 4.0}
    plugin = tmp_path / "graded_model.py"
    before = fits(tmp_path)
    assert plugin.is_file()
    result = searching({"quality": (1.0, 4.0, 2.0)})
    assert fits(tmp_path)[len(before) :] == ["2.0 0"]
    assert result.well
    assert not list((tmp_path / "results").rglob(".tmp*"))


def test_a_failed_trial_fails_alone_and_is_tried_again(
    searching: Searching, store: TuningStore, tmp_path: Path
) -> None:
    result = searching({"quality": (13.0, 77.0, 1.0)})
    assert not result.well
    assert result.record.winner == {"quality": 1.0}
    by_quality = {trial.key.params["quality"]: trial for trial in stored_trials(store.root)}
    assert [by_quality[q].status for q in (13.0, 77.0, 1.0)] == ["failed", "diverged", "finished"]
    assert by_quality[13.0].error == "RuntimeError: out of ideas"
    assert "training loss of epoch 1 is nan" in (by_quality[77.0].error or "")
    assert by_quality[77.0].validation_auc is None
    (trace,) = {store.folder(by_quality[13.0].key) / "error.txt"}
    assert "Traceback" in trace.read_text()
    assert [trial["status"] for trial in result.record.ranking] == [
        *("finished", "failed", "diverged"),
    ]
    searching({"quality": (13.0, 77.0, 1.0)})
    assert fits(tmp_path)[3:] == ["13.0 0"]


@pytest.mark.parametrize(("quality", "n_failed"), [(13.0, 1), (77.0, 0)])
def test_without_a_finished_trial_nothing_is_won(
    searching: Searching, quality: float, n_failed: int
) -> None:
    result = searching({"quality": (quality,)})
    assert (result.record.winner, result.record.validation_auc) == (None, None)
    assert (result.params, result.won, result.well) == (None, False, False)
    assert [trial["values"] for trial in result.record.ranking] == [{"quality": quality}]
    assert len(result.failed) == n_failed


def test_in_halving_the_next_point_takes_the_place_of_a_finalist_that_diverges(
    searching: Searching, store: TuningStore
) -> None:
    """Only in its last epochs, so that the stage before cannot know."""
    qualities = (0.1, 0.2, 0.3, 0.4, 66.0, 0.5, 0.6, 0.7, 4.0)
    result = searching({"quality": qualities, "noise": (1,)}, kind="halving")
    assert result.well
    assert result.record.winner == {"quality": 4.0, "noise": 1}
    whole = [t["values"]["quality"] for t in result.record.ranking if t["budget"] is None]
    assert whole == [4.0, 66.0]
    again = searching({"quality": qualities, "noise": (1,)}, kind="halving")
    assert again.record.ranking == result.record.ranking


def test_in_halving_points_of_earlier_stages_come_last(searching: Searching) -> None:
    qualities = (66.0, 66.5, 66.6, 0.1, 0.2, 4.0, 0.3, 0.4, 0.5)
    result = searching({"quality": qualities, "noise": (1,)}, kind="halving")
    assert result.record.winner == {"quality": 4.0, "noise": 1}
    whole = [t["values"]["quality"] for t in result.record.ranking if t["budget"] is None]
    assert sorted(whole) == [4.0, 66.0, 66.5, 66.6]


def test_the_record_names_the_grid_and_what_was_tried(searching: Searching) -> None:
    grid = {"quality": tuple(range(1, 101)), "noise": tuple(range(900))}
    record = searching(grid, kind="random", trials=2).record
    assert [dict(g) for g in record.key.grids] == [{name: list(v) for name, v in grid.items()}]
    assert len(record.key.points) == len(record.ranking) == 2
    assert len(json.dumps(record.to_json())) < 30_000


def test_successive_halving_ends_early_what_looks_bad(
    searching: Searching, store: TuningStore, tmp_path: Path
) -> None:
    grid = {"quality": (0.1, 0.2, 0.3, 0.4, 4.0, 0.5, 0.6, 0.7, 0.8), "noise": (1,)}
    record = searching(grid, kind="halving").record
    assert record.winner == {"quality": 4.0, "noise": 1}
    assert (record.n_points, record.n_trials) == (9, 13)
    budgets = [trial["budget"] for trial in record.ranking]
    assert budgets == [None] + [3] * 3 + [1] * 9
    assert [trial["epochs"] for trial in record.ranking] == [9] + [3] * 3 + [1] * 9
    best = sorted(trial["validation_auc"] for trial in record.ranking[4:])[-3:]
    kept = {trial["values"]["quality"] for trial in record.ranking[1:4]}
    first = {t["values"]["quality"]: t["validation_auc"] for t in record.ranking[4:]}
    assert sorted(first[quality] for quality in kept) == best
    # A whole fit is a grid search's trial, too.
    searching({"quality": (4.0,), "noise": (1,)})
    assert len(fits(tmp_path)) == 13


def test_random_search_is_a_part_of_the_grid(searching: Searching, tmp_path: Path) -> None:
    drawn = searching(kind="random", trials=3).record
    assert (drawn.n_points, len(fits(tmp_path))) == (3, 3)
    whole = searching().record
    assert len(fits(tmp_path)) == 6
    values = [trial["values"] for trial in whole.ranking]
    assert all(trial["values"] in values for trial in drawn.ranking)


def test_equal_trials_stand_in_the_order_of_the_grid(searching: Searching) -> None:
    record = searching({"quality": (0.0,), "epochs": (5, 3, 4)}).record
    assert len({trial["validation_auc"] for trial in record.ranking}) == 1
    assert record.winner == {"quality": 0.0, "epochs": 5}
    assert [trial["values"]["epochs"] for trial in record.ranking] == [5, 3, 4]


@pytest.mark.parametrize(
    "damage",
    [
        {"validation_auc": "0.9"},
        {"validation_auc": True},
        {"validation_auc": 1.5},
        {"validation_auc": None},
        {"status": "diverged"},
        {"status": "done"},
        {"epochs": "9"},
        {"best_epoch": 0},
        {"seconds": None},
        {"history": 3},
        {"history": [3]},
        {"provenance": []},
        {"error": 5},
        {"key": None},
        {"key": {}},
        {"schema_version": 9},
        None,
        {"key.seed": 1},
        {"key.params": {"quality": 2.0}},
    ],
)
def test_a_damaged_trial_is_made_anew(
    searching: Searching,
    store: TuningStore,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    damage: dict[str, Any] | None,
) -> None:
    searching({"quality": (1.0,)})
    (trial,) = stored_trials(store.root)
    path = store.folder(trial.key) / "trial.json"
    told = json.loads(path.read_text())
    for name, value in (damage or {}).items():
        *outer, inner = name.split(".")
        (told[outer[0]] if outer else told)[inner] = value
    path.write_text(json.dumps(told if damage else [told]))
    searching({"quality": (1.0,)})
    assert "made anew: " in caplog.text
    assert len(fits(tmp_path)) == 2


def test_a_data_set_without_validation_items_cannot_be_tuned_on(toy_dataset: Dataset) -> None:
    check_tunable(toy_dataset)
    without = np.full_like(toy_dataset.validation, -1)
    with pytest.raises(BenchError, match="toy has no validation items"):
        check_tunable(dataclasses.replace(toy_dataset, validation=without))


def test_a_trial_that_others_read_and_write_is_always_there(
    searching: Searching, store: TuningStore
) -> None:
    """As where two searches store one trial, or one makes it again with --force."""
    searching({"quality": (1.0,)})
    (trial,) = stored_trials(store.root)
    ended = threading.Event()
    missing: list[int] = []
    errors: list[Exception] = []

    def read() -> None:
        while not ended.is_set():
            if store.find(trial.key) != trial:
                missing.append(1)

    def write() -> None:
        try:
            for _ in range(100):
                store.write(trial)
        except Exception as error:
            errors.append(error)

    reader, *writers = (threading.Thread(target=f) for f in (read, write, write, write))
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    ended.set()
    reader.join()
    assert (errors, missing) == ([], [])


def test_a_trial_that_comes_off_at_last_leaves_no_traceback(
    searching: Searching, store: TuningStore
) -> None:
    searching({"quality": (13.0,)})
    (failed,) = stored_trials(store.root)
    assert [path.name for path in sorted(store.folder(failed.key).iterdir())] == [
        *("error.txt", "trial.json"),
    ]
    store.write(dataclasses.replace(failed, status="finished", validation_auc=0.5, error=None))
    assert [path.name for path in store.folder(failed.key).iterdir()] == ["trial.json"]


def test_what_another_process_has_in_hand_is_waited_for(
    searching: Searching, store: TuningStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    searching({"quality": (1.0, 2.0)})
    kept = {trial.key.params["quality"]: trial for trial in stored_trials(store.root)}
    shutil.rmtree(store.root / "tuning")
    (tmp_path / "fits.txt").unlink()

    def other() -> None:
        deadline = time.monotonic() + 60
        while not fits(tmp_path) and time.monotonic() < deadline:
            time.sleep(0.01)
        store.write(kept[1.0])
        claim.close()

    with ExitStack() as claim:
        claim.enter_context(store.claim(kept[1.0].key))
        thread = threading.Thread(target=other)
        thread.start()
        result = searching({"quality": (1.0, 2.0)})
        thread.join()
    assert result.well
    assert fits(tmp_path) == ["2.0 0"]
    assert caplog.text.count("left for later: cannot run a trial of graded (seed 0)") == 1
    assert not list((store.root / "unfinished").iterdir())
