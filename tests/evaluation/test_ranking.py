"""Recall, NDCG and reciprocal rank against sums over every rank the ties leave open."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import expected_over_ties, ndcg_of_rank, recall_of_rank

from bench.evaluation.auc import TIES, Ties
from bench.evaluation.counts import RankCounts
from bench.evaluation.ranking import mrr, ndcg_at_k, ranking_metrics, recall_at_k

user_counts = st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30)).map(
    lambda drawn: (drawn[0], drawn[1], sum(drawn))
)


def counts_of(rows: list[tuple[int, int, int]]) -> RankCounts:
    return RankCounts(*np.array(rows, dtype=np.int64).reshape(-1, 3).T)


@given(st.lists(user_counts, max_size=5), st.integers(1, 40), st.sampled_from(TIES))
def test_equals_sums_over_ranks(rows: list[tuple[int, int, int]], k: int, ties: Ties) -> None:
    counts = counts_of(rows)

    def expected(value: Callable[[int], float]) -> list[float]:
        return [expected_over_ties(value, *row, ties) for row in rows]

    for found, wanted in (
        (recall_at_k(counts, k, ties), expected(lambda rank: recall_of_rank(rank, k))),
        (ndcg_at_k(counts, k, ties), expected(lambda rank: ndcg_of_rank(rank, k))),
        (mrr(counts, ties), expected(lambda rank: 1 / rank)),
    ):
        np.testing.assert_allclose(found, np.array(wanted), rtol=0, atol=1e-12)


def test_hand_worked() -> None:
    # One above, two tied, one below: rank 4 if ties go against it, else 2, 3 or 4.
    counts = counts_of([(1, 2, 4)])
    assert recall_at_k(counts, 3, "strict") == [0]
    assert recall_at_k(counts, 3, "half") == pytest.approx([2 / 3])
    assert ndcg_at_k(counts, 3, "half") == pytest.approx([(1 / np.log2(3) + 1 / 2) / 3])
    assert mrr(counts, "strict") == [1 / 4]
    assert mrr(counts, "half") == pytest.approx([(1 / 2 + 1 / 3 + 1 / 4) / 3])


def test_a_single_rank_is_exact_in_a_large_catalogue() -> None:
    counts = counts_of([(1, 0, 234_891), (234_891, 0, 234_891)])
    assert mrr(counts, "half").tolist() == [1 / 234_891, 1.0]
    assert ndcg_at_k(counts, 20, "half").tolist() == [0.0, 1.0]


def test_metrics_carry_name_label_and_range() -> None:
    metrics = ranking_metrics((5, 20))
    names = ["auc", "recall@5", "recall@20", "ndcg@5", "ndcg@20", "mrr"]
    assert [metric.name for metric in metrics] == names
    assert [metric.label for metric in metrics][1] == "Recall@5"
    counts = counts_of([(3, 1, 9), (9, 0, 9), (0, 0, 9)])
    for metric in metrics:
        values = metric.per_user(counts, "half")
        low, high = metric.range
        assert metric.higher_is_better
        assert (low <= values).all()
        assert (values <= high).all()
        assert values[1] == high  # above all negatives


def test_cut_off_below_one() -> None:
    with pytest.raises(ValueError, match="at least 1, got 0"):
        recall_at_k(counts_of([]), 0, "strict")
