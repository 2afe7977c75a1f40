"""Where trials and searches are kept: each whole or not at all, so a killed search goes on.

Several processes may write to one store: a trial is one's at a time, see `bench.datasets.lock`, and
a record appears, or is replaced, in one rename.

<root>/tuning/<data set>/<recommender>/
    seed<seed>-<key hash>/trial.json    a trial
    seed<seed>-<key hash>/error.txt     the traceback of a failed one
    search-<key hash>.json              a finished search: winner, budget, all trials ranked
<root>/unfinished/<key hash>.lock       held by the process that has the trial made
"""

import logging
from contextlib import AbstractContextManager
from pathlib import Path

from bench.datasets.lock import only_process
from bench.errors import BenchError, user_io_errors
from bench.experiment.store import key_hash, read_json
from bench.experiment.tuning.record import SearchKey, SearchRecord, TrialKey, TrialRecord
from bench.files import atomic_write_bytes, atomic_write_json

__all__ = ["TuningStore"]

_log = logging.getLogger(__name__)


class TuningStore:
    """All trials and searches under one results folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, key: TrialKey) -> Path:
        """Say where a trial lies."""
        name = f"seed{key.seed}-{key_hash(key)}"
        return self.root / "tuning" / key.dataset / key.recommender / name

    def claim(self, key: TrialKey) -> AbstractContextManager[None]:
        """Keep a trial for this process while the block runs.

        Raises
        ------
        BusyError
            Another process has it.
        """
        lock = self.root / "unfinished" / f"{key_hash(key)}.lock"
        return only_process(lock, f"run a trial of {key.recommender} (seed {key.seed})")

    def find(self, key: TrialKey) -> TrialRecord | None:
        """Give a trial that needs no other try; a damaged one is made anew, with a warning."""
        path = self.folder(key) / "trial.json"
        if not path.is_file():
            return None
        try:
            record = _read(path)
            if key_hash(record.key) != key_hash(key):
                raise BenchError(f"{path}: the record of another trial; remove the folder")
        except BenchError as error:
            _log.warning("made anew: %s", error)
            return None
        return None if record.status == "failed" else record

    def write(self, record: TrialRecord, traceback: str | None = None) -> None:
        """Store a trial in place of what was there, which readers see until then.

        Raises
        ------
        StorageError
            It cannot be written.
        """
        folder = self.folder(record.key)
        if traceback is not None:
            atomic_write_bytes(folder / "error.txt", traceback.encode())
        atomic_write_json(folder / "trial.json", record.to_json())
        if traceback is None:
            with user_io_errors("write", folder):
                (folder / "error.txt").unlink(missing_ok=True)

    def search_file(self, key: SearchKey) -> Path:
        """Say where a search lies."""
        name = f"search-{key_hash(key)}.json"
        return self.root / "tuning" / key.dataset / key.recommender / name

    def write_search(self, record: SearchRecord) -> Path:
        """Store a finished search in place of what was there; give the file.

        Raises
        ------
        StorageError
            It cannot be written.
        """
        path = self.search_file(record.key)
        atomic_write_json(path, record.to_json())
        return path


def _read(path: Path) -> TrialRecord:
    value = read_json(path)
    if not isinstance(value, dict):
        raise BenchError(f"{path}: not a trial record; remove the folder")
    return TrialRecord.from_json(value, where=str(path))
