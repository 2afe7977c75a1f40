"""Other definitions of AUC: equal to the libraries themselves where they can be asked."""

from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest
from oracles import as_rows, known_of
from sklearn.metrics import roc_auc_score

from bench.datasets.dataset import NO_ITEM
from bench.errors import NonFiniteScoreError
from bench.evaluation.auc import auc_per_user, mean_over_users
from bench.evaluation.auc_variants import (
    auc_at_k,
    count_pooled,
    limited_auc,
    mean_over_items,
    micro_auc,
)
from bench.evaluation.counts import RankCounts, count_scores

N_USERS, N_ITEMS = 23, 31


def counts_of(*rows: tuple[int, int, int]) -> RankCounts:
    return RankCounts(*(np.array(column, dtype=np.int64) for column in zip(*rows, strict=True)))


@pytest.fixture
def problem(
    rng: np.random.Generator,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32], list[list[int]]]:
    """Scores with many ties; a user without a test item and one without negatives among others."""
    scores = rng.integers(-3, 4, size=(N_USERS, N_ITEMS)).astype(np.float32)
    test = rng.integers(0, N_ITEMS, size=N_USERS).astype(np.int32)
    test[4] = NO_ITEM
    known = [
        sorted({*rng.choice(N_ITEMS, 5, replace=False).tolist(), int(item)} - {NO_ITEM})
        for item in test
    ]
    known[7] = list(range(N_ITEMS))
    return scores, test, known


class Ranker:
    """What implicit's evaluation asks of a model."""

    def __init__(self, scores: npt.NDArray[np.float32]) -> None:
        self.scores = scores

    def recommend(self, userid, user_items, N, **options):  # type: ignore[no-untyped-def]  # noqa: N803
        scores = np.where(user_items.toarray() > 0, -np.inf, self.scores[userid])
        ids = np.argsort(-scores, axis=1)[:, :N].astype(np.int32)
        return ids, np.take_along_axis(scores, ids, axis=1)


@pytest.mark.parametrize("k", [1, 4, 10])
def test_at_k_is_implicits(rng: np.random.Generator, k: int) -> None:
    from implicit.evaluation import AUC_at_k
    from scipy.sparse import csr_matrix

    # No ties: implicit ranks them in an order of its own.
    scores = rng.permuted(np.tile(np.arange(N_ITEMS, dtype=np.float32), (N_USERS, 1)), axis=1)
    test = rng.integers(0, N_ITEMS, size=N_USERS)
    known = [sorted({*rng.choice(N_ITEMS, 5, replace=False).tolist(), int(item)}) for item in test]
    table = known_of(known, N_ITEMS)
    (counts,) = count_scores(lambda users: scores[users], [test], table)
    users = np.arange(N_USERS)
    train = table.matrix().tolil()
    train[users, test] = 0
    held_out = csr_matrix((np.ones(N_USERS, np.float32), (users, test)), (N_USERS, N_ITEMS))
    theirs = AUC_at_k(Ranker(scores), train.tocsr(), held_out, K=k, show_progress=False)
    ours = auc_at_k(counts, k, N_ITEMS)
    assert ours.mean() == pytest.approx(theirs, abs=1e-12)
    assert 0.3 < theirs < 0.8


def test_at_k_by_hand() -> None:
    # 9 items. Ranks 1 and 3 are seen with k = 3; below, half of the 5 items left are beaten.
    counts = counts_of((4, 0, 4), (2, 1, 4), (1, 2, 4), (0, 0, 0))
    expected = [1, 1 - 2 / 8, 2.5 / 8, np.nan]
    ranks = counts_of((4, 0, 4), (2, 0, 4), (0, 2, 4), (0, 0, 0))
    np.testing.assert_array_equal(auc_at_k(ranks, 3, 9), expected)
    assert auc_at_k(counts, 3, 9)[1] == 1 - 2 / 8  # the tie ranks above
    assert auc_at_k(counts, 3, 9)[2] == 2.5 / 8


