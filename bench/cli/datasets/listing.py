"""`bench datasets list`."""

import json
from pathlib import Path
from typing import Any

import click
from tabulate import tabulate

from bench.cli.options import data_option, json_option
from bench.datasets.library import default_data_dir, stored_names
from bench.datasets.record import read_record
from bench.errors import BenchError
from bench.registry import Registry

__all__ = ["list_command"]


@click.command("list")
@data_option
@json_option
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
