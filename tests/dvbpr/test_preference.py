"""The preference for any image: equal to the item's score, Delta, the gradient, precision."""

import io

import numpy as np
import numpy.typing as npt
import pytest
import torch
from fitting import Recorder, cpu
from PIL import Image

from bench.datasets.dataset import Images, Interactions, TrainingSet
from bench.errors import BenchError, NotFittedError
from dvbpr.backbones import build_backbone
from dvbpr.images import open_images, resized
from dvbpr.model import Dvbpr
from dvbpr.preference import Preference, preference_of, upscaled
from dvbpr.presets import DvbprParams

PIXELS = 16


def coloured(n_users: int = 6, n_items: int = 14, side: int = 23) -> TrainingSet:
    """Items of random colours, larger than the network's input."""
    rng = np.random.default_rng(8)
    encoded = []
    for _ in range(n_items):
        pixels = rng.integers(60, size=(side, side + 4, 3)) + rng.integers(190, size=3)
        buffer = io.BytesIO()
        Image.fromarray(pixels.astype(np.uint8)).save(buffer, "PNG")
        encoded.append(buffer.getvalue())
    users = np.repeat(np.arange(n_users), 4)
    items = rng.integers(n_items, size=len(users))
    train = Interactions.from_pairs(users, items, n_users=n_users, n_items=n_items)
    return TrainingSet(name="coloured", train=train, images=Images(encoded))


def params(**given: object) -> DvbprParams:
    values: dict[str, object] = {"preset": "slim", "pixels": PIXELS, "factors": 5, "epochs": 2}
    values |= {"precision": "float32", "batch_size": 8, "dropout": 0.4, "learning_rate": 1e-3}
    return DvbprParams(**(values | given))  # type: ignore[arg-type]


def pairs(model: Dvbpr) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Every user with every item, in one column each."""
    users, items = np.indices((model.n_users, model.n_items))
    return users.ravel(), items.ravel()


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-6), ("bf16", 0.02)])
def test_an_items_image_has_the_items_score(precision: str, tolerance: float) -> None:
    data = coloured()
    model = Dvbpr(params(precision=precision), runtime=cpu()).fit(data)
    users, items = pairs(model)
    expected = model.score(np.arange(model.n_users))[users, items]
    decoded = open_images(data, PIXELS)
    found = model.score_images(users, decoded[items])
    assert found.dtype == np.float32
    spread = np.ptp(expected)
    assert spread > 0
    np.testing.assert_allclose(found, expected, atol=tolerance * spread)
    # A photograph as it was given is made smaller as the catalogue's are.
    assert data.images is not None
    whole = np.stack([np.asarray(data.images.decoded(item)) for item in range(data.n_items)])
    np.testing.assert_array_equal(resized(whole, PIXELS), decoded)
    np.testing.assert_array_equal(model.score_images(users, whole[items]), found)


def test_scores_do_not_depend_on_the_batch(rng: np.random.Generator) -> None:
    model = Dvbpr(params(), runtime=cpu()).fit(coloured())
    images = rng.integers(256, size=(300, 8, 8, 3), dtype=np.uint8)
    users = rng.integers(model.n_users, size=300)
    whole = model.score_images(users, images)
    single = np.concatenate([model.score_images([u], images[[k]]) for k, u in enumerate(users)])
    np.testing.assert_allclose(single, whole, atol=1e-6 * np.ptp(whole))


def test_small_images_are_enlarged_by_repeating_pixels(rng: np.random.Generator) -> None:
    model = Dvbpr(params(), runtime=cpu()).fit(coloured())
    small = rng.integers(256, size=(5, 8, 8, 3), dtype=np.uint8)
    users = np.arange(5)
    doubled = small.repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_array_equal(
        model.score_images(users, small), model.score_images(users, doubled)
    )


@pytest.mark.parametrize(("side", "pixels"), [(64, 224), (128, 224), (64, 64), (5, 13), (1, 7)])
def test_delta_repeats_the_nearest_pixel(side: int, pixels: int) -> None:
    images = torch.arange(2 * 3 * side * side, dtype=torch.float64).view(2, 3, side, side)
    rows = (np.arange(pixels) * side) // pixels
    expected = images.numpy()[:, :, rows][:, :, :, rows]
    np.testing.assert_array_equal(upscaled(images, pixels).numpy(), expected)


def test_the_gradient_is_that_of_the_score() -> None:
    """Against central differences, in float64, through Delta and every kind of layer."""
    generator = torch.Generator().manual_seed(3)
    network = build_backbone("slim", 4, dropout=0.5, pixels=16, generator=generator).double()
    rows = torch.randn(3, 4, dtype=torch.float64, generator=generator)
    preference = Preference(network, rows, precision="float32")
    images = torch.rand(2, 3, 6, 6, dtype=torch.float64, generator=generator) * 2 - 1
    users = torch.tensor([2, 0])
    leaf = images.clone().requires_grad_()
    scores = preference(users, leaf)
    expected = (rows[users] * network(upscaled(images, 16))).sum(dim=1)
    torch.testing.assert_close(scores.detach(), expected)
    scores.sum().backward()
    assert leaf.grad is not None
    assert all(p.grad is None and not p.requires_grad for p in network.parameters())
    for place in ((0, 0, 0, 0), (0, 2, 3, 5), (1, 1, 4, 2)):
        step = torch.zeros_like(images)
        step[place] = 1e-6
        difference = preference(users, images + step) - preference(users, images - step)
        assert float(leaf.grad[place]) == pytest.approx(float(difference.sum()) / 2e-6, rel=1e-5)


def test_between_epochs_and_after_loading() -> None:
    """Scores follow the weights that are evaluated, and training goes on undisturbed by them."""
    data = coloured()
    decoded = open_images(data, PIXELS)
    plain = Dvbpr(params(epochs=3), runtime=cpu()).fit(data)
    model = Dvbpr(params(epochs=3), runtime=cpu())
    seen = []

    def look() -> None:
        users, items = pairs(model)
        found = model.score_images(users, decoded[items])
        expected = model.score(np.arange(model.n_users))[users, items]
        np.testing.assert_allclose(found, expected, atol=1e-6 * np.ptp(expected))
        seen.append((model.state(), found))

    model.fit(data, watch=Recorder(on_epoch=look))
    assert len(seen) == 3
    for name, value in plain.state().items():
        np.testing.assert_array_equal(model.state()[name], value, err_msg=name)
    for state, scores in seen:
        model.load_state(state, data)
        users, items = pairs(model)
        np.testing.assert_array_equal(model.score_images(users, decoded[items]), scores)
    assert not np.array_equal(seen[0][1], seen[1][1])


def test_who_gives_no_gradient() -> None:
    with pytest.raises(NotFittedError):
        preference_of(Dvbpr(params(), runtime=cpu()), "cpu")

    class Blind:
        name = "blind"

    with pytest.raises(BenchError, match="blind cannot guide a design"):
        preference_of(Blind(), "cpu")


def test_resized_agrees_with_pillow_and_keeps_what_fits(rng: np.random.Generator) -> None:
    images = rng.integers(256, size=(2, 9, 14, 3), dtype=np.uint8)
    small = resized(images, 5)
    expected = Image.fromarray(images[1]).resize((5, 5), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(small[1], np.asarray(expected))
    square = images[:, :, :9]
    assert resized(square, 9) is square
