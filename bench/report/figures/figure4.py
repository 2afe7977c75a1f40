"""Figure 4: samples of each category beside their nearest real images."""

import numpy as np
from matplotlib.figure import Figure

from bench.report.figures.style import FAINT, TWO_COLUMNS, blank_page, new_figure, styled
from bench.report.figures.tiles import draw_text, draw_tile, shortened
from bench.report.shown_designs import Shown

__all__ = ["figure4"]

_SAMPLES = 8
_CATEGORIES = 6
_LABEL, _GAP, _MARGIN, _SPACE = 0.96, 0.16, 0.03, 0.03
_HEAD, _FOOT = 0.22, 0.2


def figure4(shown: Shown) -> Figure:
    """Draw the first samples of each category, none chosen by eye, and what they are nearest to.

    Raises
    ------
    BenchError
        The images cannot be read.
    """
    samples = shown.stored.arrays("samples")
    names = shown.record.category_names
    kinds = samples["categories"]
    rows = np.unique(kinds)[:_CATEGORIES]
    n = min(_SAMPLES, min(int((kinds == kind).sum()) for kind in rows))
    width = TWO_COLUMNS - 2 * _MARGIN - _LABEL - _GAP
    side = width / (2 * _SAMPLES) - _SPACE
    height = _HEAD + len(rows) * (side + _SPACE) + _FOOT
    with styled():
        figure = new_figure(TWO_COLUMNS, height)
        page = blank_page(figure)
        block = n * (side + _SPACE) - _SPACE
        starts = (_MARGIN + _LABEL, _MARGIN + _LABEL + n * (side + _SPACE) - _SPACE + _GAP)
        titles = ("(a) Generated images", r"(b) $\ell_1$ nearest neighbours in the data set")
        for left, title in zip(starts, titles, strict=True):
            draw_text(page, title, left + block / 2, _HEAD / 2, size=8, math=True)
        for number, kind in enumerate(rows):
            top = _HEAD + number * (side + _SPACE)
            draw_text(
                page, shortened(names[kind], 18), _MARGIN, top + side / 2, size=7, horizontal="left"
            )
            for column, place in enumerate(np.flatnonzero(kinds == kind)[:n]):
                across = column * (side + _SPACE)
                draw_tile(page, samples["images"][place], starts[0] + across, top, side)
                if samples["nearest_items"][place] >= 0:
                    near = samples["nearest_images"][place]
                    draw_tile(page, near, starts[1] + across, top, side)
        draw_text(page, _note(shown), TWO_COLUMNS / 2, height - _FOOT / 2, size=6, colour=FAINT)
    return figure


def _note(shown: Shown) -> str:
    record = shown.record
    parts = [f"{record.dataset_title}, {record.generator_label}"]
    if len(record.category_names) > _CATEGORIES:
        parts.append(f"{_CATEGORIES} of {len(record.category_names)} categories")
    parts.append("the first samples, none chosen")
    near = next((judged.neighbours for judged in shown.judged.values()), None)
    if near and near["generated"] and near["real"]:
        levels = [near[name]["percentiles"]["50"] for name in ("generated", "real")]
        parts.append(
            f"median distance to the nearest real image: {levels[0]:.1f} of 255 levels, between "
            f"real ones {levels[1]:.1f}"
        )
    return "; ".join(parts)
