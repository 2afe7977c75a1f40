"""The result store: one folder per cell, written whole or not at all.

<root>/runs/<data set>/<recommender>/seed<seed>-<key hash>/
    result.json        the record
    per_user.parquet   counts per test user (finished cells)
    curve.csv          loss, validation AUC and speed per epoch (models with epochs)
    state.npz          the fitted model's state (finished cells)
    error.txt          the traceback (failed cells)
<root>/unfinished/<key hash>/       checkpoints of a fit that has not ended
<root>/unfinished/<key hash>.lock   held by the process that runs the cell

Several processes may write to one store: each cell is one's at a time, see `bench.datasets.lock`
(also for network file systems), and appears in one rename.
"""

import csv
import dataclasses
import hashlib
import io
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.datasets.lock import only_process
from bench.errors import BenchError
from bench.experiment.record import CellKey, CellRecord, PerUser
from bench.files import atomic_folder, atomic_write_json

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["ResultStore", "StoredCell", "curve_csv", "key_hash", "read_json"]

_log = logging.getLogger(__name__)


def key_hash(key: "DataclassInstance") -> str:
    """Hash the key of something stored: 16 hexadecimal digits, the same in every process."""
    text = json.dumps(dataclasses.asdict(key), sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class StoredCell:
    """A cell on disk; per-user counts are read when asked for."""

    folder: Path
    record: CellRecord

    def per_user(self) -> PerUser:
        """Read the counts per test user.

        Raises
        ------
        BenchError
            The file is missing or damaged.
        """
        path = self.folder / "per_user.parquet"
        try:
            table = pq.read_table(path)
            columns = {
                field.name: table.column(field.name).to_numpy().astype(np.int64)
                for field in dataclasses.fields(PerUser)
            }
        except (OSError, pa.ArrowException, KeyError) as error:
            raise BenchError(
                f"{path}: cannot be read ({error}); `bench run --force` makes the cell anew"
            ) from None
        return PerUser(**columns)


class ResultStore:
    """All cells under one results folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, key: CellKey) -> Path:
        """Say where a cell lies."""
        name = f"seed{key.seed}-{key_hash(key)}"
        return self.root / "runs" / key.dataset / key.recommender / name

    def checkpoint_folder(self, key: CellKey) -> Path:
        """Say where the checkpoints of an unfinished fit lie."""
        return self.root / "unfinished" / key_hash(key)

    def claim(self, key: CellKey) -> AbstractContextManager[None]:
        """Keep a cell for this process while the block runs.

        Raises
        ------
        BusyError
            Another process has it.
        """
        lock = self.root / "unfinished" / f"{key_hash(key)}.lock"
        return only_process(lock, f"run {key.recommender} (seed {key.seed})")

    def find(self, key: CellKey) -> StoredCell | None:
        """Give the stored cell, finished or failed, or None."""
        folder = self.folder(key)
        if not (folder / "result.json").is_file():
            return None
        return StoredCell(folder, _read_record(folder))

    def cells(self, dataset: str | None = None) -> Iterator[StoredCell]:
        """Go through all cells, of one data set or of all, in a fixed order.

        A folder that cannot be read is skipped with a warning: one damaged cell must not keep the
        others from their table.
        """
        for found in self._scan(dataset or "*"):
            if isinstance(found, StoredCell):
                yield found
            else:
                _log.warning("skipped: %s", found)

    def check(self) -> tuple[list[StoredCell], list[BenchError]]:
        """Read every cell with its counts per user; give those that are sound, and what is not."""
        sound: list[StoredCell] = []
        errors: list[BenchError] = []
        for found in self._scan("*"):
            if isinstance(found, BenchError):
                errors.append(found)
                continue
            try:
                if found.record.status == "finished":
                    found.per_user()
            except BenchError as error:
                errors.append(error)
            else:
                sound.append(found)
        return sound, errors

    def n_unfinished(self) -> int:
        """Count the fits that left a checkpoint."""
        return len(list(self.root.glob("unfinished/*/checkpoint.npz")))

    def _scan(self, dataset: str) -> Iterator[StoredCell | BenchError]:
        for path in sorted((self.root / "runs").glob(f"{dataset}/*/seed*/result.json")):
            try:
                yield StoredCell(path.parent, _read_record(path.parent))
            except BenchError as error:
                yield error

    def write(
        self,
        record: CellRecord,
        *,
        per_user: PerUser | None = None,
        save_model: Callable[[Path], None] | None = None,
        traceback: str | None = None,
    ) -> StoredCell:
        """Store a cell in place of what was there.

        Parameters
        ----------
        record
            The record; `record.key` says where it goes.
        per_user
            Counts per test user; None for a failed cell.
        save_model
            Called with a folder to write the model's state into.
        traceback
            Full traceback of a failed cell.
        """
        folder = self.folder(record.key)
        with atomic_folder(folder) as temporary:
            if per_user is not None:
                table = pa.table(
                    {f.name: getattr(per_user, f.name) for f in dataclasses.fields(PerUser)}
                )
                pq.write_table(table, temporary / "per_user.parquet")
            if save_model is not None:
                save_model(temporary)
            if traceback is not None:
                (temporary / "error.txt").write_text(traceback, encoding="utf-8")
            if record.history:
                (temporary / "curve.csv").write_text(curve_csv(record.history), encoding="utf-8")
            atomic_write_json(temporary / "result.json", record.to_json())
        return StoredCell(folder, record)

    def note_tuning(self, cell: StoredCell, tuning: Mapping[str, Any] | None) -> StoredCell:
        """Add to a stored cell which search chose its hyper-parameters; None leaves it as it is.

        Raises
        ------
        StorageError
            It cannot be written.
        """
        if tuning is None or cell.record.tuning == tuning:
            return cell
        record = dataclasses.replace(cell.record, tuning=tuning)
        atomic_write_json(cell.folder / "result.json", record.to_json())
        return StoredCell(cell.folder, record)


def curve_csv(history: Sequence[Mapping[str, Any]]) -> str:
    """Give the history as CSV; what an epoch has no value of stays empty."""
    names = list(dict.fromkeys(name for entry in history for name in entry))
    out = io.StringIO()
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return out.getvalue()


def read_json(path: Path) -> Any:
    """Read what a record was stored as.

    Raises
    ------
    BenchError
        The file is missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BenchError(f"{path}: cannot be read ({error}); remove the folder") from None


def _read_record(folder: Path) -> CellRecord:
    path = folder / "result.json"
    value = read_json(path)
    if not isinstance(value, dict):
        raise BenchError(f"{path}: not a result record; remove the folder")
    return CellRecord.from_json(value, where=str(path))
