"""The data sets at hand: folders under one data directory, made on first use."""

import logging
import os
from pathlib import Path

from bench.datasets.dataset import Dataset
from bench.datasets.lock import only_process
from bench.datasets.record import RECORD_FILE, read_record
from bench.datasets.store import open_dataset
from bench.errors import BenchError, unknown_name
from bench.files import remove_leftovers
from bench.registry import Registry

__all__ = ["check_available", "default_data_dir", "find", "stored_names"]

_log = logging.getLogger(__name__)


def default_data_dir() -> Path:
    """Say where data sets are stored: `$BENCH_DATA`, or `data` in the working folder."""
    return Path(os.environ.get("BENCH_DATA") or "data")


def stored_names(data_dir: Path) -> list[str]:
    """List the stored data sets, damaged ones included; none if the folder does not exist.

    Raises
    ------
    BenchError
        `data_dir` is a file.
    """
    if data_dir.exists() and not data_dir.is_dir():
        raise BenchError(f"{data_dir} is a file, not a folder of data sets; choose another --data")
    # A name that starts with a dot is a write that was cut off.
    return sorted(
        path.parent.name
        for path in data_dir.glob(f"*/{RECORD_FILE}")
        if not path.parent.name.startswith(".")
    )


def check_available(name: str, data_dir: Path, registry: Registry) -> None:
    """See that `find` can give a data set, without making it.

    Raises
    ------
    BenchError
        Neither stored nor known (the nearest name is given), only fetched on request, its record
        is damaged, or the package that makes it cannot be imported.
    """
    stored, sources = stored_names(data_dir), registry.source_names()
    if name in stored:
        read_record(data_dir / name)
    elif name in sources:
        if how := registry.source(name).on_request:
            raise BenchError(f"data set {name!r} is not in {data_dir} yet; {how}")
    else:
        raise unknown_name("data set", name, {*stored, *sources}, see="bench datasets list")


def find(name: str, data_dir: Path, registry: Registry) -> Dataset:
    """Open a data set by name; one that the suite can make or fetch is prepared first.

    It goes by the folder's name, so that a copy under another name has results of its own. Of
    several processes that want one that is not there, one prepares it and the others wait.

    Raises
    ------
    BenchError
        Neither stored nor known (the nearest name is given), damaged, or it cannot be prepared.
    """
    remove_leftovers(data_dir)
    check_available(name, data_dir, registry)
    if name not in stored_names(data_dir):
        with only_process(data_dir / f".{name}.lock", f"prepare {name}", wait=True):
            if name not in stored_names(data_dir):  # else another process has made it meanwhile
                _log.info("data set %s is not at %s yet: preparing it", name, data_dir)
                registry.source(name).prepare(data_dir / name)
    return open_dataset(data_dir / name, name=name)
