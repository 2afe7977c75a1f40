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
from bench.report.aggregate import METRICS

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
    type=click.Choice(list(METRICS)),
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

    Bundles that differ in the seed only become one row, their mean and standard deviation. Rows on
    the same data, split and negatives are compared user by user, as `bench compare` does. Exit code
    1: the numbers are not those in a bundle's manifest.
    """
    from bench.datasets.dataset import Dataset
    from bench.datasets.library import default_data_dir, find
    from bench.device import available_threads, resolve_device
    from bench.errors import BenchError, printable
    from bench.experiment import export
    from bench.experiment.bundle import read_bundle
    from bench.files import sha256_of_file
    from bench.registry import Registry
    from bench.report.bundle_pairs import difference_table, not_compared
    from bench.report.bundles import Evaluated, results_of, rows_table

    bundles = [read_bundle(path) for path in paths]
    if name is not None and all(bundle.manifest.kind == "ranks" for bundle in bundles):
        raise BenchError(
            "--dataset is for bundles of factors: ranks need no data set, so it would change "
            "nothing; leave it out"
        )
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
    results = results_of(evaluated)
    tables = [rows_table(results)]
    compared = difference_table(results, metric=metric, ties=ties)
    if compared is not None:
        tables.append(compared)
    click.echo(in_one("evaluation", tables, format_), nl=False)
    if compared is None:
        for line in not_compared(results):
            click.echo(printable(line), err=True)
    return int(any(export.differences(one.manifest, one.row) for one in evaluated))
