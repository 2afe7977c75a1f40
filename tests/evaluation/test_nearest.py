"""Nearest real images in L1, against SciPy's distances."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from bench.evaluation.nearest import RealImages, nearest_images


@pytest.fixture
def scene(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    # 21 x 21 x 3 is more than one block of the kernel and no multiple of it.
    queries = rng.integers(0, 256, (17, 21, 21, 3), dtype=np.uint8)
    real = rng.integers(0, 256, (60, 21, 21, 3), dtype=np.uint8)
    return queries, rng.integers(0, 3, 17), real, rng.integers(0, 3, 60)


def in_batches(real: np.ndarray, kinds: np.ndarray, size: int) -> list[RealImages]:
    return [
        RealImages(
            np.arange(at, min(at + size, len(real))), kinds[at : at + size], real[at : at + size]
        )
        for at in range(0, len(real), size)
    ]


def distances(queries: np.ndarray, real: np.ndarray) -> np.ndarray:
    first, second = (x.reshape(len(x), -1).astype(float) for x in (queries, real))
    return cdist(first, second, "cityblock") / first.shape[1]


@pytest.mark.parametrize(("size", "threads"), [(60, 1), (7, 2)])
def test_as_scipy_finds_them(scene: tuple[np.ndarray, ...], size: int, threads: int) -> None:
    queries, asked, real, kinds = scene
    expected = np.where(asked[:, None] == kinds, distances(queries, real), np.inf)
    found = nearest_images(queries, asked, in_batches(real, kinds, size), threads=threads)
    assert (found.items == expected.argmin(axis=1)).all()
    np.testing.assert_allclose(found.distances, expected.min(axis=1), rtol=1e-12)


def test_an_item_is_not_its_own_neighbour_but_its_double_is(
    scene: tuple[np.ndarray, ...],
) -> None:
    _, _, real, kinds = scene
    real[9], kinds[9] = real[4], kinds[4]
    own = np.array([4, 9, 20])
    found = nearest_images(real[own], kinds[own], in_batches(real, kinds, 16), own_items=own)
    assert found.items[:2].tolist() == [9, 4]
    assert found.distances[:2].tolist() == [0, 0]
    assert found.items[2] != 20
    assert found.distances[2] > 0
    copied = nearest_images(real[own], kinds[own], in_batches(real, kinds, 16))
    assert copied.items.tolist() == [4, 4, 20]  # of equally near ones the first
    assert copied.distances.tolist() == [0, 0, 0]


def test_a_category_without_another_image_has_no_neighbour(
    scene: tuple[np.ndarray, ...],
) -> None:
    queries, asked, real, kinds = scene
    asked[3] = 7
    found = nearest_images(queries, asked, in_batches(real, kinds, 16))
    assert found.items[3] == -1
    assert np.isnan(found.distances[3])
    assert np.isfinite(np.delete(found.distances, 3)).all()
    alone = nearest_images(
        real[:1],
        np.array([5]),
        [RealImages(np.array([0]), np.array([5]), real[:1])],
        own_items=np.array([0]),
    )
    assert alone.items.tolist() == [-1]


def test_extreme_values_do_not_overflow() -> None:
    black, white = (np.full((1, 64, 64, 3), v, dtype=np.uint8) for v in (0, 255))
    found = nearest_images(black, np.zeros(1, int), in_batches(white, np.zeros(1, int), 1))
    assert found.distances.tolist() == [255.0]


def test_no_queries() -> None:
    empty = np.empty((0, 8, 8, 3), dtype=np.uint8)
    found = nearest_images(empty, np.empty(0, int), [])
    assert found.items.shape == found.distances.shape == (0,)
