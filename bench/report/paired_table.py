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
from bench.report.layout import Cell, Column, Notes, Row, Table
from bench.report.pair_cells import PAIR_COLUMNS, pair_cells, pair_lines, pair_values
from bench.report.pairs import Pair, compare_rows, paired_row, pairs_of
from bench.report.tables import shown_blocks
from bench.report.variation import seeds_of

__all__ = ["paired_table"]


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
    places = [(block, setting, title) for block in able for setting, title in SETTINGS]
    family = compare_rows(
        paired_row(block, setting, _pairs(block, base), metric=metric, ties=ties)
        for block, setting, _ in places
    )
    notes = Notes()
    rows: list[Row] = []
    tidy: list[dict[str, Any]] = []
    for (block, setting, title), pairs in zip(places, family.rows, strict=True):
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
            assert interval is not None  # the pair was tested on the same values
            place = (block.title if setting == "all" else "", title, f"{pair.n_users:,}")
            place = place if pair is pairs[0] else ("", "", "")
            labels = column_labels([block])
            names = (labels[pair.recommender], labels[pair.other])
            shown = (*map(Cell, (*place, *names)), *pair_cells(pair, interval, notes))
            rows.append(Row(shown, rule_above=bool(rows) and bool(place[0])))
            tidy.append(_tidy(block, setting, pair, interval, metric, ties))
    which = "" if base is None else f", {column_labels(able)[base]} against each other recommender"
    entries = [entry for block in able for entry in block.entries.values()]
    label = METRICS[metric].label
    return Table(
        name="compare",
        caption=f"Differences in the {label} between recommenders on the same users.",
        columns=(
            *(Column(title, align="left") for title in ("Dataset", "Setting")),
            Column("Users"),
            *(Column(title, align="left") for title in ("Recommender", "Against")),
            *PAIR_COLUMNS,
        ),
        rows=tuple(rows),
        foot=(
            *opening_lines(able, metric=metric, ties=ties),
            *pair_lines(family, seeds_of(entries), which),
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
            "significance": family.facts(),
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


def _tidy(
    block: Block,
    setting: Setting,
    pair: Pair,
    interval: Interval,
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
        "seeds": list(block.entries[pair.recommender].seeds),
        "against_seeds": list(block.entries[pair.other].seeds),
        **pair_values(pair, interval),
    }
