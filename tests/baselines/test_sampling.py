"""Uniform negatives that libraries draw from padded pairs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.sampling import uniform_negative_padding


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
