"""Decoded images of some items."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from bench.datasets.dataset import Dataset, Images
from bench.datasets.pixels import decoded, whole_image
from bench.errors import BenchError


def test_shape_order_and_repeats(toy_dataset: Dataset) -> None:
    items = np.array([[5, 59], [0, 5]])
    found = decoded(toy_dataset.training, items, 16, threads=2)
    assert found.shape == (2, 2, 16, 16, 3)
    images = toy_dataset.training.images
    assert images is not None
    for place in np.ndindex(2, 2):
        assert (found[place] == np.asarray(images.decoded(int(items[place])))).all()


def test_brought_to_size_as_pillow_does(toy_dataset: Dataset) -> None:
    images = toy_dataset.training.images
    assert images is not None
    expected = images.decoded(7).resize((5, 5), Image.Resampling.BILINEAR)
    assert (decoded(toy_dataset.training, np.array([7]), 5)[0] == np.asarray(expected)).all()


def test_many_and_none(toy_dataset: Dataset) -> None:
    everything = decoded(toy_dataset.training, np.arange(60), 16)
    assert (decoded(toy_dataset.training, np.arange(60)[::-1], 16)[::-1] == everything).all()
    assert decoded(toy_dataset.training, np.empty((0, 3), int), 16).shape == (0, 3, 16, 16, 3)


def test_a_corrupt_image_is_named(toy_dataset: Dataset) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, format="JPEG")
    column = [buffer.getvalue()] * 60
    column[41] = b"no image"
    training = replace(toy_dataset.training, images=Images(column))
    with pytest.raises(BenchError, match=r"item 41 .*no image format that is known"):
        decoded(training, np.arange(60), 8)
    assert decoded(training, np.array([40]), 8).shape == (1, 8, 8, 3)
    with pytest.raises(BenchError, match="has no images"):
        decoded(replace(training, images=None), np.array([0]), 8)


def test_a_whole_image_or_what_is_wrong_with_it(toy_dataset: Dataset) -> None:
    images = toy_dataset.training.images
    assert images is not None
    assert whole_image("toy", images, 7).tobytes() == images.decoded(7).tobytes()
    cut_off = Images([images.encoded(0), images.encoded(1)[:200]])
    for item_id, named in ((None, r"item 1 \(rows from 0\)"), ("i1", "item i1")):
        with pytest.raises(BenchError, match=rf"^toy: the image of {named} cannot be decoded \("):
            whole_image("toy", cut_off, 1, item_id=item_id)
