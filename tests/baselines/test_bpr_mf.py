"""BPR-MF: what implicit is made to do, and what it is kept from doing."""

from typing import Any

import numpy as np
import pytest
from fitting import Recorder, auc, cpu, planted_blocks

from baselines.bpr_mf import BprMf, BprMfParams
from baselines.poprank import PopRank
from bench.recommender import Runtime

UNSEEN = 59
"""The item of the planted blocks that no user has."""


def fitted(seed: int = 0, **params: Any) -> BprMf:
    settings = BprMfParams(**{"factors": 8, "regularization": 0.01, "epochs": 100, **params})
    return BprMf(settings, runtime=cpu(seed)).fit(planted_blocks()[0])


@pytest.mark.parametrize("negatives", ["uniform", "observed"])
def test_finds_planted_blocks_where_popularity_cannot(negatives: str) -> None:
    data, held_out = planted_blocks()
    popularity = auc(PopRank(runtime=cpu()).fit(data), data, held_out)
    assert auc(fitted(negatives=negatives), data, held_out) > popularity + 0.25


def test_uniform_negatives_reach_items_without_training_users() -> None:
    early, late = (fitted(epochs=epochs).factors() for epochs in (1, 30))
    # An item that is only ever drawn as a negative is pushed below all others.
    assert late.item_bias[UNSEEN] == late.item_bias.min()
    assert late.item_bias[UNSEEN] < early.item_bias[UNSEEN] < 0
    assert np.ptp(late.item_factors[UNSEEN]) > 0
    assert (late.item_factors[UNSEEN] != early.item_factors[UNSEEN]).all()


def test_observed_negatives_leave_items_without_training_users_at_zero() -> None:
    factors = fitted(epochs=10, negatives="observed").factors()
    assert not factors.item_factors[UNSEEN].any()
    assert factors.item_bias[UNSEEN] == 0
    assert np.abs(factors.item_factors[:UNSEEN]).max(axis=1).min() > 0


def test_the_padding_user_is_never_trained_on() -> None:
    one, five = (fitted(epochs=epochs)._model.user_factors for epochs in (1, 5))
    n_users = planted_blocks()[0].n_users
    assert len(one) == len(five) == n_users + 1
    np.testing.assert_array_equal(one[-1], five[-1])
    assert one[-1].any()
    assert (one[:-1, :-1] != five[:-1, :-1]).any(axis=1).all()


def test_uniform_negatives_are_drawn_evenly() -> None:
    """The matrix implicit draws negatives from holds every item equally often."""
    data = planted_blocks()[0]
    pairs = BprMf(runtime=cpu())._pairs(data)
    assert np.ptp(np.bincount(pairs.indices, minlength=data.n_items)) == 0
    assert (pairs[: data.n_users] != data.train.matrix()).nnz == 0


def test_the_padding_user_is_not_shown() -> None:
    model = fitted(epochs=2)
    data = planted_blocks()[0]
    factors = model.factors()
    assert factors.user_factors.shape == (data.n_users, 8)
    assert factors.item_factors.shape == (data.n_items, 8)
    assert model.state()["user_factors"].shape == (data.n_users, 9)


def test_stops_when_told() -> None:
    watch = Recorder(stop_after=2)
    model = BprMf(BprMfParams(epochs=9, factors=4), runtime=cpu())
    model.fit(planted_blocks()[0], watch=watch)
    assert watch.epochs == [1, 2]
    np.testing.assert_array_equal(
        model.score(range(90)), fitted(epochs=2, factors=4, regularization=0.05).score(range(90))
    )


def test_seeds_decide() -> None:
    first = fitted(seed=1, epochs=3).score(range(90))
    np.testing.assert_array_equal(first, fitted(seed=1, epochs=3).score(range(90)))
    assert (first != fitted(seed=2, epochs=3).score(range(90))).all()


def test_one_thread_when_deterministic() -> None:
    assert BprMf(runtime=Runtime(threads=4)).threads_used == 1
    assert BprMf(runtime=Runtime(threads=4, deterministic=False)).threads_used == 4


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"factors": 0}, "factors and epochs"),
        ({"epochs": 0}, "factors and epochs"),
        ({"regularization": -1.0}, "regularization must be >= 0"),
        ({"learning_rate": 0.0}, "learning_rate > 0"),
    ],
)
def test_impossible_settings(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BprMfParams(**setting)
