"""WARP through LightFM."""

from typing import Any

import numpy as np
import pytest
from fitting import Recorder, auc, cpu, planted_blocks

from baselines.poprank import PopRank
from baselines.warp import Warp, WarpParams
from bench.errors import NonFiniteScoreError
from bench.recommender import Runtime


class Kept(Warp):
    """Keeps LightFM's model, which `Warp` lets go of after the fit."""

    def _model(self, random_state: np.random.RandomState) -> Any:
        self.library = super()._model(random_state)
        return self.library


def test_score_is_lightfms_own_prediction() -> None:
    data = planted_blocks()[0]
    model = Kept(WarpParams(factors=5, epochs=3), runtime=cpu()).fit(data)
    users, items = np.array([0, 0, 17, 89], np.int32), np.array([3, 59, 0, 20], np.int32)
    # All but the user's bias, which is the same for every item.
    expected = model.library.predict(users, items) - model.library.user_biases[users]
    np.testing.assert_allclose(model.score(users)[np.arange(4), items], expected, atol=1e-5)


def test_finds_planted_blocks_where_popularity_cannot() -> None:
    data, held_out = planted_blocks()
    popularity = auc(PopRank(runtime=cpu()).fit(data), data, held_out)
    model = Warp(WarpParams(factors=8, epochs=20), runtime=cpu()).fit(data)
    assert auc(model, data, held_out) > popularity + 0.25


def test_hyper_parameters_reach_lightfm() -> None:
    params = WarpParams(factors=7, regularization=0.25, learning_rate=0.5, max_sampled=3)
    library = Warp(params, runtime=cpu())._model(np.random.RandomState(0))
    assert library.loss == "warp"
    assert library.no_components == 7
    assert (library.item_alpha, library.user_alpha) == (0.25, 0.25)
    assert library.learning_rate == 0.5
    assert library.max_sampled == 3


def test_stops_when_told() -> None:
    data = planted_blocks()[0]
    watch = Recorder(stop_after=2)
    stopped = Warp(WarpParams(epochs=9), runtime=cpu()).fit(data, watch=watch)
    assert watch.epochs == [1, 2]
    whole = Warp(WarpParams(epochs=2), runtime=cpu()).fit(data)
    np.testing.assert_array_equal(stopped.score(range(90)), whole.score(range(90)))


def test_divergence_is_an_error() -> None:
    model = Warp(WarpParams(learning_rate=1e38, epochs=5), runtime=cpu())
    with pytest.raises(NonFiniteScoreError, match=r"warp diverged in epoch \d: .*lower learning"):
        model.fit(planted_blocks()[0])


def test_one_thread_when_deterministic() -> None:
    assert Warp(runtime=Runtime(threads=4)).threads_used == 1
    assert Warp(runtime=Runtime(threads=4, deterministic=False)).threads_used == 4


@pytest.mark.parametrize(
    "setting",
    [{"factors": 0}, {"max_sampled": 0}, {"regularization": -1.0}, {"learning_rate": 0.0}],
)
def test_impossible_settings(setting: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(setting))):
        WarpParams(**setting)
