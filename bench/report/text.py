"""Tables for people and programs: aligned text, Markdown, CSV and JSON."""

import csv
import io
import json
import textwrap

from tabulate import SEPARATING_LINE, tabulate

from bench.report.layout import Cell, Table

__all__ = ["to_csv", "to_json", "to_markdown", "to_text"]

_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"
_NARROWEST = 72
"""Feet of narrow tables are wrapped here, not at the table's own width."""


def to_text(table: Table, *, styled: bool = False) -> str:
    """Draw a table for a terminal or a log.

    Parameters
    ----------
    table
        What to draw.
    styled
        Mark the best of a row in bold by terminal codes; else by an asterisk.
    """
    lines: list[list[str] | str] = [*_headings(table), SEPARATING_LINE]
    for row in table.rows:
        if row.rule_above:
            lines.append(SEPARATING_LINE)
        # A row per line: tabulate's own multi-line cells and separating lines do not mix.
        lines.extend(
            [_one_wide(_line(cell, depth, styled=styled)) for cell in row.cells]
            for depth in range(1 + row.depth)
        )
    # What print centres stands to the right here: asterisks and notes would shift the digits.
    aligned = ["left" if column.align == "left" else "right" for column in table.columns]
    # Headings are rows here: as tabulate's headers they would widen every column by two blanks.
    grid = tabulate(
        lines,
        tablefmt="simple",
        disable_numparse=True,
        colalign=aligned,
    )
    grid = "\n".join(line.rstrip() for line in _with_accents(grid).splitlines())
    width = max(_NARROWEST, *(len(line) for line in grid.splitlines() if _BOLD not in line))
    foot = [_plain(line) for line in table.foot]
    if table.has_best:
        foot.insert(0, "Bold: best in row." if styled else "* best in row")
    below = [
        *(_filled(line, width, "  ") for line in foot),
        *(
            _filled(f"[{number}] {_plain(note)}", width, "    ")
            for number, note in enumerate(table.notes, start=1)
        ),
    ]
    return "\n".join([_filled(_plain(table.caption), width), "", grid, "", *below]) + "\n"


def to_markdown(table: Table) -> str:
    """Draw a table for GitHub: pipes, bold in asterisks, foot as a list."""
    header = [_markdown(f"{column.group} {column.title}".strip()) for column in table.columns]
    rows = [[_markdown_cell(cell) for cell in row.cells] for row in table.rows]
    grid = tabulate(
        rows,
        headers=header,
        tablefmt="pipe",
        disable_numparse=True,
        colalign=[column.align for column in table.columns],
    )
    notes = [f"[{number}] {note}" for number, note in enumerate(table.notes, start=1)]
    best = ["Bold: best in row."] if table.has_best else []
    below = [f"- {_markdown(line)}" for line in (*best, *table.foot, *notes)]
    return "\n".join([f"**{_markdown(table.caption)}**", "", grid, "", *below]) + "\n"


def to_csv(table: Table) -> str:
    """Give one line per value, unrounded; empty where there is none, lists joined by blanks."""
    out = io.StringIO()
    columns = list(dict.fromkeys(name for row in table.tidy for name in row))
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    for row in table.tidy:
        writer.writerow(
            {
                name: " ".join(map(str, value)) if isinstance(value, list) else value
                for name, value in row.items()
            }
        )
    return out.getvalue()


def to_json(table: Table) -> str:
    """Give all values unrounded with the table's foot, notes and facts."""
    value = {
        "table": table.name,
        "caption": table.caption,
        "rows": list(table.tidy),
        "foot": list(table.foot),
        "notes": list(table.notes),
        **table.facts,
    }
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


_HATTED = {"δ\u0302": "\ue000"}
"""Letters that take two characters and one column, and what counts as one of either."""


def _one_wide(text: str) -> str:
    """Let every letter be one character, which is how tabulate counts columns."""
    for letter, stand_in in _HATTED.items():
        text = text.replace(letter, stand_in)
    return text


def _with_accents(text: str) -> str:
    for letter, stand_in in _HATTED.items():
        text = text.replace(stand_in, letter)
    return text


def _headings(table: Table) -> list[list[str]]:
    """Give one line of titles, under one of groups if there are any; a group is named once."""
    groups, last = [], ""
    for column in table.columns:
        groups.append("" if column.group == last else _plain(column.group))
        last = column.group
    titles = [_plain(column.title) for column in table.columns]
    return [groups, titles] if any(groups) else [titles]


def _line(cell: Cell, depth: int, *, styled: bool) -> str:
    if depth:
        return _plain(cell.details[depth - 1]) if depth <= len(cell.details) else ""
    # In front, so that digits stay in line under right alignment.
    text = cell.mark + _plain(cell.text) + _note(cell)
    if not cell.best:
        return text
    return f"{_BOLD}{text}{_PLAIN}" if styled else f"*{text}"


def _note(cell: Cell) -> str:
    return "" if cell.note is None else f" [{cell.note}]"


def _filled(text: str, width: int, indent: str = "") -> str:
    """Break text into lines at blanks only, so that commands and names in it can be copied."""
    return textwrap.fill(
        text, width, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )


def _plain(text: str) -> str:
    """Keep names from steering the terminal, or the grid: control characters become blanks."""
    return "".join(c if c.isprintable() else " " for c in text)


def _markdown(text: str) -> str:
    text = text.replace("&", "&amp;")
    for special in "\\`*_[]<>|#~":
        text = text.replace(special, f"\\{special}")
    return " ".join(text.split())


def _markdown_cell(cell: Cell) -> str:
    text = _markdown(cell.text + cell.mark + _note(cell))
    if cell.best:
        text = f"**{text}**"
    return "<br>".join([text, *map(_markdown, cell.details)])
