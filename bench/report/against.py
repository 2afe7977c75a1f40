"""Our AUCs against those printed in the paper's Table III, with a verdict per cell."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.errors import BenchError
from bench.evaluation.auc import Ties
from bench.experiment.store import StoredCell
from bench.report.aggregate import Block, Setting
from bench.report.columns import block_facts, place_facts
from bench.report.comparison import SETTINGS
from bench.report.foot import is_other_item_set, made_how, opening_lines
from bench.report.layout import DASH, Cell, Column, Notes, Row, Table
from bench.report.missing import why_missing
from bench.report.published import OTHER_ITEM_SET, Published, load_published
from bench.report.reproduction import (
    Ours,
    judge,
    knows_seeds,
    our_auc,
    our_facts,
    verdict_lines,
)
from bench.report.tables import shown_blocks
from bench.report.variation import interval_line

__all__ = ["table3_against_paper"]

_ONE_SEED = "one seed: the noise of training is not counted; `bench run --seeds 5` measures it"


def table3_against_paper(
    cells: Iterable[StoredCell],
    *,
    ties: Ties = "strict",
    settings: Mapping[str, Mapping[str, str]] | None = None,
) -> Table:
    """Lay out each AUC of the paper's Table III beside ours.

    A line per data set of the paper's, setting and recommender of the paper's. No verdict on the
    reproduction is given where the data set has other counts of users or items than Table II, or
    was evaluated otherwise (sampled, users left out).

    Parameters
    ----------
    cells
        What the store holds.
    ties, settings
        As in `bench.report.tables.table3`.

    Raises
    ------
    BenchError
        As `table3`; no stored data set is one of the paper's.
    """
    published = load_published()
    settings = settings or {}
    blocks = shown_blocks(cells, metric="auc", settings=settings)
    able = [block for block in blocks if block.dataset in published.table2]
    names = ", ".join(dict.fromkeys(b.title for b in blocks if b not in able))
    if not able:
        raise BenchError(
            f"the paper has no numbers for {names}; its data sets are "
            f"{', '.join(published.table2)} (`bench datasets list` says how to get them)"
        )
    made = _Made(published, ties, settings, Notes(), [], [])
    for block in able:
        for setting, title in SETTINGS:
            made.add(block, setting, title)
    entries = [entry for block in able for entry in block.entries.values()]
    counts: dict[str, int] = {}
    for line in made.tidy:
        counts[line["verdict"]] = counts.get(line["verdict"], 0) + 1
    return Table(
        name="table3-against-paper",
        caption="The AUCs of the paper's Table III and ours.",
        columns=(
            *(Column(title, align="left") for title in ("Dataset", "Setting")),
            Column("Users"),
            Column("Recommender", align="left"),
            Column("Paper"),
            *(Column(title, "Ours") for title in ("Mean", "± seeds", "95% interval")),
            Column("Difference"),
            Column("Verdict", align="left"),
        ),
        rows=tuple(made.rows),
        foot=(
            f"Verdicts: {', '.join(f'{n} {name}' for name, n in counts.items())}.",
            *verdict_lines(),
            *opening_lines(able, metric="auc", ties=ties),
            f"{interval_line()} ± seeds: standard deviation over seeds, the noise of training, "
            "which is not in the intervals.",
            *(line for block in able for line in _counts_lines(block, published)),
            *dict.fromkeys(
                published.notes[block.dataset]
                for block in able
                if is_other_item_set(block, published) and block.dataset in published.notes
            ),
            *_not_in_paper(able, names, published),
            *made_how(entries),
            f"Paper: {published.source}",
        ),
        notes=made.notes.texts(),
        wide=True,
        tidy=tuple(made.tidy),
        facts={
            "ties": ties,
            "verdicts": counts,
            "paper": published.source,
            "datasets": [block_facts(block) for block in able],
        },
    )


@dataclass(frozen=True)
class _Made:
    """Rows as they come: the table's own and those of CSV and JSON."""

    published: Published
    ties: Ties
    settings: Mapping[str, Mapping[str, str]]
    notes: Notes
    rows: list[Row]
    tidy: list[dict[str, Any]]

    def add(self, block: Block, setting: Setting, title: str) -> None:
        """Add a line for each recommender of the paper's."""
        columns = self.published.columns
        by_name = {
            column.recommender: our_auc(block, column.recommender, setting, self.ties)
            for column in columns
        }
        # All of a block were evaluated on the same users.
        n_users = next((f"{ours.n_users:,}" for ours in by_name.values() if ours), DASH)
        for column in columns:
            paper = self.published.auc(block.dataset, setting, column.recommender)
            if paper is None:
                continue
            ours = by_name[column.recommender]
            first = column is columns[0]
            verdict, note = self._verdict(block, setting, column.recommender, paper, ours)
            self.rows.append(
                Row(
                    (
                        Cell(block.title if first and setting == "all" else ""),
                        Cell(title if first else ""),
                        Cell(n_users if first else ""),
                        Cell(column.label),
                        Cell(f"{paper:.4f}"),
                        *_our_cells(ours),
                        Cell(DASH if ours is None else f"{ours.value - paper:+.4f}"),
                        Cell(verdict, note=None if note is None else self.notes.number(note)),
                    ),
                    rule_above=first and setting == "all" and bool(self.rows),
                )
            )
            self.tidy.append(
                {
                    **place_facts(block),
                    "setting": setting,
                    "recommender": column.recommender,
                    "label": column.label,
                    "ties": self.ties,
                    "paper": paper,
                    **our_facts(ours, paper),
                    "verdict": verdict,
                    "note": note,
                }
            )

    def _verdict(
        self, block: Block, setting: Setting, name: str, paper: float, ours: Ours | None
    ) -> tuple[str, str | None]:
        """Give the verdict of a cell and the note beside it."""
        reason = why_missing(block, name, setting, self.settings, has_value=ours is not None)
        if ours is None:
            return "no value", reason
        if is_other_item_set(block, self.published):
            return OTHER_ITEM_SET, reason
        if block.sampled is not None or block.drop_repeats:
            return "other protocol", reason
        verdict = judge(paper, ours)
        return verdict, reason or (None if knows_seeds(name, ours) else _ONE_SEED)


