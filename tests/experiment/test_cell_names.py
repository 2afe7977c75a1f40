"""Cells by name: all forms, and what a mistake is answered."""

import logging

import pytest
from stored_cells import add_cell

from bench.errors import BenchError
from bench.experiment.cell_names import find_cell
from bench.experiment.store import ResultStore


@pytest.fixture
def store(tmp_path):  # type: ignore[no-untyped-def]
    store = ResultStore(tmp_path / "results")
    add_cell(store, "vbpr", seed=0)
    add_cell(store, "vbpr", seed=1)
    add_cell(store, "poprank")
    add_cell(store, "warp", None, error="out of memory")
    return store


def test_all_forms_name_the_same_cell(store: ResultStore) -> None:
    cell = find_cell(store, "clothing/vbpr/1")
    assert (cell.record.key.recommender, cell.record.key.seed) == ("vbpr", 1)
    folder = cell.folder
    for name in (
        "clothing/vbpr/seed1",
        f"clothing/vbpr/{folder.name}",
        f"clothing/vbpr/{folder.name}/",
        folder.name,
        str(folder),
        f"results/runs/clothing/vbpr/{folder.name}",
    ):
        assert find_cell(store, name).folder == folder


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("clothng/vbpr/0", "unknown data set with results 'clothng': did you mean 'clothing'"),
        ("clothing/vbrp/0", "recommender with results on clothing 'vbrp': did you mean 'vbpr'"),
        ("clothing/vbpr/7", r"seed or folder of clothing/vbpr '7': .*0, 1, seed0-"),
        ("seed0-0000000000000000", "unknown cell 'seed0-0000000000000000'"),
        ("vbpr", "names no cell: write DATASET/RECOMMENDER/SEED"),
        ("", "names no cell"),
        ("a/b/c/d", "names no cell"),
        ("clothing/warp/0", r"this cell failed \(out of memory\); `bench run .* --seed 0`"),
    ],
)
def test_mistakes_are_answered(store: ResultStore, name: str, message: str) -> None:
    with pytest.raises(BenchError, match=message):
        find_cell(store, name)


def test_no_results_at_all(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(BenchError, match=r"no results under .*run `bench run` first"):
        find_cell(ResultStore(tmp_path), "clothing/vbpr/0")


def test_of_several_configurations_the_newest(
    store: ResultStore, caplog: pytest.LogCaptureFixture
) -> None:
    add_cell(store, "vbpr", params={"factors": 3}, made="2030-01-01")
    add_cell(store, "vbpr", params={"factors": 4}, made="2029-01-01")
    with caplog.at_level(logging.WARNING):
        cell = find_cell(store, "clothing/vbpr/0")
    assert cell.record.key.params == {"factors": 3}
    assert "several configurations fit" in caplog.text


def test_exact_cells_come_before_sampled_ones(
    store: ResultStore, caplog: pytest.LogCaptureFixture
) -> None:
    exact = find_cell(store, "clothing/vbpr/1")
    late = add_cell(store, "vbpr", seed=1, sampled=100, made="2030-01-01")
    later = add_cell(store, "vbpr", seed=1, sampled=50, made="2031-01-01")
    with caplog.at_level(logging.WARNING):
        assert find_cell(store, "clothing/vbpr/1").folder == exact.folder
    assert f"{late.folder.name} (100 SAMPLED items)" in caplog.text
    assert find_cell(store, later.folder.name).folder == later.folder
    assert (
        find_cell(store, "clothing/vbpr/1", choose=lambda _: [late, later]).folder == later.folder
    )
