"""Training pairs and uniform negatives, drawn alike for every pairwise model."""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import Interactions

__all__ = ["PairSampling", "draw_negatives", "draw_pairs"]

PairSampling = Literal["pairs", "users"]
"""How an epoch's (user, positive) pairs are drawn; see `draw_pairs`."""


def draw_pairs(
    train: Interactions, sampling: PairSampling, generator: np.random.Generator
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Draw the (user, positive) pairs of an epoch: as many as there are training pairs.

    Parameters
    ----------
    train
        The training interactions.
    sampling
        "pairs": each training pair once, in random order; "users": a uniform user among those with
        training items, then one of her items uniformly.
    generator
        Where the randomness comes from.

    Returns
    -------
    users, items
        int32 (n_pairs,) each.
    """
    if sampling == "pairs":
        order = generator.permutation(train.n_pairs)
        return train.users[order], train.indices[order]
    active = np.flatnonzero(np.diff(train.indptr))
    if not len(active):
        return np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int32)
    users = active[generator.integers(len(active), size=train.n_pairs)].astype(np.int32)
    first, last = train.indptr[users], train.indptr[users + 1]
    return users, train.indices[generator.integers(first, last)]


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
