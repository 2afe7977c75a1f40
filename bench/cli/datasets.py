"""`bench datasets`: what is at hand, what a data set holds, one's own data, other scales."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from tabulate import tabulate

from bench.cli.options import data_option
from bench.datasets.dataset import NO_ITEM, Dataset
from bench.datasets.library import default_data_dir, stored_names
from bench.datasets.own import check_name, import_folder
from bench.datasets.record import RECORD_FILE, DatasetRecord, read_record
from bench.datasets.store import open_dataset, verify
from bench.errors import BenchError, unknown_name
from bench.experiment.plan import COLD_BELOW
from bench.files import atomic_write_bytes, atomic_write_json
from bench.registry import Registry

__all__ = ["datasets"]

_SYNTHETIC = "synthetic_fashion"

_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def datasets() -> None:
    """List, describe, import and make data sets."""


@datasets.command("list")
@data_option
@_json_option
def list_command(data_dir: Path | None, as_json: bool) -> None:
    """List the data sets that are stored or can be made."""
    data_dir = data_dir or default_data_dir()
    registry = Registry()
    stored, sources = stored_names(data_dir), registry.source_names()
    rows = [_list_row(name, data_dir, registry) for name in sorted({*stored, *sources})]
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    columns = ("name", "stored", "users", "items", "interactions", "from")
    table = [["" if row[column] is None else row[column] for column in columns] for row in rows]
    # Every cell as it is: tabulate would turn a data set called 007 into the number 7.
    click.echo(tabulate(table, headers=columns, disable_numparse=[0], intfmt=","))


@datasets.command()
@click.argument("name")
@click.option("--verify", "check", is_flag=True, help="Hash every file again and compare.")
@data_option
@_json_option
def info(name: str, check: bool, data_dir: Path | None, as_json: bool) -> None:
    """Say all there is to know about the stored data set NAME."""
    data_dir = data_dir or default_data_dir()
    folder = _stored_folder(name, data_dir)
    if check:
        verify(folder)
    record = read_record(folder)
    facts = _facts(record, open_dataset(folder, name=name))
    if as_json:
        content = {**record.to_json(), "name": name, **facts, "folder": str(folder)}
        if check:
            content["verified"] = True
        click.echo(json.dumps(content, indent=2, ensure_ascii=False))
        return
    lines = _info_lines(name, record, facts)
    lines.append(("folder", str(folder)))
    if check:
        lines.append(("verified", f"all {len(record.file_hashes)} files match their SHA-256"))
    width = max(len(label) for label, _ in lines)
    for label, value in lines:
        click.echo(f"{label:<{width}}  {value}")


@datasets.command("show")
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

    dataset = open_dataset(_stored_folder(name, data_dir or default_data_dir()), name=name)
    sheet = contact_sheet(dataset.training, per_category=per_category, pixels=pixels, seed=seed)
    buffer = io.BytesIO()
    sheet.save(buffer, format="PNG", optimize=True)
    atomic_write_bytes(output, buffer.getvalue())


@datasets.command("import")
@click.argument("source", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="Name of the data set from now on.")
@click.option("--title", help="Name in tables.  [default: the name]")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the split.")
@click.option(
    "--min-interactions",
    type=click.IntRange(min=3),
    default=5,
    show_default=True,
    help="Users with fewer distinct items are left out.",
)
@click.option("--force", is_flag=True, help="Replace a data set of that name.")
@data_option
def import_command(
    source: Path,
    name: str,
    title: str | None,
    seed: int,
    min_interactions: int,
    force: bool,
    data_dir: Path | None,
) -> None:
    """Import the folder DIR of your own data.

    DIR holds interactions.csv or .parquet (user, item, optionally timestamp) and optionally
    items.csv or .parquet (item, optionally category and image), images/, and features.npy (a row
    per row of the items file) or features.parquet (item and numbers).
    """
    data_dir = data_dir or default_data_dir()
    record = import_folder(
        source,
        name,
        data_dir,
        seed=seed,
        min_interactions=min_interactions,
        title=title,
        force=force,
    )
    click.echo(
        f"imported {name}: {record.n_users:,} users, {record.n_items:,} items, "
        f"{record.n_interactions:,} interactions; `bench datasets info {name}` says more"
    )


@datasets.command()
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


def _list_row(name: str, data_dir: Path, registry: Registry) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(("name", "stored", "users", "items", "interactions"))
    row["name"] = name
    is_source = name in registry.source_names()
    try:
        row["from"] = registry.source(name).description if is_source else None
    except BenchError as error:  # one that fails to import must not hide the others
        row["from"] = str(error)
    row["stored"] = "no"
    if name not in stored_names(data_dir):
        return row
    try:
        record = read_record(data_dir / name)
    except BenchError as error:
        return {**row, "stored": "damaged", "from": str(error)}
    return {
        **row,
        "stored": "yes",
        "users": record.n_users,
        "items": record.n_items,
        "interactions": record.n_interactions,
        "from": row["from"] or record.source,
    }


def _stored_folder(name: str, data_dir: Path) -> Path:
    stored, sources = stored_names(data_dir), Registry().source_names()
    if name in stored:
        return data_dir / name
    if name in sources:
        raise BenchError(
            f"data set {name!r} is not in {data_dir} yet; `bench datasets make {name}` makes it"
        )
    raise unknown_name("data set", name, {*stored, *sources}, see="bench datasets list")


def _facts(record: DatasetRecord, dataset: Dataset) -> dict[str, Any]:
    counts = dataset.training.train.item_counts
    test = dataset.test[dataset.test != NO_ITEM]
    n_cold = int(np.count_nonzero(counts[test] < COLD_BELOW))
    return {
        "n_train": dataset.training.train.n_pairs,
        "n_validation": int(np.count_nonzero(dataset.validation != NO_ITEM)),
        "n_test": len(test),
        "n_cold_test": n_cold,
        "cold_test_share": n_cold / len(test) if len(test) else None,
        "n_items_without_training": int(np.count_nonzero(counts == 0)),
        "density": record.density,
    }


def _info_lines(name: str, record: DatasetRecord, facts: dict[str, Any]) -> list[tuple[str, str]]:
    """Give label and value of every line."""
    features = "none"
    if record.feature_info is not None:
        features = (
            f"{record.feature_dims}-d {record.feature_dtype}, {record.feature_info.kind}: "
            f"{record.feature_info.description}"
        )
    cold = "no test items"
    if facts["n_test"]:
        cold = (
            f"{facts['n_cold_test']:,} of {facts['n_test']:,} test items "
            f"({facts['cold_test_share']:.1%}) have fewer than {COLD_BELOW} training interactions"
        )
    categories = "none"
    if record.n_categories is not None:
        categories = f"{record.n_categories}: {', '.join(record.category_names)}"
    lines = [
        ("name", name),
        ("title", record.title),
        ("source", record.source),
        ("licence", record.licence),
        ("users", f"{record.n_users:,}"),
        ("items", f"{record.n_items:,}"),
        ("interactions", f"{record.n_interactions:,} (density {facts['density']:.3g})"),
        (
            "parts",
            f"{facts['n_train']:,} training, {facts['n_validation']:,} validation, "
            f"{facts['n_test']:,} test",
        ),
        ("cold items", cold),
        ("never in training", f"{facts['n_items_without_training']:,} items"),
        ("categories", categories),
        ("images", "one per item" if record.has_images else "none"),
        ("features", features),
        ("true utilities", "stored (best possible AUC is known)" if record.has_oracle else "none"),
        ("split", record.split_rule),
        ("split seed", "none" if record.split_seed is None else str(record.split_seed)),
        ("split hash", record.split_hash),
        ("data hash", record.data_hash),
        ("written", f"{record.created} by version {record.suite_version}"),
        ("size", f"{sum(record.file_sizes.values()) / 1e6:,.1f} MB"),
    ]
    for part, value in record.report.items():
        inner = value.items() if isinstance(value, dict) else [("", value)]
        for key, number in inner:
            if key != "items_without_training":  # said above, for every data set alike
                label = f"{part}: {key}" if key else part
                lines.append((label.replace("_", " "), _plain(number)))
    return lines


def _plain(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
