"""Augmentation by hand; micro-batches give the same gradients; evaluation draws nothing."""

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from plain_network import Plain

from bench.device import torch_threads
from bench.errors import BenchError
from dvbpr.device_images import DeviceImages
from dvbpr.encoder import Encoder, moved

CPU = torch.device("cpu")
N = 13


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small gain nothing from a second one."""
    with torch_threads(1):
        yield


@pytest.fixture
def images(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(256, size=(N, 32, 32, 3), dtype=np.uint8)


def encoder(images: np.ndarray, *, dropout: float = 0.5, **options: Any) -> Encoder:
    network = Plain(4, dropout=dropout)
    network.start(torch.Generator().manual_seed(2))
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Encoder(network, DeviceImages(images, CPU), CPU, precision="float32", **options)


def test_moving_and_mirroring_pixel_by_pixel(rng: np.random.Generator) -> None:
    batch = rng.integers(256, size=(4, 6, 5, 3), dtype=np.uint8)
    mirrored = np.array([False, True, False, True])
    down, right = np.array([0, 1, -2, 3]), np.array([0, -1, 2, 1])
    got = moved(
        torch.from_numpy(batch).permute(0, 3, 1, 2),
        *(torch.from_numpy(part) for part in (mirrored, down, right)),
    )
    for b in range(4):
        source = batch[b, :, ::-1] if mirrored[b] else batch[b]
        for y in range(6):
            for x in range(5):
                from_y = min(max(y - down[b], 0), 5)
                from_x = min(max(x - right[b], 0), 4)
                assert got[b, :, y, x].tolist() == source[from_y, from_x].tolist()
    assert got.is_contiguous(memory_format=torch.channels_last)


def gradients(images: np.ndarray, micro_batch: int) -> list[torch.Tensor]:
    made = encoder(images, mirror=True, shift=3, micro_batch=micro_batch)
    made.draw(N, torch.Generator().manual_seed(5))
    items = np.arange(N)

    def head(outputs: torch.Tensor) -> torch.Tensor:
        # Every image against every other, so that no part can be treated alone.
        leaf = outputs.clone().requires_grad_()
        loss = torch.nn.functional.softplus(leaf @ leaf.T).mean()
        return torch.autograd.grad(loss, leaf)[0]

    made.gradients(items, slice(0, N), head)
    return [p.grad for p in made.network.parameters() if p.grad is not None]


@pytest.mark.parametrize("micro_batch", [1, 5, 12])
def test_micro_batches_give_the_gradients_of_the_whole(
    images: np.ndarray, micro_batch: int
) -> None:
    whole = gradients(images, 0)
    assert len(whole) == len(list(encoder(images).network.parameters()))
    for one, other in zip(whole, gradients(images, micro_batch), strict=True):
        assert one.abs().max() > 0
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_halving(images: np.ndarray, caplog: pytest.LogCaptureFixture) -> None:
    made = encoder(images)
    with caplog.at_level(logging.WARNING):
        made.halve(13)
    assert made.micro_batch == 7
    assert "out of memory on cpu with 13 images at once: going on with 7" in caplog.text
    for size in (4, 2, 1):
        made.halve(13)
        assert made.micro_batch == size
    with pytest.raises(BenchError, match="no memory for a single image"):
        made.halve(13)


def test_the_catalogue_is_encoded_without_dropout_and_augmentation(images: np.ndarray) -> None:
    made = encoder(images, dropout=0.9, mirror=True, shift=3)
    made.draw(N, torch.Generator().manual_seed(5))
    got = made.catalogue()
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float().sub(127.5).div(127.5)
    for layer in made.network.convolutions:  # type: ignore[union-attr]
        x = torch.relu(torch.nn.functional.conv2d(x, layer.weight, layer.bias, 2, layer.padding))
    x = torch.relu(made.network.full(x.flatten(1)))  # type: ignore[operator]
    with torch.no_grad():
        expected = made.network.last(x)
    np.testing.assert_allclose(got, expected.numpy(), atol=1e-5)
    assert np.array_equal(got, made.catalogue())
    assert got.dtype == np.float32


def test_mirroring_happens_half_of_the_time_and_only_if_asked(images: np.ndarray) -> None:
    one_sided = np.zeros((400, 32, 32, 3), dtype=np.uint8)
    one_sided[:, :, :16] = 255
    made = encoder(one_sided, dropout=0.0, mirror=True)
    made.draw(400, torch.Generator().manual_seed(5))
    made.network.eval()
    outputs: list[torch.Tensor] = []

    def head(values: torch.Tensor) -> torch.Tensor:
        outputs.append(values)
        return torch.zeros_like(values)

    made.gradients(np.arange(400), slice(0, 400), head)
    share = (outputs[0] - outputs[0][0]).abs().sum(dim=1).gt(1e-4).float().mean().item()
    assert min(share, 1 - share) == pytest.approx(0.5, abs=0.1)
    plain = encoder(one_sided, dropout=0.0)
    plain.draw(400, torch.Generator().manual_seed(5))
    plain.gradients(np.arange(400), slice(0, 400), head)
    assert (outputs[1] - outputs[1][0]).abs().max() < 1e-5
