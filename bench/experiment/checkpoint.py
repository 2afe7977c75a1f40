"""The file that an interrupted fit goes on from."""

import io
import json
import logging
import shutil
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bench.files import atomic_write_bytes
from bench.recommender import State

__all__ = ["Checkpoint"]

_log = logging.getLogger(__name__)


class Checkpoint:
    """Arrays and notes in one file, alone in a folder with what belongs to them.

    Parameters
    ----------
    path
        The file.
    seconds
        Least time between two that are written because they are due.
    """

    def __init__(self, path: Path, *, seconds: float) -> None:
        self.path = path
        self._seconds = seconds
        self._last = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether it is time to write one."""
        return time.monotonic() - self._last >= self._seconds

    def write(self, arrays: State, notes: Mapping[str, Any]) -> None:
        """Write both in place of what was there.

        Raises
        ------
        StorageError
            They cannot be written.
        """
        buffer = io.BytesIO()
        content = arrays | {"notes": np.frombuffer(json.dumps(notes).encode(), dtype=np.uint8)}
        np.savez(buffer, **content)  # type: ignore[arg-type]  # names are arrays', not options'
        atomic_write_bytes(self.path, buffer.getvalue())
        self._last = time.monotonic()

    def read(self) -> tuple[State, dict[str, Any]] | None:
        """Give what `write` wrote; None, with a warning, for a file that cannot be read."""
        if not self.path.is_file():
            return None
        try:
            # Opened here, because NumPy leaves a file open that turns out to be no archive.
            with self.path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                arrays = dict(stored.items())
            notes: dict[str, Any] = json.loads(arrays.pop("notes").tobytes())
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            _log.warning("checkpoint %s is unreadable (%s): starting over", self.path, error)
            return None
        return arrays, notes

    def forget(self) -> None:
        """Remove the folder: what it is for is stored."""
        shutil.rmtree(self.path.parent, ignore_errors=True)
