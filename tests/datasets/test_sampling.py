"""Training pairs and uniform negatives, whatever model draws them."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from bench.datasets.dataset import Interactions
from bench.datasets.sampling import draw_negatives, draw_pairs


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


def test_pairs_come_once_each_per_epoch(rng: np.random.Generator) -> None:
    train = interactions(rng.random((7, 11)) < 0.4)
    users, items = draw_pairs(train, "pairs", rng)
    order = np.lexsort((items, users))
    np.testing.assert_array_equal(users[order], train.users)
    np.testing.assert_array_equal(items[order], train.indices)
    assert not np.array_equal(items, train.indices)


def test_users_are_uniform_then_one_of_their_items(rng: np.random.Generator) -> None:
    has = np.zeros((4, 4001), dtype=bool)
    has[0, :3] = True
    has[2, 3:4001] = True
    has[3, [0, 7]] = True
    users, items = draw_pairs(interactions(has), "users", rng)
    assert len(users) == has.sum()
    assert has[users, items].all()
    counts = np.bincount(users, minlength=4)
    assert counts[1] == 0
    assert chisquare(counts[[0, 2, 3]]).pvalue > 0.001
    for user in (0, 3):
        own = np.bincount(items[users == user], minlength=4001)[has[user]]
        assert chisquare(own).pvalue > 0.001


@pytest.mark.parametrize("sampling", ["pairs", "users"])
def test_pairs_of_nobody(sampling: str, rng: np.random.Generator) -> None:
    train = interactions(np.zeros((3, 2), dtype=bool))
    users, items = draw_pairs(train, "users" if sampling == "users" else "pairs", rng)
    assert users.shape == items.shape == (0,)
