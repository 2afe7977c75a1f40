"""Where trials and searches are kept: each whole or not at all, so a killed search goes on.

<root>/tuning/<data set>/<recommender>/
    seed<seed>-<key hash>/trial.json    a trial
    seed<seed>-<key hash>/error.txt     the traceback of a failed one
    search-<key hash>.json              a finished search: winner, budget, all trials ranked
"""

import logging
from collections.abc import Iterator
from pathlib import Path

from bench.errors import BenchError
from bench.experiment.store import key_hash, read_json
from bench.experiment.tuning.record import SearchKey, SearchRecord, TrialKey, TrialRecord
from bench.files import atomic_folder, atomic_write_json

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

    def find(self, key: TrialKey) -> TrialRecord | None:
        """Give a trial that needs no other try; a damaged one is made anew, with a warning."""
        path = self.folder(key) / "trial.json"
        if not path.is_file():
            return None
        try:
            record = _read(path)
        except BenchError as error:
            _log.warning("made anew: %s", error)
            return None
        return None if record.status == "failed" else record

    def trials(self) -> Iterator[TrialRecord]:
        """Go through all stored trials, in a fixed order; unreadable ones are left out, told."""
        for path in sorted((self.root / "tuning").glob("*/*/seed*/trial.json")):
            try:
                yield _read(path)
            except BenchError as error:
                _log.warning("skipped: %s", error)

    def write(self, record: TrialRecord, traceback: str | None = None) -> None:
        """Store a trial in place of what was there.

        Raises
        ------
        StorageError
            It cannot be written.
        """
        with atomic_folder(self.folder(record.key)) as temporary:
            if traceback is not None:
                (temporary / "error.txt").write_text(traceback, encoding="utf-8")
            atomic_write_json(temporary / "trial.json", record.to_json())

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
