"""`bench audit`: one fitted model under every definition of AUC, and where it meets cold items."""

from pathlib import Path

import click

from bench.cli.options import (
    check_output,
    data_option,
    device_option,
    plugin_option,
    results_option,
    set_option,
    split_names,
    ties_option,
)
from bench.cli.rendering import format_option, in_one
from bench.evaluation.auc import Ties

__all__ = ["audit"]


@click.command("audit")
@click.option("--dataset", "name", required=True, metavar="NAME", help="Data set.")
@click.option(
    "--recommender",
    "recommenders",
    multiple=True,
    required=True,
    metavar="NAME",
    help="Whose stored fit; repeatable or comma-separated.",
)
@click.option(
    "--seed", type=int, help="Only fits of this seed.  [default: the newest that all have]"
)
@set_option("Of several stored configurations take the one with this setting; repeatable.")
@format_option
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw AUC against training count as well: a PNG or PDF file.",
)
@ties_option(
    "AUC against training count: what a tie with the test item earns, nothing or one half."
)
@click.option(
    "--samples",
    type=int,
    default=100,
    show_default=True,
    help="Items drawn per user.",
)
@click.option("--draws", type=int, default=10, show_default=True, help="How often they are drawn.")
@click.option("--k", type=int, default=10, show_default=True, help="Cut-off of AUC@k.")
@device_option
@plugin_option
@results_option
@data_option
def audit(
    name: str,
    recommenders: tuple[str, ...],
    seed: int | None,
    settings: tuple[str, ...],
    format_: str,
    output: Path | None,
    ties: Ties,
    samples: int,
    draws: int,
    k: int,
    device: str,
    plugins: tuple[Path, ...],
    results: Path,
    data_dir: Path | None,
) -> None:
    """Print one fitted model's AUC under every definition in use, and against training count.

    The model is a stored one, as `bench run` made it: only its ranking is looked at in other ways.
    The second table, and the figure, give the AUC by how often the test item was in training.
    """
    from bench.datasets.library import default_data_dir, find
    from bench.device import available_threads, resolve_device
    from bench.errors import BenchError
    from bench.experiment.audit import N_STEPS, AuditOptions, audit_counts
    from bench.experiment.models import finished_cells, load_model
    from bench.experiment.plan import COLD_BELOW, parse_settings
    from bench.experiment.store import ResultStore
    from bench.progress import Progress
    from bench.registry import Registry
    from bench.report.audit import (
        Audited,
        curve_of,
        curve_table,
        definitions_table,
    )
    from bench.report.configurations import choose

    check_output(output, "the figure", ".png", ".pdf")
    options = AuditOptions(n_samples=samples, n_draws=draws, k=k)
    wanted = parse_settings(settings)
    registry = Registry(plugins)
    resolve_device(device)
    names = split_names(recommenders)
    for other in wanted.keys() - set(names):
        registry.recommender(other)  # an unknown name gets its own message
        raise BenchError(f"--set {other}.…: {other} is not among the recommenders of this audit")
    dataset = find(name, data_dir or default_data_dir(), registry)
    cells = finished_cells(
        ResultStore(results),
        dataset,
        registry,
        names=names,
        seed=seed,
        choose=lambda found: choose(found, wanted),
    )
    protocols = {bool(cell.record.key.protocol.get("drop_repeats")) for cell in cells}
    if len(protocols) > 1:
        raise BenchError(
            "some of these cells leave users out (--drop-repeats), others do not: choose with "
            "--set NAME.protocol.drop_repeats=true"
        )
    evaluated = dataset.without_repeats() if protocols == {True} else dataset
    audits = []
    with Progress("audit", N_STEPS * len(cells), unit="count") as progress:
        for cell in cells:
            loaded = load_model(cell, dataset, registry, device=device, threads=available_threads())
            counts = audit_counts(loaded.model, evaluated, options, step=progress.advance)
            audits.append(Audited(loaded.record, counts))
    curves = [curve_of(audited, ties) for audited in audits]
    tables = [definitions_table(audits), curve_table(curves)]
    click.echo(in_one("audit", tables, format_), nl=False)
    if output is not None:
        from bench.report.figures.cold_curve import cold_curve_figure
        from bench.report.figures.style import write_figure

        write_figure(cold_curve_figure(curves, cold_below=COLD_BELOW), output)
