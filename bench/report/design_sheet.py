"""Pictures of designs: real images above designed ones, and the way of a tailored image."""

import numpy as np
import numpy.typing as npt
from PIL import Image

from bench.datasets.dataset import NO_ITEM, Dataset
from bench.datasets.pixels import whole_image
from bench.errors import BenchError
from bench.evaluation.retrieval import Retrieved
from bench.generator import Designs, Tailored
from bench.report.designs import own_mark, step_name
from bench.report.product_page import ProductPage, Tile

__all__ = ["design_sheet", "tailor_sheet"]


def design_sheet(
    dataset: Dataset,
    user: int,
    category: str,
    retrieved: Retrieved,
    designs: Designs,
    *,
    pixels: int = 128,
) -> Image.Image:
    """Draw a query's real images above the designed ones, each with its preference below it.

    Parameters
    ----------
    dataset
        A data set with images.
    user
        Her row.
    category
        The category's name.
    retrieved, designs
        One query each: arrays of one row.
    pixels
        Side of a picture.

    Returns
    -------
    An RGB image on white.

    Raises
    ------
    BenchError
        The data set has no images.
    """
    images = dataset.training.images
    if images is None:
        raise BenchError(f"{dataset.name} has no images to draw; leave out --output")
    real = [
        Tile(
            whole_image(dataset.name, images, int(item), item_id=str(dataset.item_ids[int(item)])),
            _caption(score, own_mark(dataset, user, int(item))),
        )
        for item, score in zip(retrieved.items[0], retrieved.scores[0], strict=True)
        if item != NO_ITEM
    ]
    designed = [
        Tile(_picture(image), _caption(score))
        for image, score in zip(designs.images[0], designs.scores[0], strict=True)
    ]
    page = ProductPage(
        n_columns=max(4, len(designed)),
        n_rows=2,
        pixels=pixels,
        caption_lines=max(len(tile.caption) for tile in [*real, *designed]),
    )
    page.row(f"{category} for {dataset.user_ids[user]}", "real, and her preference", real)
    page.row("designed", "", designed)
    return page.image


def tailor_sheet(
    dataset: Dataset,
    user: int,
    category: str,
    what: str,
    tailored: Tailored,
    *,
    pixels: int = 128,
) -> Image.Image:
    """Draw a prototype, its approximation and the images along its way, with preferences.

    Parameters
    ----------
    dataset, user, category
        As `design_sheet` takes them.
    what
        Names the image.
    tailored
        Of one image: arrays of one row.
    pixels
        Side of a picture.

    Returns
    -------
    An RGB image on white.
    """
    shown = [(tailored.prototypes[0], tailored.prototype_scores[0], "prototype")]
    shown += [
        (image, score, step_name(step))
        for image, score, step in zip(
            tailored.iterates[0], tailored.scores[0], tailored.steps, strict=True
        )
    ]
    tiles = [Tile(_picture(image), _caption(score, name)) for image, score, name in shown]
    page = ProductPage(n_columns=max(4, len(tiles)), n_rows=1, pixels=pixels, caption_lines=2)
    page.row(f"{what} for {dataset.user_ids[user]}", f"{category}, and her preference", tiles)
    return page.image


def _picture(image: npt.NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(image))


def _caption(score: float, name: str = "") -> tuple[str, ...]:
    return (f"{score:.2f}", name) if name else (f"{score:.2f}",)
