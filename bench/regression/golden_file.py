"""Where golden files lie: one given, one under the results, the suite's own."""

import json
from pathlib import Path

from bench.errors import BenchError, one_line
from bench.files import atomic_write_json
from bench.regression.golden import Golden

__all__ = ["locate_golden", "packaged_golden", "read_golden", "write_golden"]


def packaged_golden(dataset: str) -> Path | None:
    """Give the golden file that comes with the suite: packaged, or in a checkout's results."""
    here = Path(__file__).resolve()
    for folder in (here.parent / "golden_files", here.parents[2] / "results" / "golden"):
        path = folder / f"{dataset}.json"
        if path.is_file():
            return path
    return None


def locate_golden(dataset: str, results: Path, given: Path | None) -> Path:
    """Say which golden file counts: the one given, one under the results, the suite's own.

    Raises
    ------
    BenchError
        There is none; the message says what makes one.
    """
    local = results / "golden" / f"{dataset}.json"
    make = f"`bench check --dataset {dataset} --update --reason TEXT` makes one"
    if given is not None:
        if given.is_file():
            return given
        raise BenchError(
            f"golden file {given}: no such file; add --update --reason TEXT to make it"
        )
    if local.is_file():
        return local
    if (packaged := packaged_golden(dataset)) is not None:
        return packaged
    raise BenchError(f"no golden file for {dataset}: neither {local} nor one of the suite; {make}")


def read_golden(path: Path) -> Golden:
    """Read a golden file.

    Raises
    ------
    BenchError
        It is missing, damaged or of another schema version.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BenchError(
            f"golden file {path}: cannot be read ({one_line(error)}); restore it, or "
            "make it anew with `bench check --update`"
        ) from None
    return Golden.from_json(value, where=f"golden file {path}")


def write_golden(path: Path, golden: Golden) -> None:
    """Write a golden file in place of what was there, whole or not at all."""
    atomic_write_json(path, golden.to_json())
