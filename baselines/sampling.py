"""Training triples (u, i, j) and uniform negatives, also for libraries that draw their own."""

from typing import Any

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import Interactions

__all__ = ["draw_negatives", "padding_items", "uniform_negative_padding"]

_BUDGET_PER_PAIR = 16
"""Padding entries per training pair or item; each costs a random draw, a hundredth of an update."""


def draw_negatives(
    train: Interactions,
    users: npt.NDArray[np.integer[Any]],
    generator: np.random.Generator,
) -> npt.NDArray[np.int32]:
    """Draw for each user one item uniformly from those outside the user's training items.

    Parameters
    ----------
    train
        The training interactions.
    users
        (n,) user numbers; a user who has every item gets any item, since there is no negative.
    generator
        Where the randomness comes from.

    Returns
    -------
    int32 (n,). Source: eq. 5, j in I without I_u+.
    """
    negatives = generator.integers(train.n_items, size=len(users), dtype=np.int32)
    full = np.diff(train.indptr)[users] >= train.n_items
    redraw = np.flatnonzero(train.contains(users, negatives) & ~full)
    while len(redraw):
        negatives[redraw] = generator.integers(train.n_items, size=len(redraw), dtype=np.int32)
        redraw = redraw[train.contains(users[redraw], negatives[redraw])]
    return negatives


def padding_items(train: Interactions) -> npt.NDArray[np.int32]:
    """List the items of the padding user of a library's BPR; see `uniform_negative_padding`."""
    budget = _BUDGET_PER_PAIR * max(train.n_pairs, train.n_items)
    return uniform_negative_padding(train.item_counts, budget=budget)


def uniform_negative_padding(
    item_counts: npt.NDArray[np.int64], *, budget: int
) -> npt.NDArray[np.int32]:
    """List the items that, added to the training pairs, even out how often each item occurs.

    LightFM's and implicit's BPR draw a negative as the item of a random training pair, so by
    popularity, and never draw an item without one; eq. 5 draws uniformly from the catalogue. With
    the pairs of one more user, who is never trained on, each item i occurs max(C, n_i + 1) times,
    and their draw is uniform over all items that have fewer than C users.

    Parameters
    ----------
    item_counts
        int64 (n_items,): training users per item.
    budget
        The most entries to add; one per item is the least, also above the budget. C is the largest
        level that keeps to it, and at most one more than the largest count (then the draw is
        exactly uniform).

    Returns
    -------
    int32 (n_added,): item numbers, ascending, each at least once.
    """
    highest = int(item_counts.max(initial=0)) + 1
    low, high = 1, highest
    while low < high:  # entries grow with the level: find the largest level within the budget
        level = (low + high + 1) // 2
        if int(np.maximum(level - item_counts, 1).sum()) <= budget:
            low = level
        else:
            high = level - 1
    copies = np.maximum(low - item_counts, 1)
    return np.repeat(np.arange(len(item_counts), dtype=np.int32), copies)
