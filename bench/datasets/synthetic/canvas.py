"""A sheet of paper for garments: curves, shaded parts, seams, soft folds, then one small image."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageDraw, ImageFilter

__all__ = [
    "Canvas",
    "Fabric",
    "Path",
    "Rgb",
    "blend",
    "curve",
    "join",
    "mirror",
    "points",
    "shifted",
]

Rgb = tuple[int, int, int]
Path = npt.NDArray[np.float64]
"""float64 (n, 2): points in the unit square, x to the right, y downwards."""

_STEPS = 7  # points per curve segment: enough for a smooth edge at three times 224 pixels
_T = np.arange(_STEPS)[:, None] / _STEPS
# Catmull-Rom: the curve between the middle two of four knots.
_BASIS = 0.5 * np.hstack(
    [-_T + 2 * _T**2 - _T**3, 2 - 5 * _T**2 + 3 * _T**3, _T + 4 * _T**2 - 3 * _T**3, _T**3 - _T**2]
)
_LIGHT = (-0.018, -0.022)  # where the light comes from, in canvas widths


def points(*knots: tuple[float, float]) -> Path:
    """Make a path of straight lines."""
    return np.array(knots, np.float64)


def curve(*knots: tuple[float, float]) -> Path:
    """Make a smooth path through all knots (Catmull-Rom)."""
    array = np.array(knots, np.float64)
    padded = np.vstack([2 * array[0] - array[1], array, 2 * array[-1] - array[-2]])
    windows = np.stack([padded[k : k + len(array) - 1] for k in range(4)], axis=1)  # (n - 1, 4, 2)
    return np.vstack([(_BASIS @ windows).reshape(-1, 2), array[-1:]])


def mirror(path: Path) -> Path:
    """Reflect at the vertical axis x = 0.5 and reverse, so that it closes a half outline."""
    flipped: Path = np.stack([1.0 - path[:, 0], path[:, 1]], axis=1)[::-1]
    return flipped


def join(*paths: Path) -> Path:
    """Put paths one behind the other."""
    return np.vstack(paths)


def shifted(path: Path, right: float, down: float) -> Path:
    """Move a path."""
    moved: Path = path + np.array([right, down])
    return moved


def blend(first: Rgb, second: Rgb, share: float) -> Rgb:
    """Mix two colours; `share` of the second."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


@dataclass(frozen=True)
class Fabric:
    """Cloth or leather to fill a part with: an image of the whole canvas, and its ground colour."""

    image: Image.Image
    color: Rgb

    @property
    def edge(self) -> Rgb:
        """The colour of its outline: darker, and visible on white."""
        return blend(self.color, (20, 20, 28), 0.45)

    @property
    def seam(self) -> Rgb:
        """The colour of its seams."""
        dark = sum(self.color) < 200
        return blend(self.color, (150, 150, 158) if dark else (15, 15, 20), 0.3)


@lru_cache(maxsize=32)
def _shading(depth: float) -> list[int]:
    """Give the brightness for each value of a blurred mask: full from 0.9 upwards."""
    return [min(255, round(255 * (1 - depth) + depth * v / 0.9)) for v in range(256)]


