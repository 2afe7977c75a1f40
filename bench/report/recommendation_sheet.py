"""A picture of one user: what she bought, and a row of recommendations per model."""

from collections.abc import Sequence

from PIL import Image

from bench.datasets.dataset import NO_ITEM, Dataset
from bench.datasets.pixels import whole_image
from bench.errors import BenchError
from bench.report.product_page import ProductPage, Tile
from bench.report.recommendations import Recommendations, bought, mark

__all__ = ["recommendation_sheet"]

_COLOURS = {"test": (213, 94, 0), "validation": (0, 114, 178)}
"""Of the frames: vermilion and blue of the palette of Okabe and Ito, told apart by all eyes."""


def recommendation_sheet(
    dataset: Dataset,
    user: int,
    rows: Sequence[Recommendations],
    *,
    pixels: int = 128,
) -> Image.Image:
    """Draw what a user bought and, below it, each model's items from left to right.

    Her held-out items stand framed at the end of the first row, and wherever a model recommends
    them; each model's label says where it ranks the test item.

    Parameters
    ----------
    dataset
        A data set with images.
    user
        Her row.
    rows
        A row of items per model.
    pixels
        Side of a product's square; images keep their aspect ratio inside it.

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

    def tile(item: int) -> Tile:
        named = str(dataset.item_ids[item])
        image = whole_image(dataset.name, images, item, item_id=named)
        return Tile(image, frame=_COLOURS.get(mark(dataset, user, item)))

    n_columns = max([6, *(len(row.items) for row in rows)])
    page = ProductPage(n_columns=n_columns, n_rows=1 + len(rows), pixels=pixels, legend=True)
    held_out = [
        int(item) for item in (dataset.validation[user], dataset.test[user]) if item != NO_ITEM
    ]
    own = bought(dataset, user)
    shown = own[: n_columns - len(held_out)]
    count = f"{len(own)} in training" + (", and held out" if held_out else "")
    if len(shown) < len(own):
        count += f", {len(shown)} shown"
    first = [*shown.tolist(), *held_out]
    page.row(f"Bought by {dataset.user_ids[user]}", count, [tile(item) for item in first])
    for row in rows:
        note = "no test item" if row.rank is None else f"test item at rank {row.rank}"
        page.row(row.label, note, [tile(item) for item in row.items.tolist()])
    page.legend(
        {
            "held out for validation": _COLOURS["validation"],
            "held out for the test": _COLOURS["test"],
        }
    )
    return page.image
