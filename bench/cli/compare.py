"""`bench compare`: paired intervals and tests between stored recommenders."""

from pathlib import Path

import click

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
from bench.evaluation.auc import Ties
from bench.experiment.plan import parse_settings
from bench.report.aggregate import METRICS
from bench.report.paired_table import paired_table

__all__ = ["compare"]


@click.command("compare")
@stored_datasets_option
@click.option(
    "--base",
    metavar="NAME",
    help="Compare each recommender with this one.  [default: every pair]",
)
@ties_option("What a tie with the test item earns, nothing or one half.")
@click.option(
    "--metric",
    type=click.Choice(list(METRICS)),
    default="auc",
    show_default=True,
    help="Compare by another metric.",
)
@set_option(
    "Of several stored configurations take the one with this setting, for example "
    "vbpr.factors=20; repeatable."
)
@format_option
@results_option
@output_option
def compare(
    datasets: tuple[str, ...],
    base: str | None,
    ties: Ties,
    metric: str,
    settings: tuple[str, ...],
    format_: str,
    results: Path,
    output: Path | None,
) -> None:
    """Test whether stored recommenders differ, user by user, for All and Cold Items.

    Per pair: difference of the means, 95% bootstrap interval, spread over seeds, p of Wilcoxon's
    signed-rank and of the randomisation test, the latter adjusted by Holm's method, and a verdict.
    """
    made = paired_table(
        stored_cells(results, datasets),
        base=base,
        ties=ties,
        metric=metric,
        settings=parse_settings(settings),
    )
    write_table(made, format_, output)
