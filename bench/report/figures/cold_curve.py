"""AUC against the test item's training count: a line per model over bars of user counts."""

from collections.abc import Sequence
from itertools import cycle

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from bench.evaluation.cold_curve import LEAST_USERS
from bench.report.audit import Curve
from bench.report.figures.style import (
    FAINT,
    INK,
    ONE_COLUMN,
    TWO_COLUMNS,
    new_figure,
    styled,
)

__all__ = ["cold_curve_figure"]

_HEIGHT = 2.7
_NARROW_BINS, _NARROW_CURVES = 10, 5
"""More than these do not fit into one column of a page."""
_LOOKS = (
    ("#1f5fa8", "-", "o"),
    ("#b5472f", (0, (4, 1.5)), "s"),
    ("#2f7d5b", (0, (1, 1)), "^"),
    ("#8a5a9e", (0, (5, 1.5, 1, 1.5)), "D"),
    ("#c08a1e", "-", "v"),
    ("#5b6067", (0, (4, 1.5)), "P"),
    ("#2c9aa8", (0, (1, 1)), "X"),
    ("#a83268", (0, (5, 1.5, 1, 1.5)), "*"),
)
"""Colour, line and marker: any two differ in at least two of them, for prints without colours."""


def cold_curve_figure(curves: Sequence[Curve], *, cold_below: int) -> Figure:
    """Draw AUC with 95 % intervals per training count, and below how many users each rests on.

    Parameters
    ----------
    curves
        Models on one data set with one tie rule; their points stand for the same bins.
    cold_below
        Counts below this are shaded as cold.
    """
    n_bins = len(curves[0].points)
    wide = n_bins > _NARROW_BINS or len(curves) > _NARROW_CURVES
    width, per_row = (TWO_COLUMNS, 8) if wide else (ONE_COLUMN, 4)
    left = 0.44 / width
    with styled():
        figure = new_figure(width, _HEIGHT)
        legend_rows = -(-len(curves) // per_row)
        upper, lower = figure.subplots(
            2,
            1,
            sharex=True,
            gridspec_kw={
                "left": left,
                "right": 1 - 0.04 / width,
                "top": 0.98 - 0.065 * legend_rows,
                "bottom": 0.205,
                "hspace": 0.08,
                "height_ratios": (3.2, 1.0),
            },
        )
        _curves(upper, curves)
        _bars(lower, curves[0])
        for axes in (upper, lower):
            axes.axvspan(-0.6, cold_below - 0.5, color="#eef1f5", linewidth=0, zorder=0)
        if n_bins >= _NARROW_BINS and not wide:
            lower.tick_params(axis="x", labelsize=5.3)
        handles, labels = upper.get_legend_handles_labels()
        figure.legend(
            handles,
            labels,
            loc="upper center",
            bbox_to_anchor=((1 + left) / 2, 1.01),
            ncols=min(len(curves), per_row),
            frameon=False,
            handlelength=2.2,
            handletextpad=0.5,
            columnspacing=1.2,
            borderaxespad=0.3,
        )
        rule = "ties earn nothing" if curves[0].ties == "strict" else "ties earn half"
        seeds = sorted({curve.record.key.seed for curve in curves})
        which = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {', '.join(map(str, seeds))}"
        note = (
            f"{curves[0].record.dataset_title}, {which}, {rule}\nintervals: 95% bootstrap over "
            f"users, none for fewer than {LEAST_USERS}"
        )
        figure.text(
            0.5, 0.012, note, ha="center", va="bottom", fontsize=6, color=FAINT, parse_math=False
        )
    return figure


def _curves(axes: Axes, curves: Sequence[Curve]) -> None:
    """Draw the lines; models stand a little beside each other, so that intervals can be told."""
    n_bins = len(curves[0].points)
    step = min(0.09, 0.5 / max(len(curves), 1))
    for number, (curve, (colour, line, marker)) in enumerate(
        zip(curves, cycle(_LOOKS), strict=False)
    ):
        shift = (number - (len(curves) - 1) / 2) * step
        drawn = [
            (place + shift, point.interval)
            for place, point in enumerate(curve.points)
            if point.interval.n_users
        ]
        means = [interval.mean for _, interval in drawn]
        axes.errorbar(
            [place for place, _ in drawn],
            means,
            yerr=[
                [mean - interval.low for mean, (_, interval) in zip(means, drawn, strict=True)],
                [interval.high - mean for mean, (_, interval) in zip(means, drawn, strict=True)],
            ],
            color=colour,
            linestyle=line,
            marker=marker,
            markersize=3.2,
            markeredgewidth=0,
            linewidth=1.0,
            elinewidth=0.6,
            capsize=0,
            label=curve.title,
            zorder=3,
        )
    axes.axhline(0.5, color=FAINT, linewidth=0.6, linestyle=(0, (2, 2)), zorder=1)
    axes.set_xlim(-0.6, n_bins - 0.4)
    axes.margins(y=0.05)
    axes.set_ylabel("AUC")
    axes.yaxis.set_major_locator(MultipleLocator(0.1))
    axes.grid(axis="y", color="#e4e6e9", linewidth=0.5, zorder=0)
    axes.set_axisbelow(True)
    axes.tick_params(axis="x", length=0)
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, -0.02), min(high, 1.02))
    axes.text(
        0.012, 0.985, "cold", transform=axes.transAxes, ha="left", va="top", fontsize=6.5,
        style="italic", color=FAINT,
    )  # fmt: skip
    if low < 0.5 < high:
        axes.annotate(
            "chance",
            (n_bins - 0.42, 0.5),
            xytext=(0, 1.5),
            textcoords="offset points",
            ha="right",
            va="bottom",
            fontsize=6,
            color=FAINT,
        )


def _bars(axes: Axes, curve: Curve) -> None:
    """Draw how many users each bin has, with the number above its bar."""
    n_users = [point.interval.n_users for point in curve.points]
    places = list(range(len(n_users)))
    axes.bar(places, n_users, width=0.72, color="#aab3be", linewidth=0, zorder=2)
    for place, count in zip(places, n_users, strict=True):
        axes.annotate(
            f"{count:,}",
            (place, count),
            xytext=(0, 1),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=5.5,
            color=INK,
        )
    axes.set_ylim(0, max(n_users) * 1.32)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_ylabel("users", labelpad=13.5)
    axes.set_xticks(places, [point.bin.label for point in curve.points])
    axes.tick_params(axis="x", length=0, pad=2)
    axes.set_xlabel("training interactions of the test item", labelpad=2)
