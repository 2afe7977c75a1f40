"""A page of product images, a row per category: what a data set looks like."""

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from bench.datasets.dataset import TrainingSet
from bench.datasets.pixels import whole_image
from bench.errors import BenchError

__all__ = ["contact_sheet"]

_MARGIN = 8
_LABEL_HEIGHT = 22


def contact_sheet(
    dataset: TrainingSet, *, per_category: int = 12, pixels: int = 96, seed: int = 0
) -> Image.Image:
    """Draw random products of each category in a row under the category's name.

    Parameters
    ----------
    dataset
        A data set with images; without categories there is one row.
    per_category
        Products per row.
    pixels
        Side of a product's square; images keep their aspect ratio inside it.
    seed
        Which products.

    Returns
    -------
    An RGB image on white.

    Raises
    ------
    BenchError
        The data set has no images.
    """
    if dataset.images is None:
        raise BenchError(f"{dataset.name} has no images to show")
    rng = np.random.default_rng(seed)
    groups: list[tuple[str, npt.NDArray[np.intp]]]
    if dataset.categories is None:
        groups = [(dataset.name, np.arange(dataset.n_items))]
    else:
        groups = [
            (name, np.flatnonzero(dataset.categories == number))
            for number, name in enumerate(dataset.category_names)
        ]
    row_height = _LABEL_HEIGHT + pixels + _MARGIN
    width = _MARGIN + per_category * (pixels + _MARGIN)
    sheet = Image.new("RGB", (width, _MARGIN + len(groups) * row_height), "white")
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=14)
    for row, (name, items) in enumerate(groups):
        top = _MARGIN + row * row_height
        pen.text((_MARGIN, top), f"{name} ({len(items):,})", fill="black", font=font)
        chosen = rng.choice(items, size=min(per_category, len(items)), replace=False)
        for column, item in enumerate(chosen):
            image = whole_image(dataset.name, dataset.images, int(item))
            image.thumbnail((pixels, pixels))
            left = _MARGIN + column * (pixels + _MARGIN) + (pixels - image.width) // 2
            sheet.paste(image, (left, top + _LABEL_HEIGHT + (pixels - image.height) // 2))
    return sheet
