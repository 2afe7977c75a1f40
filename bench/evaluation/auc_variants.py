"""Other definitions of AUC than the paper's, as released code and libraries compute them.

All rest on the counts of `bench.evaluation.counts`; only the pooled AUC, which compares across
users, has a count of its own.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import Interactions
from bench.evaluation.auc import Ties, UserMean, auc_per_user
from bench.evaluation.counts import RankCounts, RankingTask, Score, score_batches

__all__ = ["auc_at_k", "count_pooled", "limited_auc", "mean_over_items", "micro_auc"]


def auc_at_k(counts: RankCounts, k: int, n_items: int) -> npt.NDArray[np.float64]:
    """Give the AUC of a ranking that is known down to rank k only, as implicit's `AUC_at_k` does.

    A held-out item within the first k earns its share of the catalogue below it; the rest of the
    ranking is taken to be in random order, so any other earns one half of what is left. Every
    other item of the catalogue counts as a negative, the user's own items too, although they are
    not ranked.

    Parameters
    ----------
    counts
        Where the held-out items stand among what is ranked; ties rank above them.
    k
        How far the ranking is looked at.
    n_items
        Size of the catalogue.

    Returns
    -------
    float64 (n_users,); NaN for a user without a held-out item or without negatives.

    Notes
    -----
    Source: benfred/implicit, implicit/evaluation.pyx (`ranking_metrics_at_k`), for one held-out
    item per user.
    """
    n_above, n_negatives = counts.n_greater + counts.n_equal, n_items - 1
    n_below = np.where(n_above < k, n_negatives - n_above, 0.5 * (n_negatives - k))
    return np.where(counts.present, n_below / max(n_negatives, 1), np.nan)


def limited_auc(counts: RankCounts, k: int) -> npt.NDArray[np.float64]:
    """Give the AUC of held-out items within the first k and nothing to others, as Elliot's LAUC.

    It has one negative too many: an item at the first place earns 1, at the last not 0.

    Parameters
    ----------
    counts
        Where the held-out items stand; ties rank above them.
    k
        How far the ranking is looked at.

    Returns
    -------
    float64 (n_users,) in 0..1; NaN for a user without a held-out item or without negatives.

    Notes
    -----
    Source: sisinflab/elliot, elliot/evaluation/metrics/accuracy/AUC/lauc.py, for one held-out item
    per user and with the validation items among what a user has.
    """
    n_above, n_ranked = counts.n_greater + counts.n_equal, counts.n_negatives + 1
    values = np.where(n_above < k, (n_ranked - n_above) / n_ranked, 0.0)
    return np.where(counts.present, values, np.nan)


def micro_auc(
    counts: RankCounts, ties: Ties, users: npt.NDArray[np.bool_] | None = None
) -> UserMean:
    """Give the share of all (user, negative) pairs in which the user's held-out item is higher.

    Still within users, but one with more negatives counts more than in the mean over users.

    Parameters
    ----------
    counts
        Where the held-out items stand.
    ties
        "strict" or "half".
    users
        bool (n_users,): which users to take, all by default.
    """
    values = auc_per_user(counts, ties)
    chosen = counts.present if users is None else users & counts.present
    weights = counts.n_negatives[chosen]
    if not len(weights):
        return UserMean(float("nan"), 0)
    return UserMean(float(np.average(values[chosen], weights=weights)), len(weights))


def mean_over_items(
    values: npt.NDArray[np.float64],
    test: npt.NDArray[np.integer[Any]],
    users: npt.NDArray[np.bool_] | None = None,
) -> UserMean:
    """Average a per-user metric over the users of each test item, then over the test items.

    Parameters
    ----------
    values
        float64 (n_users,); users whose value is NaN are left out.
    test
        int (n_users,): test items.
    users
        bool (n_users,): which users to take, all by default.

    Returns
    -------
    UserMean
        With the number of distinct test items in place of that of users.
    """
    chosen = ~np.isnan(values) if users is None else users & ~np.isnan(values)
    items, place = np.unique(test[chosen], return_inverse=True)
    if not len(items):
        return UserMean(float("nan"), 0)
    means = np.bincount(place, weights=values[chosen]) / np.bincount(place)
    return UserMean(float(means.mean()), len(items))


def count_pooled(
    score: Score,
    test: npt.NDArray[np.integer[Any]],
    known: Interactions,
    *,
    batch_users: int | None = None,
    name: str = "the model",
) -> RankCounts:
    """Count for each test item the negatives of *all* users that score below it and equal to it.

    The mean of `auc_per_user` over these counts with ties "half" is the area under one ROC curve
    over all pairs of users and items: the level of a user's scores counts, too. The catalogue is
    scored twice, a batch of users at a time; a batch is sorted and the test items' scores are
    looked up in it, so that memory stays bounded.

    Parameters
    ----------
    score
        Users int64 (B,) to scores float32 (B, n_items).
    test
        int (n_users,), `NO_ITEM` where a user has none; those users have no part in it.
    known
        All items of each user, the test item among them; every other item is a negative.
    batch_users
        Users scored at a time; by default as many as make 64 MB of scores.
    name
        The recommender, for error messages.

    Returns
    -------
    RankCounts
        `n_negatives` is the same for every user with a test item: all negative pairs there are.

    Raises
    ------
    NonFiniteScoreError
        A score is NaN or infinite.
    """
    task = RankingTask.of([test], known)
    own = np.full(known.n_users, np.nan, dtype=np.float32)
    for users, scores in score_batches(score, task.users, known.n_items, batch_users, name):
        own[users] = scores[np.arange(len(users)), test[users]]
    levels, place = np.unique(own[task.users], return_inverse=True)
    less, not_greater = np.zeros((2, len(levels)), dtype=np.int64)
    for users, scores in score_batches(score, task.users, known.n_items, batch_users, name):
        # Known items go to the very end of the order: no test item's score is infinite.
        negatives = scores.copy()
        for row, user in zip(negatives, users, strict=True):
            row[known.of(user)] = np.inf
        pool = negatives.reshape(-1)
        pool.sort()
        less += np.searchsorted(pool, levels, side="left")
        not_greater += np.searchsorted(pool, levels, side="right")
    n_less, n_equal, n_negatives = np.zeros((3, known.n_users), dtype=np.int64)
    n_less[task.users] = less[place]
    n_equal[task.users] = (not_greater - less)[place]
    n_negatives[task.users] = task.n_negatives[0, task.users].sum()
    return RankCounts(n_less, n_equal, n_negatives)
