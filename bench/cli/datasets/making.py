"""`bench datasets make`: a data set of the suite's own making, now."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from bench.cli.options import data_option
from bench.datasets.library import default_data_dir
from bench.datasets.own import check_name
from bench.datasets.record import RECORD_FILE, read_record
from bench.errors import BenchError
from bench.files import atomic_write_json
from bench.registry import Registry

__all__ = ["make"]

_SYNTHETIC = "synthetic_fashion"


@click.command("make")
@click.argument("source_name", metavar="NAME", default=_SYNTHETIC)
@click.option("--users", type=click.IntRange(min=1), help="Number of users.")
@click.option("--items", type=click.IntRange(min=1), help="Number of items.")
@click.option("--image-size", type=click.IntRange(min=1), help="Pixels on a side.")
@click.option("--seed", type=int, help="Seed of everything that is drawn.")
@click.option("--name", help="Name to store it under.  [default: NAME and the options given]")
@click.option("--force", is_flag=True, help="Replace a data set of that name.")
@data_option
def make(
    source_name: str,
    users: int | None,
    items: int | None,
    image_size: int | None,
    seed: int | None,
    name: str | None,
    force: bool,
    data_dir: Path | None,
) -> None:
    """Make the data set NAME now; synthetic_fashion also at another scale."""
    data_dir = data_dir or default_data_dir()
    registry = Registry()
    source = registry.source(source_name)
    if source.on_request is not None:
        raise BenchError(f"{source_name} is not made but published: {source.on_request}")
    given = {"n_users": users, "n_items": items, "image_size": image_size, "seed": seed}
    settings: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    if settings and source_name != _SYNTHETIC:
        raise BenchError(
            f"only {_SYNTHETIC} can be made at another scale; make {source_name} without options"
        )
    name = name or "-".join(
        [source_name, *(f"{key.removeprefix('n_')}{value}" for key, value in settings.items())]
    ).replace("image_size", "pixels")
    # A source's own name is kept for the data set as it is by default.
    if settings or name != source_name:
        check_name(name, data_dir, force=force)
    elif (data_dir / name / RECORD_FILE).is_file() and not force:
        raise BenchError(f"data set {name!r} exists in {data_dir}; --force replaces it")
    if settings:
        from bench.datasets.synthetic import SyntheticFashion, SyntheticOptions

        source = SyntheticFashion(SyntheticOptions(**settings))
    folder = data_dir / name
    source.prepare(folder)
    record = read_record(folder)
    if record.name != name:
        record = replace(record, name=name, title=name)
        atomic_write_json(folder / RECORD_FILE, record.to_json())
    click.echo(
        f"made {name}: {record.n_users:,} users, {record.n_items:,} items, "
        f"{record.n_interactions:,} interactions; `bench datasets info {name}` says more"
    )
