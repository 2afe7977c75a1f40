"""A page of pictures in labelled rows, as the sheets of recommendations and designs are drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

__all__ = ["ProductPage", "Tile"]

# In units of a product's side, so that the picture looks alike at every size.
_GAP = 0.08
_LABEL = 0.34
_LINE = 0.19
_FONT = 0.155
_SMALL = 0.125
_FRAME = 0.045

_INK = (28, 30, 34)
_FAINT = (110, 115, 122)
_TILE = (244, 245, 247)

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Tile:
    """One picture of a row.

    Attributes
    ----------
    image
        RGB, of any size; it keeps its aspect ratio inside the tile's square.
    caption
        Lines below it.
    frame
        Colour of a frame around it; None for none.
    """

    image: Image.Image
    caption: tuple[str, ...] = ()
    frame: Colour | None = None


class ProductPage:
    """A page while it is drawn, row by row.

    Parameters
    ----------
    n_columns
        Tiles per row at most.
    n_rows
        Rows there will be.
    pixels
        Side of a tile.
    caption_lines
        Lines of captions there is room for below each tile.
    legend
        Whether there is room for a legend at the end.
    """

    def __init__(
        self,
        *,
        n_columns: int,
        n_rows: int,
        pixels: int,
        caption_lines: int = 0,
        legend: bool = False,
    ) -> None:
        self._pixels = pixels
        self._gap = max(4, round(_GAP * pixels))
        self._label = max(16, round(_LABEL * pixels))
        self._line = max(12, round(_LINE * pixels))
        self._frame = max(2, round(_FRAME * pixels))
        self._font = ImageFont.load_default(size=max(11, round(_FONT * pixels)))
        self._small = ImageFont.load_default(size=max(10, round(_SMALL * pixels)))
        margin = 2 * self._gap
        self._left = margin
        self._top = margin
        self._captions = caption_lines * self._line
        width = 2 * margin + n_columns * (pixels + self._gap) - self._gap
        row = self._label + pixels + self._captions + 2 * self._gap
        height = 2 * margin + n_rows * row + (self._label if legend else 0)
        self.image = Image.new("RGB", (width, height), "white")
        self._pen = ImageDraw.Draw(self.image)

    def row(self, title: str, note: str, tiles: Sequence[Tile]) -> None:
        """Draw a label, a fainter note beside it, and the tiles below, from left to right."""
        base = self._top + round(0.72 * self._label)
        title = self._fitting(title, note)
        self._pen.text((self._left, base), title, fill=_INK, font=self._font, anchor="ls")
        after = self._left + self._pen.textlength(title, font=self._font) + 1.5 * self._gap
        self._pen.text((after, base), note, fill=_FAINT, font=self._small, anchor="ls")
        top = self._top + self._label
        for column, tile in enumerate(tiles):
            self._tile(self._left + column * (self._pixels + self._gap), top, tile)
        self._top = top + self._pixels + self._captions + 2 * self._gap

    def legend(self, meanings: Mapping[str, Colour]) -> None:
        """Say what frames of each colour mean."""
        left, size = float(self._left), round(0.5 * self._label)
        middle = self._top + self._label / 2
        for meaning, colour in meanings.items():
            box = (left, middle - size / 2, left + size, middle + size / 2)
            self._pen.rectangle(box, outline=colour, width=self._frame)
            left += size + self._gap
            self._pen.text((left, middle), meaning, fill=_FAINT, font=self._small, anchor="lm")
            left += self._pen.textlength(meaning, font=self._small) + 3 * self._gap

    def _tile(self, left: int, top: int, tile: Tile) -> None:
        side = self._pixels
        box = (left, top, left + side - 1, top + side - 1)
        self._pen.rectangle(box, fill=_TILE)
        # Small images grow as well, so that a row is of one size.
        scale = side / max(tile.image.size)
        size = (
            max(1, round(tile.image.width * scale)),
            max(1, round(tile.image.height * scale)),
        )
        picture = tile.image.resize(size, Image.Resampling.LANCZOS)
        place = (left + (side - picture.width) // 2, top + (side - picture.height) // 2)
        self.image.paste(picture, place)
        if tile.frame is not None:
            out = self._frame
            frame = (box[0] - out // 2, box[1] - out // 2, box[2] + out // 2, box[3] + out // 2)
            self._pen.rectangle(frame, outline=tile.frame, width=out)
        base = top + side + self._gap // 2
        for number, text in enumerate(tile.caption):
            middle = (left + side / 2, base + (number + 0.5) * self._line)
            ink = _INK if number == 0 else _FAINT
            self._pen.text(middle, text, fill=ink, font=self._small, anchor="mm")

    def _fitting(self, title: str, note: str) -> str:
        """Shorten a title (an id may be long) so that the note after it still fits."""
        room = self.image.width - 2 * self._left - 1.5 * self._gap
        room -= self._pen.textlength(note, font=self._small)
        if self._pen.textlength(title, font=self._font) <= room:
            return title
        while title and self._pen.textlength(f"{title}…", font=self._font) > room:
            title = title[:-1]
        return f"{title}…"
