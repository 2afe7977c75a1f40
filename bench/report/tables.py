"""Tables II and III in the paper's layout, decided down to the digit and handed to a renderer."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from bench.errors import BenchError
from bench.evaluation.auc import Ties
from bench.experiment.record import CellRecord
from bench.experiment.store import StoredCell
from bench.report.aggregate import METRICS, Block, collect
from bench.report.comparison import Comparison
from bench.report.configurations import choose, made_at
from bench.report.layout import Cell, Column, Row, Table
from bench.report.published import OTHER_ITEM_SET, Published, load_published

__all__ = ["shown_blocks", "table2", "table3"]

_COUNTS = ("n_users", "n_items", "n_interactions", "n_categories")


def table2(cells: Iterable[StoredCell]) -> Table:
    """Lay out Table II: counts per data set, the paper's beside ours for the paper's data sets.

    Raises
    ------
    BenchError
        No cells.
    """
    published = load_published()
    newest: dict[tuple[str, str], CellRecord] = {}
    for cell in cells:
        record = cell.record
        place = (record.key.dataset, record.key.data_hash)
        if place not in newest or made_at(newest[place]) < made_at(record):
            newest[place] = record
    _require_any(newest)

    names = [dataset for dataset, _ in newest]
    has_paper = any(name in published.table2 for name in names)
    rows: list[Row] = []
    tidy: list[dict[str, Any]] = []
    foot: list[str] = []
    for place in sorted(newest, key=lambda p: (_dataset_order(p[0], published), p)):
        dataset, data_hash = place
        record = newest[place]
        title = record.dataset_title
        if names.count(dataset) > 1:
            title = f"{title} [data {data_hash[:8]}]"
        facts = record.dataset_facts
        counts = {name: facts.get(name) for name in _COUNTS}
        rows.append(_counts_row(title, "ours" if has_paper else None, counts, rule=bool(rows)))
        tidy.append({"dataset": dataset, "title": title, "source": "ours", **counts})
        tidy[-1]["data_hash"] = data_hash
        foot.append(f"{title}: {facts.get('split_rule')} (data {data_hash[:12]}).")
        paper = published.table2.get(dataset)
        if paper is not None:
            theirs = {name: getattr(paper, name) for name in _COUNTS}
            other = published.is_other_item_set(dataset, counts["n_users"], counts["n_items"])
            source = f"paper ({OTHER_ITEM_SET})" if other else "paper"
            rows.append(_counts_row("", source, theirs, rule=False))
            tidy.append({"dataset": dataset, "title": title, "source": "paper", **theirs})
            tidy[-1]["data_hash"] = None
            tidy[-1]["note"] = OTHER_ITEM_SET if other else None
            foot.extend(_difference(title, dataset, counts, published) if other else [])
    if has_paper:
        foot.append(f"Paper: {published.source}")
    return Table(
        name="table2",
        caption="Data set statistics (after preprocessing).",
        columns=(
            Column("Dataset", align="left"),
            *((Column("Counts", align="left"),) if has_paper else ()),
            *(Column(title) for title in ("#Users", "#Items", "#Interactions", "#Categories")),
        ),
        rows=tuple(rows),
        foot=tuple(foot),
        tidy=tuple(tidy),
        facts={"paper": published.source} if has_paper else {},
    )


def table3(
    cells: Iterable[StoredCell],
    *,
    ties: Ties = "strict",
    ci: bool = False,
    metric: str = "auc",
    settings: Mapping[str, Mapping[str, str]] | None = None,
    significance: bool = False,
    cost: bool = False,
) -> Table:
    """Lay out Table III: one recommender per column, All and Cold Items per data set.

    The paper's eight keep their letters; others follow in the order of their names. A column is
    shown if any cell of it is stored. Numbers come from the counts per user, not from stored means.

    Parameters
    ----------
    cells
        What the store holds.
    ties
        What a negative that scores as the test item does earns: nothing or one half.
    ci
        Put the 95 % bootstrap interval over users under each value.
    metric
        "auc", "recall@5", "ndcg@10", "mrr", ...: a name in `bench.report.aggregate.METRICS`.
    settings
        Recommender to settings, as text: which configuration is shown where several are stored.
    significance
        Mark what is not significantly lower than the best of its row.
    cost
        Add rows of seconds, memory and device.

    Raises
    ------
    BenchError
        No cells, an unknown metric, settings that no cell has, or cells of one block that
        were evaluated on different users.
    """
    published = load_published()
    made = Comparison(
        shown_blocks(cells, metric=metric, settings=settings or {}),
        published,
        ties=ties,
        ci=ci,
        metric=metric,
        settings=settings or {},
        significance=significance,
        cost=cost,
    )
    return made.build()


def shown_blocks(
    cells: Iterable[StoredCell], *, metric: str, settings: Mapping[str, Mapping[str, str]]
) -> list[Block]:
    """Join cells to blocks in the order of Table III: the paper's data sets first.

    Raises
    ------
    BenchError
        As `table3`.
    """
    if metric not in METRICS:
        raise BenchError(f"unknown metric {metric!r}: choose one of {', '.join(METRICS)}")
    published = load_published()
    blocks = sorted(
        collect(choose(list(cells), settings)),
        key=lambda b: (_dataset_order(b.dataset, published), b.dataset, b.title),
    )
    _require_any(blocks)
    return blocks


def _require_any(found: Collection[object]) -> None:
    if not found:
        raise BenchError("no results to make a table of; `bench run` makes them")


def _dataset_order(dataset: str, published: Published) -> int:
    """Put the paper's data sets first, in its order."""
    names = list(published.table2)
    return names.index(dataset) if dataset in names else len(names)


def _counts_row(title: str, source: str | None, counts: Mapping[str, Any], *, rule: bool) -> Row:
    # The paper writes N/A where a data set has no categories: that is a fact, not a missing value.
    numbers = ["N/A" if value is None else f"{value:,}" for value in counts.values()]
    texts = [title, *([] if source is None else [source]), *numbers]
    return Row(tuple(Cell(text) for text in texts), rule_above=rule)


def _difference(
    title: str, dataset: str, counts: Mapping[str, Any], published: Published
) -> list[str]:
    """Say what is known where the data set in hand is not the one the paper counted."""
    lines = [published.notes[dataset]] if dataset in published.notes else []
    verdict = published.archive_verdict(
        dataset, counts["n_users"], counts["n_items"], counts["n_interactions"]
    )
    if verdict is not None:
        lines.append(f"{title}: {verdict}.")
    return lines