class Canvas:
    """Draws in unit coordinates at several times the final size.

    Parameters
    ----------
    pixels
        Side of the final image.
    supersample
        How many times larger it is drawn.
    tilt, scale, shift, flip
        How the garment lies on the paper: radians, factor, offset, and whether it faces right.
    """

    def __init__(
        self,
        pixels: int,
        supersample: int,
        *,
        tilt: float = 0.0,
        scale: float = 1.0,
        shift: tuple[float, float] = (0.0, 0.0),
        flip: bool = False,
    ) -> None:
        self.side = pixels * supersample
        self._pixels = pixels
        self._supersample = supersample
        sine, cosine = np.sin(tilt) * scale, np.cos(tilt) * scale
        self._turn = np.array([[cosine, sine], [-sine, cosine]])
        if flip:
            self._turn[0] *= -1
        self._middle = np.array(shift) + 0.5
        self._image = Image.new("RGB", (self.side, self.side), (255, 255, 255))
        self._draw = ImageDraw.Draw(self._image)
        self._cover = Image.new("L", (self.side, self.side), 0)
        # Folds are soft, so they are drawn at the final size and laid over the reduced image.
        self._dark = Image.new("L", (pixels, pixels), 0)
        self._light = Image.new("L", (pixels, pixels), 0)

    def _place(self, path: Path, side: int) -> Path:
        placed: Path = ((path - 0.5) @ self._turn + self._middle) * side
        return placed

    def _width(self, width: float) -> int:
        return max(1, round(width * self.side))

    def part(
        self,
        outline: Path,
        fabric: Fabric,
        *,
        depth: float = 0.34,
        edge: float = 0.007,
    ) -> None:
        """Fill an outline with fabric, darker towards the side away from the light."""
        placed = self._place(outline, self.side)
        margin = self.side // 12
        left, top = (int(v) - margin for v in placed.min(axis=0))
        # A multiple of four, so that the reduced mask covers the box exactly.
        width, height = (
            (int(v) + 2 * margin) // 4 * 4 + 4 for v in placed.max(axis=0) - placed.min(axis=0)
        )
        mask = Image.new("L", (width, height), 0)
        flat = (placed - (left, top)).ravel().tolist()
        ImageDraw.Draw(mask).polygon(flat, fill=255)
        soft = mask.reduce(4).filter(ImageFilter.GaussianBlur(self.side / 4 * 0.022))
        soft = ImageChops.offset(
            soft, round(_LIGHT[0] * self.side / 4), round(_LIGHT[1] * self.side / 4)
        )
        shade = soft.point(_shading(depth)).resize((width, height), Image.Resampling.BILINEAR)
        box = (left, top, left + width, top + height)
        filled = ImageChops.multiply(fabric.image.crop(box), Image.merge("RGB", (shade,) * 3))
        self._image.paste(filled, (left, top), mask)
        self._cover.paste(255, (left, top), mask)
        if edge:
            self.line(join(outline, outline[:2]), fabric.edge, edge)

    def line(self, path: Path, color: Rgb, width: float = 0.006) -> None:
        """Draw a seam, lace or band along a path."""
        flat = self._place(path, self.side).ravel().tolist()
        self._draw.line(flat, fill=color, width=self._width(width), joint="curve")

    def stitches(self, path: Path, color: Rgb, width: float = 0.005, every: float = 0.016) -> None:
        """Draw a dashed line along a path."""
        placed = self._place(path, self.side)
        steps = np.hypot(*np.diff(placed, axis=0).T)
        along = np.concatenate([[0.0], np.cumsum(steps)])
        starts = np.arange(0.0, along[-1], every * self.side)
        stops = np.minimum(starts + 0.6 * every * self.side, along[-1])
        for ends in np.stack([starts, stops], axis=1):
            dash = np.stack([np.interp(ends, along, axis) for axis in placed.T], axis=1)
            self._draw.line(dash.ravel().tolist(), fill=color, width=self._width(width))

    def dot(self, x: float, y: float, radius: float, color: Rgb, ring: Rgb | None = None) -> None:
        """Draw a button, an eyelet or a rivet."""
        (px, py), r = self._place(points((x, y)), self.side)[0], radius * self.side
        self._draw.ellipse(
            (px - r, py - r, px + r, py + r), fill=color, outline=ring, width=self._width(0.004)
        )

    def shape(self, outline: Path, color: Rgb) -> None:
        """Fill an outline flatly, without shading or edge."""
        self._draw.polygon(self._place(outline, self.side).ravel().tolist(), fill=color)
        cover = ImageDraw.Draw(self._cover)
        cover.polygon(self._place(outline, self.side).ravel().tolist(), fill=255)

    def fold(self, path: Path, *, strength: float = 0.2, width: float = 0.02) -> None:
        """Lay a soft shadow (positive strength) or shine (negative) along a path."""
        layer = self._dark if strength > 0 else self._light
        flat = self._place(path, self._pixels).ravel().tolist()
        ImageDraw.Draw(layer).line(
            flat,
            fill=round(255 * abs(strength)),
            width=max(1, round(width * self._pixels)),
            joint="curve",
        )

    def finish(self) -> Image.Image:
        """Reduce to the final size and lay the folds over what was drawn."""
        small = self._image.reduce(self._supersample)
        cover = self._cover.reduce(self._supersample)
        blur = ImageFilter.GaussianBlur(0.011 * self._pixels)
        for layer, lay in ((self._dark, True), (self._light, False)):
            if layer.getbbox() is None:
                continue
            soft = ImageChops.multiply(layer.filter(blur), cover)
            tone = ImageChops.invert(soft) if lay else soft
            gray = Image.merge("RGB", (tone,) * 3)
            small = ImageChops.multiply(small, gray) if lay else ImageChops.screen(small, gray)
        return small
