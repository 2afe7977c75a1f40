"""`bench verify NAME`: whether a stored data set is what it was, and keeps its promises."""

from pathlib import Path

import click

from bench.cli.options import data_option

__all__ = ["verify"]


@click.command("verify")
@click.argument("name")
@data_option
def verify(name: str, data_dir: Path | None) -> None:
    """Check the stored data set NAME from the first byte to the last.

    Files against their SHA-256, ids, counts, categories, the three parts of the split against each
    other, every image and every feature. Exit code 2 and one line on the first flaw.
    """
    from bench.cli.datasets.stored import stored_folder
    from bench.datasets.library import default_data_dir
    from bench.datasets.verification import check_dataset

    for check in check_dataset(stored_folder(name, data_dir or default_data_dir())):
        click.echo(f"{check.name:<13} {check.detail}")
