"""`bench datasets fetch`: download a published archive and convert it."""

from pathlib import Path
from typing import Literal

import click

from bench.cli.datasets.importing import tell_imported
from bench.cli.options import archive_options, data_option
from bench.datasets.library import default_data_dir
from bench.datasets.published_sets import PUBLISHED_SETS

__all__ = ["fetch"]


@click.command("fetch")
@click.argument("name", type=click.Choice(list(PUBLISHED_SETS)))
@click.option("--url", help="Mirror: address of the file, or of its folder with a slash behind.")
@archive_options
@click.option("--force", is_flag=True, help="Replace a data set of that name.")
@data_option
def fetch(
    name: str,
    url: str | None,
    features: Path | None,
    feature_dtype: Literal["float32", "float16"],
    category_level: int | None,
    force: bool,
    data_dir: Path | None,
) -> None:
    """Download the archive of the published data set NAME and convert it.

    A download that was cut off goes on where it stopped. The archive is kept in `downloads` of the
    data folder; it is not needed once it is converted.
    """
    from bench.datasets.published_sources import fetch_archive

    record = fetch_archive(
        name,
        data_dir or default_data_dir(),
        url=url,
        features=features,
        feature_dtype=feature_dtype,
        category_level=category_level,
        force=force,
    )
    tell_imported(record)
