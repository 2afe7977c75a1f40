"""A plan is run once: finished cells are skipped, failed ones tried again."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from models import Crashing, Scripted

from baselines.poprank import PopRank
from bench.datasets.dataset import NO_ITEM, Dataset, Interactions
from bench.errors import BenchError
from bench.experiment.plan import Cell, RunOptions
from bench.experiment.run import RunSummary, check_evaluable, dataset_facts, run_plan
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


def full_catalogue(toy_dataset: Dataset, users: range) -> Dataset:
    """The toy data with everything sold to `users`."""
    import dataclasses

    train = toy_dataset.training.train
    owners, items = np.repeat(users, train.n_items), np.tile(np.arange(train.n_items), len(users))
    held_out = np.stack([toy_dataset.validation, toy_dataset.test])[:, owners]
    free = (items != held_out).all(axis=0)
    more = Interactions.from_pairs(
        np.concatenate([train.users, owners[free]]),
        np.concatenate([train.indices, items[free]]),
        n_users=train.n_users,
        n_items=train.n_items,
    )
    training = dataclasses.replace(toy_dataset.training, train=more)
    return dataclasses.replace(toy_dataset, training=training)


def test_users_without_negatives_are_counted_and_left_out(
    toy_dataset: Dataset,
    make_cell: Callable[..., Cell],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    dataset = full_catalogue(toy_dataset, range(3))
    check_evaluable(dataset)
    assert "toy: 3 of 39 users own the whole catalogue" in caplog.text
    options = RunOptions()
    assert dataset_facts(dataset, options)["n_users_without_negatives"] == 3
    store = ResultStore(tmp_path)
    cells = [make_cell(PopRank, options=options)]
    (cell,) = run_plan(cells, dataset, title="Toy", options=options, store=store).made
    assert cell.record.n_users["all"] == 36
    assert cell.per_user().user.min() == 3
    caplog.clear()
    check_evaluable(toy_dataset)
    assert not caplog.text


def test_nobody_left_to_evaluate_is_an_error(toy_dataset: Dataset) -> None:
    import dataclasses

    everything = full_catalogue(toy_dataset, range(toy_dataset.n_users - 1))
    with pytest.raises(BenchError, match="all 39 users with a test item own the whole catalogue"):
        check_evaluable(everything)
    nothing = dataclasses.replace(toy_dataset, test=np.full_like(toy_dataset.test, NO_ITEM))
    with pytest.raises(BenchError, match="has no test items"):
        check_evaluable(nothing)


def test_no_more_items_are_sampled_than_there_are(toy_dataset: Dataset) -> None:
    check_evaluable(toy_dataset, sampled=toy_dataset.n_items)
    with pytest.raises(BenchError, match=r"--sampled 10\d*: toy has \d+ items"):
        check_evaluable(toy_dataset, sampled=10**6)


def test_users_with_repeats_are_left_out_of_validation_and_test_alone(
    toy_dataset: Dataset, make_cell: Callable[..., Cell], tmp_path: Path
) -> None:
    train = toy_dataset.training.train
    test = toy_dataset.test.copy()
    test[3] = train.of(3)[0]
    dataset = dataclasses.replace(toy_dataset, test=test)
    records = {}
    for drop in (False, True):
        options = RunOptions(drop_repeats=drop)
        cell = make_cell(PopRank, options=options)
        summary = run_plan(
            [cell], dataset, title="Toy", options=options, store=ResultStore(tmp_path)
        )
        records[drop] = summary.made[0]
    assert records[False].folder != records[True].folder
    users = {drop: stored.per_user().user.tolist() for drop, stored in records.items()}
    assert set(users[False]) - set(users[True]) == {3}
    assert records[True].record.n_users["all"] == records[False].record.n_users["all"] - 1
    for drop, stored in records.items():
        facts = stored.record.dataset_facts
        assert facts["n_repeats"] == 1
        assert facts["n_interactions"] == dataset.n_interactions
        assert stored.record.key.protocol["drop_repeats"] is drop
    # The oracle meets the same users.
    oracle = [stored.record.dataset_facts["oracle_auc"]["all"] for stored in records.values()]
    assert oracle[0] != oracle[1]
