"""Rows of small pictures, as Figures 4 to 6 have them."""

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from PIL import Image

from bench.report.figures.style import INK

__all__ = ["draw_text", "draw_tile", "score_text", "shortened"]

_FRAME = "#c9ccd1"
_DPI = 300


def draw_tile(
    page: Axes, image: npt.NDArray[np.uint8], left: float, top: float, side: float
) -> None:
    """Draw one picture with a hairline around it.

    Parameters
    ----------
    page
        From `bench.report.figures.style.blank_page`.
    image
        uint8 (P, P, 3). Small ones grow smoothly to print resolution: what a reader would see of
        larger pixels is the screen's way of growing them.
    left, top, side
        In inches.
    """
    pixels = max(image.shape[0], round(side * _DPI))
    whole = Image.fromarray(np.ascontiguousarray(image))
    drawn = np.asarray(whole.resize((pixels, pixels), Image.Resampling.BICUBIC))
    extent = (left, left + side, top + side, top)
    page.imshow(drawn, extent=extent, interpolation="none", aspect="auto", zorder=1)
    page.add_patch(
        Rectangle((left, top), side, side, fill=False, edgecolor=_FRAME, linewidth=0.4, zorder=2)
    )


def draw_text(
    page: Axes,
    text: str,
    x: float,
    y: float,
    *,
    size: float = 6.5,
    colour: str = INK,
    horizontal: str = "center",
    vertical: str = "center",
    rotation: float = 0.0,
    bold: bool = False,
    math: bool = False,
) -> None:
    """Write text at a place in inches; names of the user's are never taken for formulas."""
    page.text(
        x,
        y,
        text,
        fontsize=size,
        color=colour,
        ha=horizontal,
        va=vertical,
        rotation=rotation,
        fontweight="bold" if bold else "normal",
        parse_math=math,
    )


def score_text(score: float) -> str:
    """Write a preference with two decimals; no zero has a sign."""
    return f"{round(float(score), 2) + 0.0:.2f}".replace("-", "\N{MINUS SIGN}")


def shortened(name: str, length: int) -> str:
    """Cut a name of the user's that is longer than there is room for."""
    return name if len(name) <= length else f"{name[: length - 1]}…"
