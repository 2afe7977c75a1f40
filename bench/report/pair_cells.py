"""How a tested pair is shown, wherever pairs stand: columns, cells, lines below, values for CSV."""

from collections.abc import Mapping
from typing import Any

from bench.evaluation.significance import Interval
from bench.report.layout import DASH, Cell, Column, Notes
from bench.report.pairs import Family, Pair, pair_facts
from bench.report.variation import how_tested, interval_line, users_line

__all__ = ["PAIR_COLUMNS", "pair_cells", "pair_lines", "pair_values"]

PAIR_COLUMNS = (
    Column("Difference"),
    Column("95% interval"),
    Column("± seeds"),
    *(Column(title, "p") for title in ("Wilcoxon", "Randomisation", "Adjusted")),
    Column("Verdict", align="left"),
)

_DISAGREES = "Wilcoxon's test, Holm-adjusted alike, decides otherwise"
_SEED_NOISE = "within the noise of training: one fit of each might fall the other way"


def pair_cells(pair: Pair, interval: Interval, notes: Notes) -> tuple[Cell, ...]:
    """Give the cells of `PAIR_COLUMNS`."""
    noted = [
        text
        for applies, text in (
            (pair.wilcoxon_disagrees, _DISAGREES),
            (pair.verdict != "not significant" and pair.within_seed_noise, _SEED_NOISE),
        )
        if applies
    ]
    texts = (
        f"{pair.difference:+.4f}",
        f"[{interval.low:+.4f}, {interval.high:+.4f}]",
        DASH if pair.seed_sd is None else f"{pair.seed_sd:.4f}",
        _p_text(pair.wilcoxon),
        _p_text(pair.randomisation),
        _p_text(pair.randomisation_holm),
    )
    note = notes.number("; ".join(noted)) if noted else None
    return (*map(Cell, texts), Cell(pair.verdict, note=note))


def pair_lines(family: Family, n_seeds: Mapping[str, int], which: str = "") -> list[str]:
    """Say how everything in `PAIR_COLUMNS` came about.

    Parameters
    ----------
    family, which
        As in `bench.report.variation.how_tested`.
    n_seeds
        As in `bench.report.variation.users_line`.
    """
    return [
        "Difference: the former's mean less the latter's, each user's value averaged over the "
        "seeds first.",
        "± seeds: standard deviation of the difference between one fit of each, "
        "sqrt(sd^2 + sd'^2) of the two models' own over seeds; a dash where one has one seed. "
        "A significant difference of no more than twice as much is noted.",
        users_line(n_seeds),
        f"{interval_line()} The same users are drawn for both.",
        "Wilcoxon: signed-rank test, two-sided, users without a difference ranked as Pratt "
        "has it, so that with many of them it is close to a sign test; it is about the "
        "differences' symmetry, not their mean.",
        *how_tested(family, which),
        "Verdict: by the adjusted p of the randomisation test. The interval is not adjusted, so it "
        "may exclude 0 beside a difference that is not significant.",
    ]


def pair_values(pair: Pair, interval: Interval) -> dict[str, Any]:
    """Give the numbers of a pair as CSV and JSON have them."""
    return {
        "difference": pair.difference,
        "ci_low": interval.low,
        "ci_high": interval.high,
        "seed_sd": pair.seed_sd,
        "within_seed_noise": pair.within_seed_noise,
        **pair_facts(pair),
        "verdict": pair.verdict,
        "wilcoxon_disagrees": pair.wilcoxon_disagrees,
    }


def _p_text(p: float) -> str:
    return "<0.0001" if p < 0.0001 else f"{p:.4f}"
