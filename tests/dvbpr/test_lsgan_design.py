"""Designing with the suite's own GAN and DVBPR, as the report does it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fitting import cpu

from bench.datasets.dataset import TrainingSet
from bench.errors import BenchError
from bench.generator import DesignOptions, Generator, TailorOptions
from bench.recommender import FactorRecommender
from bench.registry import Registry
from bench.testing import toy_training_set
from dvbpr.gan_presets import GanParams
from dvbpr.lsgan import Lsgan
from dvbpr.model import Dvbpr
from dvbpr.presets import DvbprParams

OPTIONS = DesignOptions(starts=6, steps=5, top=2)


@pytest.fixture(scope="module")
def toy() -> TrainingSet:
    return toy_training_set()


def dvbpr(data: TrainingSet) -> Dvbpr:
    params = DvbprParams(preset="slim", pixels=32, factors=4, epochs=1, precision="float32")
    return Dvbpr(params, runtime=cpu()).fit(data)


def settings(**given: Any) -> GanParams:
    values = {"preset": "slim", "pixels": 16, "code_dims": 8, "batch_size": 20, "epochs": 8}
    values |= {"generator_rate": 2e-3, "average": 0.0}  # so that it draws more than grey
    return GanParams(**(values | {"precision": "float32"} | given))


def lsgan(data: TrainingSet) -> Lsgan:
    return Lsgan(settings(), runtime=cpu()).fit(data)


@pytest.fixture(scope="module")
def model(toy: TrainingSet) -> Dvbpr:
    return dvbpr(toy)


@pytest.fixture(scope="module")
def generator(toy: TrainingSet) -> Lsgan:
    return lsgan(toy)


def test_designs_agree_with_the_models_own_answers(model: Dvbpr, generator: Lsgan) -> None:
    users, categories = np.array([0, 3, 7]), np.array([2, 0, 1])
    made = generator.design(model, users, categories, OPTIONS, seed=4)
    who, what = np.repeat(users, 2), np.repeat(categories, 2)
    flat = made.images.reshape(-1, 16, 16, 3)
    scores = model.score_images(who, flat)
    np.testing.assert_allclose(made.scores.ravel(), scores, rtol=1e-4, atol=1e-6)
    losses = generator.real_loss(flat, what)
    assert (losses > 0).all()
    np.testing.assert_allclose(made.objective.ravel(), scores - losses, rtol=1e-4, atol=1e-5)
    again = generator.generate(made.codes.reshape(-1, 8), what)
    assert np.abs(again.astype(int) - flat).max() <= 1
    still = DesignOptions(starts=6, steps=0, top=1)
    moved = DesignOptions(starts=6, steps=20, top=1)
    before, after = (
        generator.design(model, users, categories, options, seed=4) for options in (still, moved)
    )
    assert (after.objective > before.objective).all()


def test_tailoring_scores_the_photograph_as_it_is(
    model: Dvbpr, generator: Lsgan, rng: np.random.Generator
) -> None:
    images = rng.integers(256, size=(2, 50, 40, 3), dtype=np.uint8)
    options = TailorOptions(starts=2, fit_steps=10, iterates=(0, 3))
    users, categories = np.array([1, 2]), np.array([0, 2])
    found = generator.tailor(model, users, categories, images, options, seed=0)
    np.testing.assert_array_equal(found.prototype_scores, model.score_images(users, images))
    for place in range(2):
        scores = model.score_images(users, found.iterates[:, place])
        np.testing.assert_allclose(found.scores[:, place], scores, rtol=1e-4, atol=1e-6)
    assert found.prototypes.shape == (2, 16, 16, 3)


def test_a_loaded_generator_and_model_design_the_same(
    toy: TrainingSet, model: Dvbpr, generator: Lsgan, tmp_path: Path
) -> None:
    model.save(tmp_path / "model")
    generator.save(tmp_path / "generator")
    loaded = Dvbpr(model.params, runtime=cpu()).load(tmp_path / "model", toy)
    made_by = Lsgan(generator.params, runtime=cpu()).load(tmp_path / "generator", toy)
    query = (np.array([5]), np.array([1]))
    first = generator.design(model, *query, OPTIONS, seed=0)
    second = made_by.design(loaded, *query, OPTIONS, seed=0)
    np.testing.assert_array_equal(first.images, second.images)
    np.testing.assert_array_equal(first.scores, second.scores)


@pytest.mark.parametrize("name", ["poprank", "vbpr"])
def test_a_recommender_that_sees_no_images(toy: TrainingSet, generator: Lsgan, name: str) -> None:
    other = Registry().recommender(name)(runtime=cpu())
    assert isinstance(other, FactorRecommender)
    other.fit(toy)
    with pytest.raises(BenchError, match=f"{name} cannot guide a design: its score has no grad"):
        generator.design(other, [0], [0], OPTIONS, seed=0)
    with pytest.raises(BenchError, match=f"{name} cannot guide a design"):
        generator.tailor(other, [0], [0], np.zeros((1, 8, 8, 3), np.uint8), TailorOptions(), seed=0)


@pytest.mark.parametrize(
    ("users", "categories", "message"),
    [
        ([40], [0], "row numbers below 40"),
        ([0], [3], "categories must be 1 numbers below 3"),
        ([0, 1], [0], "categories must be 2 numbers"),
    ],
)
def test_queries_of_nobody_and_nothing(
    model: Dvbpr, generator: Lsgan, users: list[int], categories: list[int], message: str
) -> None:
    with pytest.raises(BenchError, match=message):
        generator.design(model, users, categories, OPTIONS, seed=0)


def test_a_category_of_one_image() -> None:
    """What comes is poor, and no error."""
    from dataclasses import replace

    from bench.datasets.dataset import Images, Interactions

    whole = toy_training_set()
    assert whole.images is not None
    assert whole.categories is not None
    pairs = np.array([0, 0, 1, 1, 2])
    few = replace(
        whole,
        train=Interactions.from_pairs(pairs, np.array([0, 1, 1, 2, 0]), n_users=3, n_items=4),
        features=None,
        feature_info=None,
        images=Images([whole.images.encoded(item) for item in range(4)]),
        categories=whole.categories[:4],
    )
    made = lsgan(few).design(dvbpr(few), [0, 1], [0, 2], OPTIONS, seed=0)
    assert np.isfinite(made.objective).all()
    assert made.images.shape == (2, 2, 16, 16, 3)


def test_a_generator_that_does_not_design(toy: TrainingSet, model: Dvbpr) -> None:
    class Plain(Lsgan):
        _design = Generator._design
        _tailor = Generator._tailor

    plain = Plain(settings(epochs=1), runtime=cpu()).fit(toy)
    with pytest.raises(BenchError, match="lsgan generates images, but designs none"):
        plain.design(model, [0], [0], OPTIONS, seed=0)
    with pytest.raises(BenchError, match="lsgan generates images, but tailors none"):
        plain.tailor(model, [0], [0], np.zeros((1, 8, 8, 3), np.uint8), TailorOptions(), seed=0)
