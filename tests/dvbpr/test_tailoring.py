"""Eq. 12: known codes are found again; the way uphill from there."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from toy_networks import DIMS, N_USERS, PIXELS, queries, toy_networks

from bench.generator import Tailored, TailorOptions
from dvbpr.design import Networks
from dvbpr.device_images import normalise, to_bytes
from dvbpr.images import resized
from dvbpr.tailoring import tailor

OPTIONS = TailorOptions(starts=4, fit_steps=60, iterates=(0, 2, 9), fit_learning_rate=0.1)
NO_SCORES = np.zeros(1, dtype=np.float32)


def painter() -> Networks:
    """G is one to one: orthogonal directions, one per dimension of the code, squashed."""
    rng = np.random.default_rng(3)
    columns = np.linalg.qr(rng.normal(size=(3 * PIXELS * PIXELS, DIMS)))[0]
    directions = torch.from_numpy(8 * columns.T).float()
    shift = torch.tensor([-0.2, 0.0, 0.2])
    networks = toy_networks()

    def generate(codes: Tensor, categories: Tensor) -> Tensor:
        drawn = torch.tanh(codes @ directions + shift[categories][:, None])
        return drawn.view(-1, 3, PIXELS, PIXELS)

    return replace(networks, generate=generate)


def drawn(networks: Networks, codes: np.ndarray, categories: np.ndarray) -> np.ndarray:
    images = networks.generate(torch.from_numpy(codes), torch.from_numpy(categories))
    return to_bytes(images).permute(0, 2, 3, 1).numpy()


def test_finds_known_codes_again(rng: np.random.Generator) -> None:
    networks = painter()
    users, categories = queries(5)
    codes = rng.uniform(-0.9, 0.9, size=(5, DIMS)).astype(np.float32)
    images = drawn(networks, codes, categories)
    found = tailor(
        networks,
        users,
        categories,
        images,
        np.zeros(5, dtype=np.float32),
        replace(OPTIONS, fit_steps=300),
        seed=0,
    )
    np.testing.assert_allclose(found.codes[:, 0], codes, atol=0.02)
    assert (found.l1 < 0.01).all()
    assert np.array_equal(found.prototypes, images)


def tailored(options: TailorOptions = OPTIONS, *, seed: int = 0) -> Tailored:
    users, categories = queries(4)
    images = np.random.default_rng(2).integers(256, size=(4, 11, 17, 3), dtype=np.uint8)
    scores = np.arange(4, dtype=np.float32)
    return tailor(toy_networks(), users, categories, images, scores, options, seed=seed)


def test_what_comes_back() -> None:
    networks, (users, categories) = toy_networks(), queries(4)
    found = tailored()
    images = np.random.default_rng(2).integers(256, size=(4, 11, 17, 3), dtype=np.uint8)
    np.testing.assert_array_equal(found.prototypes, resized(images, PIXELS))
    np.testing.assert_array_equal(found.prototype_scores, np.arange(4))
    assert found.steps == (0, 2, 9)
    assert found.iterates.shape == (4, 3, PIXELS, PIXELS, 3)
    assert found.iterates.dtype == np.uint8
    assert found.codes.shape == (4, 3, DIMS)
    away = found.iterates[:, 0].astype(float) - found.prototypes
    np.testing.assert_allclose(found.l1, np.abs(away / 127.5).mean(axis=(1, 2, 3)), rtol=1e-5)
    assert found.l1.dtype == np.float32
    for place in range(3):
        batch = normalise(torch.from_numpy(found.iterates[:, place]).permute(0, 3, 1, 2))
        scores = networks.prefer(torch.from_numpy(users), batch)
        np.testing.assert_allclose(found.scores[:, place], scores, rtol=1e-4, atol=1e-5)
        again = drawn(networks, found.codes[:, place], categories)
        assert np.abs(again.astype(int) - found.iterates[:, place]).max() <= 1


def test_fitting_nears_and_the_way_goes_up() -> None:
    unfitted = tailored(replace(OPTIONS, fit_steps=0))
    found = tailored()
    assert (found.l1 < unfitted.l1).all()
    longer = tailored(replace(OPTIONS, eta=0.0, iterates=(0, 10, 40)))
    assert (np.diff(longer.scores, axis=1) > 0).all()


def test_the_nearest_start_is_kept() -> None:
    """The first starts are the same ones, so more of them can only help."""
    few = tailored(replace(OPTIONS, starts=1, fit_steps=5))
    many = tailored(replace(OPTIONS, starts=12, fit_steps=5))
    # The distance that is told is that of the 8-bit image.
    assert (many.l1 <= few.l1 + 1 / 255).all()
    assert many.l1.mean() < few.l1.mean()


def test_an_image_is_approximated_once_for_all_its_users() -> None:
    """Of two images, one in two categories, for six users: three approximations, each as alone."""
    pair = np.random.default_rng(1).integers(256, size=(2, PIXELS, PIXELS, 3), dtype=np.uint8)
    which, categories = np.array([1, 0, 1, 1, 0, 1]), np.array([1, 1, 2, 1, 1, 2])
    networks, fitted = toy_networks(), []

    def generate(codes: Tensor, of: Tensor) -> Tensor:
        fitted.append(len(codes))
        return networks.generate(codes, of)

    def found(rows: list[int]) -> Tailored:
        return tailor(
            replace(networks, generate=generate),
            np.arange(6)[rows] % N_USERS,
            categories[rows],
            pair[which[rows]],
            np.zeros(len(rows), dtype=np.float32),
            OPTIONS,
            seed=0,
        )

    together = found([0, 1, 2, 3, 4, 5])
    n_seen = (OPTIONS.fit_steps + 1) * OPTIONS.starts  # and once more, how near it is
    assert sum(fitted) == 3 * n_seen + 6 * (OPTIONS.iterates[-1] + len(OPTIONS.iterates))
    for row in range(6):
        np.testing.assert_allclose(together.codes[row], found([row]).codes[0], atol=1e-3)
    assert np.array_equal(together.codes[[0, 1, 2], 0], together.codes[[3, 4, 5], 0])
    assert np.abs(together.codes[0, 2] - together.codes[3, 2]).max() > 1e-3


def test_same_seed_same_images_whatever_the_batch() -> None:
    first = tailored()
    assert np.array_equal(first.iterates, tailored().iterates)
    assert not np.array_equal(first.iterates, tailored(seed=1).iterates)
    for batch in (1, 3, 100):
        other = tailored(replace(OPTIONS, batch=batch))
        np.testing.assert_allclose(other.l1, first.l1, atol=5e-3)


def test_iterates_without_the_approximation() -> None:
    whole, later = tailored(), tailored(replace(OPTIONS, iterates=(2, 9)))
    assert later.steps == (2, 9)
    np.testing.assert_array_equal(later.iterates, whole.iterates[:, 1:])
    np.testing.assert_array_equal(later.l1, whole.l1)


def test_no_images() -> None:
    none = np.array([], dtype=np.int64)
    empty = np.empty((0, 9, 9, 3), dtype=np.uint8)
    found = tailor(toy_networks(), none, none, empty, NO_SCORES[:0], OPTIONS, seed=0)
    assert found.iterates.shape == (0, 3, PIXELS, PIXELS, 3)
    assert found.l1.shape == (0,)


@pytest.mark.parametrize("size", [PIXELS, 3 * PIXELS])
def test_a_flat_image_is_a_fixed_point_of_resizing(size: int) -> None:
    image = np.full((1, size, size, 3), 77, dtype=np.uint8)
    found = tailor(toy_networks(), np.array([0]), np.array([0]), image, NO_SCORES, OPTIONS, seed=0)
    assert (found.prototypes == 77).all()
