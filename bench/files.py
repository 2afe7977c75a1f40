"""Writing that leaves either the whole thing or nothing, and content hashes."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.errors import user_io_errors

__all__ = [
    "atomic_folder",
    "atomic_write_bytes",
    "atomic_write_json",
    "sha256_of_arrays",
    "sha256_of_file",
]


def _fsync_tree(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as handle:
                os.fsync(handle.fileno())


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Give a temporary folder that becomes `target` when the block ends well, and vanishes when it does not.

    An existing `target` is replaced. A process killed inside the block leaves a folder named `.tmp-*` beside the
    target, which `remove_leftovers`-style readers ignore: nothing ever reads a name that starts with a dot.

    Raises
    ------
    BenchError
        The disk is full or the place cannot be written.
    """
    with user_io_errors("write", target):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".tmp-", dir=target.parent))
    try:
        with user_io_errors("write", target):
            yield temporary
            _fsync_tree(temporary)
            temporary.chmod(
                0o755
            )  # mkdtemp gives 0700; results are to be shared as other files are
            if target.exists():
                # A folder cannot be renamed over a full one: set the old one aside first.
                old = Path(tempfile.mkdtemp(prefix=".old-", dir=target.parent))
                target.rename(old / target.name)
                temporary.rename(target)
                shutil.rmtree(old, ignore_errors=True)
            else:
                temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def atomic_write_bytes(target: Path, content: bytes) -> None:
    """Write `content` to `target` through a temporary name and one rename."""
    with user_io_errors("write", target):
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".tmp-", dir=target.parent)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as out:
                out.write(content)
                out.flush()
                os.fsync(out.fileno())
            temporary.chmod(0o644)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


def atomic_write_json(target: Path, value: Any) -> None:
    """Write `value` as indented JSON; NaN and infinities are refused, because JSON has none."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    atomic_write_bytes(target, (text + "\n").encode())


def sha256_of_file(path: Path) -> str:
    """Hash a file's content."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def sha256_of_arrays(*arrays: npt.NDArray[Any]) -> str:
    """Hash arrays by dtype, shape and content, in the order given."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
