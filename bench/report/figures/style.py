"""The look that all figures share, and how they become files.

Sizes are those of a two-column paper, so that a figure is included as it is: 3.5 or 7.16 inches
wide, letters of 6 to 8 points. No state of matplotlib's is changed for good.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.errors import BenchError
from bench.files import atomic_write_bytes

__all__ = [
    "ACCENT",
    "FAINT",
    "INK",
    "ONE_COLUMN",
    "SECOND",
    "TWO_COLUMNS",
    "blank_page",
    "new_figure",
    "styled",
    "write_figure",
]

ONE_COLUMN, TWO_COLUMNS = 3.5, 7.16
"""Widths in inches of an IEEE paper's column, and of its page."""

INK, FAINT, ACCENT, SECOND = "#1c1e22", "#6e737a", "#1f5fa8", "#b5472f"
"""Colours: text, remarks, the designed images, the retrieved ones. The last two also differ in
lightness and line style, for readers and printers without colours."""

_DPI = 300

_STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "mathtext.fontset": "dejavusans",
    "font.size": 7.0,
    "axes.titlesize": 8.0,
    "axes.labelsize": 7.0,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 7.0,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.2,
    "lines.markersize": 4.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    # Letters stay letters: TrueType that can be searched, copied and edited.
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    # Each image by itself, at its own resolution.
    "image.composite_image": False,
}


@contextmanager
def styled() -> Iterator[None]:
    """Have the look inside the block, whatever the user's own settings are."""
    with mpl.rc_context():
        mpl.rcdefaults()
        cast(Any, mpl.rcParams).update(_STYLE)  # its type lists every name there is
        yield


def new_figure(width: float, height: float) -> Figure:
    """Make an empty figure, in inches; nothing of pyplot is involved."""
    return Figure(figsize=(width, height), dpi=_DPI)


def blank_page(figure: Figure) -> Axes:
    """Give axes over the whole figure, in inches from its upper left corner, downwards."""
    width, height = figure.get_size_inches()
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.axis("off")
    return axes


def write_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG or PDF, whole or not at all; the same figure gives the same bytes.

    Raises
    ------
    BenchError
        Another suffix; the place cannot be written.
    """
    kind = path.suffix.lower()
    # No date and no version in the file: the record of the designs has them.
    metadata: dict[str, dict[str, Any]] = {
        ".png": {"Software": None},
        ".pdf": {"CreationDate": None, "Producer": None, "Creator": None},
    }
    if kind not in metadata:
        raise BenchError(f"{path}: figures are written as .png or .pdf")
    buffer = io.BytesIO()
    with styled():
        figure.savefig(buffer, format=kind[1:], dpi=_DPI, metadata=metadata[kind])
    atomic_write_bytes(path, buffer.getvalue())
