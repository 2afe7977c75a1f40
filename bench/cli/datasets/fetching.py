"""`bench datasets fetch`: download a published data set and convert it."""

from pathlib import Path
from typing import Literal

import click

from bench.cli.datasets.importing import tell_imported
from bench.cli.options import archive_options, data_option
from bench.datasets.library import default_data_dir
from bench.datasets.published_sets import PUBLISHED_SETS
from bench.errors import BenchError

__all__ = ["fetch"]


@click.command("fetch")
@click.argument("name", type=click.Choice(list(PUBLISHED_SETS)))
@click.option(
    "--raw",
    is_flag=True,
    help="Download the original files, not the archive, and store what they make as NAME-raw; "
    "not for amazon_fashion.",
)
@click.option(
    "--with-features",
    is_flag=True,
    help="Archive: download the published image_features_*.b too and join it.",
)
@click.option(
    "--url",
    help="Mirror: address of the file, or of its folder with a slash behind; of several files "
    "(--raw, --with-features) the folder that holds them all.",
)
@archive_options
@click.option(
    "--force",
    is_flag=True,
    help="Replace a data set of that name. Files in `downloads` are used again; remove one there "
    "to download it anew.",
)
@data_option
def fetch(
    name: str,
    raw: bool,
    with_features: bool,
    url: str | None,
    features: Path | None,
    feature_dtype: Literal["float32", "float16"],
    category_level: int | None,
    force: bool,
    data_dir: Path | None,
) -> None:
    """Download the published data set NAME and convert it.

    A download that was cut off goes on where it stopped when the command is repeated. The files are
    kept in `downloads` of the data folder; they are not needed once they are converted, and `bench
    datasets import` takes them with other options.
    """
    data_dir = data_dir or default_data_dir()
    if raw:
        from bench.datasets.fetch import fetch_raw
        from bench.datasets.raw import RawOptions

        if with_features or features is not None:
            option = "--with-features" if with_features else "--features"
            raise BenchError(f"{option} does not go with --raw, which downloads the features too")
        record = fetch_raw(
            name,
            data_dir,
            url=url,
            options=RawOptions(feature_dtype=feature_dtype),
            category_level=category_level,
            force=force,
        )
    else:
        from bench.datasets.fetch import fetch_archive

        record = fetch_archive(
            name,
            data_dir,
            url=url,
            features=features,
            with_features=with_features,
            feature_dtype=feature_dtype,
            category_level=category_level,
            force=force,
        )
    tell_imported(record)
