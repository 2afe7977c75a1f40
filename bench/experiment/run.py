"""Running a plan: every cell that is not finished yet, one after the other."""

import functools
import logging
import shutil
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.datasets.dataset import NO_ITEM, Dataset
from bench.datasets.lock import BusyError
from bench.distributed import from_leader, rank
from bench.errors import BenchError
from bench.evaluation.oracle import oracle_auc
from bench.experiment.cell import run_cell
from bench.experiment.plan import Cell, RunOptions
from bench.experiment.record import CellRecord
from bench.experiment.store import ResultStore, StoredCell
from bench.progress import Progress

__all__ = [
    "RunSummary",
    "check_evaluable",
    "dataset_facts",
    "dismiss",
    "join_fits",
    "run_plan",
]

_log = logging.getLogger(__name__)

_NO_MORE = "no more"

_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class RunSummary:
    """What a run did: the cells it made, those it found finished, and those that failed."""

    made: tuple[StoredCell, ...]
    skipped: tuple[StoredCell, ...]

    @property
    def failed(self) -> tuple[StoredCell, ...]:
        """The cells of this run that failed."""
        return tuple(cell for cell in self.made if cell.record.status == "failed")


def run_plan(
    cells: Sequence[Cell],
    dataset: Dataset,
    *,
    title: str,
    options: RunOptions,
    store: ResultStore,
) -> RunSummary:
    """Run the cells of one data set that are not finished; failed ones are tried again.

    Other processes may do the same on the same store. A cell that one of them has in hand is left
    for later: by then it is finished, or that process has ended and the cell is free.

    Raises
    ------
    BenchError
        Results cannot be written.
    """
    evaluated = options.evaluated(dataset)
    facts = functools.cache(lambda: dataset_facts(dataset, options))

    def take(cell: Cell) -> tuple[StoredCell, bool]:
        """Give a cell, and whether it was run now."""
        if found := _finished(store, cell, options):
            return found, False
        with store.claim(cell.key):
            # Another process may have finished it before this one had it.
            if found := _finished(store, cell, options):
                return found, False
            if options.force:  # anew means from the start
                shutil.rmtree(store.checkpoint_folder(cell.key), ignore_errors=True)
            stored = run_cell(
                cell, evaluated, title=title, facts=facts(), options=options, store=store
            )
        _report(stored)
        return stored, True

    outcomes: dict[int, tuple[StoredCell, bool]] = {}
    queue = deque(enumerate(cells))
    n_busy = 0  # how many in a row others had in hand
    with Progress(f"run on {dataset.name}", len(cells), unit="cell") as progress:
        while queue:
            place, cell = queue.popleft()
            try:
                outcomes[place] = take(cell)
            except BusyError as error:
                queue.append((place, cell))
                n_busy += 1
                if n_busy == len(queue):  # nothing is left but what others do
                    _log.info("waiting: %s", error)
                if n_busy >= len(queue):
                    time.sleep(_POLL_SECONDS)
            else:
                n_busy = 0
                progress.advance()
    in_order = [outcomes[place] for place in range(len(cells))]
    return RunSummary(
        made=tuple(stored for stored, is_new in in_order if is_new),
        skipped=tuple(stored for stored, is_new in in_order if not is_new),
    )


def _finished(store: ResultStore, cell: Cell, options: RunOptions) -> StoredCell | None:
    """Give the cell if it is stored and finished, and is not to be made anew."""
    found = None if options.force else store.find(cell.key)
    if found is None or found.record.status != "finished":
        return None
    return store.note_tuning(found, cell.tuning)


