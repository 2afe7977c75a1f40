"""Eq. 8 against sorting by hand: ties, small categories, items left out."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.datasets.dataset import NO_ITEM, Interactions
from bench.errors import BenchError
from bench.evaluation import retrieval
from bench.evaluation.retrieval import retrieve
from bench.recommender import Factors


def whole(scores: list[list[float]]) -> Factors:
    """Factors whose scores are just these."""
    table = np.array(scores, dtype=np.float32)
    bias = np.zeros(table.shape[1], dtype=np.float32)
    return Factors(table, np.eye(table.shape[1], dtype=np.float32), bias)


SCORES = whole([[5, 1, 9, 9, 2, 7], [0, 0, 0, 0, 0, 0]])
GROUPS = np.array([0, 1, 0, 0, 1, 2], dtype=np.int16)


def test_best_items_of_the_category_ties_by_number() -> None:
    found = retrieve(SCORES, np.array([0, 1, 0, 0]), np.array([0, 0, 1, 2]), GROUPS, top=2)
    assert found.items.tolist() == [[2, 3], [0, 2], [4, 1], [5, NO_ITEM]]
    np.testing.assert_array_equal(found.scores, [[9, 9], [0, 0], [2, 1], [7, np.nan]])
    assert found.items.dtype == np.int64
    assert found.scores.dtype == np.float32


def test_without_what_the_user_has() -> None:
    own = Interactions.from_pairs(np.array([0, 0, 1]), np.array([2, 5, 4]), n_users=2, n_items=6)
    queries = (np.array([0, 1, 0]), np.array([0, 1, 2]))
    found = retrieve(SCORES, *queries, GROUPS, top=2, left_out=own)
    assert found.items.tolist() == [[3, 0], [1, NO_ITEM], [NO_ITEM, NO_ITEM]]


def test_a_category_without_items_and_no_queries() -> None:
    found = retrieve(SCORES, np.array([0]), np.array([7]), GROUPS, top=3)
    assert found.items.tolist() == [[NO_ITEM] * 3]
    assert np.isnan(found.scores).all()
    none = np.array([], dtype=np.int64)
    assert retrieve(SCORES, none, none, GROUPS, top=3).items.shape == (0, 3)


@pytest.mark.parametrize(
    ("users", "categories", "groups", "top", "message"),
    [
        ([2], [0], GROUPS, 1, "row numbers below 2"),
        ([-1], [0], GROUPS, 1, "row numbers below 2"),
        ([0, 1], [0], GROUPS, 1, "do not pair"),
        ([0], [0], GROUPS[:4], 1, "do not pair with 6 items"),
        ([0], [0], GROUPS, 0, "top must be at least 1"),
    ],
)
def test_what_does_not_fit(
    users: list[int], categories: list[int], groups: npt.NDArray[np.int16], top: int, message: str
) -> None:
    with pytest.raises(BenchError, match=message):
        retrieve(SCORES, np.array(users), np.array(categories), groups, top=top)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n_items=st.integers(1, 30),
    top=st.integers(1, 6),
    levels=st.integers(1, 40),
    rows=st.sampled_from([1, 7, 1 << 20]),
)
def test_equals_sorting_everything(
    seed: int, n_items: int, top: int, levels: int, rows: int
) -> None:
    """Whole numbers, so that products are exact and many scores are equal."""
    rng = np.random.default_rng(seed)
    n_users, n_groups = 4, 3
    factors = Factors(
        rng.integers(levels, size=(n_users, 2)).astype(np.float32),
        rng.integers(2, size=(n_items, 2)).astype(np.float32),
        rng.integers(levels, size=n_items).astype(np.float32),
    )
    groups = rng.integers(n_groups, size=n_items)
    users, categories = (rng.integers(n, size=9) for n in (n_users, n_groups))
    own = Interactions.from_pairs(
        rng.integers(n_users, size=8),
        rng.integers(n_items, size=8),
        n_users=n_users,
        n_items=n_items,
    )
    before = retrieval._BLOCK_SCORES
    retrieval._BLOCK_SCORES = rows
    try:
        found = retrieve(factors, users, categories, groups, top=top, left_out=own)
    finally:
        retrieval._BLOCK_SCORES = before
    scores = factors.score(np.arange(n_users))
    for query, (user, category) in enumerate(zip(users, categories, strict=True)):
        members = [
            i for i in range(n_items) if groups[i] == category and i not in own.of(int(user))
        ]
        expected = sorted(members, key=lambda item: (-scores[user, item], item))[:top]
        filled = expected + [NO_ITEM] * (top - len(expected))
        assert found.items[query].tolist() == filled
        assert found.scores[query, : len(expected)].tolist() == scores[user, expected].tolist()
        assert np.isnan(found.scores[query, len(expected) :]).all()
