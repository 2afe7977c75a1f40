"""What is not as it was when the golden values were measured."""

from collections.abc import Sequence

from bench.datasets.dataset import Dataset
from bench.experiment.provenance import describe_machine
from bench.experiment.store import StoredCell
from bench.regression.golden import Golden, GoldenEntry, plain

__all__ = ["cell_remarks", "data_remarks", "machine_remarks"]


def data_remarks(golden: Golden, dataset: Dataset) -> list[str]:
    """Say that features or images are not the golden ones to the last bit."""
    if dataset.data_hash == golden.data_hash:
        return []
    return [
        "The split is the golden one, features or images are not to the last bit "
        f"(data {dataset.data_hash[:12]}, golden {golden.data_hash[:12]}): another processor or "
        "library that computed them does this."
    ]


def cell_remarks(entry: GoldenEntry, cells: Sequence[StoredCell]) -> list[str]:
    """Say what failed, and which hyper-parameters are others now."""
    remarks = [
        f"{entry.label} (seed {cell.record.key.seed}) failed: {cell.record.error}"
        for cell in cells
        if cell.record.status == "failed"
    ]
    now = plain(cells[0].record.key.params)
    if now != entry.params:
        names = sorted({*now, *entry.params})
        changes = [
            f"{name} {entry.params.get(name)} -> {now.get(name)}"
            for name in names
            if entry.params.get(name) != now.get(name)
        ]
        remarks.append(f"{entry.label} has other defaults now: {', '.join(changes)}.")
    return remarks


def machine_remarks(golden: Golden, names: Sequence[str]) -> list[str]:
    """Say how this machine and its packages differ from those of the golden values of `names`."""
    here = describe_machine()
    remarks = []
    for update in {id(golden.origin(name)): golden.origin(name) for name in names}.values():
        then = update.provenance
        changes = [
            f"{name} {then.get(name)} -> {here[name]}"
            for name in ("python", "cpu")
            if then.get(name) != here[name]
        ]
        versions = then.get("versions", {})
        changes += [
            f"{name} {versions.get(name)} -> {version}"
            for name, version in here["versions"].items()
            if versions.get(name) != version
        ]
        if changes:
            remarks.append(f"Since {update.date[:10]}: {', '.join(changes)}.")
    return remarks
