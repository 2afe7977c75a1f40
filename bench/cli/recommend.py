"""`bench recommend`: what stored models recommend to one user, as text and as a picture."""

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
)

__all__ = ["recommend"]


@click.command()
@click.option("--dataset", "name", required=True, metavar="NAME", help="Data set.")
@click.option("--user", "user_id", required=True, metavar="ID", help="The user's id.")
@click.option(
    "--top", type=click.IntRange(min=1), default=10, show_default=True, help="Items per model."
)
@click.option(
    "--recommenders",
    multiple=True,
    metavar="NAMES",
    help="Recommenders, comma-separated.  [default: all that are finished]",
)
@click.option(
    "--seed", type=int, help="Only fits of this seed.  [default: the newest that all have]"
)
@set_option("Of several stored configurations take the one with this setting; repeatable.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw a PNG as well: a row of products per model.",
)
@click.option(
    "--pixels",
    type=click.IntRange(min=32, max=1024),
    default=128,
    show_default=True,
    help="Side of a product in the picture.",
)
@device_option
@plugin_option
@results_option
@data_option
def recommend(
    name: str,
    user_id: str,
    top: int,
    recommenders: tuple[str, ...],
    seed: int | None,
    settings: tuple[str, ...],
    output: Path | None,
    pixels: int,
    device: str,
    plugins: tuple[Path, ...],
    results: Path,
    data_dir: Path | None,
) -> None:
    """Print what a user bought and what each stored model recommends to her.

    Items she has in training are not recommended again; her held-out items are marked, and the
    rank of the test item is among all items outside her training, validation and test items.
    """
    from bench.datasets.library import default_data_dir, find
    from bench.device import available_threads, resolve_device
    from bench.errors import BenchError
    from bench.experiment.models import finished_cells, load_model
    from bench.experiment.plan import parse_settings
    from bench.experiment.store import ResultStore
    from bench.registry import Registry
    from bench.report import recommendations
    from bench.report.configurations import choose
    from bench.report.png import write_png

    check_output(output, "the picture", ".png")
    registry = Registry(plugins)
    wanted = parse_settings(settings)
    for other in wanted:
        registry.recommender(other)  # an unknown name gets its own message
    resolve_device(device)
    dataset = find(name, data_dir or default_data_dir(), registry)
    user = recommendations.find_user(dataset, user_id)
    if output is not None and dataset.training.images is None:
        raise BenchError(f"{name} has no images to draw; leave out --output for the text")
    cells = finished_cells(
        ResultStore(results),
        dataset,
        registry,
        names=split_names(recommenders),
        seed=seed,
        choose=lambda found: choose(found, wanted),
    )
    rows = []
    for cell in cells:
        loaded = load_model(cell, dataset, registry, device=device, threads=available_threads())
        scores = loaded.model.score([user])[0]
        record = loaded.record
        rows.append(
            recommendations.recommend(
                dataset, user, scores, label=record.label, seed=record.key.seed, top=top
            )
        )
    click.echo(recommendations.to_text(dataset, user, rows), nl=False)
    if dataset.training.images is None:
        click.echo(f"{name} has no images: nothing to draw")
    if output is not None:
        from bench.report.recommendation_sheet import recommendation_sheet

        sheet = recommendation_sheet(dataset, user, rows, pixels=pixels)
        write_png(sheet, output)
