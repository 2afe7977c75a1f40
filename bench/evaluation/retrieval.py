"""delta(u, c) of eq. 8: the real items of a category that a user likes best by a model's score."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import NO_ITEM, Interactions
from bench.errors import BenchError
from bench.recommender import Factors

__all__ = ["Retrieved", "retrieve"]

_BLOCK_SCORES = 1 << 24
"""Scores in memory at once: 64 MB."""


@dataclass(frozen=True, kw_only=True)
class Retrieved:
    """The best items of each of q queries, a query being a user and a category.

    Attributes
    ----------
    items
        int64 (q, top), best first; `NO_ITEM` where the category has no further item.
    scores
        float32 (q, top): their preference (eq. 6); NaN where there is no item.
    """

    items: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]


def retrieve(
    factors: Factors,
    users: npt.NDArray[np.integer[Any]],
    categories: npt.NDArray[np.integer[Any]],
    item_categories: npt.NDArray[np.integer[Any]],
    *,
    top: int,
    left_out: Interactions | None = None,
) -> Retrieved:
    """Pick the `top` items with the highest scores within each query's category.

    The paper's X_c are all images of the category, so what the user has bought is among them.
    Equal scores stand in the order of their item numbers.

    Parameters
    ----------
    factors
        The model, whose score is a product.
    users, categories
        One query per row, (q,) each.
    item_categories
        (n_items,): the category of each item.
    top
        Items per query.
    left_out
        Items that are not retrieved for their own users, such as her training items; none by
        default, as in the paper.

    Raises
    ------
    BenchError
        Users, categories and factors that do not fit each other; a `top` below 1.
    """
    n_users, n_items = len(factors.user_factors), len(factors.item_factors)
    if top < 1:
        raise BenchError(f"top must be at least 1, got {top}")
    if users.ndim != 1 or users.shape != categories.shape:
        raise BenchError(f"{users.shape} users do not pair with {categories.shape} categories")
    if len(users) and not 0 <= int(users.min()) <= int(users.max()) < n_users:
        raise BenchError(f"users must be row numbers below {n_users}")
    if item_categories.shape != (n_items,):
        raise BenchError(f"{item_categories.shape} categories do not pair with {n_items} items")
    items = np.full((len(users), top), NO_ITEM, dtype=np.int64)
    scores = np.full((len(users), top), np.nan, dtype=np.float32)
    for category in np.unique(categories):
        members = np.flatnonzero(item_categories == category)
        queries = np.flatnonzero(categories == category)
        if not len(members):
            continue
        rows = max(1, _BLOCK_SCORES // len(members))
        for block in np.split(queries, range(rows, len(queries), rows)):
            theta = factors.user_factors[users[block]]
            found = theta @ factors.item_factors[members].T + factors.item_bias[members]
            for query, row in zip(block, found, strict=True):
                allowed = members
                if left_out is not None:
                    free = ~np.isin(members, left_out.of(int(users[query])))
                    allowed, row = members[free], row[free]
                best = _best(row, top)
                items[query, : len(best)] = allowed[best]
                scores[query, : len(best)] = row[best]
    return Retrieved(items=items, scores=scores)


def _best(scores: npt.NDArray[np.float32], top: int) -> npt.NDArray[np.intp]:
    """Give the places of the highest scores, best first, equal ones in the order of places."""
    if top >= len(scores):
        return np.argsort(-scores, kind="stable")
    # All that may be among them, in the order of places: more than `top` where the last is tied.
    least = np.partition(scores, len(scores) - top)[len(scores) - top]
    candidates = np.flatnonzero(scores >= least)
    return candidates[np.argsort(-scores[candidates], kind="stable")][:top]
