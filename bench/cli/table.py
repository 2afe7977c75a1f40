"""`bench table`: Tables II to IV from stored results."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import click
from tabulate import tabulate

from bench.cli.options import results_option, set_option
from bench.errors import BenchError
from bench.evaluation.auc import Ties
from bench.experiment.generation.store import GenerationStore
from bench.experiment.plan import parse_settings
from bench.experiment.store import ResultStore, StoredCell
from bench.files import atomic_write_bytes
from bench.report.aggregate import METRICS, collect
from bench.report.configurations import configurations, described
from bench.report.latex import to_latex
from bench.report.layout import Table
from bench.report.shown_designs import Shown, choose_designs
from bench.report.table4 import table4
from bench.report.tables import table2, table3
from bench.report.text import to_csv, to_json, to_markdown, to_text

__all__ = ["RENDERERS", "for_terminal", "stored_designs", "table"]

RENDERERS: dict[str, Callable[[Table], str]] = {
    "text": to_text,
    "markdown": to_markdown,
    "latex": to_latex,
    "csv": to_csv,
    "json": to_json,
}
"""Format to how a table is written in it."""


@click.command("table")
@click.argument("number", type=click.Choice(["2", "3", "4"]))
@click.option(
    "--format",
    "format_",
    type=click.Choice(list(RENDERERS)),
    default="text",
    show_default=True,
    help="How to write it; csv and json give unrounded values, one line per value.",
)
@click.option(
    "--dataset", "datasets", multiple=True, help="Only this data set; may be given several times."
)
@click.option(
    "--ties",
    type=click.Choice(list(get_args(Ties))),
    default="strict",
    show_default=True,
    help="Table 3: what a tie with the test item earns, nothing or one half.",
)
@click.option(
    "--ci",
    is_flag=True,
    help="95% bootstrap intervals: table 3 over users, table 4 over trials.",
)
@click.option(
    "--metric",
    type=click.Choice(list(METRICS)),
    default="auc",
    show_default=True,
    help="Table 3: another metric in the same layout.",
)
@set_option(
    "Of several stored configurations show the one with this setting, for example "
    "vbpr.factors=20 in table 3, design.trials=1000 in table 4; repeatable."
)
@click.option(
    "--configurations",
    "list_only",
    is_flag=True,
    help="Table 3: list the stored configurations instead, the shown ones first.",
)
@results_option
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write to this file instead of the terminal.",
)
@click.pass_context
def table(
    context: click.Context,
    number: str,
    format_: str,
    datasets: tuple[str, ...],
    ties: Ties,
    ci: bool,
    metric: str,
    settings: tuple[str, ...],
    list_only: bool,
    results: Path,
    output: Path | None,
) -> None:
    """Print a table of stored results in the paper's layout.

    II: data sets; III: recommenders; IV: real and generated images for users.
    """
    _refuse_options_of_others(context, number)
    if number == "4":
        made = table4(stored_designs(results, datasets, settings), ci=ci)
    else:
        cells = _stored(results, datasets)
        if list_only:
            click.echo(_configurations(cells))
            return
        if number == "2":
            made = table2(cells)
        else:
            chosen = parse_settings(settings)
            made = table3(cells, ties=ties, ci=ci, metric=metric, settings=chosen)
    if output is not None:
        atomic_write_bytes(output, RENDERERS[format_](made).encode())
    else:
        click.echo(for_terminal(made, format_), nl=False)


def stored_designs(
    results: Path, datasets: tuple[str, ...], settings: tuple[str, ...]
) -> list[Shown]:
    """Read the sets of designs that are to be shown, one per data set and its contents.

    Raises
    ------
    BenchError
        None is stored, of a data set or at all; `--set` for anything but the design.
    """
    parsed = parse_settings(settings)
    for other in parsed.keys() - {"design"}:
        raise BenchError(f"--set {other}.…: designs are chosen by --set design.OPTION=VALUE")
    found = list(GenerationStore(results).all())
    known = sorted({one.record.key.dataset for one in found})
    for name in datasets:
        if found and name not in known:
            raise BenchError(
                f"no designs for data set {name!r} under {results} (there: {', '.join(known)}); "
                f"`bench run --dataset {name}` makes them"
            )
    chosen = [one for one in found if not datasets or one.record.key.dataset in datasets]
    return choose_designs(chosen, parsed.get("design"))


_OPTIONS = {
    "ties": ("ties", "3"),
    "ci": ("ci", "3 and 4"),
    "metric": ("metric", "3"),
    "settings": ("set", "3 and 4"),
    "list_only": ("configurations", "3"),
}
"""Parameter to option, and the tables it is for."""


def _refuse_options_of_others(context: click.Context, number: str) -> None:
    """Refuse what would change nothing in this table and so mislead."""
    for name, (option, tables) in _OPTIONS.items():
        source = context.get_parameter_source(name)
        given = source is not None and source is not click.core.ParameterSource.DEFAULT
        if given and number not in tables:
            what = "counts only" if number == "2" else "no such choice"
            raise BenchError(
                f"--{option} is for table {tables}: table {number} has {what}; leave it out"
            )


def _configurations(cells: list[StoredCell]) -> str:
    """List each block's configurations: a line each, by what tells them apart."""
    rows = []
    for block in collect(cells):
        for name in block.entries:
            mine = [c for c in cells if c.record.key.recommender == name and block.holds(c.record)]
            found = configurations(mine)
            for one in found:
                seeds = ", ".join(map(str, one.finished_seeds)) or "none finished"
                settings = described(one, found) or "(the only one)"
                shown = "*" if one is found[0] else ""
                rows.append((block.title, name, shown, settings, seeds, one.made))
    heads = ("data set", "recommender", "shown", "settings", "seeds", "made")
    text: str = tabulate(rows, headers=heads, disable_numparse=True)
    return text


def _stored(results: Path, datasets: tuple[str, ...]) -> list[StoredCell]:
    """Read the cells of the chosen data sets, of all without a choice."""
    cells = list(ResultStore(results).cells())
    if not cells:
        raise BenchError(f"no results under {results}: run `bench run` first, or name --results")
    known = sorted({cell.record.key.dataset for cell in cells})
    for name in datasets:
        if name not in known:
            raise BenchError(
                f"no results for data set {name!r} under {results} (there: {', '.join(known)}); "
                f"run `bench run --dataset {name}` first"
            )
    return [cell for cell in cells if not datasets or cell.record.key.dataset in datasets]


def for_terminal(made: Table, format_: str) -> str:
    """Write a table in a format, with bold letters where text goes to a terminal."""
    if format_ == "text":
        return to_text(made, styled=sys.stdout.isatty())
    return RENDERERS[format_](made)
