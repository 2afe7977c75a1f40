"""The table of `bench compare`: recommenders pair by pair, with intervals and tests."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.errors import BenchError, unknown_name
from bench.evaluation.auc import Ties
from bench.evaluation.significance import Interval
from bench.experiment.store import StoredCell
from bench.report.aggregate import METRICS, Block, Setting, difference, estimate
from bench.report.columns import block_facts, column_labels, place_facts
from bench.report.comparison import SETTINGS
from bench.report.foot import made_how, opening_lines
from bench.report.layout import DASH, Cell, Column, Notes, Row, Table
from bench.report.pairs import Pair, compare_pairs, pair_facts, pairs_of
from bench.report.tables import shown_blocks
from bench.report.variation import how_tested, interval_line, users_line

__all__ = ["paired_table"]

_DISAGREES = "Wilcoxon's test, Holm-adjusted alike, decides otherwise"
_SEED_NOISE = "within the noise of training: one fit of each could well fall the other way"


def paired_table(
    cells: Iterable[StoredCell],
    *,
    base: str | None = None,
    ties: Ties = "strict",
    metric: str = "auc",
    settings: Mapping[str, Mapping[str, str]] | None = None,
) -> Table:
    """Compare recommenders pair by pair, for All and Cold Items of each data set.

    Parameters
    ----------
    cells
        What the store holds.
    base
        Compare each recommender with this one only; None compares every pair once.
    ties, metric, settings
        As in `bench.report.tables.table3`.

    Raises
    ------
    BenchError
        As `table3`; an unknown base; no data set with two finished recommenders to compare.
    """
    blocks = shown_blocks(cells, metric=metric, settings=settings or {})
    _check_base(blocks, base)
    able = [block for block in blocks if _pairs(block, base)]
    left_out = [
        f"{block.title}: nothing to compare, {_what_is_there(block, base)}."
        for block in blocks
        if block not in able
    ]
    if not able:
        raise BenchError(f"{' '.join(left_out)[:-1]}; `bench run` makes more")
    notes = Notes()
    rows: list[Row] = []
    tidy: list[dict[str, Any]] = []
    for block in able:
        for setting, title in SETTINGS:
            pairs = compare_pairs(block, setting, _pairs(block, base), metric=metric, ties=ties)
            if not pairs:
                left_out.append(f"{block.title}: no user has a cold test item.")
            for pair in pairs:
                interval = difference(
                    block.entries[pair.recommender],
                    block.entries[pair.other],
                    setting,
                    metric=metric,
                    ties=ties,
                )
                place = (block.title if setting == "all" else "", title, f"{pair.n_users:,}")
                place = place if pair is pairs[0] else ("", "", "")
                rows.append(_row(block, place, pair, interval, notes, rule=bool(rows)))
                tidy.append(_tidy(block, setting, pair, interval, metric, ties))
    family = (
        "a data set and setting, all pairs"
        if base is None
        else f"a data set and setting, {column_labels(able)[base]} against each other recommender"
    )
    entries = [entry for block in able for entry in block.entries.values()]
    label = METRICS[metric].label
    return Table(
        name="compare",
        caption=f"Differences in the {label} between recommenders on the same users.",
        columns=(
            *(Column(title, align="left") for title in ("Dataset", "Setting")),
            Column("Users"),
            *(Column(title, align="left") for title in ("Recommender", "Against")),
            Column("Difference"),
            Column("95% interval"),
            Column("± seeds"),
            *(Column(title, "p") for title in ("Wilcoxon", "Randomisation", "Adjusted")),
            Column("Verdict", align="left"),
        ),
        rows=tuple(rows),
        foot=(
            *opening_lines(able, metric=metric, ties=ties),
            "Difference: the recommender's mean less the other's, each user's value averaged over "
            "the seeds first.",
            "± seeds: standard deviation of the difference between one fit of each, "
            "sqrt(sd^2 + sd'^2) of the two models' own over seeds; a dash where one has one seed. "
            "A difference of no more than twice as much is noted.",
            users_line(entries),
            f"{interval_line()} The same users are drawn for both recommenders.",
            "Wilcoxon: signed-rank test, two-sided, users without a difference ranked as Pratt "
            "has it; it is about the differences' symmetry, not their mean.",
            *how_tested(family),
            "Verdict: by the adjusted p of the randomisation test.",
            *left_out,
            *made_how(entries),
        ),
        notes=notes.texts(),
        wide=True,
        tidy=tuple(tidy),
        facts={
            "metric": metric,
            "ties": ties,
            "base": base,
            "family": family,
            "datasets": [block_facts(block) for block in able],
        },
    )


def _pairs(block: Block, base: str | None) -> list[tuple[str, str]]:
    """List the pairs of a block's recommenders that have a finished cell."""
    names = [name for name, entry in block.entries.items() if entry.runs]
    return [] if base is not None and base not in names else pairs_of(names, base)


