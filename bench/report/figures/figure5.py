"""Figure 5: the three best real and the three best designed images of six users, with scores."""

from matplotlib.figure import Figure

from bench.report.figures.style import FAINT, ONE_COLUMN, blank_page, new_figure, styled
from bench.report.figures.tiles import draw_text, draw_tile, score_text, shortened
from bench.report.shown_designs import Shown

__all__ = ["figure5"]

_LABEL, _GAP, _MARGIN, _SPACE = 0.15, 0.14, 0.03, 0.04
_HEAD, _FOOT, _CAPTION = 0.22, 0.2, 0.13


def figure5(shown: Shown) -> Figure:
    """Draw a row per user: real images on the left, designed ones on the right.

    Raises
    ------
    BenchError
        The images cannot be read.
    """
    picks = shown.stored.arrays("picks")
    names = shown.record.category_names
    n, top_k = picks["scores"].shape
    side = (ONE_COLUMN - 2 * _MARGIN - _LABEL - _GAP) / (2 * top_k) - _SPACE
    block = top_k * (side + _SPACE) - _SPACE
    height = _HEAD + n * (side + _CAPTION + _SPACE) + _FOOT
    starts = (_MARGIN + _LABEL, _MARGIN + _LABEL + block + _GAP)
    with styled():
        figure = new_figure(ONE_COLUMN, height)
        page = blank_page(figure)
        titles = (f"(a) Top-{top_k} from the data set", f"(b) Top-{top_k} designed")
        for left, title in zip(starts, titles, strict=True):
            draw_text(page, title, left + block / 2, _HEAD / 2, size=8)
        for row in range(n):
            top = _HEAD + row * (side + _CAPTION + _SPACE)
            draw_text(
                page,
                shortened(names[picks["categories"][row]], 17),
                _MARGIN + 0.05,
                top + (side + _CAPTION) / 2,
                size=5,
                colour=FAINT,
                rotation=90,
            )
            for left, images, scores in zip(
                starts, ("retrieved_images", "images"), ("retrieved_scores", "scores"), strict=True
            ):
                for column in range(top_k):
                    across = left + column * (side + _SPACE)
                    draw_tile(page, picks[images][row, column], across, top, side)
                    score = score_text(picks[scores][row, column])
                    draw_text(page, score, across + side / 2, top + side + _CAPTION / 2)
        note = (
            f"{shown.record.dataset_title}; a user per row, the first of the trials; preference "
            "below each image"
        )
        draw_text(page, note, ONE_COLUMN / 2, height - _FOOT / 2, size=5.5, colour=FAINT)
    return figure
