"""AUC as section IV-A defines it, per user and as a mean, over all or only cold test items."""

from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import NO_ITEM
from bench.evaluation.counts import RankCounts

__all__ = ["TIES", "Ties", "UserMean", "auc_per_user", "cold_users", "mean_auc", "mean_over_users"]

Ties = Literal["strict", "half"]
"""What a negative that scores the same as the held-out item counts.

`strict`: the paper's definition, the tie goes against the held-out item. `half`: half a negative,
which is the expectation when ties are broken at random. Never by item number: in the published
archives it correlates with popularity.
"""

TIES: tuple[Ties, ...] = ("strict", "half")


class UserMean(NamedTuple):
    """A mean over users and how many users it rests on.

    Attributes
    ----------
    mean
        NaN if there are no such users.
    n_users
        How many.
    """

    mean: float
    n_users: int


def auc_per_user(counts: RankCounts, ties: Ties) -> npt.NDArray[np.float64]:
    """Give each user's share of negatives that score lower than the held-out item.

    Parameters
    ----------
    counts
        Where the held-out items stand.
    ties
        "strict" or "half".

    Returns
    -------
    float64 (n_users,) in 0..1; NaN for a user without a held-out item or without negatives.

    Notes
    -----
    Source: section IV-A (the AUC's inner mean).
    """
    credit = {"strict": 0.0, "half": 0.5}[ties]
    values = np.full(len(counts.n_negatives), np.nan)
    n_below = counts.n_less + credit * counts.n_equal
    np.divide(n_below, counts.n_negatives, out=values, where=counts.present)
    return values


def mean_auc(
    counts: RankCounts, ties: Ties, users: npt.NDArray[np.bool_] | None = None
) -> UserMean:
    """Give the AUC: the mean of `auc_per_user` over all users that have one, or those in `users`.

    Parameters
    ----------
    counts
        Where the held-out items stand.
    ties
        "strict" or "half".
    users
        bool (n_users,): restrict the mean, for example to `cold_users`.
    """
    return mean_over_users(auc_per_user(counts, ties), users)


def mean_over_users(
    values: npt.NDArray[np.float64], users: npt.NDArray[np.bool_] | None = None
) -> UserMean:
    """Average a per-user metric; users whose value is NaN are left out.

    Parameters
    ----------
    values
        float64 (n_users,).
    users
        bool (n_users,): which users to take, all by default.
    """
    chosen = ~np.isnan(values) if users is None else users & ~np.isnan(values)
    n_users = int(chosen.sum())
    return UserMean(float(values[chosen].mean()) if n_users else float("nan"), n_users)


def cold_users(
    test: npt.NDArray[np.integer[Any]],
    train_item_counts: npt.NDArray[np.integer[Any]],
    threshold: int = 5,
) -> npt.NDArray[np.bool_]:
    """Say which users' test item is cold: has fewer than `threshold` training interactions.

    Only the test item is restricted; what it is compared with stays the whole catalogue.

    Parameters
    ----------
    test
        int (n_users,), `NO_ITEM` where a user has no test item; those are not cold.
    train_item_counts
        int (n_items,): training interactions per item.
    threshold
        5 in the paper: "fewer than 5" excludes an item with exactly 5.

    Returns
    -------
    bool (n_users,).

    Notes
    -----
    Source: section IV-A (cold start).
    """
    present = test != NO_ITEM
    cold = np.zeros(len(test), dtype=np.bool_)
    cold[present] = train_item_counts[test[present]] < threshold
    return cold
