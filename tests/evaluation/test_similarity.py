"""SSIM against scikit-image."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from skimage.metrics import structural_similarity

import bench.evaluation.similarity as module
from bench.errors import BenchError
from bench.evaluation.similarity import SsimOptions, opposite_mean_ssim, ssim

LUMA = np.array([0.299, 0.587, 0.114])


def garments(rng: np.random.Generator, n: int, height: int, width: int) -> np.ndarray:
    """Blobs of colour on white with some noise: neither flat nor pure noise."""
    rows, columns = np.mgrid[:height, :width]
    images = np.full((n, height, width, 3), 255.0)
    for image in images:
        for _ in range(4):
            at, spread = rng.uniform(0, [height, width]), rng.uniform(2, 9)
            blob = np.exp(-((rows - at[0]) ** 2 + (columns - at[1]) ** 2) / (2 * spread**2))
            image -= blob[..., None] * rng.uniform(0, 255, 3)
    return np.clip(images + rng.normal(0, 6, images.shape), 0, 255).astype(np.uint8)


def reference(first: np.ndarray, second: np.ndarray, **options: Any) -> float:
    gaussian = {"gaussian_weights": True, "sigma": 1.5}
    how = {"use_sample_covariance": False, "data_range": 255, **gaussian, **options}
    return float(structural_similarity(first, second, **how))


@pytest.mark.parametrize(("height", "width"), [(64, 64), (30, 47), (11, 11)])
def test_grey_ssim_is_scikit_images(rng: np.random.Generator, height: int, width: int) -> None:
    first, second = garments(rng, 5, height, width), garments(rng, 5, height, width)
    second[0] = first[0]
    second[1] = 255 - first[1]
    expected = [reference(a @ LUMA, b @ LUMA) for a, b in zip(first, second, strict=True)]
    values = ssim(first, second)
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-10)
    assert values[1] < 0.2
    assert np.ptp(values) > 0.5  # the cases differ
    grey = ssim(first @ LUMA, second @ LUMA)  # one channel
    np.testing.assert_allclose(grey, values, rtol=0, atol=1e-12)


def test_rgb_ssim_is_scikit_images(rng: np.random.Generator) -> None:
    first, second = garments(rng, 4, 40, 40), garments(rng, 4, 40, 40)
    expected = [reference(a, b, channel_axis=2) for a, b in zip(first, second, strict=True)]
    values = ssim(first, second, SsimOptions(colour="rgb"))
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-10)
    assert np.abs(values - ssim(first, second)).max() > 1e-3


def test_another_window_and_constants(rng: np.random.Generator) -> None:
    first, second = garments(rng, 3, 32, 32) @ LUMA, garments(rng, 3, 32, 32) @ LUMA
    pairs = list(zip(first, second, strict=True))
    uniform = [reference(a, b, gaussian_weights=False, win_size=7) for a, b in pairs]
    options = SsimOptions(window="uniform", window_size=7)
    np.testing.assert_allclose(ssim(first, second, options), uniform, rtol=0, atol=1e-10)
    # scikit-image's window has round(3.5 sigma) pixels on either side.
    narrow = [reference(a, b, sigma=0.6, K1=0.05, K2=0.1) for a, b in pairs]
    options = SsimOptions(window_size=5, sigma=0.6, k1=0.05, k2=0.1)
    np.testing.assert_allclose(ssim(first, second, options), narrow, rtol=0, atol=1e-10)


def test_the_data_range_is_taken_at_its_word(rng: np.random.Generator) -> None:
    first, second = garments(rng, 2, 20, 20), garments(rng, 2, 20, 20)
    expected = ssim(first, second)
    unit = SsimOptions(data_range=1.0)
    np.testing.assert_allclose(ssim(first / 255, second / 255, unit), expected, atol=1e-12)
    # As [0, 255] with a range of 1 and [-1, 1] with any: refused, not scored wrongly.
    for wrong in (first, first / 127.5 - 1, np.full_like(first, np.nan, dtype=float)):
        with pytest.raises(ValueError, match="from 0 to the data range 1"):
            ssim(wrong, wrong, unit)


@pytest.mark.parametrize(("size", "new"), [(64, 32), (64, 48), (30, 48), (33, 32)])
def test_images_are_resized_as_pillow_does(rng: np.random.Generator, size: int, new: int) -> None:
    first, second = garments(rng, 3, size, size), garments(rng, 3, size, size)

    def resized(image: np.ndarray) -> np.ndarray:
        pillow = Image.fromarray((image @ LUMA).astype(np.float32))
        return np.asarray(pillow.resize((new, new), Image.Resampling.BILINEAR), np.float64)

    expected = [reference(resized(a), resized(b)) for a, b in zip(first, second, strict=True)]
    values = ssim(first, second, SsimOptions(size=new))
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-4)
    assert np.abs(values - ssim(first, second)).max() > 1e-3


pixels = st.integers(0, 255)
shapes = st.tuples(st.integers(1, 3), st.integers(11, 14), st.integers(11, 14))


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_ssim_is_symmetric_bounded_and_one_for_equal_images(data: st.DataObject) -> None:
    shape = (*data.draw(shapes), 3)
    first = data.draw(arrays(np.uint8, shape, elements=pixels))
    second = data.draw(arrays(np.uint8, shape, elements=pixels))
    np.testing.assert_allclose(ssim(first, first), 1.0, rtol=0, atol=1e-9)
    values = ssim(first, second)
    np.testing.assert_allclose(values, ssim(second, first), rtol=0, atol=1e-12)
    assert (np.abs(values) <= 1 + 1e-9).all()
    mirrored = ssim(first[:, ::-1, ::-1], second[:, ::-1, ::-1])
    np.testing.assert_allclose(values, mirrored, rtol=0, atol=1e-9)


def test_diversity_is_the_mean_over_pairs_then_queries(rng: np.random.Generator) -> None:
    returned = garments(rng, 12, 24, 24).reshape(4, 3, 24, 24, 3)
    returned[2] = returned[2, :1]
    found = opposite_mean_ssim(returned)
    expected = []
    for query in returned @ LUMA:
        pairs = [(0, 1), (0, 2), (1, 2)]
        expected.append(1 - sum(reference(query[i], query[j]) for i, j in pairs) / 3)
    np.testing.assert_allclose(found.values, expected, atol=1e-10)
    assert found.values[2] == pytest.approx(0, abs=1e-12)
    mean = sum(expected) / 4
    assert found.mean == pytest.approx(mean)
    assert found.std == pytest.approx(math.sqrt(sum((v - mean) ** 2 for v in expected) / 4))
    assert (found.n_queries, found.n_images) == (4, 3)


def test_neither_blocks_nor_threads_change_a_number(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    returned = garments(rng, 14, 16, 16).reshape(7, 2, 16, 16, 3)
    whole = opposite_mean_ssim(returned, threads=1).values
    monkeypatch.setattr(module, "_BLOCK_BYTES", 2 * 2 * 16 * 16 * 3 * 8)
    for threads in (1, 2):
        np.testing.assert_allclose(
            opposite_mean_ssim(returned, threads=threads).values, whole, rtol=0, atol=1e-13
        )
    with_itself = ssim(returned[:, 0], returned[:, 1], threads=2)
    np.testing.assert_allclose(1 - with_itself, whole, rtol=0, atol=1e-13)


def test_images_that_cannot_be_compared() -> None:
    images = np.zeros((2, 12, 12, 3), np.uint8)
    for returned in (images[None, :1], images[None][:0]):
        with pytest.raises(BenchError, match="return at least 2"):
            opposite_mean_ssim(returned)
    with pytest.raises(BenchError, match="window has 11 pixels, the images only 10 x 12"):
        ssim(images[:, :10], images[:, :10])
    with pytest.raises(ValueError, match="equal shapes"):
        ssim(images, images[:1])
    with pytest.raises(ValueError, match=r"\(H, W\) or \(H, W, 3\)"):
        ssim(images[..., :2], images[..., :2])
    with pytest.raises(ValueError, match="as rgb"):
        ssim(images[..., 0], images[..., 0], SsimOptions(colour="rgb"))
    with pytest.raises(ValueError, match="no pixels"):
        ssim(images[:, :0], images[:, :0])
    assert ssim(images[:0], images[:0]).shape == (0,)


@pytest.mark.parametrize(
    "wrong",
    [
        {"window_size": 10},
        {"window_size": -1},
        {"window": "box"},
        {"colour": "hsv"},
        {"sigma": 0.0},
        {"k1": float("nan")},
        {"data_range": float("inf")},
        {"size": 10},
    ],
)
def test_options_without_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        SsimOptions(**wrong)


def test_options_say_what_was_computed() -> None:
    assert str(SsimOptions(size=64)) == (
        "SSIM of grey images, at 64 x 64 pixels, 11 x 11 window (Gaussian, sigma 1.5), K1 0.01, "
        "K2 0.03, data range 255"
    )
    assert "rgb images, 7 x 7 window (uniform)" in str(
        SsimOptions(window="uniform", window_size=7, colour="rgb")
    )
