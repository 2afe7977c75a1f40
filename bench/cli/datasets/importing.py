"""`bench datasets import`: one's own data, a published archive, or the original raw files."""

from pathlib import Path
from typing import Literal

import click

from bench.cli.datasets.notes import notable
from bench.cli.options import archive_options, data_option
from bench.datasets.library import default_data_dir
from bench.datasets.own import import_folder
from bench.datasets.published_sets import PUBLISHED_SETS
from bench.datasets.record import DatasetRecord
from bench.errors import BenchError

__all__ = ["import_command", "tell_imported"]

_OWN = ("seed", "min_interactions")
_RAW = ("seed", "min_interactions", "count_repeats", "lists", "feature_dtype", "category_level")
_ARCHIVE = ("features", "feature_dtype", "category_level")


@click.command("import")
@click.argument("source", metavar="PATH", type=click.Path(path_type=Path))
@click.option(
    "--as",
    "as_name",
    type=click.Choice(list(PUBLISHED_SETS)),
    help="PATH is this published data set: its archive, or a folder with the original files.",
)
@click.option(
    "--name",
    help="Name from now on.  [default: with --as that name, for the original files NAME-raw]",
)
@click.option("--title", help="Name in tables.  [default: the name]")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the split.")
@click.option(
    "--min-interactions",
    type=click.IntRange(min=3),
    default=5,
    show_default=True,
    help="Users with fewer distinct items are left out.",
)
@archive_options
@click.option(
    "--count-repeats",
    is_flag=True,
    help="Original files: count feedback before repeats are merged, as the VBPR code does.",
)
@click.option(
    "--lists",
    default="dvbpr",
    show_default=True,
    help="Tradesy, original files: lists that are positive; vbpr (bought, want), dvbpr (all four) "
    "or names.",
)
@click.option("--force", is_flag=True, help="Replace a data set of that name.")
@data_option
@click.pass_context
def import_command(
    context: click.Context,
    source: Path,
    as_name: str | None,
    name: str | None,
    title: str | None,
    seed: int,
    min_interactions: int,
    features: Path | None,
    feature_dtype: Literal["float32", "float16"],
    category_level: int | None,
    count_repeats: bool,
    lists: str,
    force: bool,
    data_dir: Path | None,
) -> None:
    """Import data of your own, or a published data set that you have.

    Without --as, PATH is a folder of your own data: interactions.csv or .parquet (user, item,
    optionally timestamp) and optionally items.csv or .parquet (item, optionally category and
    image), images/, and features.npy (a row per row of the items file) or features.parquet (item
    and numbers).

    With --as, PATH is the published .npy archive, whose partition is kept; or a folder with the
    original files: reviews, metadata and image features for amazon_women and amazon_men,
    tradesy.json.gz and image features for tradesy.
    """
    data_dir = data_dir or default_data_dir()
    if as_name is None:
        _only(context, _OWN, "a folder of your own data; name the published data set with --as")
        if source.is_file():
            raise BenchError(
                f"{source} is a file, and data of your own come in a folder; for a published "
                f"archive say which it is: --as {', '.join(PUBLISHED_SETS)}"
            )
        if name is None:
            raise click.UsageError("Missing option '--name'.", context)
        record = import_folder(
            source,
            name,
            data_dir,
            seed=seed,
            min_interactions=min_interactions,
            title=title,
            force=force,
        )
    elif source.is_dir():
        _only(context, _RAW, "the original files")
        from bench.datasets.raw import RawOptions
        from bench.datasets.raw_sets import import_raw, raw_name

        record = import_raw(
            source,
            name or raw_name(as_name),
            data_dir,
            as_name=as_name,
            options=RawOptions(
                min_interactions=min_interactions,
                count_repeats=count_repeats,
                seed=seed,
                feature_dtype=feature_dtype,
            ),
            lists=lists if _is_given(context, "lists") else None,
            category_level=category_level,
            title=title,
            force=force,
        )
    else:
        _only(context, _ARCHIVE, "a published archive, which is split already")
        from bench.datasets.published import import_archive

        record = import_archive(
            source,
            name or as_name,
            data_dir,
            as_name=as_name,
            features=features,
            feature_dtype=feature_dtype,
            category_level=category_level,
            title=title,
            force=force,
        )
    tell_imported(record)


def tell_imported(record: DatasetRecord) -> None:
    """Say what was imported, and what is odd about it."""
    click.echo(
        f"imported {record.name}: {record.n_users:,} users, {record.n_items:,} items, "
        f"{record.n_interactions:,} interactions; `bench datasets info {record.name}` says more"
    )
    for line in notable(record):
        click.echo(f"  {line}")


def _is_given(context: click.Context, option: str) -> bool:
    source = context.get_parameter_source(option)
    return source not in (None, click.core.ParameterSource.DEFAULT)


def _only(context: click.Context, allowed: tuple[str, ...], what: str) -> None:
    """Refuse options that would change nothing, and so mislead."""
    for option in dict.fromkeys((*_OWN, *_RAW, *_ARCHIVE)):
        if option not in allowed and _is_given(context, option):
            raise BenchError(f"--{option.replace('_', '-')} does not go with {what}")
