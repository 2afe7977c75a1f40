"""The figure of the cold-item microscope: what is drawn, where, and the same bytes every time."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from stored_cells import LABELS, add_cell

from bench.evaluation.cold_curve import cold_curve
from bench.experiment.store import ResultStore
from bench.report.audit import Curve
from bench.report.figures.cold_curve import cold_curve_figure
from bench.report.figures.style import ONE_COLUMN, TWO_COLUMNS, write_figure


def curves(store: ResultStore, n: int = 2, largest: int = 30) -> list[Curve]:
    rng = np.random.default_rng(0)
    item_counts = np.append(rng.integers(0, 6, size=60), largest)
    item_counts[item_counts == 3] = 2  # a bin without users
    made = []
    for name in list(LABELS)[:n]:
        points = cold_curve(rng.random(61), item_counts, n_resamples=50)
        made.append(
            Curve(
                LABELS[name],
                add_cell(store, name, title="Amazon Fashion [data 0123]").record,
                "strict",
                points,
            )
        )
    return made


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_lines_bars_and_labels(store: ResultStore) -> None:
    made = curves(store)
    figure = cold_curve_figure(made, cold_below=5)
    upper, lower = figure.axes
    assert legend(figure) == ["RAND", "PopRank"]
    drawn = [container.lines[0].get_ydata() for container in upper.containers]
    for curve, means in zip(made, drawn, strict=True):
        expected = [p.interval.mean for p in curve.points if p.interval.n_users]
        assert means.tolist() == pytest.approx(expected)
    assert [label.get_text().replace("\N{EN DASH}", "-") for label in lower.get_xticklabels()] == [
        "0", "1", "2", "3", "4", "5-9", "10-19", "20-39",
    ]  # fmt: skip
    heights = [bar.get_height() for bar in lower.patches if bar.get_width() < 1]
    assert heights == [p.interval.n_users for p in made[0].points]
    assert heights[3] == 0
    # No bar where there are few users: the last bin has one.
    bars = [segment for segment in upper.containers[0].lines[2][0].get_segments() if len(segment)]
    assert len(bars) == sum(height >= 10 for height in heights) < len(drawn[0])
    assert any(
        "95% bootstrap over users, none for fewer than 10" in text.get_text()
        for text in figure.texts
    )
    assert any("seed 0, ties earn nothing" in text.get_text() for text in figure.texts)


@pytest.mark.parametrize(
    ("n", "largest", "width"), [(4, 100, ONE_COLUMN), (6, 100, TWO_COLUMNS), (1, 900, TWO_COLUMNS)]
)
def test_as_wide_as_it_must_be_and_nothing_is_cut_off(
    store: ResultStore, n: int, largest: int, width: float
) -> None:
    figure = cold_curve_figure(curves(store, n, largest), cold_below=5)
    assert figure.get_figwidth() == width
    figure.draw_without_rendering()
    edges = figure.bbox.extents
    for artist in [*figure.texts, *figure.legends, *(a.yaxis.label for a in figure.axes)]:
        box = artist.get_window_extent()
        assert edges[0] <= box.x0, artist
        assert box.x1 <= edges[2], artist
    labels = [t.get_window_extent() for t in figure.axes[1].get_xticklabels()]
    for one, following in itertools.pairwise(labels):
        assert one.x1 < following.x0


def test_the_same_curves_give_the_same_bytes_and_letters_stay_letters(
    store: ResultStore, tmp_path: Path
) -> None:
    made = curves(store)
    for name in ("a.pdf", "b.pdf", "a.png"):
        write_figure(cold_curve_figure(made, cold_below=5), tmp_path / name)
    pdf = (tmp_path / "a.pdf").read_bytes()
    assert pdf == (tmp_path / "b.pdf").read_bytes()
    assert b"/CIDFontType2" in pdf
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
