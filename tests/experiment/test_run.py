"""A plan is run once: finished cells are skipped, failed ones tried again."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from models import Crashing, Scripted

from baselines.poprank import PopRank
from bench.datasets.dataset import Dataset
from bench.experiment.plan import Cell, RunOptions
from bench.experiment.run import RunSummary, dataset_facts, run_plan
from bench.experiment.store import ResultStore


def test_finished_cells_are_skipped_and_failed_ones_tried_again(
    toy_dataset: Dataset, make_cell: Callable[..., Cell], tmp_path: Path
) -> None:
    def run(options: RunOptions) -> RunSummary:
        cells = [make_cell(m, options=options) for m in (PopRank, Crashing, Scripted)]
        store = ResultStore(tmp_path)
        return run_plan(cells, toy_dataset, title="Toy", options=options, store=store)

    first = run(RunOptions())
    assert [c.record.status for c in first.made] == ["finished", "failed", "finished"]
    assert len(first.failed) == 1
    second = run(RunOptions())
    assert [c.record.key.recommender for c in second.skipped] == ["poprank", "scripted"]
    assert [c.record.key.recommender for c in second.made] == ["crashing"]
    forced = run(RunOptions(force=True))
    assert len(forced.made) == 3
    assert len(list(ResultStore(tmp_path).cells())) == 3


def test_the_oracle_is_as_good_as_its_utilities(toy_dataset: Dataset) -> None:
    oracle = dataset_facts(toy_dataset, RunOptions())["oracle_auc"]
    # Two thirds of the negatives at most lie outside the user's group, the rest tie.
    assert oracle["all"]["half"] > 0.8
    assert oracle["all"]["strict"] < oracle["all"]["half"]


def test_facts_of_a_data_set(toy_dataset: Dataset) -> None:
    facts = dataset_facts(toy_dataset, RunOptions())
    held_out = 2 * (toy_dataset.n_users - 1)
    assert facts["n_interactions"] == toy_dataset.training.train.n_pairs + held_out
    assert facts["n_categories"] == 3
    assert facts["features"] == "random features of the conformance kit"


@pytest.mark.parametrize("seed", [1, 2])
def test_validation_never_reads_the_test_items(
    toy_dataset: Dataset, make_cell: Callable[..., Cell], tmp_path: Path, seed: int
) -> None:
    """Other test items, same exclusions: the history of a fit may not change by which is which."""
    import dataclasses

    from bench.experiment.cell import run_cell

    # Swapping nothing but the identity of the test item within what is excluded anyway is
    # impossible (one test item per user), so the scores decide: the best epoch by validation must
    # be found even where test items say otherwise.
    options = RunOptions(threads=1, patience=0)
    rng = np.random.default_rng(seed)
    other = toy_dataset.test.copy()
    has = np.flatnonzero(other >= 0)
    for user in has:
        own_group = np.arange(toy_dataset.n_items) % 3 == user % 3
        free = np.setdiff1d(np.flatnonzero(~own_group), toy_dataset.known.of(user))
        other[user] = rng.choice(free)
    against = dataclasses.replace(toy_dataset, test=other)
    record = run_cell(
        make_cell(Scripted, options=options, seed=seed),
        against,
        title="Toy",
        facts={},
        options=options,
        store=ResultStore(tmp_path),
    ).record
    assert record.best_epoch == 3
    # Picked by validation although it is the worst epoch for these test items.
    assert record.metrics["auc_strict.all"] < 0.5


def test_force_begins_at_the_start_and_not_at_a_checkpoint(
    toy_dataset: Dataset, make_cell: Callable[..., Cell], tmp_path: Path
) -> None:
    options = RunOptions(force=True)
    cell = make_cell(Scripted, options=options)
    store = ResultStore(tmp_path)
    checkpoint = store.checkpoint_folder(cell.key) / "checkpoint.npz"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"of older code")
    run_plan([cell], toy_dataset, title="Toy", options=options, store=store)
    assert not checkpoint.exists()


def test_device_and_threads_are_part_of_what_a_cell_is() -> None:
    one, two = RunOptions(threads=1, device="cpu"), RunOptions(threads=2, device="cpu")
    assert one.protocol() != two.protocol()
    assert one.protocol() == RunOptions(threads=1, device="cpu", force=True).protocol()
    assert one.protocol()["device"] == "cpu"
