"""Arrays that a long experiment is made of, kept as they come, so that a kill costs a chunk."""

import logging
import shutil
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.errors import BenchError, one_line
from bench.files import atomic_file

__all__ = ["Arrays", "Parts", "load_arrays", "save_arrays"]

_log = logging.getLogger(__name__)

Arrays = dict[str, npt.NDArray[Any]]


class Parts:
    """What is made already of an experiment that is not finished.

    Parameters
    ----------
    folder
        Where its parts lie until all are there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, name: str, make: Callable[[], Arrays]) -> Arrays:
        """Give a part: the stored one if it can be read, else make and store it."""
        stored = self._stored(name)
        return self._store(name, make()) if stored is None else stored

    def in_chunks(
        self, name: str, n: int, size: int, make: Callable[[slice], Arrays], *, doing: str
    ) -> Arrays:
        """Give a part of `n` rows, made and stored `size` rows at a time.

        Chunks lie at the same places whatever is stored, so that an interrupted experiment computes
        what an undisturbed one does. After the first one the log says how long the others take.
        """
        chunks = []
        told = False
        for start in range(0, n, size):
            stop = min(start + size, n)
            place = f"{name}-{start:06d}"
            chunk = self._stored(place)
            if chunk is None:
                began = time.perf_counter()
                chunk = self._store(place, make(slice(start, stop)))
                if stop < n and not told:
                    seconds = (time.perf_counter() - began) * (n - stop) / (stop - start)
                    _log.info("%s: %s to go, about %s", doing, f"{n - stop:,}", _duration(seconds))
                    told = True
            chunks.append(chunk)
        return {key: np.concatenate([chunk[key] for chunk in chunks]) for key in chunks[0]}

    def forget(self) -> None:
        """Remove all parts."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _stored(self, name: str) -> Arrays | None:
        path = self.folder / f"{name}.npz"
        if not path.exists():
            return None
        try:
            return load_arrays(path)
        except BenchError as error:
            _log.warning("%s; making it again", error)
            return None

    def _store(self, name: str, made: Arrays) -> Arrays:
        save_arrays(self.folder / f"{name}.npz", made)
        return made


def save_arrays(path: Path, arrays: Arrays, *, compressed: bool = False) -> None:
    """Write arrays as one file, whole or not at all."""
    with atomic_file(path) as temporary, temporary.open("wb") as out:
        save = np.savez_compressed if compressed else np.savez
        save(out, **arrays)  # type: ignore[arg-type]  # names, not options


def load_arrays(path: Path) -> Arrays:
    """Read what `save_arrays` wrote.

    Raises
    ------
    BenchError
        The file is missing or damaged.
    """
    try:
        # Opened here: NumPy would leave a damaged file open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return dict(stored.items())
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise BenchError(f"{path}: cannot be read ({one_line(error)})") from None


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
