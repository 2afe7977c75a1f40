"""`bench table`: Tables II and III from stored results."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import click

from bench.cli.options import results_option
from bench.errors import BenchError
from bench.evaluation.auc import Ties
from bench.experiment.store import ResultStore, StoredCell
from bench.files import atomic_write_bytes
from bench.report.aggregate import METRICS
from bench.report.latex import to_latex
from bench.report.layout import Table
from bench.report.tables import table2, table3
from bench.report.text import to_csv, to_json, to_markdown, to_text

__all__ = ["table"]

_RENDERERS: dict[str, Callable[[Table], str]] = {
    "text": to_text,
    "markdown": to_markdown,
    "latex": to_latex,
    "csv": to_csv,
    "json": to_json,
}


@click.command("table")
@click.argument("number", type=click.Choice(["2", "3"]))
@click.option(
    "--format",
    "format_",
    type=click.Choice(list(_RENDERERS)),
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
@click.option("--ci", is_flag=True, help="Table 3: 95% bootstrap intervals over users.")
@click.option(
    "--metric",
    type=click.Choice(list(METRICS)),
    default="auc",
    show_default=True,
    help="Table 3: another metric in the same layout.",
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
    results: Path,
    output: Path | None,
) -> None:
    """Print Table II (data sets) or III (recommenders) of stored results, in the paper's layout."""
    if number == "2":
        _refuse_options_of_table3(context)
    cells = _stored(results, datasets)
    made = table2(cells) if number == "2" else table3(cells, ties=ties, ci=ci, metric=metric)
    if output is not None:
        atomic_write_bytes(output, _RENDERERS[format_](made).encode())
    else:
        click.echo(_for_terminal(made, format_), nl=False)


def _refuse_options_of_table3(context: click.Context) -> None:
    """Refuse what would change nothing and so mislead: Table II has counts only."""
    for name in ("ties", "ci", "metric"):
        source = context.get_parameter_source(name)
        if source is not None and source is not click.core.ParameterSource.DEFAULT:
            raise BenchError(f"--{name} is for table 3: table 2 has counts only; leave it out")


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


def _for_terminal(made: Table, format_: str) -> str:
    if format_ == "text":
        return to_text(made, styled=sys.stdout.isatty())
    return _RENDERERS[format_](made)
