"""How many of a user's negatives score below and equal to a held-out item: all metrics rest on it.

The negatives of a user are all items of the catalogue outside P, V and T of that user (section
IV-A). From the two counts and the number of negatives follow AUC, recall, NDCG and reciprocal rank
under either tie rule, so one pass over the scores serves them all.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import NO_ITEM, Interactions
from bench.errors import BenchError, NonFiniteScoreError
from bench.recommender import FactorRecommender, Recommender

__all__ = [
    "RankCounts",
    "RankingTask",
    "Score",
    "count_ranks",
    "count_sampled",
    "count_scores",
    "score_batches",
]

Score = Callable[[npt.NDArray[np.int64]], npt.NDArray[np.float32]]
"""Users int64 (B,) to scores float32 (B, n_items), as `Recommender.score`."""

Targets = Sequence[npt.NDArray[np.integer[Any]]]

_BATCH_BYTES = 64 << 20


@dataclass(frozen=True)
class RankCounts:
    """Where one held-out item per user stands among the user's negatives.

    Attributes
    ----------
    n_less
        int64 (n_users,): negatives that score strictly lower than the held-out item.
    n_equal
        int64 (n_users,): negatives that score the same.
    n_negatives
        int64 (n_users,): negatives in all; 0 for a user without a held-out item.
    """

    n_less: npt.NDArray[np.int64]
    n_equal: npt.NDArray[np.int64]
    n_negatives: npt.NDArray[np.int64]

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """Which users have a held-out item and at least one negative: bool (n_users,)."""
        return self.n_negatives > 0

    @property
    def n_greater(self) -> npt.NDArray[np.int64]:
        """Negatives that score strictly higher: int64 (n_users,)."""
        return self.n_negatives - self.n_less - self.n_equal


@dataclass(frozen=True)
class RankingTask:
    """What is to be counted: the targets, and what is known of each user.

    Attributes
    ----------
    targets
        int32 (n_kinds, n_users): one held-out item per kind and user, `NO_ITEM` for none.
    known
        All items of each user, the targets among them.
    """

    targets: npt.NDArray[np.int32]
    known: Interactions

    @classmethod
    def of(cls, targets: Targets, known: Interactions) -> Self:
        """Stack `targets` and check that they belong to `known`."""
        users = np.arange(known.n_users)
        stacked = np.empty((len(targets), known.n_users), dtype=np.int32)
        for row, items in zip(stacked, targets, strict=True):
            if items.shape != (known.n_users,):
                raise ValueError(f"targets have shape {items.shape}, expected {(known.n_users,)}")
            there = items != NO_ITEM
            if not known.contains(users[there], items[there]).all():
                raise ValueError("`known` must hold all items of a user, the targets too")
            row[:] = items
        return cls(stacked, known)

    @cached_property
    def n_negatives(self) -> npt.NDArray[np.int64]:
        """Negatives per kind and user, 0 where there is no target: int64 (n_kinds, n_users)."""
        n_unknown = self.known.n_items - np.diff(self.known.indptr)
        return np.where(self.targets != NO_ITEM, n_unknown, 0)

    @cached_property
    def users(self) -> npt.NDArray[np.int64]:
        """Users for whom there is anything to count, ascending: int64 (n_active,)."""
        return np.flatnonzero((self.n_negatives > 0).any(axis=0))

    def results(
        self, n_less: npt.NDArray[np.int64], n_equal: npt.NDArray[np.int64]
    ) -> list[RankCounts]:
        """Spread the counts of the active users, int64 (n_kinds, n_active), over all users."""
        counts = []
        for kind, n_negatives in enumerate(self.n_negatives):
            less, equal = np.zeros((2, self.known.n_users), dtype=np.int64)
            less[self.users], equal[self.users] = n_less[kind], n_equal[kind]
            counts.append(RankCounts(less, equal, n_negatives))
        return counts


def count_ranks(
    recommender: Recommender,
    targets: Targets,
    known: Interactions,
    *,
    device: str = "auto",
    threads: int | None = None,
) -> list[RankCounts]:
    """Count for any fitted recommender, at the speed of a matrix product where it has factors.

    Parameters
    ----------
    recommender
        A fitted model; one with `factors` takes the fused path.
    targets
        int (n_users,) each, such as [validation, test]: all are counted in one pass.
    known
        All items of each user (`Dataset.known`), the targets among them.
    device, threads
        Where the fused path runs; other models decide themselves in `score`.

    Returns
    -------
    One `RankCounts` per entry of `targets`.

    Raises
    ------
    NonFiniteScoreError
        A score is NaN or infinite.
    """
    if isinstance(recommender, FactorRecommender):
        from bench.evaluation.fused import count_factors

        factors = recommender.factors()
        return count_factors(
            factors, targets, known, device=device, threads=threads, name=recommender.name
        )
    return count_scores(recommender.score, targets, known, name=recommender.name)


def count_scores(
    score: Score,
    targets: Targets,
    known: Interactions,
    *,
    batch_users: int | None = None,
    name: str = "the model",
) -> list[RankCounts]:
    """Count from a function that scores the whole catalogue, each user once.

    Parameters
    ----------
    score
        Users int64 (B,) to scores float32 (B, n_items).
    targets
        int (n_users,) each, `NO_ITEM` where a user has none; users without any are not scored.
    known
        All items of each user, the targets among them; every other item is a negative.
    batch_users
        Users scored at a time; by default as many as make 64 MB of scores.
    name
        The recommender, for error messages.

    Returns
    -------
    One `RankCounts` per entry of `targets`.

    Raises
    ------
    NonFiniteScoreError
        A score is NaN or infinite.
    """
    from bench.evaluation.kernels import count_tile

    task = RankingTask.of(targets, known)
    n_less, n_equal = np.zeros((2, len(targets), len(task.users)), dtype=np.int64)
    done = 0
    for users, scores in score_batches(score, task.users, known.n_items, batch_users, name):
        items = task.targets[:, users]  # (n_kinds, B)
        target_scores = np.where(items == NO_ITEM, np.nan, scores[np.arange(len(users)), items])
        less, equal = np.zeros((2, *items.shape), dtype=np.int64)
        count_tile(
            scores,
            0,
            known.n_items,
            target_scores.astype(np.float32),
            known.indices,
            known.indptr[users],
            known.indptr[users + 1],
            less,
            equal,
        )
        n_less[:, done : done + len(users)] = less
        n_equal[:, done : done + len(users)] = equal
        done += len(users)
    return task.results(n_less, n_equal)


def count_sampled(
    score: Score,
    targets: Targets,
    train: Interactions,
    *,
    rng: np.random.Generator,
    n_samples: int = 100,
    batch_users: int | None = None,
    name: str = "the model",
) -> list[RankCounts]:
    """Count against sampled items, as the authors' released code does; not the paper's protocol.

    Per user and target, `n_samples` item numbers are drawn from the whole catalogue without
    replacement; the user's training items and the target itself are dropped from them, the other
    held-out item is not. What is left, often a few less than `n_samples`, are the negatives.

    Parameters
    ----------
    score
        Users int64 (B,) to scores float32 (B, n_items).
    targets
        int (n_users,) each, `NO_ITEM` where a user has none.
    train
        Training interactions only.
    rng
        Draws the samples, user by user in ascending order, so batches change nothing.
    n_samples
        How many item numbers to draw; the whole catalogue if it is smaller.
    batch_users
        Users scored at a time; by default as many as make 64 MB of scores.
    name
        The recommender, for error messages.

    Returns
    -------
    One `RankCounts` per entry of `targets`; `n_negatives` counts the sampled ones.

    Raises
    ------
    NonFiniteScoreError
        A score is NaN or infinite.

    Notes
    -----
    Source: kang205/DVBPR, DVBPR/main.py, commit b91a211 (the evaluation loop).
    """
    stacked = np.array(targets, dtype=np.int32).reshape(len(targets), train.n_users)
    n_samples = min(n_samples, train.n_items)
    counts = np.zeros((3, len(targets), train.n_users), dtype=np.int64)
    active = np.flatnonzero((stacked != NO_ITEM).any(axis=0))
    for users, scores in score_batches(score, active, train.n_items, batch_users, name):
        items = stacked[:, users]  # (n_kinds, B)
        drawn = np.array(
            [
                [rng.choice(train.n_items, n_samples, replace=False, shuffle=False) for _ in items]
                for _ in users
            ]
        )  # (B, n_kinds, n_samples)
        rows = np.arange(len(users))
        for kind, target in enumerate(items):
            sample = drawn[:, kind]  # (B, n_samples)
            negative = ~train.contains(users[:, None], sample) & (sample != target[:, None])
            negative &= (target != NO_ITEM)[:, None]
            sampled = scores[rows[:, None], sample]
            reference = scores[rows, target][:, None]
            counts[0, kind, users] = (negative & (sampled < reference)).sum(axis=1)
            counts[1, kind, users] = (negative & (sampled == reference)).sum(axis=1)
            counts[2, kind, users] = negative.sum(axis=1)
    return [RankCounts(*counts[:, kind]) for kind in range(len(targets))]


def score_batches(
    score: Score,
    users: npt.NDArray[np.int64],
    n_items: int,
    batch_users: int | None = None,
    name: str = "the model",
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]]:
    """Score users batch by batch: their numbers, (B,), and their scores, (B, n_items), checked.

    Parameters
    ----------
    score
        Users int64 (B,) to scores float32 (B, n_items).
    users
        int64 (n,): who is scored, in this order.
    n_items
        Size of the catalogue.
    batch_users
        Users scored at a time; by default as many as make 64 MB of scores.
    name
        The recommender, for error messages.

    Raises
    ------
    BenchError
        The scores have another shape or type.
    NonFiniteScoreError
        A score is NaN or infinite.
    """
    size = batch_users or _batch_users(n_items)
    for start in range(0, len(users), size):
        batch = users[start : start + size]
        yield batch, _checked_scores(score, batch, n_items, name)


def _batch_users(n_items: int) -> int:
    return max(1, _BATCH_BYTES // (4 * max(n_items, 1)))


def _checked_scores(
    score: Score, users: npt.NDArray[np.int64], n_items: int, name: str
) -> npt.NDArray[np.float32]:
    """Score `users`; float32 (B, n_items), contiguous and finite, or an error."""
    from bench.evaluation.kernels import first_non_finite_row

    scores = np.ascontiguousarray(score(users))
    if scores.shape != (len(users), n_items) or scores.dtype != np.float32:
        raise BenchError(
            f"{name} gave {scores.dtype} scores of shape {scores.shape}, "
            f"expected float32 {(len(users), n_items)}"
        )
    if (row := first_non_finite_row(scores)) >= 0:
        raise NonFiniteScoreError(
            f"{name} gave NaN or infinite scores to user {users[row]}; "
            "a smaller learning rate or scaled features often help"
        )
    return scores
