"""The two compiled loops of the evaluator; import this where they are used, Numba loads slowly."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

__all__ = ["count_tile", "first_non_finite_row"]

Function = TypeVar("Function", bound=Callable[..., Any])


def _compiled(function: Function) -> Function:
    """Compile without the interpreter lock, cached on disk where a cache can be written."""
    try:
        compiled = numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # neither the package's folder nor the user's cache folder is writable
        compiled = numba.njit(nogil=True)(function)
    return cast(Function, compiled)


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
        kind = 0
        # Two targets share one pass: the loop is bound by reading the tile from cache.
        while kind + 1 < n_kinds:
            x = target_scores[kind, r]
            y = target_scores[kind + 1, r]
            x_less = 0
            x_equal = 0
            y_less = 0
            y_equal = 0
            for c in range(width):
                score = tile[r, c]
                x_less += score < x
                x_equal += score == x
                y_less += score < y
                y_equal += score == y
            n_less[kind, r] += x_less
            n_equal[kind, r] += x_equal
            n_less[kind + 1, r] += y_less
            n_equal[kind + 1, r] += y_equal
            kind += 2
        if kind < n_kinds:
            x = target_scores[kind, r]
            x_less = 0
            x_equal = 0
            for c in range(width):
                score = tile[r, c]
                x_less += score < x
                x_equal += score == x
            n_less[kind, r] += x_less
            n_equal[kind, r] += x_equal

        place = known_place[r]
        while place < known_end[r] and known_items[place] < first_item + width:
            score = tile[r, known_items[place] - first_item]
            for kind in range(n_kinds):
                n_less[kind, r] -= score < target_scores[kind, r]
                n_equal[kind, r] -= score == target_scores[kind, r]
            place += 1
        known_place[r] = place


@_compiled
def first_non_finite_row(scores: npt.NDArray[np.float32]) -> int:
    """Give the first row with a NaN or an infinity, -1 if there is none."""
    for r in range(scores.shape[0]):
        n_finite = 0
        for c in range(scores.shape[1]):
            n_finite += abs(scores[r, c]) < np.inf
        if n_finite < scores.shape[1]:
            return r
    return -1
