"""FM through LightFM: its item features, its factors, its negatives, its memory."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from fitting import Recorder, auc, cpu, planted_blocks, training_set

from baselines.features import feature_blocks
from baselines.fm import FactorizationMachine, FmParams
from baselines.poprank import PopRank
from bench.datasets.dataset import TrainingSet
from bench.errors import BenchError, NonFiniteScoreError

UNSEEN = 59
"""The item of the planted blocks that no user has."""


class Kept(FactorizationMachine):
    """Keeps LightFM's model, which the recommender lets go of after the fit."""

    def _model(self, random_state: np.random.RandomState) -> Any:
        self.library = super()._model(random_state)
        return self.library


def fitted(**params: Any) -> Kept:
    settings = FmParams(**{"factors": 5, "epochs": 3, "feature_dims": 6, **params})
    return Kept(settings, runtime=cpu()).fit(planted_blocks()[0])


def dense_features(data: TrainingSet, weight: float) -> npt.NDArray[np.float64]:
    """Scale rows to the mean length `weight`."""
    rows = data.need_features().astype(np.float64)
    return rows * weight / np.mean([np.sqrt((row**2).sum()) for row in rows])


@pytest.mark.parametrize("rows_per_block", [4096, 7])
def test_items_are_an_identity_beside_all_scaled_features(
    rows_per_block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_blocks, "__defaults__", (rows_per_block,))
    data = planted_blocks()[0]
    params = FmParams(feature_dims=None, feature_weight=3.0)
    matrix = FactorizationMachine(params, runtime=cpu())._item_features(data)
    assert matrix.dtype == np.float32
    assert matrix.shape == (60, 60 + 12)
    expected = np.hstack([np.eye(60), dense_features(data, 3.0)])
    np.testing.assert_allclose(matrix.toarray(), expected, rtol=1e-6)


@pytest.mark.parametrize("dims", [1, 6, 12, 64])
def test_projected_features_keep_what_fits_into_so_many_directions(dims: int) -> None:
    data = planted_blocks()[0]
    params = FmParams(feature_dims=dims, feature_weight=2.0)
    matrix = FactorizationMachine(params, runtime=cpu())._item_features(data).toarray()
    kept = min(dims, 12)
    assert matrix.shape == (60, 60 + kept)
    np.testing.assert_array_equal(matrix[:, :60], np.eye(60))
    left, sizes, _ = np.linalg.svd(dense_features(data, 2.0), full_matrices=False)
    best = (left[:, :kept] * sizes[:kept] ** 2) @ left[:, :kept].T
    # All 12 directions are inside the randomised range, so only rounding is left.
    gram = matrix[:, 60:].astype(np.float64) @ matrix[:, 60:].T
    np.testing.assert_allclose(gram, best, atol=1e-5 * best.max())


def test_memory_is_eight_bytes_per_stored_entry() -> None:
    data = planted_blocks()[0]
    matrix = FactorizationMachine(FmParams(feature_dims=None), runtime=cpu())._item_features(data)
    # One indicator and twelve features per item.
    assert matrix.nnz == 60 * 13
    assert matrix.data.nbytes + matrix.indices.nbytes == 8 * matrix.nnz


@pytest.mark.parametrize("feature_dims", [6, None])
@pytest.mark.parametrize("negatives", ["uniform", "observed"])
def test_score_is_lightfms_own_prediction(feature_dims: int | None, negatives: str) -> None:
    model = fitted(feature_dims=feature_dims, negatives=negatives)
    users, items = np.array([0, 0, 17, 89], np.int32), np.array([3, 59, 0, 20], np.int32)
    features = model._item_features(planted_blocks()[0])
    expected = model.library.predict(users, items, item_features=features)
    expected -= model.library.user_biases[users]  # the same for every item, and left out
    np.testing.assert_allclose(model.score(users)[np.arange(4), items], expected, atol=1e-5)


def test_finds_planted_blocks_where_popularity_cannot() -> None:
    data, held_out = planted_blocks()
    popularity = auc(PopRank(runtime=cpu()).fit(data), data, held_out)
    assert auc(fitted(epochs=20, factors=8), data, held_out) > popularity + 0.25


def test_uniform_negatives_reach_items_without_training_users() -> None:
    assert fitted(negatives="uniform").library.item_biases[UNSEEN] < 0
    assert fitted(negatives="observed").library.item_biases[UNSEEN] == 0


def test_the_padding_user_is_never_trained_on() -> None:
    one, five = (fitted(epochs=epochs).library for epochs in (1, 5))
    assert len(one.user_embeddings) == 91
    np.testing.assert_array_equal(one.user_embeddings[-1], five.user_embeddings[-1])
    assert (one.user_embeddings[:-1] != five.user_embeddings[:-1]).any(axis=1).all()
    assert fitted().factors().user_factors.shape == (90, 5)


def test_hyper_parameters_reach_lightfm() -> None:
    params = FmParams(factors=7, regularization=0.25, learning_rate=0.5)
    library = FactorizationMachine(params, runtime=cpu())._model(np.random.RandomState(0))
    assert library.loss == "bpr"
    assert library.no_components == 7
    assert (library.item_alpha, library.user_alpha) == (0.25, 0.25)
    assert library.learning_rate == 0.5


def test_stops_when_told() -> None:
    data = planted_blocks()[0]
    watch = Recorder(stop_after=2)
    model = FactorizationMachine(FmParams(epochs=9), runtime=cpu()).fit(data, watch=watch)
    assert watch.epochs == [1, 2]
    whole = FactorizationMachine(FmParams(epochs=2), runtime=cpu()).fit(data)
    np.testing.assert_array_equal(model.score(range(90)), whole.score(range(90)))


@pytest.mark.parametrize(
    "setting", [{"learning_rate": 1e38}, {"feature_weight": 1e36, "feature_scaling": "none"}]
)
def test_divergence_is_an_error_and_no_nan(setting: dict[str, Any]) -> None:
    model = FactorizationMachine(FmParams(epochs=5, **setting), runtime=cpu())
    with pytest.raises(NonFiniteScoreError, match=r"fm diverged in epoch \d: .*learning_rate"):
        model.fit(planted_blocks()[0])


def test_other_errors_of_lightfm_are_bugs(monkeypatch: pytest.MonkeyPatch) -> None:
    from lightfm import LightFM

    def fail(*args: object, **options: object) -> None:
        raise ValueError("something else")

    monkeypatch.setattr(LightFM, "fit_partial", fail)
    with pytest.raises(ValueError, match="something else"):
        fitted()


def test_needs_features_that_say_something() -> None:
    with pytest.raises(BenchError, match="fm needs features, which small does not have"):
        FactorizationMachine(runtime=cpu()).fit(training_set([[0]], 2))
    zeros = training_set([[0]], 2, np.zeros((2, 3), dtype=np.float32))
    with pytest.raises(BenchError, match="features are all zero"):
        FactorizationMachine(runtime=cpu()).fit(zeros)


@pytest.mark.parametrize(
    "setting",
    [{"factors": 0}, {"feature_weight": 0.0}, {"regularization": -1.0}, {"feature_dims": 0}],
)
def test_impossible_settings(setting: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(setting))):
        FmParams(**setting)
