"""AUC per user and in the mean, cold items."""

from functools import partial
from math import isnan

import numpy as np
import pytest
from oracles import auc_of_rank, expected_over_ties

from bench.datasets.dataset import NO_ITEM
from bench.evaluation.auc import TIES, Ties, auc_per_user, cold_users, mean_auc, mean_over_users
from bench.evaluation.counts import RankCounts

# Three users: 1 below and 2 tied of 4; no held-out item; all 3 below.
COUNTS = RankCounts(np.array([1, 0, 3]), np.array([2, 0, 0]), np.array([4, 0, 3]))


def test_hand_worked() -> None:
    np.testing.assert_array_equal(auc_per_user(COUNTS, "strict"), [1 / 4, np.nan, 1])
    np.testing.assert_array_equal(auc_per_user(COUNTS, "half"), [2 / 4, np.nan, 1])
    assert mean_auc(COUNTS, "strict") == (5 / 8, 2)
    assert mean_auc(COUNTS, "half") == (3 / 4, 2)
    assert mean_auc(COUNTS, "half", np.array([True, True, False])) == (1 / 2, 1)


def test_no_users_give_nan_and_zero() -> None:
    mean, n_users = mean_auc(COUNTS, "half", np.array([False, True, False]))
    assert isnan(mean)
    assert n_users == 0
    assert mean_over_users(np.array([])).n_users == 0


@pytest.mark.parametrize("ties", TIES)
def test_is_the_expectation_over_a_random_order_of_ties(ties: Ties) -> None:
    for n_negatives in range(1, 7):
        value = partial(auc_of_rank, n_negatives=n_negatives)
        for less in range(n_negatives + 1):
            for equal in range(n_negatives - less + 1):
                counts = RankCounts(*(np.array([n]) for n in (less, equal, n_negatives)))
                expected = expected_over_ties(value, less, equal, n_negatives, ties)
                assert auc_per_user(counts, ties)[0] == pytest.approx(expected, abs=1e-12)


def test_cold_means_fewer_than_five() -> None:
    train_item_counts = np.array([0, 4, 5, 6])
    test = np.array([0, 1, 2, 3, NO_ITEM], dtype=np.int32)
    assert cold_users(test, train_item_counts).tolist() == [True, True, False, False, False]
    # The variant of the original C++ keeps items with exactly five, too.
    assert cold_users(test, train_item_counts, threshold=6).tolist() == [True] * 3 + [False] * 2
