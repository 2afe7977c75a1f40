"""Slow, independent twins of the evaluator's fast formulas, and two small helpers of its tests."""

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import Interactions
from bench.evaluation.counts import RankCounts


def rank_counts(
    scores: npt.NDArray[np.float32],
    target: npt.NDArray[np.int32],
    known: Sequence[Sequence[int]],
) -> list[tuple[int, int, int]]:
    """Count negatives below, negatives tied and all negatives of each user, one by one."""
    counts = []
    for user, item in enumerate(target):
        less = equal = n_negatives = 0
        if item != -1:
            for other in range(scores.shape[1]):
                if other not in known[user]:
                    n_negatives += 1
                    less += bool(scores[user, other] < scores[user, item])
                    equal += bool(scores[user, other] == scores[user, item])
        counts.append((less, equal, n_negatives))
    return counts


def ranks_left_open(less: int, equal: int, n_negatives: int, ties: str) -> list[int]:
    """List the ranks, from 1, that the held-out item may have: one if ties go against it."""
    greater = n_negatives - less - equal
    if ties == "strict":
        return [1 + greater + equal]
    return [1 + greater + place for place in range(equal + 1)]


def expected_over_ties(
    value: Callable[[int], float], less: int, equal: int, n_negatives: int, ties: str
) -> float:
    """Average a metric of the rank over the ranks left open; NaN without negatives."""
    if n_negatives == 0:
        return math.nan
    ranks = ranks_left_open(less, equal, n_negatives, ties)
    return math.fsum(value(rank) for rank in ranks) / len(ranks)


def auc_of_rank(rank: int, n_negatives: int) -> float:
    """Give the share of negatives that stand below a rank."""
    return float(Fraction(n_negatives - (rank - 1), n_negatives))


def recall_of_rank(rank: int, k: int) -> float:
    """Give 1 if the rank is among the first k."""
    return float(rank <= k)


def ndcg_of_rank(rank: int, k: int) -> float:
    """Give the gain of the rank if it is among the first k."""
    return 1 / math.log2(1 + rank) if rank <= k else 0.0


def as_rows(counts: RankCounts) -> list[tuple[int, int, int]]:
    """Give counts in the form of `rank_counts`."""
    columns = (counts.n_less, counts.n_equal, counts.n_negatives)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def known_of(rows: list[list[int]], n_items: int) -> Interactions:
    """Build interactions from each user's items."""
    users = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    items = np.array([item for row in rows for item in row], dtype=np.int32)
    return Interactions.from_pairs(users, items, n_users=len(rows), n_items=n_items)
