"""Product images decoded to one size, where few are wanted and nothing is to be kept."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import Images, TrainingSet
from bench.device import available_threads
from bench.errors import BenchError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["decode_into", "decoded", "whole_image"]

_LOT = 16
"""What a thread decodes before it takes the next lot."""


def decoded(
    dataset: TrainingSet,
    items: npt.NDArray[np.integer[Any]],
    pixels: int,
    *,
    threads: int | None = None,
) -> npt.NDArray[np.uint8]:
    """Decode the images of some items and bring them to size, as models are shown them.

    Parameters
    ----------
    dataset
        A data set with images.
    items
        int of any shape.
    pixels
        Side of the square that each image becomes; the aspect ratio is not kept.
    threads
        Threads that decode; all cores by default.

    Returns
    -------
    uint8 (*items.shape, pixels, pixels, 3).

    Raises
    ------
    BenchError
        No images, or an image that cannot be decoded; the item is named.
    """
    from joblib import Parallel, delayed

    images = dataset.images
    if images is None:
        raise BenchError(f"{dataset.name} has no images")
    # Each once, however often it is asked for.
    wanted, places = np.unique(items, return_inverse=True)
    out = np.empty((len(wanted), pixels, pixels, 3), dtype=np.uint8)
    with Parallel(n_jobs=threads or available_threads(), backend="threading") as parallel:
        parallel(
            delayed(decode_into)(dataset.name, images, wanted[at : at + _LOT], out[at : at + _LOT])
            for at in range(0, len(wanted), _LOT)
        )
    found: npt.NDArray[np.uint8] = out[places.reshape(items.shape)]
    return found


def decode_into(
    name: str, images: Images, items: npt.NDArray[np.integer[Any]], out: npt.NDArray[np.uint8]
) -> None:
    """Decode and resize the images of `items` into `out`, uint8 (n, pixels, pixels, 3).

    By Pillow's triangle filter, which widens with the reduction, so that a smaller image is an
    average and not a sample.

    Raises
    ------
    BenchError
        An image cannot be decoded; the data set `name` and the item are named.
    """
    from PIL import Image

    size = out.shape[1:3]
    for row, item in enumerate(items):
        image = whole_image(name, images, int(item))
        out[row] = np.asarray(image.resize(size[::-1], Image.Resampling.BILINEAR))


def whole_image(name: str, images: Images, item: int, *, item_id: str | None = None) -> "Image":
    """Decode an item's image in its own size: RGB.

    Parameters
    ----------
    name
        The data set's, for the message.
    images
        Its images.
    item
        Which one.
    item_id
        What the user calls it; by default the message has its row.

    Raises
    ------
    BenchError
        The image cannot be decoded.
    """
    from bench.datasets.decoding import flaw_of

    try:
        return images.decoded(item)
    except MemoryError:
        raise
    # Pillow's decoders raise what they please: OSError, SyntaxError, ValueError, struct.error;
    # whichever it is, the image cannot be decoded.
    except Exception as error:
        place = f"{item} (rows from 0)" if item_id is None else item_id
        raise BenchError(
            f"{name}: the image of item {place} cannot be decoded ({flaw_of(error)}); replace the "
            "image and import the data set again"
        ) from error
