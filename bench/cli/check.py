"""`bench check`: whether an AUC has dropped since the golden file was written."""

import logging
import sys
from pathlib import Path

import click

from bench.cli.options import (
    data_option,
    plugin_option,
    results_option,
    set_option,
    split_names,
)
from bench.errors import BenchError

__all__ = ["check"]

_log = logging.getLogger(__name__)


@click.command()
@click.option(
    "--dataset", default="synthetic_fashion", show_default=True, metavar="NAME", help="Data set."
)
@click.option(
    "--golden",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Golden file.  [default: golden/NAME.json in the results, else the suite's own]",
)
@click.option(
    "--recommenders",
    multiple=True,
    metavar="NAMES",
    help="Recommenders, comma-separated.  [default: all of the golden file]",
)
@click.option(
    "--seed",
    "seeds",
    type=int,
    multiple=True,
    help="Seed; repeatable.  [default: all of the golden file; 0 to 4 for what it lacks]",
)
@click.option("--threads", type=int, default=None, help="Processor threads.  [default: all]")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "markdown", "json"]),
    default="text",
    show_default=True,
    help="How to write the table; json gives unrounded values.",
)
@click.option("--update", is_flag=True, help="Write what is measured into the golden file.")
@click.option("--reason", default="", metavar="TEXT", help="With --update: why, for the file.")
@set_option("With --update: a hyper-parameter to measure with; the file keeps it.")
@click.option(
    "--device",
    default=None,
    help="With --update: cpu, cuda or cuda:N.  [default: as in the golden file, else cpu]",
)
@plugin_option
@results_option
@data_option
def check(
    dataset: str,
    golden: Path | None,
    recommenders: tuple[str, ...],
    seeds: tuple[int, ...],
    threads: int | None,
    format_: str,
    update: bool,
    reason: str,
    settings: tuple[str, ...],
    device: str | None,
    plugins: tuple[Path, ...],
    results: Path,
    data_dir: Path | None,
) -> int:
    """Compare the AUC of fresh fits with a golden file; exit code 1 if one has dropped.

    What `bench run` has stored counts if this very code made it; the rest is fitted, below check/
    in the results, so that no table changes. A golden file has a value per recommender, metric and
    seed, and a tolerance that comes from the spread over seeds.
    """
    from bench.datasets.library import default_data_dir
    from bench.device import available_threads
    from bench.experiment.plan import parse_settings
    from bench.registry import Registry
    from bench.regression.check import CheckOptions
    from bench.regression.check import check as run_check
    from bench.regression.update import update as run_update
    from bench.report.drift import drift_table
    from bench.report.text import to_json, to_markdown, to_text

    if not update:
        for option, given in (("reason", reason), ("set", settings), ("device", device)):
            if given:
                raise BenchError(f"--{option} belongs to --update; without it leave it out")
    options = CheckOptions(
        dataset=dataset,
        golden=golden,
        recommenders=tuple(split_names(recommenders)),
        seeds=seeds,
        threads=available_threads() if threads is None else threads,
        results=results,
        data_dir=data_dir or default_data_dir(),
    )
    registry = Registry(plugins)
    if update:
        path, made = run_update(
            options, registry, reason=reason, settings=parse_settings(settings), device=device
        )
        names = ", ".join(made.updates[-1].recommenders)
        click.echo(f"golden values of {names} on {dataset} written to {path}")
        return 0
    report = run_check(options, registry)
    _log.info("golden file: %s", report.path)
    table = drift_table(report)
    if format_ == "text":
        click.echo(to_text(table, styled=sys.stdout.isatty()), nl=False)
    else:
        click.echo({"markdown": to_markdown, "json": to_json}[format_](table), nl=False)
    return 1 if report.regressed else 0
