import numpy as np
import pytest

from bench.datasets.dataset import Dataset, TrainingSet
from bench.errors import BenchError
from bench.report.contact_sheet import contact_sheet


def test_a_row_per_category_shows_its_products(toy_dataset: Dataset) -> None:
    sheet = np.asarray(contact_sheet(toy_dataset.training, per_category=4, pixels=16))
    assert sheet.shape == (8 + 3 * (22 + 16 + 8), 8 + 4 * (16 + 8), 3)
    for row, channel in enumerate((0, 1, 2)):  # red, green and blue images
        top = 8 + row * 46 + 22
        tiles = sheet[top : top + 16, 8 : 8 + 16].reshape(-1, 3).mean(axis=0)
        assert tiles.argmax() == channel
        assert (sheet[top + 16 : top + 24] == 255).all()


def test_a_data_set_without_images_is_told(toy_dataset: Dataset) -> None:
    bare = TrainingSet(name="bare", train=toy_dataset.training.train)
    with pytest.raises(BenchError, match="bare has no images"):
        contact_sheet(bare)
