"""`bench table`: Tables II to IV from stored results."""

from pathlib import Path

import click
from tabulate import tabulate

from bench.cli.options import (
    results_option,
    set_option,
    ties_option,
)
from bench.cli.rendering import (
    format_option,
    output_option,
    stored_cells,
    stored_datasets_option,
    write_table,
)
from bench.errors import BenchError
from bench.evaluation.auc import Ties
from bench.experiment.generation.store import GenerationStore
from bench.experiment.plan import parse_settings
from bench.experiment.store import StoredCell
from bench.report.against import table3_against_paper
from bench.report.aggregate import METRICS, collect
from bench.report.configurations import configurations, described
from bench.report.shown_designs import Shown, choose_designs
from bench.report.table4 import table4
from bench.report.tables import table2, table3

__all__ = ["stored_designs", "table"]


@click.command("table")
@click.argument("number", type=click.Choice(["2", "3", "4"]))
@format_option
@stored_datasets_option
@ties_option("Table 3: what a tie with the test item earns, nothing or one half.")
@click.option(
    "--ci",
    is_flag=True,
    help="95% bootstrap intervals: table 3 over users, table 4 over trials.",
)
@click.option(
    "--significance",
    is_flag=True,
    help="Table 3: mark what is not significantly lower than the best of its row.",
)
@click.option(
    "--against",
    type=click.Choice(["paper"]),
    help="Table 3: each published AUC beside ours, with a verdict.",
)
@click.option(
    "--cost",
    is_flag=True,
    help="Table 3: seconds, memory and device of the fits.",
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
@output_option
@click.pass_context
def table(
    context: click.Context,
    number: str,
    format_: str,
    datasets: tuple[str, ...],
    ties: Ties,
    ci: bool,
    significance: bool,
    against: str | None,
    cost: bool,
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
        cells = stored_cells(results, datasets)
        if list_only:
            click.echo(_configurations(cells))
            return
        chosen = parse_settings(settings)
        if number == "2":
            made = table2(cells)
        elif against is not None:
            _refuse_beside_against(context)
            made = table3_against_paper(cells, ties=ties, settings=chosen)
        else:
            made = table3(
                cells,
                ties=ties,
                ci=ci,
                metric=metric,
                settings=chosen,
                significance=significance,
                cost=cost,
            )
    write_table(made, format_, output)


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
    "significance": ("significance", "3"),
    "against": ("against", "3"),
    "cost": ("cost", "3"),
    "metric": ("metric", "3"),
    "settings": ("set", "3 and 4"),
    "list_only": ("configurations", "3"),
}
"""Parameter to option, and the tables it is for."""


def _refuse_options_of_others(context: click.Context, number: str) -> None:
    """Refuse what would change nothing in this table and so mislead."""
    for name, (option, tables) in _OPTIONS.items():
        if _given(context, name) and number not in tables:
            what = "counts only" if number == "2" else "no such choice"
            raise BenchError(
                f"--{option} is for table {tables}: table {number} has {what}; leave it out"
            )


def _refuse_beside_against(context: click.Context) -> None:
    """Refuse what the comparison with the paper has no room for."""
    for name in ("ci", "significance", "cost", "metric"):
        if _given(context, name):
            raise BenchError(
                f"--against paper has columns of its own (AUC, interval, verdict): leave out "
                f"--{name}"
            )


def _given(context: click.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source is not click.core.ParameterSource.DEFAULT


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
