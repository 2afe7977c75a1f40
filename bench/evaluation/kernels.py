"""The two compiled loops of the evaluator; import this where they are used, Numba loads slowly."""

import numpy as np
import numpy.typing as npt

from bench.compiled import compiled as _compiled

__all__ = ["count_tile", "first_non_finite_row"]


# Numba adds int32 to int32 in 64 bits; only a return in 32 bits lets LLVM narrow the sums and so
# compare a whole vector of scores at a time, more than twice as fast.


@_compiled
def _count_one(row: npt.NDArray[np.float32], x: np.float32) -> tuple[np.int32, np.int32]:
    """Count scores less than x and equal to x."""
    less = 0
    equal = 0
    for c in range(len(row)):
        less += row[c] < x
        equal += row[c] == x
    return np.int32(less), np.int32(equal)


@_compiled
def _count_pair(
    row: npt.NDArray[np.float32], x: np.float32, y: np.float32
) -> tuple[np.int32, np.int32, np.int32, np.int32]:
    """Count scores less than x, equal to x, less than y and equal to y."""
    x_less = 0
    x_equal = 0
    y_less = 0
    y_equal = 0
    for c in range(len(row)):
        x_less += row[c] < x
        x_equal += row[c] == x
        y_less += row[c] < y
        y_equal += row[c] == y
    return np.int32(x_less), np.int32(x_equal), np.int32(y_less), np.int32(y_equal)


@_compiled
def count_tile(
    tile: npt.NDArray[np.float32],
    first_item: int,
    width: int,
    target_scores: npt.NDArray[np.float32],
    known_items: npt.NDArray[np.int32],
    known_place: npt.NDArray[np.int64],
    known_end: npt.NDArray[np.int64],
    n_less: npt.NDArray[np.int64],
    n_equal: npt.NDArray[np.int64],
) -> None:
    """Add to `n_less` and `n_equal` what one tile of scores says about every user's targets.

    A user's known items are counted like all others and then taken off again: both are whole
    numbers, so this is exact, and the loop over the tile stays free of branches.

    Parameters
    ----------
    tile
        float32 (B, at least `width`): scores of B users for `width` items in a row.
    first_item
        The item number of the first column.
    width
        How many columns are items; further ones are padding.
    target_scores
        float32 (n_kinds, B): what to compare with, NaN where a user has no such target.
    known_items
        int32: all users' known items, ascending per user.
    known_place, known_end
        int64 (B,): which of `known_items` are this user's and have not been seen yet; tiles must
        come in ascending order, and `known_place` moves on with them.
    n_less, n_equal
        int64 (n_kinds, B), added to.
    """
    n_kinds = target_scores.shape[0]
    for r in range(tile.shape[0]):
        row = tile[r, :width]
        kind = 0
        # Two targets share one pass: the loop is bound by reading the tile from cache.
        while kind + 1 < n_kinds:
            counts = _count_pair(row, target_scores[kind, r], target_scores[kind + 1, r])
            n_less[kind, r] += counts[0]
            n_equal[kind, r] += counts[1]
            n_less[kind + 1, r] += counts[2]
            n_equal[kind + 1, r] += counts[3]
            kind += 2
        if kind < n_kinds:
            less, equal = _count_one(row, target_scores[kind, r])
            n_less[kind, r] += less
            n_equal[kind, r] += equal

        place = known_place[r]
        while place < known_end[r] and known_items[place] < first_item + width:
            score = tile[r, known_items[place] - first_item]
            for kind in range(n_kinds):
                n_less[kind, r] -= score < target_scores[kind, r]
                n_equal[kind, r] -= score == target_scores[kind, r]
            place += 1
        known_place[r] = place


@_compiled
def _count_finite(row: npt.NDArray[np.float32]) -> np.int32:
    n_finite = 0
    for c in range(len(row)):
        n_finite += abs(row[c]) < np.inf
    return np.int32(n_finite)


@_compiled
def first_non_finite_row(scores: npt.NDArray[np.float32]) -> int:
    """Give the first row with a NaN or an infinity, -1 if there is none."""
    for r in range(scores.shape[0]):
        if _count_finite(scores[r]) < scores.shape[1]:
            return r
    return -1
