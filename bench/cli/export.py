"""`bench export`: a finished result as one file that others can evaluate."""

from pathlib import Path

import click

from bench.cli.options import (
    data_option,
    device_option,
    plugin_option,
    results_option,
    set_option,
)

__all__ = ["export"]


@click.command("export")
@click.argument("name", metavar="CELL")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The bundle to write.",
)
@click.option(
    "--content",
    type=click.Choice(["auto", "factors", "ranks"]),
    default="auto",
    show_default=True,
    help="User and item factors in half precision, or where the test items stand; auto: factors "
    "if the model has them.",
)
@set_option("Of several stored configurations take the one with this setting; repeatable.")
@device_option
@plugin_option
@results_option
@data_option
def export(
    name: str,
    output: Path,
    content: str,
    settings: tuple[str, ...],
    device: str,
    plugins: tuple[Path, ...],
    results: Path,
    data_dir: Path | None,
) -> None:
    """Write a finished cell as a bundle, from which `bench evaluate` recomputes its numbers.

    CELL is DATASET/RECOMMENDER/SEED, as synthetic_fashion/vbpr/0, or the cell's folder in the
    results. A bundle of ranks needs nothing to be evaluated; one of factors needs the data set.
    Neither holds anybody's interactions.
    """
    from bench.device import available_threads, resolve_device
    from bench.errors import BenchError
    from bench.experiment.bundle import write_bundle
    from bench.experiment.cell_names import find_cell
    from bench.experiment.export import export_factors, export_ranks
    from bench.experiment.plan import parse_settings
    from bench.experiment.store import ResultStore
    from bench.files import sha256_of_file
    from bench.recommender import FactorRecommender
    from bench.registry import Registry
    from bench.report.configurations import choose

    wanted = parse_settings(settings)
    cell = find_cell(ResultStore(results), name, choose=lambda found: choose(found, wanted))
    key = cell.record.key
    registry = Registry(plugins)
    if content == "auto" and key.protocol.get("sampled"):
        content = "ranks"
    if content != "ranks":
        has_factors = issubclass(registry.recommender(key.recommender), FactorRecommender)
        if content == "factors" and not has_factors:
            raise BenchError(
                f"{key.recommender} has no factors, its score is no dot product; leave out "
                "--content factors"
            )
        content = "factors" if has_factors else "ranks"
    if content == "ranks":
        bundle = export_ranks(cell)
    else:
        from bench.datasets.library import default_data_dir, find
        from bench.experiment.models import load_model

        resolve_device(device)
        dataset = find(key.dataset, data_dir or default_data_dir(), registry)
        if (dataset.data_hash, dataset.split_hash) != (key.data_hash, key.split_hash):
            raise BenchError(
                f"{key.dataset} has other contents here than the cell was fitted on; --content "
                "ranks needs no data set"
            )
        threads = available_threads()
        model = load_model(cell, dataset, registry, device=device, threads=threads).model
        assert isinstance(model, FactorRecommender)
        bundle = export_factors(cell, model.factors(), dataset, device=device, threads=threads)
    write_bundle(output, bundle)
    metrics, before = bundle.manifest.metrics, bundle.manifest.before_rounding
    auc = f"AUC {metrics['auc_strict.all']:.6f}"
    if before is not None:
        auc += f" ({before['auc_strict.all']:.6f} before rounding to half precision)"
    if n_sampled := key.protocol.get("sampled"):
        auc = f"SAMPLED against {n_sampled} items, not comparable with exact results; {auc}"
    click.echo(
        f"{output}: {content} of {cell.record.label} on {key.dataset}, seed {key.seed}; {auc}; "
        f"{output.stat().st_size:,} bytes, SHA-256 {sha256_of_file(output)}"
    )
