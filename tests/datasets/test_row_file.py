from pathlib import Path

import numpy as np
import pytest

from bench.datasets import row_file
from bench.datasets.feature_file import open_features
from bench.datasets.row_file import RowFile, select_rows


@pytest.mark.parametrize("dtype", ["<f2", "<f4"])
def test_rows_in_any_order_and_zeros_elsewhere(tmp_path: Path, dtype: str) -> None:
    path = tmp_path / "m.npy"
    with path.open("wb", buffering=0) as handle:
        rows = RowFile(handle, path, (5, 2), np.dtype(dtype))
        rows.write(np.array([3, 0]), np.array([[1, 2], [3, 4]], dtype))
        rows.write(np.array([2]), np.array([[5, 6], [7, 8]], dtype).T[:1])  # not contiguous
    matrix = open_features(path)
    assert matrix.dtype == np.dtype(dtype)
    assert matrix.tolist() == [[3, 4], [0, 0], [5, 7], [1, 2], [0, 0]]


def test_selecting_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = np.arange(60, dtype=np.float16).reshape(20, 3)
    np.save(tmp_path / "a.npy", matrix)
    rows = np.array([0, 3, 4, 11, 19])
    monkeypatch.setattr(row_file, "_BLOCK_BYTES", 12)  # two rows at a time
    select_rows(tmp_path / "a.npy", rows, tmp_path / "b.npy")
    selected = open_features(tmp_path / "b.npy")
    assert selected.dtype == np.float16
    assert np.array_equal(selected, matrix[rows])
