"""Writing that leaves either the whole thing or nothing, and content hashes."""

import hashlib
import json
import logging
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil

from bench.errors import user_io_errors

__all__ = [
    "remove_leftovers",
    "atomic_file",
    "atomic_folder",
    "atomic_write_bytes",
    "atomic_write_json",
    "check_writable",
    "one_at_a_time",
    "sha256_of_arrays",
    "sha256_of_file",
    "temporary_prefix",
]

_log = logging.getLogger(__name__)


def _fsync_tree(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as handle:
                os.fsync(handle.fileno())


def temporary_prefix(kind: str = "tmp") -> str:
    """Begin a temporary name with who writes it, so that leftovers of the dead can be told."""
    return f".{kind}-{socket.gethostname()}-{os.getpid()}-"


def check_writable(doing: str, folder: Path) -> None:
    """Find out now, not after an hour of work, that nothing can be written to `folder`.

    A folder that does not exist is not made: the nearest one above it is tried, with a file that
    does not stay.

    Raises
    ------
    StorageError
        It cannot be written; `doing` says what for, as in `user_io_errors`.
    """
    place = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    with user_io_errors(doing, folder), tempfile.TemporaryFile(dir=place):
        pass


def remove_leftovers(root: Path) -> int:
    """Clean up what killed processes of this machine left under `root`.

    Half-written files and folders go; a folder that was set aside when the kill came, and not yet
    replaced, comes back. What living processes or other machines write is left alone.

    Returns
    -------
    How many files and folders were cleaned up.
    """
    cleaned = 0
    for kind in ("tmp", "old"):
        mine = f".{kind}-{socket.gethostname()}-"
        for path in sorted(_named_like(root, mine)):
            pid = path.name.removeprefix(mine).partition("-")[0]
            if not pid.isdigit() or psutil.pid_exists(int(pid)):
                continue
            cleaned += 1
            if not path.is_dir():
                path.unlink(missing_ok=True)
                continue
            if kind == "old":
                for folder in path.iterdir():
                    if not (path.parent / folder.name).exists():
                        folder.rename(path.parent / folder.name)
            shutil.rmtree(path, ignore_errors=True)
    return cleaned


def _named_like(root: Path, beginning: str) -> Iterator[Path]:
    """Give the files and folders under `root` whose names begin so, wherever they lie.

    Unlike `Path.rglob`, it does not mind folders that other processes remove meanwhile.
    """
    for folder, subfolders, files in os.walk(root):
        for name in (*subfolders, *files):
            if name.startswith(beginning):
                yield Path(folder, name)


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Give a temporary folder that becomes `target` when the block ends well, else vanishes.

    An existing `target` is replaced. Temporary names start with a dot, which no reader looks at;
    what a killed process leaves of them, `remove_leftovers` cleans up.

    Raises
    ------
    BenchError
        The disk is full or the place cannot be written.
    """
    with user_io_errors("write", target):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=temporary_prefix(), dir=target.parent))
    try:
        with user_io_errors("write", target):
            yield temporary
            _fsync_tree(temporary)
            # mkdtemp gives 0700; results are to be shared as other files are.
            temporary.chmod(0o755)
            if target.exists():
                # A folder cannot be renamed over a full one: set the old one aside first.
                old = Path(tempfile.mkdtemp(prefix=temporary_prefix("old"), dir=target.parent))
                target.rename(old / target.name)
                temporary.rename(target)
                shutil.rmtree(old, ignore_errors=True)
            else:
                temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def atomic_file(target: Path) -> Iterator[Path]:
    """Give a temporary path that becomes `target` when the block ends well, else vanishes.

    Raises
    ------
    BenchError
        The disk is full or the place cannot be written.
    """
    with user_io_errors("write", target):
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=temporary_prefix(), dir=target.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            temporary.chmod(0o644)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


def atomic_write_bytes(target: Path, content: bytes) -> None:
    """Write `content` to `target` through a temporary name and one rename."""
    with atomic_file(target) as temporary:
        temporary.write_bytes(content)


def atomic_write_json(target: Path, value: Any) -> None:
    """Write `value` as indented JSON; NaN and infinities are refused, because JSON has none."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    atomic_write_bytes(target, (text + "\n").encode())


@contextmanager
def one_at_a_time(lock: Path, doing: str) -> Iterator[None]:
    """Let one process at a time into the block; a process that ends, however, is out of it.

    Where the system or the file system has no such locks several come in at once: what the block
    writes must be safe without (renamed into place whole) and is then made more than once.

    Parameters
    ----------
    lock
        An empty file, made for this and left there.
    doing
        What the process inside does, for whoever waits: "the images are being decoded".
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    with user_io_errors("write", lock):
        lock.parent.mkdir(parents=True, exist_ok=True)
        handle = lock.open("wb")
    with handle:
        waiting = False
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not waiting:
                    _log.info("%s by another process; waiting for it", doing)
                waiting = True
                time.sleep(0.1)
            except OSError:
                break
            else:
                break
        yield


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
