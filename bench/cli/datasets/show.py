"""`bench datasets show`: a page of products."""

from pathlib import Path

import click

from bench.cli.datasets.stored import stored_folder
from bench.cli.options import data_option
from bench.datasets.library import default_data_dir
from bench.datasets.store import open_dataset

__all__ = ["show"]


@click.command("show")
@click.argument("name")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="PNG file to write.",
)
@click.option("--per-category", type=click.IntRange(min=1), default=12, show_default=True)
@click.option("--pixels", type=click.IntRange(min=8), default=96, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True, help="Which products.")
@data_option
def show(
    name: str, output: Path, per_category: int, pixels: int, seed: int, data_dir: Path | None
) -> None:
    """Draw a page of random products of NAME, a row per category."""
    from bench.report.contact_sheet import contact_sheet
    from bench.report.png import write_png

    dataset = open_dataset(stored_folder(name, data_dir or default_data_dir()), name=name)
    sheet = contact_sheet(dataset.training, per_category=per_category, pixels=pixels, seed=seed)
    write_png(sheet, output)
