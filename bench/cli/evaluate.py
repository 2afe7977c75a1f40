"""`bench evaluate`: the numbers of bundles, recomputed without training."""

from pathlib import Path

import click

from bench.cli.options import (
    data_option,
    device_option,
    plugin_option,
    ties_option,
)
from bench.cli.rendering import format_option, in_one
from bench.evaluation.auc import Ties
from bench.evaluation.ranking import ranking_metrics

__all__ = ["evaluate"]


@click.command("evaluate")
@click.argument(
    "paths",
    metavar="BUNDLE...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
)
@click.option(
    "--dataset",
    "name",
    metavar="NAME",
    help="The data set to evaluate factors on.  [default: the name in the bundle]",
)
@click.option(
    "--metric",
    type=click.Choice([metric.name for metric in ranking_metrics()]),
    default="auc",
    show_default=True,
    help="What two bundles are compared by.",
)
@ties_option("What a tie with the test item earns there, nothing or one half.")
@format_option
@device_option
@plugin_option
@data_option
def evaluate(
    paths: tuple[Path, ...],
    name: str | None,
    metric: str,
    ties: Ties,
    format_: str,
    device: str,
    plugins: tuple[Path, ...],
    data_dir: Path | None,
) -> int:
    """Recompute the row of each bundle and compare it with what the bundle says of itself.

    Bundles on the same split are also compared with each other, user by user. Exit code 1: the
    numbers are not those in a bundle's manifest.
    """
    from bench.datasets.dataset import Dataset
    from bench.datasets.library import default_data_dir, find
    from bench.device import available_threads, resolve_device
    from bench.errors import BenchError
    from bench.experiment import export
    from bench.experiment.bundle import read_bundle
    from bench.files import sha256_of_file
    from bench.registry import Registry
    from bench.report.bundles import Evaluated, difference_table, rows_table

    bundles = [read_bundle(path) for path in paths]
    opened: dict[str, Dataset] = {}
    evaluated = []
    for path, bundle in zip(paths, bundles, strict=True):
        dataset = None
        if bundle.manifest.kind == "factors":
            resolve_device(device)
            wanted = name or bundle.manifest.key.dataset
            if wanted not in opened:
                place = data_dir or default_data_dir()
                opened[wanted] = find(wanted, place, Registry(plugins))
            dataset = opened[wanted]
        try:
            row = export.evaluate(bundle, dataset, device=device, threads=available_threads())
        except BenchError as error:
            raise BenchError(f"{path}: {error}") from None
        evaluated.append(Evaluated(path.name, sha256_of_file(path), bundle.manifest, row))
    tables = [rows_table(evaluated)]
    compared = difference_table(evaluated, metric=metric, ties=ties)
    if compared is not None:
        tables.append(compared)
    click.echo(in_one("evaluation", tables, format_), nl=False)
    if len(paths) > 1 and compared is None:
        click.echo("no two of these bundles rest on the same users: not compared", err=True)
    return int(any(export.differences(one.manifest, one.row) for one in evaluated))
