"""Export and evaluation: the same numbers again, from ranks exactly, from factors closely."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from models import Scripted, ScriptParams
from stored_cells import add_cell

from bench.datasets.dataset import NO_ITEM, Dataset
from bench.errors import BenchError
from bench.evaluation.auc import auc_per_user
from bench.experiment.bundle import Bundle, read_bundle, write_bundle
from bench.experiment.cell import run_cell
from bench.experiment.export import (
    differences,
    evaluate,
    export_factors,
    export_ranks,
    ids_hash,
    paired_users,
)
from bench.experiment.plan import Cell, RunOptions
from bench.experiment.store import ResultStore, StoredCell
from bench.recommender import Factors

OPTIONS = RunOptions(device="cpu", threads=1)


@pytest.fixture
def cell(make_cell: Callable[..., Cell], toy_dataset: Dataset, tmp_path: Path) -> StoredCell:
    made = make_cell(Scripted, ScriptParams(epochs=3), options=OPTIONS)
    store = ResultStore(tmp_path)
    return run_cell(made, toy_dataset, title="Toy", facts={}, options=OPTIONS, store=store)


def toy_factors(dataset: Dataset, *, scale: float = 1.0) -> Factors:
    rng = np.random.default_rng(1)

    def draw(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        return (scale * rng.standard_normal(shape)).astype(np.float32)

    return Factors(draw(dataset.n_users, 6), draw(dataset.n_items, 6), draw(dataset.n_items))


def exported(cell: StoredCell, factors: Factors, dataset: Dataset) -> Bundle:
    return export_factors(cell, factors, dataset, device="cpu", threads=1)


def test_ranks_give_the_cells_own_numbers(cell: StoredCell, tmp_path: Path) -> None:
    bundle = export_ranks(cell)
    write_bundle(tmp_path / "a", bundle)
    again = read_bundle(tmp_path / "a")
    row = evaluate(again)
    assert row.metrics == pytest.approx(cell.record.metrics, abs=1e-15)
    assert set(row.metrics) == set(cell.record.metrics)
    assert row.n_users == cell.record.n_users
    said, key = again.manifest.key, cell.record.key
    assert (said.split_hash, said.seed, said.protocol) == (key.split_hash, key.seed, key.protocol)
    assert differences(again.manifest, row) == []


def test_ranks_name_no_items(cell: StoredCell) -> None:
    assert set(export_ranks(cell).arrays) == {
        "user", "test_item_count", "n_less", "n_equal", "n_negatives",
    }  # fmt: skip


def test_factors_give_nearly_the_same(
    cell: StoredCell, toy_dataset: Dataset, tmp_path: Path
) -> None:
    factors = toy_factors(toy_dataset)
    bundle = exported(cell, factors, toy_dataset)
    write_bundle(tmp_path / "a", bundle)
    again = read_bundle(tmp_path / "a")
    row = evaluate(again, toy_dataset)
    assert differences(again.manifest, row) == []
    # Before rounding: user by user, from the scores themselves.
    scores = factors.score(np.arange(toy_dataset.n_users))
    shares = []
    for user in np.flatnonzero(toy_dataset.test != NO_ITEM):
        free = np.setdiff1d(np.arange(toy_dataset.n_items), toy_dataset.known.of(int(user)))
        shares.append((scores[user, free] < scores[user, toy_dataset.test[user]]).mean())
    before = again.manifest.before_rounding
    assert before is not None
    assert before["auc_strict.all"] == pytest.approx(np.mean(shares))
    assert row.metrics["auc_strict.all"] == pytest.approx(np.mean(shares), abs=0.01)
    assert row.n_users["all"] == len(shares)


@pytest.mark.parametrize("scale", [1e-20, 1e-6, 1.0, 3e4, 1e15])
def test_half_precision_keeps_eleven_bits_at_any_scale(
    cell: StoredCell, toy_dataset: Dataset, scale: float
) -> None:
    """The range of half precision ends at 65,504 and at 6e-8; models do not know that."""
    bundle = exported(cell, toy_factors(toy_dataset, scale=scale), toy_dataset)
    stored = bundle.arrays["user_factors"].astype(np.float64)
    exponent = (bundle.manifest.scale_exponents or {})["user"]
    original = toy_factors(toy_dataset, scale=scale).user_factors
    np.testing.assert_allclose(stored * 2.0**-exponent, original, rtol=2**-11, atol=0)
    assert np.abs(stored).max() <= 2**15


def test_a_bias_stays_exact_so_popularity_does(cell: StoredCell, toy_dataset: Dataset) -> None:
    empty = np.zeros((toy_dataset.n_users, 0), np.float32), np.zeros((60, 0), np.float32)
    popularity = Factors(*empty, np.arange(100_000, 100_060, dtype=np.float32))
    bundle = exported(cell, popularity, toy_dataset)
    assert bundle.manifest.metrics == bundle.manifest.before_rounding


def test_other_data_is_refused(cell: StoredCell, toy_dataset: Dataset) -> None:
    bundle = exported(cell, toy_factors(toy_dataset), toy_dataset)
    with pytest.raises(BenchError, match="evaluated on their data set, toy"):
        evaluate(bundle)
    other = dataclasses.replace(toy_dataset, split_hash="e" * 64)
    with pytest.raises(BenchError, match=r"another split than toy has here: .*not eeeeeeeeeeee"):
        evaluate(bundle, other)
    renamed = dataclasses.replace(toy_dataset, item_ids=list(toy_dataset.item_ids)[::-1])
    with pytest.raises(BenchError, match="have other names here"):
        evaluate(bundle, renamed)
    # Other images or features change no rank.
    evaluate(bundle, dataclasses.replace(toy_dataset, data_hash="e" * 64))
    cut = dict(bundle.arrays, user_factors=bundle.arrays["user_factors"][1:])
    with pytest.raises(BenchError, match="39 users and 60 items, toy has 40 and 60"):
        evaluate(Bundle(bundle.manifest, cut), toy_dataset)


def test_ids_hash_tells_names_apart(toy_dataset: Dataset) -> None:
    first, *others = toy_dataset.user_ids
    moved = dataclasses.replace(
        toy_dataset, user_ids=[first[:-1], first[-1:] + others[0], *others[1:]]
    )
    assert ids_hash(moved) != ids_hash(toy_dataset)
    assert ids_hash(dataclasses.replace(toy_dataset)) == ids_hash(toy_dataset)


def test_sampled_cells_go_as_ranks_only(
    make_cell: Callable[..., Cell], toy_dataset: Dataset, tmp_path: Path
) -> None:
    options = dataclasses.replace(OPTIONS, sampled=20)
    made = make_cell(Scripted, ScriptParams(epochs=3), options=options)
    store = ResultStore(tmp_path)
    cell = run_cell(made, toy_dataset, title="Toy", facts={}, options=options, store=store)
    with pytest.raises(BenchError, match="ranked against 20 sampled items"):
        exported(cell, toy_factors(toy_dataset), toy_dataset)
    row = evaluate(export_ranks(cell))
    assert row.metrics == pytest.approx(cell.record.metrics, abs=1e-15)


def test_users_that_the_protocol_leaves_out_stay_out(
    make_cell: Callable[..., Cell], toy_dataset: Dataset, tmp_path: Path
) -> None:
    test = toy_dataset.test.copy()
    test[0] = toy_dataset.training.train.of(0)[0]  # repeats a training item
    repeating = dataclasses.replace(toy_dataset, test=test)
    options = dataclasses.replace(OPTIONS, drop_repeats=True)
    made = make_cell(Scripted, ScriptParams(epochs=3), options=options)
    store = ResultStore(tmp_path)
    dropped = options.evaluated(repeating)
    cell = run_cell(made, dropped, title="Toy", facts={}, options=options, store=store)
    bundle = exported(cell, toy_factors(toy_dataset), repeating)
    row = evaluate(bundle, dataclasses.replace(repeating))
    assert 0 not in row.user
    assert row.n_users == cell.record.n_users


def test_altered_numbers_in_the_manifest_are_named(tmp_path: Path) -> None:
    cell = add_cell(ResultStore(tmp_path), "poprank", [9, 8, 4, 1])
    bundle = export_ranks(cell)
    better = dict(bundle.manifest.metrics)
    better["auc_strict.all"] += 0.01
    del better["mrr_half.cold"]
    manifest = dataclasses.replace(bundle.manifest, metrics=better, n_users={"all": 7, "x": 1})
    assert differences(manifest, evaluate(bundle)) == [
        "auc_strict.all: 0.550000, not 0.560000",
        f"mrr_half.cold: {evaluate(bundle).metrics['mrr_half.cold']:.6f}, not none",
        "n_users.all: 4, not 7",
        "n_users.cold: 2, not none",
        "n_users.x: none, not 1",
    ]


def test_pairing_needs_the_same_users(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    one = evaluate(export_ranks(add_cell(store, "poprank")))
    same = evaluate(export_ranks(add_cell(store, "vbpr", [8] * 4)))
    other = evaluate(export_ranks(add_cell(store, "warp", users=(0, 1, 2, 5))))
    assert paired_users([one, same])
    assert not paired_users([one, other])
    assert auc_per_user(same.counts, "strict").tolist() == [0.8] * 4
