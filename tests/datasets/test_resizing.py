import numpy as np
import pytest
from PIL import Image

from bench.datasets.resizing import resized


def test_images_are_resized_one_by_one_as_pillow_does(rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (3, 20, 31, 3), dtype=np.uint8)
    for pixels in (8, 40):
        small = resized(images, pixels)
        assert small.dtype == np.uint8
        assert small.shape == (3, pixels, pixels, 3)
        for row in range(3):
            expected = Image.fromarray(images[row]).resize(
                (pixels, pixels), Image.Resampling.BILINEAR
            )
            np.testing.assert_array_equal(small[row], np.asarray(expected))
    assert resized(images[:0], 9).shape == (0, 9, 9, 3)


def test_the_right_size_is_not_copied(rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (2, 9, 9, 3), dtype=np.uint8)
    assert resized(images, 9) is images


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((2, 9, 9), "u1"), ((2, 9, 9, 4), "u1"), ((2, 9, 9, 3), "f4"), ((2, 0, 9, 3), "u1")],
)
def test_what_is_no_batch_of_images(shape: tuple[int, ...], dtype: str) -> None:
    with pytest.raises(ValueError, match="images"):
        resized(np.zeros(shape, dtype), 4)
