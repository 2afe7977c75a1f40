"""Decoded images of another size, by the filter that product images are decoded with."""

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["check_images", "resized"]


def check_images(images: npt.NDArray[Any]) -> None:
    """See that an array is a batch of RGB images.

    Raises
    ------
    ValueError
        It is not uint8 (n, H, W, 3) with pixels.
    """
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
        raise ValueError(f"images must be uint8 (n, H, W, 3), got {images.dtype} {images.shape}")
    if 0 in images.shape[1:3]:
        raise ValueError(f"images have no pixels: {images.shape}")


def resized(images: npt.NDArray[np.uint8], pixels: int) -> npt.NDArray[np.uint8]:
    """Bring images to `pixels` on a side; the aspect ratio is not kept, as in the paper.

    Parameters
    ----------
    images
        uint8 (n, H, W, 3).
    pixels
        Side of the square.

    Returns
    -------
    uint8 (n, pixels, pixels, 3)
        By Pillow's bilinear filter, which widens with the reduction; the array itself where the
        size is right.
    """
    check_images(images)
    if images.shape[1:3] == (pixels, pixels):
        return images
    from PIL import Image

    out = np.empty((len(images), pixels, pixels, 3), np.uint8)
    for row, image in enumerate(images):
        small = Image.fromarray(image).resize((pixels, pixels), Image.Resampling.BILINEAR)
        out[row] = np.asarray(small)
    return out