def _check_base(blocks: Sequence[Block], base: str | None) -> None:
    known = {name for block in blocks for name in block.entries}
    if base is not None and base not in known:
        raise unknown_name("stored recommender", base, known, see="bench table 3")


def _what_is_there(block: Block, base: str | None) -> str:
    """Say what a block has that cannot be compared."""
    finished = [name for name, entry in block.entries.items() if entry.runs]
    if base is not None and base not in finished:
        return f"{base} has no finished cell"
    return f"only {finished[0]} has a finished cell" if finished else "no cell is finished"


def _row(
    block: Block,
    place: tuple[str, str, str],
    pair: Pair,
    interval: Interval | None,
    notes: Notes,
    *,
    rule: bool,
) -> Row:
    labels = column_labels([block])
    noted = [
        text
        for applies, text in (
            (pair.wilcoxon_disagrees, _DISAGREES),
            (pair.verdict != "not significant" and pair.within_seed_noise, _SEED_NOISE),
        )
        if applies
    ]
    texts = (
        *place,
        labels[pair.recommender],
        labels[pair.other],
        f"{pair.difference:+.4f}",
        DASH if interval is None else f"[{interval.low:+.4f}, {interval.high:+.4f}]",
        DASH if pair.seed_sd is None else f"{pair.seed_sd:.4f}",
        _p_text(pair.wilcoxon),
        _p_text(pair.randomisation),
        _p_text(pair.randomisation_holm),
    )
    note = notes.number("; ".join(noted)) if noted else None
    verdict = Cell(pair.verdict, note=note)
    return Row((*map(Cell, texts), verdict), rule_above=rule and bool(place[0]))


def _p_text(p: float) -> str:
    return "<0.0001" if p < 0.0001 else f"{p:.4f}"


def _tidy(
    block: Block,
    setting: Setting,
    pair: Pair,
    interval: Interval | None,
    metric: str,
    ties: Ties,
) -> dict[str, Any]:
    means = {}
    for key, name in (("value", pair.recommender), ("against_value", pair.other)):
        found = estimate(block.entries[name], setting, metric=metric, ties=ties)
        means[key] = None if found is None else found.value
    return {
        **place_facts(block),
        "setting": setting,
        "n_users": pair.n_users,
        "recommender": pair.recommender,
        "against": pair.other,
        "metric": metric,
        "ties": ties,
        **means,
        "difference": pair.difference,
        "ci_low": None if interval is None else interval.low,
        "ci_high": None if interval is None else interval.high,
        "seed_sd": pair.seed_sd,
        "within_seed_noise": pair.within_seed_noise,
        "seeds": list(block.entries[pair.recommender].seeds),
        "against_seeds": list(block.entries[pair.other].seeds),
        **pair_facts(pair),
        "verdict": pair.verdict,
        "wilcoxon_disagrees": pair.wilcoxon_disagrees,
    }
