"""How Table III is put together: one row per data set and setting, one column per recommender."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from bench.evaluation.auc import Ties
from bench.report.aggregate import METRICS, Block, Estimate, Setting, difference, estimate
from bench.report.columns import block_facts, column_labels, column_letters, place_facts
from bench.report.cost import cost_facts, cost_of, cost_rows
from bench.report.foot import is_other_item_set, table3_foot
from bench.report.layout import DASH, NOT_LOWER, Cell, Column, Notes, Row, Table
from bench.report.missing import why_missing
from bench.report.pairs import (
    Family,
    Pair,
    best_facts,
    compare_rows,
    compared_with,
    paired_row,
    pairs_of,
)
from bench.report.published import OTHER_ITEM_SET, Published

__all__ = ["Comparison", "improvement_percent"]

_BASE = "bpr-mf"
"""The paper measures improvement against (d), its strongest method that sees no images."""

SETTINGS: tuple[tuple[Setting, str], ...] = (("all", "All Items"), ("cold", "Cold Items"))


class Comparison:
    """Puts Table III together from blocks in the order of their rows."""

    def __init__(
        self,
        blocks: Sequence[Block],
        published: Published,
        *,
        ties: Ties,
        ci: bool,
        metric: str,
        settings: Mapping[str, Mapping[str, str]],
        significance: bool = False,
        cost: bool = False,
    ) -> None:
        self.blocks = blocks
        self.published = published
        self.ties = ties
        self.ci = ci
        self.metric = metric
        self.settings = settings
        self.family = self._test() if significance else None
        self.cost = cost
        self.notes = Notes()
        self.letters = column_letters(blocks, published)
        self.compared = _compared(blocks)
        self.has_oracle = metric == "auc" and any(b.facts.get("oracle_auc") for b in blocks)
        self.tidy: list[dict[str, Any]] = []
        self.gains: list[dict[str, Any]] = []

    def build(self) -> Table:
        """Lay the table out."""
        label = METRICS[self.metric].label
        rows: list[Row] = []
        tested = iter(()) if self.family is None else iter(self.family.rows)
        for block in self.blocks:
            rows.extend(
                self._row(block, setting, title, next(tested, ())) for setting, title in SETTINGS
            )
            if self.cost:
                rows.extend(self._costs(block))
        return Table(
            name="table3",
            caption=f"Recommendation performance in terms of the {label} (higher is better).",
            columns=self._columns(),
            rows=tuple(rows),
            foot=table3_foot(
                self.blocks,
                metric=self.metric,
                ties=self.ties,
                ci=self.ci,
                family=self.family,
                cost=self.cost,
                oracle=self.has_oracle,
                published=self.published,
            ),
            notes=self.notes.texts(),
            wide=True,
            tidy=tuple(self.tidy),
            facts={
                "metric": self.metric,
                "ties": self.ties,
                "improvements": self.gains,
                **({} if self.family is None else {"significance": self.family.facts()}),
                "datasets": [block_facts(block) for block in self.blocks],
            },
        )

    def _columns(self) -> tuple[Column, ...]:
        labels = column_labels(self.blocks)
        return (
            Column("Dataset", align="left"),
            Column("Setting", align="left"),
            Column("Users"),
            *(
                Column(labels[name], f"({letter})", "center")
                for name, letter in self.letters.items()
            ),
            *((Column("Oracle", align="center"),) if self.has_oracle else ()),
            *(Column(title, "Improvement") for title in self._gain_titles()),
        )

    def _gain_titles(self) -> list[str]:
        if self.compared is None:
            return []
        letter = self.letters[self.compared]
        base = next(c.letter for c in self.published.columns if c.recommender == _BASE)
        return [f"{letter} vs. {base}", f"{letter} vs. best"]

    def _row(self, block: Block, setting: Setting, title: str, tested: Sequence[Pair]) -> Row:
        estimates = {
            name: estimate(entry, setting, metric=self.metric, ties=self.ties, interval=self.ci)
            for name, entry in block.entries.items()
        }
        found = {name: e for name, e in estimates.items() if e is not None}
        best = max((e.value for e in found.values()), default=math.nan)
        # Of equal means the first is the reference.
        reference = max(found, key=lambda name: found[name].value) if tested else ""
        pairs = compared_with(tested, reference)
        cells = []
        for name in self.letters:
            value = estimates.get(name)
            is_best = value is not None and _same(value.value, best)
            reason = self._reason(block, name, setting, has_value=value is not None)
            as_good = name in pairs and pairs[name].verdict == "not significant"
            cells.append(self._cell(value, reason, is_best=is_best, as_good=as_good))
            self.tidy.append(
                self._tidy(block, setting, name, value=value, reason=reason, is_best=is_best)
            )
            if self.family is not None:
                self.tidy[-1] |= best_facts(pairs.get(name), is_best=name == reference)
            if self.cost:
                entry = block.entries.get(name)
                self.tidy[-1] |= cost_facts(None if entry is None else cost_of(entry))
        n_users = {e.n_users for e in found.values()}
        users = f"{n_users.pop():,}" if n_users else "0"
        first = setting == "all"
        return Row(
            (
                Cell(block.title if first else ""),
                Cell(title),
                Cell(users),
                *cells,
                *self._oracle(block, setting),
                *self._gains(block, setting, found),
            ),
            rule_above=first and block is not self.blocks[0],
        )

    def _test(self) -> Family:
        """Test each two recommenders of each row, in the order of the rows."""
        return compare_rows(
            paired_row(
                block,
                setting,
                pairs_of([name for name, entry in block.entries.items() if entry.runs]),
                metric=self.metric,
                ties=self.ties,
            )
            for block in self.blocks
            for setting, _ in SETTINGS
        )

    def _costs(self, block: Block) -> list[Row]:
        def dash(name: str) -> Cell:
            reason = self._reason(block, name, "all", has_value=False)
            return Cell(DASH, note=None if reason is None else self.notes.number(reason))

        n_after = len(self._columns()) - 3 - len(self.letters)
        return cost_rows(block, list(self.letters), dash, n_before=3, n_after=n_after)

    def _cell(
        self, value: Estimate | None, reason: str | None, *, is_best: bool, as_good: bool
    ) -> Cell:
        note = None if reason is None else self.notes.number(reason)
        if value is None:
            return Cell(DASH, note=note)
        details = []
        if value.sd is not None:
            details.append(f"±{value.sd:.4f}")
        if value.interval is not None:
            details.append("[{:.4f}, {:.4f}]".format(*value.interval))
        mark = NOT_LOWER if as_good else ""
        return Cell(f"{value.value:.4f}", tuple(details), best=is_best, note=note, mark=mark)

    def _oracle(self, block: Block, setting: Setting) -> tuple[Cell, ...]:
        if not self.has_oracle:
            return ()
        known = (block.facts.get("oracle_auc") or {}).get(setting, {}).get(self.ties)
        if known is None:
            return (Cell(DASH, note=self.notes.number("the best possible value is not known")),)
        self.tidy.append(
            {**self._place(block, setting, "oracle", "Oracle"), "value": known}
            | {"status": "reference"}
        )
        return (Cell(f"{known:.4f}"),)

    def _gains(
        self, block: Block, setting: Setting, found: Mapping[str, Estimate]
    ) -> tuple[Cell, ...]:
        if self.compared is None:
            return ()
        others = [name for name in found if name != self.compared]
        best = max(others, key=lambda name: found[name].value, default=None)
        cells = []
        for title, other in zip(self._gain_titles(), (_BASE, best), strict=True):
            reason = self._no_gain(block, setting, found, other)
            if reason is not None or other is None:
                cells.append(Cell(DASH, note=self.notes.number(f"no improvement: {reason}")))
                continue
            percent = improvement_percent(found[self.compared].value, found[other].value)
            text = f"{percent:.1f}%".replace("-0.0%", "0.0%")
            interval = None
            if self.ci:
                interval = difference(
                    block.entries[self.compared],
                    block.entries[other],
                    setting,
                    metric=self.metric,
                    ties=self.ties,
                )
            details = () if interval is None else (f"[{interval.low:+.4f}, {interval.high:+.4f}]",)
            cells.append(Cell(text, details))
            self.gains.append(
                {
                    "dataset": block.dataset,
                    "data_hash": block.data_hash,
                    "split_hash": block.split_hash,
                    "sampled": block.sampled,
                    "drop_repeats": block.drop_repeats,
                    "setting": setting,
                    "improvement": title,
                    "percent": percent,
                    "against": other,
                    "difference": found[self.compared].value - found[other].value,
                    "difference_ci_low": None if interval is None else interval.low,
                    "difference_ci_high": None if interval is None else interval.high,
                }
            )
        return tuple(cells)

    def _no_gain(
        self, block: Block, setting: Setting, found: Mapping[str, Estimate], other: str | None
    ) -> str | None:
        """Say why there is no improvement over `other` to show, or None if there is one."""
        for name in (self.compared, other):
            if name is None:
                return "nothing else has a value"
            if name not in found:
                reason = self._reason(block, name, setting, has_value=False) or "no value"
                label = self._label(name)
                return reason if reason.startswith(label) else f"{label}: {reason}"
            if name == other and found[name].value == 0:
                return f"{self._label(name)} is 0, and nothing is a percentage of that"
        return None

    def _label(self, name: str) -> str:
        labels = column_labels(self.blocks)
        published = {column.recommender: column.label for column in self.published.columns}
        return labels.get(name) or published.get(name, name)

    def _reason(self, block: Block, name: str, setting: Setting, *, has_value: bool) -> str | None:
        return why_missing(block, name, setting, self.settings, has_value=has_value)

    def _place(self, block: Block, setting: Setting, name: str, label: str) -> dict[str, Any]:
        return {
            **place_facts(block),
            "setting": setting,
            "recommender": name,
            "label": label,
            "letter": self.letters.get(name),
            "metric": self.metric,
            "ties": self.ties,
            "value": None,
            "sd": None,
            "ci_low": None,
            "ci_high": None,
            "n_users": None,
            "seeds": [],
            "best": False,
            "status": "missing",
            "note": None,
            "paper": None,
            "paper_note": None,
        }

    def _tidy(
        self,
        block: Block,
        setting: Setting,
        name: str,
        *,
        value: Estimate | None,
        reason: str | None,
        is_best: bool,
    ) -> dict[str, Any]:
        entry = block.entries.get(name)
        row = self._place(block, setting, name, entry.label if entry else name)
        row |= {"note": reason, "best": is_best}
        if self.metric == "auc":
            row["paper"] = self.published.auc(block.dataset, setting, name)
            if row["paper"] is not None and is_other_item_set(block, self.published):
                row["paper_note"] = OTHER_ITEM_SET
        if entry is not None:
            row |= {"status": "finished" if entry.runs else "failed", "seeds": list(entry.seeds)}
        if value is not None:
            low, high = value.interval or (None, None)
            row |= {"value": value.value, "sd": value.sd, "ci_low": low, "ci_high": high}
            row["n_users"] = value.n_users
        return row


def improvement_percent(value: float, other: float) -> float:
    """Say by how many percent `value` exceeds `other`; Source: the last columns of Table III."""
    return 100 * (value / other - 1)


def _same(value: float, other: float) -> bool:
    """Tell whether two means are equal but for the order of a sum."""
    return math.isclose(value, other, rel_tol=1e-12, abs_tol=1e-15)


def _compared(blocks: Sequence[Block]) -> str | None:
    """Choose whose improvement is shown: DVBPR's as in the paper, else VBPR's, else nobody's."""
    finished = {name for b in blocks for name, entry in b.entries.items() if entry.runs}
    return next((name for name in ("dvbpr", "vbpr") if name in finished), None)
