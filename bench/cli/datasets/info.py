"""`bench datasets info`: all there is to know about a stored data set."""

import datetime
import json
from pathlib import Path
from typing import Any

import click
import numpy as np

from bench.cli.datasets.notes import notable, report_lines
from bench.cli.datasets.stored import stored_folder
from bench.cli.options import data_option, json_option
from bench.datasets.dataset import NO_ITEM, Dataset
from bench.datasets.library import default_data_dir
from bench.datasets.record import RECORD_FILE, DatasetRecord, read_record
from bench.datasets.store import open_dataset, verify
from bench.errors import printable
from bench.experiment.plan import COLD_BELOW

__all__ = ["info"]


@click.command("info")
@click.argument("name")
@click.option("--verify", "check", is_flag=True, help="Hash every file again and compare.")
@data_option
@json_option
def info(name: str, check: bool, data_dir: Path | None, as_json: bool) -> None:
    """Say all there is to know about the stored data set NAME."""
    data_dir = data_dir or default_data_dir()
    folder = stored_folder(name, data_dir)
    if check:
        verify(folder)
    record = read_record(folder)
    facts = _facts(folder, record, open_dataset(folder, name=name))
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


def _facts(folder: Path, record: DatasetRecord, dataset: Dataset) -> dict[str, Any]:
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
        # Not in the record, which is to depend on the data alone.
        "written": datetime.datetime.fromtimestamp(
            (folder / RECORD_FILE).stat().st_mtime, datetime.UTC
        ).isoformat(timespec="seconds"),
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
        categories = f"{record.n_categories}: {', '.join(map(printable, record.category_names))}"
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
        ("written", f"{facts['written']} by version {record.suite_version}"),
        ("size", f"{sum(record.file_sizes.values()) / 1e6:,.1f} MB"),
    ]
    lines += [("note", line) for line in notable(record)]
    return lines + report_lines(record.report)
