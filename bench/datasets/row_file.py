"""Feature matrices that are put together row by row, in any order and in bounded memory."""

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from bench.errors import user_io_errors

__all__ = ["RowFile", "select_rows"]

_BLOCK_BYTES = 16 << 20


class RowFile:
    """An `.npy` matrix that is filled row by row in any order; rows never written are zero.

    Written to, not mapped: on a full disk a write is an error, a mapped page ends the process; and
    pages of a map count as memory.
    """

    def __init__(
        self, handle: BinaryIO, path: Path, shape: tuple[int, int], dtype: np.dtype[Any]
    ) -> None:
        self._handle = handle
        self.path = path
        self.shape = shape
        self.dtype = dtype
        self._row_bytes = shape[1] * dtype.itemsize
        with user_io_errors("write the features", path):
            np.lib.format.write_array_header_1_0(
                handle, {"descr": dtype.str, "fortran_order": False, "shape": shape}
            )
            self._start = handle.tell()
            handle.truncate(self._start + shape[0] * self._row_bytes)

    def write(self, places: npt.NDArray[np.int64], rows: npt.NDArray[Any]) -> None:
        """Write `rows`, (n, dims) of the stored dtype, to the rows numbered `places`."""
        with user_io_errors("write the features", self.path):
            for place, row in zip(places.tolist(), np.ascontiguousarray(rows), strict=True):
                self._handle.seek(self._start + place * self._row_bytes)
                content = row.data.cast("B")
                written = 0
                while written < len(content):  # an unbuffered write may be a partial one
                    written += self._handle.write(content[written:])


def select_rows(source: Path, rows: npt.NDArray[np.int64], target: Path) -> None:
    """Copy rows of one `.npy` matrix into another, a block at a time.

    Parameters
    ----------
    source, target
        `.npy` files.
    rows
        int64 (n,): row k of the target is row `rows[k]` of the source.
    """
    matrix = np.load(source, mmap_mode="r", allow_pickle=False)
    step = max(1, _BLOCK_BYTES // (matrix.shape[1] * matrix.itemsize))
    with user_io_errors("write the features", target), target.open("wb", buffering=0) as handle:
        out = RowFile(handle, target, (len(rows), matrix.shape[1]), matrix.dtype)
        for start in range(0, len(rows), step):
            out.write(np.arange(start, min(start + step, len(rows))), matrix[rows[start:][:step]])