def test_limited_by_hand() -> None:
    # Elliot's rank formula: (negatives + 1 - items above) over (negatives + 1), 0 below rank k.
    counts = counts_of((4, 0, 4), (2, 1, 4), (1, 0, 4), (0, 0, 0))
    np.testing.assert_allclose(limited_auc(counts, 3), [1, 3 / 5, 0, np.nan])


def test_micro_counts_pairs() -> None:
    counts = counts_of((1, 2, 4), (0, 0, 0), (9, 1, 10))
    strict, half = micro_auc(counts, "strict"), micro_auc(counts, "half")
    assert strict == (pytest.approx(float(Fraction(10, 14))), 2)
    assert half == (pytest.approx(float(Fraction(23, 28))), 2)
    assert micro_auc(counts, "strict", np.array([True, True, False])) == (0.25, 1)
    assert np.isnan(micro_auc(counts, "strict", np.array([False, True, False])).mean)


def test_mean_over_items_counts_each_item_once() -> None:
    values = np.array([0.2, 0.4, 0.9, np.nan, 0.5])
    test = np.array([3, 3, 7, 8, NO_ITEM])
    users = np.array([True, True, True, True, False])
    assert mean_over_items(values, test, users) == (pytest.approx((0.3 + 0.9) / 2), 2)
    assert mean_over_items(values[:4], test[:4]) == (pytest.approx(0.6), 2)
    mean, n_items = mean_over_items(values[3:4], test[3:4])
    assert np.isnan(mean)
    assert n_items == 0


@pytest.mark.parametrize("batch_users", [None, 1, 5])
def test_pooled_is_one_roc_curve_over_all_pairs(problem, batch_users) -> None:  # type: ignore[no-untyped-def]
    scores, test, known = problem
    counts = count_pooled(
        lambda users: scores[users], test, known_of(known, N_ITEMS), batch_users=batch_users
    )
    users = [u for u in range(N_USERS) if u not in (4, 7)]
    assert np.flatnonzero(counts.present).tolist() == users
    negatives = [scores[u, i] for u in users for i in range(N_ITEMS) if i not in known[u]]
    per_user = auc_per_user(counts, "half")
    for chosen in (users, users[:6]):  # all, and such a subset as the cold ones
        positives = [scores[u, test[u]] for u in chosen]
        labels = [1] * len(positives) + [0] * len(negatives)
        expected = roc_auc_score(labels, positives + negatives)
        assert per_user[chosen].mean() == pytest.approx(expected, abs=1e-12)
    first = (sum(n < scores[0, test[0]] for n in negatives), len(negatives))
    assert (counts.n_less[0], counts.n_negatives[0]) == first


def test_half_ties_are_scikit_learns_per_user(problem) -> None:  # type: ignore[no-untyped-def]
    scores, test, known = problem
    (counts,) = count_scores(lambda users: scores[users], [test], known_of(known, N_ITEMS))
    expected = []
    for user in range(N_USERS):
        others = [i for i in range(N_ITEMS) if i not in known[user]]
        if test[user] != NO_ITEM and others:
            labels = [1] + [0] * len(others)
            expected.append(roc_auc_score(labels, scores[user, [test[user], *others]]))
    assert len(expected) == N_USERS - 2
    assert mean_over_users(auc_per_user(counts, "half")).mean == pytest.approx(np.mean(expected))


def test_pooled_leaves_the_scores_alone_and_refuses_nan() -> None:
    scores = np.zeros((2, 4), dtype=np.float32)
    scores.flags.writeable = False
    known = known_of([[0], [1]], 4)
    counts = count_pooled(lambda users: scores[users], np.array([0, 1]), known)
    assert as_rows(counts) == [(0, 6, 6), (0, 6, 6)]
    bad = np.full((2, 4), np.nan, dtype=np.float32)
    with pytest.raises(NonFiniteScoreError, match="mine gave NaN"):
        count_pooled(lambda users: bad[users], np.array([0, 1]), known, name="mine")


def test_pooled_without_users() -> None:
    known = known_of([[], []], 4)
    counts = count_pooled(
        lambda users: np.zeros((len(users), 4), np.float32), np.array([NO_ITEM] * 2), known
    )
    assert not counts.present.any()