def _our_cells(ours: Ours | None) -> tuple[Cell, Cell, Cell]:
    if ours is None:
        return (Cell(DASH), Cell(DASH), Cell(DASH))
    low, high = ours.interval
    return (
        Cell(f"{ours.value:.4f}"),
        Cell(DASH if ours.seed_sd is None else f"{ours.seed_sd:.4f}"),
        Cell(f"[{low:.4f}, {high:.4f}]"),
    )


def _counts_lines(block: Block, published: Published) -> list[str]:
    """Say in which counts a data set differs from the paper's Table II."""
    paper = published.table2[block.dataset]
    differing = [
        f"{ours:,} {what} where Table II has {theirs:,}"
        if isinstance(ours, int)
        else f"an unknown number of {what} where Table II has {theirs:,}"
        for what, ours, theirs in (
            ("users", block.facts.get("n_users"), paper.n_users),
            ("items", block.facts.get("n_items"), paper.n_items),
            ("interactions", block.facts.get("n_interactions"), paper.n_interactions),
        )
        if ours != theirs
    ]
    return [f"{block.title}: {', '.join(differing)}."] if differing else []


def _not_in_paper(blocks: Sequence[Block], others: str, published: Published) -> list[str]:
    """Name what is stored and not shown, because the paper has nothing beside it."""
    known = {column.recommender for column in published.columns}
    more = dict.fromkeys(
        entry.label
        for block in blocks
        for name, entry in block.entries.items()
        if name not in known
    )
    left_out = [text for text in (others, ", ".join(more)) if text]
    return [f"Not in the paper, so not shown: {'; '.join(left_out)}."] if left_out else []
