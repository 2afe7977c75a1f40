"""LSGAN as a generator: what it keeps, what it draws and judges, designs, and interruptions."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fitting import Recorder, cpu

from baselines.poprank import PopRank
from bench.datasets.dataset import TrainingSet
from bench.errors import BenchError, NotFittedError
from bench.generator import DesignOptions, TailorOptions
from bench.recommender import State
from bench.testing import toy_training_set
from dvbpr.gan_presets import GanParams
from dvbpr.lsgan import Lsgan
from dvbpr.model import Dvbpr
from dvbpr.presets import DvbprParams


def params(**given: Any) -> GanParams:
    values = {"preset": "slim", "pixels": 16, "code_dims": 4, "batch_size": 16, "epochs": 2}
    return GanParams(**(values | {"precision": "float32"} | given))


@pytest.fixture(scope="module")
def data() -> TrainingSet:
    return toy_training_set()


@pytest.fixture(scope="module")
def fitted(data: TrainingSet) -> Lsgan:
    return Lsgan(params(), runtime=cpu()).fit(data)


def codes(model: Lsgan, n: int, seed: int = 0) -> np.ndarray:
    return model.codes(n, np.random.default_rng(seed))


def test_images_of_codes_and_categories(fitted: Lsgan) -> None:
    z = codes(fitted, 30)
    categories = np.arange(30) % 3
    images = fitted.generate(z, categories)
    assert images.shape == (30, 16, 16, 3)
    assert images.dtype == np.uint8
    assert len(np.unique(images.reshape(30, -1), axis=0)) == 30
    # By the network, in [-1, 1]; bytes are the nearest ones.
    generator, _ = fitted.networks()
    with torch.no_grad():
        expected = generator(torch.from_numpy(z), torch.from_numpy(categories)).numpy()
    expected = np.rint((expected.transpose(0, 2, 3, 1) + 1) * 127.5)
    assert np.abs(images - expected).max() <= 1
    other = fitted.generate(z, (categories + 1) % 3)
    assert not np.array_equal(images, other)
    assert fitted.generate(z[:0], []).shape == (0, 16, 16, 3)


@pytest.mark.parametrize("preset", ["slim", "release"])
def test_codes_are_uniform_whatever_training_draws(preset: str) -> None:
    model = Lsgan(params(preset=preset), runtime=cpu())
    drawn = codes(model, 5000)
    assert drawn.dtype == np.float32
    assert drawn.shape == (5000, 4)
    assert np.abs(drawn).max() <= 1
    assert drawn.std() == pytest.approx(3**-0.5, abs=0.01)
    assert np.array_equal(drawn, codes(model, 5000))


def test_the_same_seed_gives_the_same_images(fitted: Lsgan, data: TrainingSet) -> None:
    torch.manual_seed(1)  # the global generator has no say
    again = Lsgan(params(), runtime=cpu()).fit(data)
    other = Lsgan(params(), runtime=cpu(seed=1)).fit(data)
    z, categories = codes(fitted, 8), np.arange(8) % 3
    images = fitted.generate(z, categories)
    assert np.array_equal(images, again.generate(z, categories))
    assert not np.array_equal(images, other.generate(z, categories))


def test_the_real_loss_is_that_of_the_discriminator(fitted: Lsgan) -> None:
    rng = np.random.default_rng(2)
    images = rng.integers(256, size=(5, 16, 16, 3), dtype=np.uint8)
    categories = np.array([0, 1, 2, 1, 0])
    _, discriminator = fitted.networks()
    scaled = torch.from_numpy(images.astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)
    with torch.no_grad():
        judged = discriminator(scaled, torch.from_numpy(categories)).numpy()
    losses = fitted.real_loss(images, categories)
    assert losses.dtype == np.float32
    np.testing.assert_allclose(losses, (judged - 1) ** 2, rtol=1e-4)
    # An image of twice the size, each pixel four times, is the same image.
    large = images.repeat(2, axis=1).repeat(2, axis=2)
    smooth = np.full((1, 32, 32, 3), 77, dtype=np.uint8)
    assert fitted.real_loss(large, categories).shape == (5,)
    np.testing.assert_allclose(
        fitted.real_loss(smooth, [1]), fitted.real_loss(smooth[:, :16, :16], [1])
    )
    assert fitted.real_loss(images[:0], []).shape == (0,)


def test_saved_and_loaded(fitted: Lsgan, data: TrainingSet, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model")
    loaded = Lsgan(params(), runtime=cpu()).load(tmp_path / "model", data)
    z, categories = codes(fitted, 6), np.arange(6) % 3
    images = fitted.generate(z, categories)
    assert np.array_equal(images, loaded.generate(z, categories))
    np.testing.assert_array_equal(
        fitted.real_loss(images, categories), loaded.real_loss(images, categories)
    )
    assert loaded.category_names == ("red", "green", "blue")
    renamed = dataclasses.replace(data, category_names=("a", "b", "c"))
    with pytest.raises(BenchError, match="fitted on the categories red, green, blue"):
        Lsgan(params(), runtime=cpu()).load(tmp_path / "model", renamed)


@pytest.mark.parametrize("given", [{}, {"preset": "release", "batch_size": 20}])
def test_interrupted_equals_undisturbed(data: TrainingSet, given: dict[str, Any]) -> None:
    """Also where samples are drawn, and checkpoints written, between and within epochs."""
    undisturbed = Lsgan(params(**given), runtime=cpu()).fit(data)
    for stop_after_pauses in (1, 3):
        model = Lsgan(params(**given), runtime=cpu())
        kept: list[State] = []

        def keep(model: Lsgan = model, kept: list[State] = kept) -> None:
            model.generate(codes(model, 4), [0, 1, 2, 0])
            state = model.training_state()
            assert state is not None
            kept.append(state)
            if len(kept) > stop_after_pauses:  # noqa: B023  # called in this turn only
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            model.fit(data, watch=Recorder(on_pause=keep, on_epoch=keep))
        resumed = Lsgan(params(**given), runtime=cpu())
        watch = Recorder(checkpoint=kept[-1])
        resumed.fit(data, watch=watch)
        one, other = undisturbed.state(), resumed.state()
        assert one.keys() == other.keys()
        assert all(np.array_equal(one[name], other[name]) for name in one)
        assert watch.epochs[-1] == 2


def test_the_watch_hears_of_losses_and_can_stop(data: TrainingSet) -> None:
    model = Lsgan(params(epochs=5), runtime=cpu())
    figures = []
    watch = Recorder(stop_after=2, on_epoch=lambda: figures.append(model.figures))
    model.fit(data, watch=watch)
    assert watch.epochs == [1, 2]
    for loss, of in zip(watch.losses, figures, strict=True):
        assert set(of) == {"discriminator_loss", "generator_loss"}
        assert loss == pytest.approx(sum(of.values()))
    assert model.training_state() is None


def test_settled_writes_everything_out() -> None:
    settled = Lsgan.settled(GanParams(), cpu())
    assert settled.preset == "slim"
    assert settled.precision in ("bf16", "float32")
    assert None not in dataclasses.asdict(settled).values()
    assert Lsgan(settled, runtime=cpu()).max_epochs == settled.epochs


def test_what_it_cannot_learn_from(data: TrainingSet) -> None:
    def told(**changes: Any) -> str:
        with pytest.raises(BenchError) as caught:
            Lsgan(params(), runtime=cpu()).fit(dataclasses.replace(data, **changes))
        return str(caught.value)

    assert told(images=None) == "lsgan needs images, which toy does not have"
    assert told(categories=None, category_names=()) == (
        "lsgan needs categories, which toy does not have"
    )
    one = np.zeros(data.n_items, dtype=np.int16)
    assert "needs items of two at least, toy has 60 of one" in told(categories=one)
    each = np.arange(data.n_items, dtype=np.int16)
    names = tuple(f"c{k}" for k in each)
    assert "one image per category" in told(categories=each, category_names=names)


def test_bad_calls(fitted: Lsgan) -> None:
    z = codes(fitted, 3)
    with pytest.raises(NotFittedError):
        Lsgan(params(), runtime=cpu()).generate(z, [0, 1, 2])
    for bad in ([0, 1], [0, 1, 3], [0, -1, 2]):
        with pytest.raises(BenchError, match="categories must be 3 numbers below 3"):
            fitted.generate(z, bad)
    with pytest.raises(BenchError, match=r"codes must have shape \(3, 4\), got \(3, 2\)"):
        fitted.generate(z[:, :2], [0, 1, 2])
    z[1, 1] = np.nan
    with pytest.raises(BenchError, match="NaN"):
        fitted.generate(z, [0, 1, 2])
    with pytest.raises(BenchError, match=r"images must be uint8 \(n, H, W, 3\)"):
        fitted.real_loss(np.zeros((2, 16, 16), dtype=np.uint8), [0, 1])
    with pytest.raises(BenchError, match="must be uint8"):
        fitted.real_loss(np.zeros((2, 16, 16, 3)), [0, 1])  # type: ignore[arg-type]


def test_designs_and_tailors_for_dvbpr(fitted: Lsgan, data: TrainingSet) -> None:
    values = {"preset": "slim", "pixels": 16, "factors": 3, "batch_size": 64, "epochs": 1}
    model = Dvbpr(DvbprParams(**values, precision="float32"), runtime=cpu()).fit(data)
    options = DesignOptions(starts=4, steps=3, top=2)
    designs = fitted.design(model, [0, 7], [1, 2], options, seed=3)
    assert designs.images.shape == (2, 2, 16, 16, 3)
    assert designs.codes.shape == (2, 2, 4)
    again = fitted.design(model, [7], [2], options, seed=3)
    assert np.array_equal(again.images[0], designs.images[1])
    for query, category in enumerate([1, 2]):
        np.testing.assert_allclose(
            designs.objective[query],
            designs.scores[query] - fitted.real_loss(designs.images[query], [category] * 2),
            atol=1e-4,
        )
    given = fitted.generate(codes(fitted, 1), [1])
    steps = TailorOptions(starts=2, fit_steps=4, iterates=(0, 2))
    tailored = fitted.tailor(model, [5], [1], given, steps, seed=0)
    assert tailored.iterates.shape == (1, 2, 16, 16, 3)
    np.testing.assert_array_equal(tailored.prototypes, given)
    with pytest.raises(BenchError, match="poprank cannot guide a design"):
        fitted.design(PopRank(runtime=cpu()).fit(data), [0], [0], options, seed=0)
    with pytest.raises(BenchError, match="users must be row numbers below 40"):
        fitted.design(model, [40], [0], options, seed=0)
    with pytest.raises(BenchError, match="1 images for 2 users"):
        fitted.tailor(model, [0, 1], [0, 1], given, steps, seed=0)