def join_fits(cells: Mapping[str, tuple[Cell, Dataset]]) -> None:
    """Take part in each fit the leader begins, until it says that there are no more.

    Parameters
    ----------
    cells
        What may come, by the hash of its key.

    Raises
    ------
    BenchError
        The leader begins a cell that this process has not planned: its code, its data or its
        options differ.
    """
    while (name := from_leader("")) != _NO_MORE:
        if name not in cells:
            raise BenchError(
                f"process {rank()} knows no cell {name}: the processes must have the same options, "
                "data and version of the suite"
            )
        cell, dataset = cells[name]
        cell.recommender(cell.params, runtime=cell.runtime).fit(dataset.training)


def dismiss() -> None:
    """Tell the other processes that there are no more fits."""
    from_leader(_NO_MORE)


def _report(stored: StoredCell) -> None:
    record = stored.record
    name = f"{record.key.recommender} (seed {record.key.seed})"
    if record.status == "failed":
        _log.error("%s failed: %s; traceback in %s", name, record.error, stored.folder)
        return
    kept = f", epoch {record.best_epoch} of {record.epochs}" if record.best_epoch else ""
    if record.best_is_last:
        kept += f" (the last allowed: training may not have converged{_more_epochs(record)})"
    _log.info(
        "%s: AUC %.4f, cold %s, fitted in %.1f s, evaluated in %.1f s%s",
        name,
        record.metrics.get("auc_strict.all", float("nan")),
        f"{record.metrics['auc_strict.cold']:.4f}" if "auc_strict.cold" in record.metrics else "-",
        record.fit_seconds,
        record.evaluation_seconds,
        kept,
    )


def _more_epochs(record: CellRecord) -> str:
    """Say how to allow more, where it is a hyper-parameter."""
    name = record.key.recommender
    return f"; --set {name}.epochs=N allows more" if "epochs" in record.key.params else ""


def check_evaluable(dataset: Dataset, *, sampled: int | None = None) -> None:
    """See that there is a user to evaluate, and say how many are left out.

    Raises
    ------
    BenchError
        No user has a test item and an item to compare it with, or fewer items than are to be
        `sampled` for each.
    """
    if sampled is not None and sampled > dataset.n_items:
        raise BenchError(
            f"--sampled {sampled}: {dataset.name} has {dataset.n_items} items; sample fewer, or "
            "leave the option out to rank them all"
        )
    n_test = int(np.count_nonzero(dataset.test != NO_ITEM))
    without = n_users_without_negatives(dataset)
    if not n_test:
        raise BenchError(f"{dataset.name} has no test items: there is nothing to evaluate")
    if without == n_test:
        raise BenchError(
            f"{dataset.name}: all {n_test} users with a test item own the whole catalogue of "
            f"{dataset.n_items} items: nothing is left to compare it with, so no metric is defined"
        )
    if without:
        _log.warning(
            "%s: %d of %d users own the whole catalogue, so they have no metric and are left out",
            dataset.name,
            without,
            n_test,
        )


def n_users_without_negatives(dataset: Dataset) -> int:
    """Count the users who have a test item, but no item outside their own to compare it with."""
    owned = np.diff(dataset.known.indptr)
    return int(np.count_nonzero((dataset.test != NO_ITEM) & (owned == dataset.n_items)))


def dataset_facts(dataset: Dataset, options: RunOptions) -> dict[str, Any]:
    """Give what the tables say about a data set."""
    training = dataset.training
    info = training.feature_info
    evaluated = options.evaluated(dataset)
    facts: dict[str, Any] = {
        "n_users": dataset.n_users,
        "n_items": dataset.n_items,
        "n_interactions": dataset.n_interactions,
        "n_categories": len(training.category_names) or None,
        "n_users_without_negatives": n_users_without_negatives(evaluated),
        "split_rule": dataset.split_rule,
        "features": info.description if info else None,
        "n_repeats": int(np.count_nonzero(dataset.repeats)),
    }
    if dataset.oracle is None:
        return facts
    facts["oracle_auc"] = oracle_auc(
        dataset.oracle,
        evaluated.test,
        evaluated.known,
        training.train.item_counts,
        device=options.device,
        threads=options.threads,
    )
    return facts
