"""Cells on disk: written whole, found by key, damaged ones reported."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from stored_cells import add_cell

from bench.errors import BenchError
from bench.experiment.store import ResultStore, key_hash


def test_a_cell_is_found_by_its_key_only(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    stored = add_cell(store, "vbpr", (1, 2, 3, 4))
    key = stored.record.key
    found = store.find(key)
    assert found is not None
    assert found.record == stored.record
    assert np.array_equal(found.per_user().n_less, [1, 2, 3, 4])
    for change in (
        {"seed": key.seed + 1},
        {"data_hash": "other"},
        {"split_hash": "other"},
        {"recommender_version": "other"},
        {"deterministic": not key.deterministic},
        {"params": {"factors": 99}},
        {"protocol": {"sampled": 100}},
    ):
        assert store.find(dataclasses.replace(key, **change)) is None


def test_the_hash_does_not_depend_on_the_order_of_parameters(tmp_path: Path) -> None:
    key = add_cell(ResultStore(tmp_path), "vbpr").record.key
    one = dataclasses.replace(key, params={"a": 1, "b": 2})
    other = dataclasses.replace(key, params={"b": 2, "a": 1})
    assert key_hash(one) == key_hash(other)


def test_a_damaged_cell_is_skipped_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = ResultStore(tmp_path)
    add_cell(store, "rand")
    broken = add_cell(store, "vbpr").folder / "result.json"
    broken.write_text("{")
    assert [cell.record.key.recommender for cell in store.cells()] == ["rand"]
    assert str(broken) in caplog.text


@pytest.mark.parametrize(
    ("change", "message"),
    [({"schema_version": 99}, "schema version 99"), ({"surprise": 1}, "not a result record")],
)
def test_a_record_of_another_kind_is_refused(
    tmp_path: Path, change: dict[str, int], message: str
) -> None:
    store = ResultStore(tmp_path)
    stored = add_cell(store, "rand")
    path = stored.folder / "result.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BenchError, match=message):
        store.find(stored.record.key)


def test_missing_counts_say_how_to_get_them_back(tmp_path: Path) -> None:
    stored = add_cell(ResultStore(tmp_path), "rand")
    (stored.folder / "per_user.parquet").unlink()
    with pytest.raises(BenchError, match="bench run --force"):
        stored.per_user()
