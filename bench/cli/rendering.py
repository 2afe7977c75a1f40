"""From the result store to a table on the terminal or in a file, as several verbs do it."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from bench.errors import BenchError, did_you_mean
from bench.experiment.store import ResultStore, StoredCell
from bench.files import atomic_write_bytes
from bench.report.latex import to_latex
from bench.report.layout import Table, joined
from bench.report.text import to_csv, to_json, to_markdown, to_text

__all__ = [
    "format_option",
    "in_one",
    "output_option",
    "stored_cells",
    "stored_datasets_option",
    "write_table",
]

_Command = TypeVar("_Command", bound=Callable[..., Any])

_RENDERERS: dict[str, Callable[[Table], str]] = {
    "text": to_text,
    "markdown": to_markdown,
    "latex": to_latex,
    "csv": to_csv,
    "json": to_json,
}


def format_option(command: _Command) -> _Command:
    """Add `--format NAME`."""
    return click.option(
        "--format",
        "format_",
        type=click.Choice(list(_RENDERERS)),
        default="text",
        show_default=True,
        help="How to write it; csv and json give unrounded values, one line per value.",
    )(command)


def output_option(command: _Command) -> _Command:
    """Add `--output FILE`."""
    return click.option(
        "--output",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Write to this file instead of the terminal.",
    )(command)


def stored_datasets_option(command: _Command) -> _Command:
    """Add `--dataset NAME`, repeatable, of verbs that show what is stored."""
    return click.option(
        "--dataset",
        "datasets",
        multiple=True,
        help="Only this data set; may be given several times.",
    )(command)


def stored_cells(results: Path, datasets: tuple[str, ...]) -> list[StoredCell]:
    """Read the cells of the chosen data sets, of all without a choice.

    Raises
    ------
    BenchError
        Nothing is stored, at all or of a data set.
    """
    cells = list(ResultStore(results).cells())
    if not cells:
        raise BenchError(f"no results under {results}: run `bench run` first, or name --results")
    known = sorted({cell.record.key.dataset for cell in cells})
    for name in datasets:
        if name not in known:
            raise BenchError(
                f"no results for data set {name!r} under {results}: {did_you_mean(name, known)}"
                f"there are those of {', '.join(known)}; `bench run --dataset NAME` makes more"
            )
    return [cell for cell in cells if not datasets or cell.record.key.dataset in datasets]


def write_table(made: Table, format_: str, output: Path | None) -> None:
    """Write a table to a file, whole or not at all, or to the terminal."""
    if output is not None:
        atomic_write_bytes(output, _RENDERERS[format_](made).encode())
    else:
        click.echo(_for_terminal(made, format_), nl=False)


def in_one(name: str, tables: Sequence[Table], format_: str) -> str:
    """Write several tables as one text: one below the other, or as one list for programs."""
    if format_ in ("csv", "json"):
        return _RENDERERS[format_](joined(name, tables))
    return "\n".join(_for_terminal(table, format_) for table in tables)


def _for_terminal(made: Table, format_: str) -> str:
    if format_ == "text":
        return to_text(made, styled=sys.stdout.isatty())
    return _RENDERERS[format_](made)
