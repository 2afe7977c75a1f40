"""Recall, NDCG and reciprocal rank of one held-out item per user, from the same counts as the AUC.

The held-out item is the only relevant one, so its rank says it all. With g negatives above it and e
tied with it, `strict` ranks all ties above it (rank 1 + g + e), and `half` takes the expectation
over a random order of the ties (rank uniform over g + 1 .. g + e + 1). The expectation of the AUC
over that order is exactly half a negative per tie, so the two rules mean the same in every metric.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.evaluation.auc import TIES, Ties, auc_per_user
from bench.evaluation.counts import RankCounts

__all__ = [
    "CUTOFFS",
    "Metric",
    "metric_means",
    "mrr",
    "ndcg_at_k",
    "ranking_metrics",
    "recall_at_k",
]

CUTOFFS = (5, 10, 20)


@dataclass(frozen=True)
class Metric:
    """A metric of one held-out item per user.

    Attributes
    ----------
    name
        As in the result records: "auc", "ndcg@10".
    label
        As in the tables.
    per_user
        Counts and tie rule to float64 (n_users,), NaN for users without a value.
    higher_is_better
        True for all of today's.
    range
        Lowest and highest possible value.
    """

    name: str
    label: str
    per_user: Callable[[RankCounts, Ties], npt.NDArray[np.float64]]
    higher_is_better: bool = True
    range: tuple[float, float] = (0.0, 1.0)


def ranking_metrics(cutoffs: Sequence[int] = CUTOFFS) -> tuple[Metric, ...]:
    """Give the AUC, then recall and NDCG at each cut-off, then the reciprocal rank."""

    def recall(k: int) -> Metric:
        return Metric(f"recall@{k}", f"Recall@{k}", lambda c, ties: recall_at_k(c, k, ties))

    def ndcg(k: int) -> Metric:
        return Metric(f"ndcg@{k}", f"NDCG@{k}", lambda c, ties: ndcg_at_k(c, k, ties))

    return (
        Metric("auc", "AUC", auc_per_user),
        *map(recall, cutoffs),
        *map(ndcg, cutoffs),
        Metric("mrr", "MRR", mrr),
    )


def metric_means(
    counts: RankCounts, settings: Mapping[str, npt.NDArray[np.bool_]]
) -> dict[str, float]:
    """Give the mean of every metric under both tie rules, over the users of each setting.

    Parameters
    ----------
    counts
        Where the held-out items stand.
    settings
        Name to bool (n_users,): users with a held-out item; a setting without users has no means.

    Returns
    -------
    By name: "auc_strict.all", "ndcg@10_half.cold".
    """
    means: dict[str, float] = {}
    for metric in ranking_metrics():
        for ties in TIES:
            per_user = metric.per_user(counts, ties)
            for setting, users in settings.items():
                if users.any():
                    means[f"{metric.name}_{ties}.{setting}"] = float(per_user[users].mean())
    return means


def recall_at_k(counts: RankCounts, k: int, ties: Ties) -> npt.NDArray[np.float64]:
    """Give whether (`half`: how probably) the held-out item is among the first k.

    Parameters
    ----------
    counts
        Where the held-out items stand.
    k
        Length of the list; with one relevant item this is also the hit rate.
    ties
        "strict" or "half".

    Returns
    -------
    float64 (n_users,) in 0..1; NaN for a user without a held-out item or without negatives.
    """
    _check_cutoff(k)
    first, last = _rank_range(counts, ties)
    n_within = np.clip(np.minimum(last, k) - first + 1, 0, None)
    return _of_present(counts, n_within / (last - first + 1))


def ndcg_at_k(counts: RankCounts, k: int, ties: Ties) -> npt.NDArray[np.float64]:
    """Give 1 / log2(1 + rank) if the held-out item is among the first k, else 0.

    With one relevant item the ideal gain is 1, so this is the normalised one.

    Parameters
    ----------
    counts
        Where the held-out items stand.
    k
        Length of the list.
    ties
        "strict" or "half" (the mean over the ranks that the ties leave open).

    Returns
    -------
    float64 (n_users,) in 0..1; NaN for a user without a held-out item or without negatives.
    """
    _check_cutoff(k)
    first, last = _rank_range(counts, ties)
    gains = np.concatenate([[0.0], 1 / np.log2(1 + np.arange(1, k + 1))])
    below = np.cumsum(gains)  # below[r]: the gains of ranks 1..r
    total = below[np.minimum(last, k)] - below[np.minimum(first - 1, k)]
    return _of_present(counts, total / (last - first + 1))


def mrr(counts: RankCounts, ties: Ties) -> npt.NDArray[np.float64]:
    """Give 1 / rank of the held-out item; its mean over users is the mean reciprocal rank.

    Parameters
    ----------
    counts
        Where the held-out items stand.
    ties
        "strict" or "half" (the mean over the ranks that the ties leave open).

    Returns
    -------
    float64 (n_users,) in 0..1; NaN for a user without a held-out item or without negatives.
    """
    first, last = _rank_range(counts, ties)
    highest = int(last.max(initial=1))
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, highest + 1))])
    values = (harmonic[last] - harmonic[first - 1]) / (last - first + 1)
    # A difference of sums has lost digits that a single rank need not lose.
    return _of_present(counts, np.where(first == last, 1 / first, values))


def _rank_range(
    counts: RankCounts, ties: Ties
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Give the best and the worst rank, from 1, that the tie rule allows."""
    last = 1 + counts.n_greater + counts.n_equal
    if ties == "strict":
        return last, last
    return 1 + counts.n_greater, last


def _of_present(counts: RankCounts, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.where(counts.present, values, np.nan)


def _check_cutoff(k: int) -> None:
    if k < 1:
        raise ValueError(f"a cut-off must be at least 1, got {k}")
