"""Figure 3: preference, quality and diversity of designed images against eta."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.errors import BenchError
from bench.experiment.generation.record import Judged
from bench.report.figures.style import ACCENT, FAINT, SECOND, TWO_COLUMNS, new_figure, styled
from bench.report.shown_designs import Shown

__all__ = ["figure3"]

_HEIGHT = 2.2
_PREFERRED = ("inception", "classifier")
"""Whose score of quality is drawn where several have judged."""


def figure3(shown: Shown) -> Figure:
    """Draw the three measures against eta, with the line of the retrieved images.

    Parameters
    ----------
    shown
        Designs that are judged.

    Raises
    ------
    BenchError
        They are not judged, or not designed for several eta.
    """
    judged = _judged(shown)
    points = [point for point in judged.etas if point["eta"] is not None]
    base = next((point for point in judged.etas if point["eta"] is None), None)
    if not points or base is None:
        raise BenchError(
            "figure 3 compares several eta, and the stored designs have one; "
            "`bench run --set design.eta_trials=N` makes them for all"
        )
    panels = (
        ("(a) Preference score", "preference", "mean preference (eq. 6)"),
        ("(b) Image quality", "quality", str(judged.facts["score_label"])),
        ("(c) Image diversity", "diversity", "opposite mean SSIM"),
    )
    with styled():
        figure = new_figure(TWO_COLUMNS, _HEIGHT)
        axes = figure.subplots(
            1,
            3,
            gridspec_kw={
                "left": 0.065,
                "right": 0.985,
                "top": 0.87,
                "bottom": 0.33,
                "wspace": 0.32,
            },
        )
        for place, (title, measure, label) in zip(axes, panels, strict=True):
            _panel(place, points, base, measure)
            place.set_title(title)
            place.set_ylabel(label)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(
            handles[::-1],
            labels[::-1],
            loc="lower center",
            bbox_to_anchor=(0.5, 0.07),
            ncols=2,
            frameon=False,
            handlelength=2.6,
            columnspacing=3.0,
        )
        note = (
            f"{shown.record.dataset_title}, {shown.record.eta_trials:,} trials of top-"
            f"{shown.record.key.options['top']} images, {_quality_note(judged)}; bars: standard "
            "error"
        )
        figure.text(
            0.5, 0.025, note, ha="center", va="bottom", fontsize=6, color=FAINT, parse_math=False
        )
    return figure


def _judged(shown: Shown) -> Judged:
    for name in (*_PREFERRED, *sorted(shown.judged)):
        if name in shown.judged:
            return shown.judged[name]
    raise BenchError("the stored designs are not judged; `bench run` judges them")


def _quality_note(judged: Judged) -> str:
    quality = judged.etas[0]["quality"]
    return f"{judged.facts['score_label']} over {len(quality['split_sizes'])} splits"


def _panel(
    axes: Axes, points: Sequence[Mapping[str, Any]], base: Mapping[str, Any], measure: str
) -> None:
    """Draw one measure; the etas stand side by side, as in the paper, and not to scale."""
    places = list(range(len(points)))
    axes.errorbar(
        places,
        [point[measure]["mean"] for point in points],
        yerr=[point[measure]["standard_error"] for point in points],
        color=ACCENT,
        marker="o",
        capsize=2.0,
        elinewidth=0.7,
        label=r"designed, $\hat{\delta}(u, c)$",
        zorder=3,
    )
    mean, error = base[measure]["mean"], base[measure]["standard_error"]
    axes.axhline(mean, color=SECOND, linestyle=(0, (4, 2)), label=r"retrieved, $\delta(u, c)$")
    axes.axhspan(mean - error, mean + error, color=SECOND, alpha=0.12, linewidth=0)
    axes.set_xticks(places, [f"{point['eta']:g}" for point in points])
    axes.set_xlim(-0.35, len(points) - 0.65)
    axes.set_xlabel(r"$\eta$", labelpad=1)
    axes.margins(y=0.15)
    axes.grid(axis="y", color="#e4e6e9", linewidth=0.5, zorder=0)
    axes.set_axisbelow(True)
