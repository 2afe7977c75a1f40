"""Where a data set that a command names is stored."""

from pathlib import Path

from bench.datasets.library import stored_names
from bench.errors import BenchError, unknown_name
from bench.registry import Registry

__all__ = ["stored_folder"]


def stored_folder(name: str, data_dir: Path) -> Path:
    """Give the folder of a stored data set.

    Raises
    ------
    BenchError
        It is not stored (what the suite can make or fetch, it says how), or unknown.
    """
    registry = Registry()
    stored, sources = stored_names(data_dir), registry.source_names()
    if name in stored:
        return data_dir / name
    if name in sources:
        how = registry.source(name).on_request or f"`bench datasets make {name}` makes it"
        raise BenchError(f"data set {name!r} is not in {data_dir} yet; {how}")
    raise unknown_name("data set", name, {*stored, *sources}, see="bench datasets list")
