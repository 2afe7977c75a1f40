"""Cells by name: DATASET/RECOMMENDER/SEED, or the store's own folder."""

import logging
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

from bench.errors import BenchError, printable, unknown_name
from bench.experiment.models import made_at
from bench.experiment.store import ResultStore, StoredCell

__all__ = ["find_cell"]

_log = logging.getLogger(__name__)

_FORM = "write DATASET/RECOMMENDER/SEED, for example synthetic_fashion/vbpr/0, or a folder's name"


def find_cell(
    store: ResultStore,
    name: str,
    *,
    choose: Callable[[list[StoredCell]], Sequence[StoredCell]] = lambda cells: cells,
) -> StoredCell:
    """Find the finished cell that a user means.

    Parameters
    ----------
    store
        Where cells lie.
    name
        "synthetic_fashion/vbpr/0", ".../seed0", ".../seed0-1f75922b99dde0e0", the last part of
        that alone, or a path to it. Of several configurations with one seed those ranked against
        the whole catalogue come before sampled ones, and of these the one made last is taken; the
        others are named in the log.
    choose
        Keeps some of the cells of that name.

    Raises
    ------
    BenchError
        Of another form, nothing of that name (the nearest is given), or the cell failed.
    """
    cells = list(store.cells())
    if not cells:
        raise BenchError(f"no results under {store.root}: run `bench run` first, or name --results")
    parts = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part != "/"]
    if "runs" in parts:  # a path into the store
        parts = parts[len(parts) - parts[::-1].index("runs") :]
    if len(parts) == 1 and parts[0].startswith("seed"):
        fitting = _named(cells, parts[0])
    elif len(parts) == 3:
        fitting = _placed(cells, *parts)
    else:
        raise BenchError(f"{printable(name)!r} names no cell: {_FORM}")
    fitting = list(choose(fitting))
    finished = sorted(
        (cell for cell in fitting if cell.record.status == "finished"),
        key=lambda cell: (not _sampled(cell), made_at(cell)),
    )
    if not finished:
        record = fitting[-1].record
        raise BenchError(
            f"{fitting[-1].folder}: this cell failed ({record.error}); `bench run --dataset "
            f"{record.key.dataset} --recommenders {record.key.recommender} --seed "
            f"{record.key.seed}` tries again"
        )
    if len(finished) > 1:
        *others, taken = [
            cell.folder.name + (f" ({n} SAMPLED items)" if (n := _sampled(cell)) else "")
            for cell in finished
        ]
        _log.warning(
            "several configurations fit: %s is taken, the last made of the exact ones if there "
            "are any; there is also %s; choose with --set",
            taken,
            ", ".join(others),
        )
    return finished[-1]


def _sampled(cell: StoredCell) -> int:
    """Give how many sampled items a cell was ranked against; 0 for the whole catalogue."""
    return cell.record.key.protocol.get("sampled") or 0


def _named(cells: Sequence[StoredCell], folder: str) -> list[StoredCell]:
    found = [cell for cell in cells if cell.folder.name == folder]
    if not found:
        raise unknown_name("cell", folder, {c.folder.name for c in cells}, see="bench table 3")
    return found


def _placed(
    cells: Sequence[StoredCell], dataset: str, recommender: str, last: str
) -> list[StoredCell]:
    of_dataset = [cell for cell in cells if cell.record.key.dataset == dataset]
    if not of_dataset:
        known = {cell.record.key.dataset for cell in cells}
        raise unknown_name("data set with results", dataset, known, see="bench table 3")
    of_recommender = [c for c in of_dataset if c.record.key.recommender == recommender]
    if not of_recommender:
        known = {cell.record.key.recommender for cell in of_dataset}
        raise unknown_name(
            f"recommender with results on {dataset}",
            recommender,
            known,
            see=f"bench table 3 --dataset {dataset}",
        )
    seed = last.removeprefix("seed")
    found = [
        cell
        for cell in of_recommender
        if cell.folder.name == last or str(cell.record.key.seed) == seed
    ]
    if not found:
        known = {str(cell.record.key.seed) for cell in of_recommender}
        known |= {cell.folder.name for cell in of_recommender}
        raise unknown_name(
            f"seed or folder of {dataset}/{recommender}", last, known, see="bench table 3"
        )
    return found
