"""Small data sets with images of every kind."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.datasets.dataset import Images, Interactions, TrainingSet


def encode(pixels: np.ndarray, form: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form)
    return buffer.getvalue()


@pytest.fixture
def photographs() -> list[bytes]:
    """Forty images: wide, tall, grey, with a palette, with transparency; PNG and JPEG."""
    rng = np.random.default_rng(4)
    encoded = []
    for k in range(40):
        height, width = rng.integers(9, 60, 2)
        pixels = rng.integers(256, size=(height, width, 3), dtype=np.uint8)
        if k % 5 == 1:
            pixels = pixels[:, :, 0]
        elif k % 5 == 2:
            pixels = np.dstack([pixels, pixels[:, :, :1]])
        encoded.append(encode(pixels, "PNG" if k % 2 or k % 5 == 2 else "JPEG"))
    return encoded


@pytest.fixture
def with_images(tmp_path: Path) -> Callable[..., TrainingSet]:
    """Make a training set of the given images; with a cache folder unless told otherwise."""

    def make(
        encoded: list[bytes], *, cached: bool = True, content_hash: str = "d" * 64
    ) -> TrainingSet:
        train = Interactions.from_pairs(
            np.array([0]), np.array([0]), n_users=1, n_items=len(encoded)
        )
        cache = tmp_path / ".cache" / content_hash if cached else None
        return TrainingSet(name="photos", train=train, images=Images(encoded, cache=cache))

    return make
