"""What a table is before anybody draws it: every digit, mark and line is decided here, once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["DASH", "NOT_LOWER", "Cell", "Column", "Notes", "Row", "Table", "joined"]

DASH = "\N{EN DASH}"
"""Stands where there is no value; a numbered note says why."""

NOT_LOWER = "†"
"""Marks a value that is not significantly lower than the best of its row."""


@dataclass(frozen=True)
class Cell:
    """One cell as it is to be shown.

    Attributes
    ----------
    text
        The value with its digits, or `DASH`.
    details
        Shorter lines under the value: spread over seeds, interval.
    best
        Whether it is the best of its row.
    note
        Number of the note that explains it, from 1.
    mark
        A sign beside the value that the foot explains, as `NOT_LOWER`.
    """

    text: str
    details: tuple[str, ...] = ()
    best: bool = False
    note: int | None = None
    mark: str = ""


@dataclass(frozen=True)
class Column:
    """A column's heading.

    Attributes
    ----------
    title
        Its own name.
    group
        What stands above it: the paper's letter, or a name that neighbours share.
    align
        "left" for names, "right" for counts, "center" for values of equally many digits.
    """

    title: str
    group: str = ""
    align: Literal["left", "right", "center"] = "right"


@dataclass(frozen=True)
class Row:
    """One row; `rule_above` draws a line between it and the row before."""

    cells: tuple[Cell, ...]
    rule_above: bool = False

    @property
    def depth(self) -> int:
        """Lines of details under the row's values."""
        return max(len(cell.details) for cell in self.cells)


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table, ready to be drawn.

    Attributes
    ----------
    name
        Short machine name: "table3"; LaTeX labels use it.
    caption
        One sentence above the table.
    columns, rows
        As wide as each other.
    foot
        Lines below that say how the numbers came about.
    notes
        Numbered notes; `Cell.note` 1 is the first.
    wide
        Whether print needs both columns of a page.
    tidy
        One mapping per value, unrounded: what CSV and JSON give.
    facts
        What JSON gives besides.
    """

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    foot: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    wide: bool = False
    tidy: tuple[Mapping[str, Any], ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def has_best(self) -> bool:
        """Whether any cell is marked as the best of its row."""
        return any(cell.best for row in self.rows for cell in row.cells)


class Notes:
    """Numbers notes in the order of their first use; the same text keeps its number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        """Give the number of a note, from 1."""
        return self._numbers.setdefault(text, len(self._numbers) + 1)

    def texts(self) -> tuple[str, ...]:
        """Give all notes in the order of their numbers."""
        return tuple(self._numbers)


def joined(name: str, tables: Sequence[Table]) -> Table:
    """Join tables for programs: one list of values, each with the name of its table."""
    return Table(
        name=name,
        caption=" ".join(table.caption for table in tables),
        columns=(),
        rows=(),
        foot=tuple(dict.fromkeys(line for table in tables for line in table.foot)),
        notes=tuple(note for table in tables for note in table.notes),
        tidy=tuple({"table": table.name, **row} for table in tables for row in table.tidy),
        facts={table.name: table.facts for table in tables if table.facts},
    )
