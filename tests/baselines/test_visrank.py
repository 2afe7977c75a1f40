"""VisRank against scipy's pairwise distances, averaged user by user."""

from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pytest
from fitting import auc, cpu, planted_blocks, training_set
from scipy.spatial.distance import cdist

from baselines.features import feature_blocks
from baselines.visrank import VisRank, VisRankParams
from bench.errors import BenchError

Distance = Literal["euclidean", "squared", "cosine"]
OWNED = [[0, 3, 4], [39], [], list(range(20)), [3]]
N_ITEMS = 40
METRIC = {"euclidean": "euclidean", "squared": "sqeuclidean", "cosine": "cosine"}


def some_features(rng: np.random.Generator) -> npt.NDArray[np.float32]:
    features = rng.gamma(0.5, size=(N_ITEMS, 16)).astype(np.float32) * 20
    features[5] = features[4]  # the same photograph twice
    return features


def average_distances(
    features: npt.NDArray[np.float32], distance: Distance, normalize: bool
) -> npt.NDArray[np.float64]:
    rows = features.astype(np.float64)
    if normalize:
        rows /= np.sqrt((rows**2).sum(axis=1, keepdims=True))
    between = cdist(rows, rows, METRIC[distance])
    averages = np.zeros((len(OWNED), N_ITEMS))
    for user, own in enumerate(OWNED):
        for item in range(N_ITEMS):
            averages[user, item] = between[item, own].mean() if own else 0.0
    return averages


@pytest.mark.parametrize("rows_per_block", [4096, 7])
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("distance", ["euclidean", "squared", "cosine"])
def test_score_is_minus_the_average_distance(
    distance: Distance,
    normalize: bool,
    rows_per_block: int,
    rng: np.random.Generator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feature_blocks, "__defaults__", (rows_per_block,))
    features = some_features(rng)
    params = VisRankParams(distance=distance, normalize=normalize)
    model = VisRank(params, runtime=cpu()).fit(training_set(OWNED, N_ITEMS, features))
    expected = average_distances(features, distance, normalize)
    # The root makes the rounding of a zero distance as large as 1e-3 of the largest distance.
    tolerance = (1e-3 if distance == "euclidean" else 1e-5) * expected.max()
    np.testing.assert_allclose(-model.score(range(5)), expected, atol=tolerance)


def test_a_user_without_items_ties_everywhere(rng: np.random.Generator) -> None:
    for distance in ("euclidean", "squared", "cosine"):
        params = VisRankParams(distance=distance)
        model = VisRank(params, runtime=cpu()).fit(training_set(OWNED, N_ITEMS, some_features(rng)))
        assert (model.score([2, 2]) == 0).all()


def test_stored_features_are_read_from_the_map_in_either_precision(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    half = some_features(rng).astype(np.float16)
    scores = []
    for dtype in (np.float16, np.float32):
        np.save(tmp_path / "f.npy", half.astype(dtype))
        stored = np.load(tmp_path / "f.npy", mmap_mode="r")
        model = VisRank(runtime=cpu()).fit(training_set(OWNED, N_ITEMS, stored))
        scores.append(model.score(range(5)))
    np.testing.assert_array_equal(*scores)


def test_features_tell_planted_blocks_apart() -> None:
    data, held_out = planted_blocks()
    assert auc(VisRank(runtime=cpu()).fit(data), data, held_out) > 0.75


def test_needs_features() -> None:
    with pytest.raises(BenchError, match="visrank needs features, which small does not have"):
        VisRank(runtime=cpu()).fit(training_set([[0]], 2))


def test_features_that_are_all_zero_are_refused() -> None:
    nothing = np.zeros((N_ITEMS, 3), dtype=np.float32)
    with pytest.raises(BenchError, match="the features are all zero"):
        VisRank(runtime=cpu()).fit(training_set(OWNED, N_ITEMS, nothing))
