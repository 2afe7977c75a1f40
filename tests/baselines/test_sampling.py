"""Uniform negatives, drawn here and drawn by libraries from padded pairs."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from baselines.sampling import draw_negatives, uniform_negative_padding
from bench.datasets.dataset import Interactions


def interactions(has: npt.NDArray[np.bool_]) -> Interactions:
    users, items = np.nonzero(has)
    return Interactions.from_pairs(users, items, n_users=has.shape[0], n_items=has.shape[1])


@settings(deadline=None)  # a busy machine is no failure
@given(
    n_users=st.integers(1, 6),
    n_items=st.integers(1, 8),
    share=st.floats(0, 1),
    seed=st.integers(0, 2**32),
)
def test_negatives_are_never_training_items(
    n_users: int, n_items: int, share: float, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    has = generator.random((n_users, n_items)) < share
    users = generator.integers(n_users, size=50)
    negatives = draw_negatives(interactions(has), users, generator)
    assert negatives.shape == (50,)
    assert negatives.dtype == np.int32
    assert ((negatives >= 0) & (negatives < n_items)).all()
    # A user with every item has no negative; only she may be given one of hers.
    assert (~has[users, negatives] | has.all(axis=1)[users]).all()


def test_negatives_are_uniform_over_the_rest(rng: np.random.Generator) -> None:
    has = np.zeros((2, 10), dtype=bool)
    has[1, [0, 4, 9]] = True
    has[0, :8] = True
    users = np.repeat([0, 1], [2000, 7000])
    negatives = draw_negatives(interactions(has), users, rng)
    for user in (0, 1):
        drawn = np.bincount(negatives[users == user], minlength=10)
        assert chisquare(drawn[~has[user]]).pvalue > 0.001
        assert drawn[has[user]].sum() == 0


def test_negatives_of_nobody() -> None:
    train = interactions(np.ones((1, 1), dtype=bool))
    none = draw_negatives(train, np.empty(0, np.int64), np.random.default_rng(0))
    assert none.shape == (0,)


def padding_by_trying_every_level(counts: list[int], budget: int) -> list[int]:
    """List what the largest affordable level adds; level 1, one of each, may always be had."""
    best = list(range(len(counts)))
    for level in range(1, max(counts) + 2):
        added = [i for i, count in enumerate(counts) for _ in range(max(level - count, 1))]
        if len(added) <= budget:
            best = added
    return best


@settings(deadline=None)  # a busy machine is no failure
@given(counts=st.lists(st.integers(0, 12), min_size=1, max_size=9), budget=st.integers(0, 130))
def test_padding_is_the_largest_level_within_the_budget(counts: list[int], budget: int) -> None:
    padding = uniform_negative_padding(np.array(counts), budget=budget)
    assert padding.dtype == np.int32
    assert padding.tolist() == padding_by_trying_every_level(counts, budget)
    assert len(padding) <= max(budget, len(counts))


def test_every_level_by_hand() -> None:
    counts = np.array([0, 1, 3])
    # Levels 1 to 4 add 1 + 1 + 1, 2 + 1 + 1, 3 + 2 + 1 and 4 + 3 + 1 entries.
    by_level = [[0, 1, 2], [0, 0, 1, 2], [0, 0, 0, 1, 1, 2], [0, 0, 0, 0, 1, 1, 1, 2]]
    for budget, level in [(0, 1), (3, 1), (4, 2), (5, 2), (6, 3), (7, 3), (8, 4), (99, 4)]:
        padding = uniform_negative_padding(counts, budget=budget)
        assert padding.tolist() == by_level[level - 1]


@pytest.mark.parametrize("counts", [[0, 1, 3], [0, 0], [5], [2, 9, 2, 0]])
def test_exactly_even_when_the_budget_allows(counts: list[int]) -> None:
    padding = uniform_negative_padding(np.array(counts), budget=10**6)
    total = np.array(counts) + np.bincount(padding, minlength=len(counts))
    assert total.tolist() == [max(counts) + 1] * len(counts)
