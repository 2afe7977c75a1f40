"""Compiled loops of training steps on a CPU; import this where it is used, Numba loads slowly."""

from functools import partial

import numpy as np
import numpy.typing as npt

from bench.compiled import compiled

__all__ = ["adagrad_rows", "row_differences"]

# NumPy's rule for a division by zero (infinity): Python's needs a branch for every element.
_compiled = partial(compiled, error_model="numpy")


@_compiled
def adagrad_rows(
    table: npt.NDArray[np.float32],
    sums: npt.NDArray[np.float32],
    rows: npt.NDArray[np.int64],
    gradient: npt.NDArray[np.float32],
    rate: np.float32,
) -> None:
    """Take Adagrad's step on some rows of a table; a row that occurs twice is moved twice.

    Parameters
    ----------
    table, sums
        float32 (n, K): parameters and their sums of squared gradients, both changed in place.
    rows
        int64 (B,): which rows.
    gradient
        float32 (B, K).
    rate
        The learning rate.
    """
    for b in range(len(rows)):
        total, slope = sums[rows[b]], gradient[b]
        for k in range(len(slope)):
            total[k] += slope[k] * slope[k]
    for b in range(len(rows)):
        row, total, slope = table[rows[b]], sums[rows[b]], gradient[b]
        for k in range(len(slope)):
            row[k] -= rate * slope[k] / np.sqrt(total[k])


@_compiled
def row_differences(
    table: npt.NDArray[np.float32],
    first: npt.NDArray[np.int64],
    second: npt.NDArray[np.int64],
    out: npt.NDArray[np.float32],
) -> None:
    """Write `table[first] - table[second]` into `out`, without a copy of either.

    Parameters
    ----------
    table
        float32 (n, d).
    first, second
        int64 (B,): rows of the table.
    out
        float32 (B, d).
    """
    for b in range(len(first)):
        one, two, difference = table[first[b]], table[second[b]], out[b]
        for k in range(len(difference)):
            difference[k] = one[k] - two[k]
