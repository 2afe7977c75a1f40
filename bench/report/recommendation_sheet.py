"""A picture of one user: what she bought, and a row of recommendations per model."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from bench.datasets.dataset import NO_ITEM, Dataset
from bench.errors import BenchError
from bench.report.recommendations import Recommendations, bought, mark

__all__ = ["recommendation_sheet"]

# In units of a product's side, so that the picture looks alike at every size.
_GAP = 0.08
_LABEL = 0.34
_FONT = 0.155
_SMALL = 0.125
_FRAME = 0.045

_INK = (28, 30, 34)
_FAINT = (110, 115, 122)
_TILE = (244, 245, 247)
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
    if dataset.training.images is None:
        raise BenchError(f"{dataset.name} has no images to draw; leave out --output")
    n_columns = max([6, *(len(row.items) for row in rows)])
    page = _Page(dataset, user, n_columns=n_columns, n_rows=1 + len(rows), pixels=pixels)
    held_out = [
        int(item) for item in (dataset.validation[user], dataset.test[user]) if item != NO_ITEM
    ]
    own = bought(dataset, user)
    shown = own[: n_columns - len(held_out)]
    count = f"{len(own)} in training" + (", and held out" if held_out else "")
    if len(shown) < len(own):
        count += f", {len(shown)} shown"
    page.row(f"Bought by {dataset.user_ids[user]}", count, [*shown.tolist(), *held_out])
    for row in rows:
        note = "no test item" if row.rank is None else f"test item at rank {row.rank}"
        page.row(row.label, note, row.items.tolist())
    page.legend()
    return page.image


class _Page:
    """The picture while it is drawn, row by row."""

    def __init__(
        self, dataset: Dataset, user: int, *, n_columns: int, n_rows: int, pixels: int
    ) -> None:
        self._dataset, self._user, self._pixels = dataset, user, pixels
        self._gap = max(4, round(_GAP * pixels))
        self._label = max(16, round(_LABEL * pixels))
        self._frame = max(2, round(_FRAME * pixels))
        self._font = ImageFont.load_default(size=max(11, round(_FONT * pixels)))
        self._small = ImageFont.load_default(size=max(10, round(_SMALL * pixels)))
        margin = 2 * self._gap
        self._left = margin
        self._top = margin
        width = 2 * margin + n_columns * (pixels + self._gap) - self._gap
        height = 2 * margin + n_rows * (self._label + pixels + 2 * self._gap) + self._label
        self.image = Image.new("RGB", (width, height), "white")
        self._pen = ImageDraw.Draw(self.image)

    def row(self, title: str, note: str, items: Sequence[int]) -> None:
        """Draw a label and the products below it."""
        base = self._top + round(0.72 * self._label)
        title = self._fitting(title, note)
        self._pen.text((self._left, base), title, fill=_INK, font=self._font, anchor="ls")
        after = self._left + self._pen.textlength(title, font=self._font) + 1.5 * self._gap
        self._pen.text((after, base), note, fill=_FAINT, font=self._small, anchor="ls")
        top = self._top + self._label
        for column, item in enumerate(items):
            self._product(self._left + column * (self._pixels + self._gap), top, item)
        self._top = top + self._pixels + 2 * self._gap

    def legend(self) -> None:
        """Say what the frames mean."""
        left, size = float(self._left), round(0.5 * self._label)
        middle = self._top + self._label / 2
        meanings = {"validation": "held out for validation", "test": "held out for the test"}
        for part, meaning in meanings.items():
            box = (left, middle - size / 2, left + size, middle + size / 2)
            self._pen.rectangle(box, outline=_COLOURS[part], width=self._frame)
            left += size + self._gap
            self._pen.text((left, middle), meaning, fill=_FAINT, font=self._small, anchor="lm")
            left += self._pen.textlength(meaning, font=self._small) + 3 * self._gap

    def _product(self, left: int, top: int, item: int) -> None:
        images = self._dataset.training.images
        assert images is not None
        side = self._pixels
        box = (left, top, left + side - 1, top + side - 1)
        self._pen.rectangle(box, fill=_TILE)
        product = images.decoded(item)
        # Small images grow as well, so that a row is of one size.
        scale = side / max(product.size)
        size = (max(1, round(product.width * scale)), max(1, round(product.height * scale)))
        product = product.resize(size, Image.Resampling.LANCZOS)
        place = (left + (side - product.width) // 2, top + (side - product.height) // 2)
        self.image.paste(product, place)
        if part := mark(self._dataset, self._user, item):
            out = self._frame
            frame = (box[0] - out // 2, box[1] - out // 2, box[2] + out // 2, box[3] + out // 2)
            self._pen.rectangle(frame, outline=_COLOURS[part], width=out)

    def _fitting(self, title: str, note: str) -> str:
        """Shorten a title (an id may be long) so that the note after it still fits."""
        room = self.image.width - 2 * self._left - 1.5 * self._gap
        room -= self._pen.textlength(note, font=self._small)
        if self._pen.textlength(title, font=self._font) <= room:
            return title
        while title and self._pen.textlength(f"{title}…", font=self._font) > room:
            title = title[:-1]
        return f"{title}…"
