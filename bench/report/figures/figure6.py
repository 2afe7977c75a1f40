"""Figure 6: an item, its approximation, and the images on the way to what a user prefers."""

import numpy as np
from matplotlib.figure import Figure

from bench.report.figures.style import FAINT, ONE_COLUMN, blank_page, new_figure, styled
from bench.report.figures.tiles import draw_text, draw_tile, score_text
from bench.report.shown_designs import Shown

__all__ = ["figure6"]

_GAP, _MARGIN, _SPACE = 0.12, 0.03, 0.04
_HEAD, _FOOT, _CAPTION, _BREAK = 0.4, 0.2, 0.13, 0.07


def figure6(shown: Shown) -> Figure:
    """Draw a row per user: the prototype, then the approximation and the later iterates.

    Raises
    ------
    BenchError
        The images cannot be read.
    """
    tailored = shown.stored.arrays("tailored")
    steps = tailored["steps"]
    n = len(tailored["users"])
    side = (ONE_COLUMN - 2 * _MARGIN - _GAP) / (1 + len(steps)) - _SPACE
    # Rows of another prototype stand a little apart.
    breaks = np.concatenate([[0], np.cumsum(np.diff(tailored["items"]) != 0)])
    height = _HEAD + n * (side + _CAPTION + _SPACE) + breaks[-1] * _BREAK + _FOOT
    way = _MARGIN + side + _SPACE + _GAP
    with styled():
        figure = new_figure(ONE_COLUMN, height)
        page = blank_page(figure)
        draw_text(page, "Prototype", _MARGIN + side / 2, 0.13, size=7)
        middle = way + (len(steps) * (side + _SPACE) - _SPACE) / 2
        draw_text(page, "Approximation and optimisation", middle, 0.13, size=7)
        draw_text(page, "(a)", _MARGIN + side / 2, 0.29)
        for column, step in enumerate(steps):
            across = way + column * (side + _SPACE) + side / 2
            draw_text(page, f"(b$_{{{step}}}$)", across, 0.29, math=True)
        for row in range(n):
            top = _HEAD + row * (side + _CAPTION + _SPACE) + breaks[row] * _BREAK
            shown_images = [
                (_MARGIN, tailored["prototypes"][row], tailored["prototype_scores"][row])
            ]
            shown_images += [
                (way + column * (side + _SPACE), image, score)
                for column, (image, score) in enumerate(
                    zip(tailored["iterates"][row], tailored["scores"][row], strict=True)
                )
            ]
            for left, image, score in shown_images:
                draw_tile(page, image, left, top, side)
                draw_text(page, score_text(score), left + side / 2, top + side + _CAPTION / 2)
        note = (
            f"{shown.record.dataset_title}; a user per row, random items; preference below each "
            "image"
        )
        draw_text(page, note, ONE_COLUMN / 2, height - _FOOT / 2, size=5.5, colour=FAINT)
    return figure
