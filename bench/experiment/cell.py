"""Running one cell: fit, pick the best epoch, evaluate, store."""

import logging
import math
import time
import traceback as tracebacks
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bench.datasets.dataset import Dataset
from bench.distributed import from_leader, world_size
from bench.errors import BenchError, StorageError, described
from bench.evaluation.auc import cold_users
from bench.evaluation.counts import RankCounts, count_ranks, count_sampled
from bench.evaluation.ranking import metric_means
from bench.experiment.plan import COLD_BELOW, Cell, RunOptions
from bench.experiment.provenance import (
    PeakMemory,
    describe_machine,
    measured_peak_memory,
    utc_now,
)
from bench.experiment.record import CellRecord, PerUser
from bench.experiment.store import ResultStore, StoredCell, key_hash
from bench.experiment.watcher import Watcher
from bench.progress import Progress
from bench.recommender import Recommender
from bench.rng import child_generator

__all__ = ["metrics_of", "per_user_of", "run_cell"]

_log = logging.getLogger(__name__)


def run_cell(
    cell: Cell,
    dataset: Dataset,
    *,
    title: str,
    facts: Mapping[str, Any],
    options: RunOptions,
    store: ResultStore,
) -> StoredCell:
    """Fit and evaluate one cell and store its record, a failure included.

    A failure of the recommender (its own error, or a `BenchError` such as a NaN score) becomes a
    failed record, so that the other cells go on; a failure to store anything is raised.

    Parameters
    ----------
    cell
        What to run.
    dataset
        On what.
    title, facts
        The data set's name and facts for tables.
    options
        How.
    store
        Where the record goes.

    Raises
    ------
    BenchError
        The record cannot be written.
    """
    provenance = describe_machine() | {
        "started_at": utc_now(),
        "device": _device_name(cell.runtime.device),
        "threads": cell.runtime.threads,
    }
    recommender = cell.recommender(cell.params, runtime=cell.runtime)
    epochs = recommender.max_epochs
    # The data set stands on the bar above: two names do not fit beside each other.
    label = f"{cell.key.recommender}, seed {cell.key.seed}"
    per_user: PerUser | None = None
    trace: str | None = None
    error_line: str | None = None
    fit_seconds = evaluation_seconds = 0.0
    metrics: dict[str, float] = {}
    n_users: dict[str, int] = {}
    peak = PeakMemory()
    with Progress(label, epochs, unit="epoch") as progress:
        watcher = Watcher(
            recommender,
            dataset,
            validate_every=options.epochs_between_validations(epochs),
            patience=options.patience_for(epochs),
            progress=progress,
            checkpoint=store.checkpoint_folder(cell.key) / "checkpoint.npz",
            checkpoint_seconds=options.checkpoint_seconds,
        )
        try:
            with measured_peak_memory() as peak:
                started = time.perf_counter()
                if recommender.parallel:
                    from_leader(key_hash(cell.key))  # the other processes join in
                recommender.fit(dataset.training, watch=watcher)
                watcher.restore_best()
                fit_seconds = time.perf_counter() - started
                fit_seconds -= watcher.validation_seconds - watcher.validation_seconds_before
                fit_seconds += watcher.seconds_before
                started = time.perf_counter()
                validation, test = _count(recommender, dataset, options)
                evaluation_seconds = time.perf_counter() - started
            per_user = per_user_of(dataset, validation, test)
            metrics, n_users = metrics_of(dataset, test)
        except KeyboardInterrupt:  # Ctrl-C or SIGTERM: the next run goes on from here
            _save_unsaved(watcher)
            raise
        except StorageError:  # a checkpoint cannot be written: nothing else can
            raise
        except Exception as error:  # whatever a recommender raises fails its own cell only
            trace = tracebacks.format_exc()
            error_line = described(error)
    record = CellRecord(
        status="failed" if error_line else "finished",
        key=cell.key,
        label=cell.recommender.label,
        needs=tuple(sorted(cell.recommender.needs)),
        dataset_title=title,
        dataset_facts=facts,
        metrics=metrics,
        n_users=n_users,
        epochs=watcher.epochs or None,
        best_epoch=watcher.best_epoch,
        best_is_last=epochs is not None and watcher.best_epoch == epochs,
        history=tuple(watcher.history),
        fit_seconds=fit_seconds,
        validation_seconds=watcher.validation_seconds,
        evaluation_seconds=evaluation_seconds,
        peak_memory_bytes=peak.n_bytes,
        peak_memory_scope=peak.scope,
        peak_gpu_memory_bytes=peak.n_gpu_bytes,
        provenance=provenance
        | {
            "finished_at": utc_now(),
            "threads_used": recommender.threads_used,
            "device_used": recommender.device_used,
            "repeatable": recommender.repeatable,
        },
        error=error_line,
        tuning=cell.tuning,
    )
    stored = store.write(
        record,
        per_user=per_user,
        save_model=None if error_line else recommender.save_into,
        traceback=trace,
    )
    if record.status == "finished":
        watcher.forget()  # a failed cell is tried again, and may go on from its last checkpoint
    elif recommender.parallel and world_size() > 1:
        raise BenchError(
            f"{label} failed: {error_line}; the other processes wait inside the fit, so the run "
            "ends here: mend the cause and start it again, finished cells are kept"
        )
    return stored


def _save_unsaved(watcher: Watcher) -> None:
    try:
        watcher.save_checkpoint()
    except StorageError as error:  # the interruption is what counts
        _log.warning("the fit cannot be resumed: %s", error)


def _count(
    recommender: Recommender, dataset: Dataset, options: RunOptions
) -> tuple[RankCounts, RankCounts]:
    targets: Sequence[Any] = [dataset.validation, dataset.test]
    if options.sampled is not None:
        # Drawn from the split alone, so that all models meet the same random items.
        generator = child_generator(int(dataset.split_hash[:15], 16), "sampled", options.sampled)
        counts = count_sampled(
            recommender.score,
            targets,
            dataset.training.train,
            n_samples=options.sampled,
            rng=generator,
            name=recommender.name,
        )
    else:
        counts = count_ranks(
            recommender,
            targets,
            dataset.known,
            device=recommender.runtime.device,
            threads=recommender.runtime.threads,
        )
    return counts[0], counts[1]


def per_user_of(dataset: Dataset, validation: RankCounts, test: RankCounts) -> PerUser:
    """Gather the counts of the users who have a test item and at least one negative."""
    users = np.flatnonzero(test.present)
    items = dataset.test[users].astype(np.int64)
    has_validation = validation.present[users]
    return PerUser(
        user=users.astype(np.int64),
        test_item=items,
        test_item_count=dataset.training.train.item_counts[items],
        n_less=test.n_less[users],
        n_equal=test.n_equal[users],
        n_negatives=test.n_negatives[users],
        validation_n_less=np.where(has_validation, validation.n_less[users], -1),
        validation_n_equal=np.where(has_validation, validation.n_equal[users], -1),
    )


def metrics_of(dataset: Dataset, test: RankCounts) -> tuple[dict[str, float], dict[str, int]]:
    """Give every metric for All Items and Cold Items, under both tie rules, and the user counts."""
    present = test.present
    cold = present & cold_users(dataset.test, dataset.training.train.item_counts, COLD_BELOW)
    settings = {"all": present, "cold": cold}
    metrics = metric_means(test, settings)
    bad = [name for name, value in metrics.items() if not math.isfinite(value)]
    if bad:
        raise BenchError(f"not a number: {', '.join(bad)}")
    return metrics, {setting: int(users.sum()) for setting, users in settings.items()}


def _device_name(name: str) -> str:
    """Name the hardware behind a device."""
    import torch

    from bench.device import resolve_device

    device = resolve_device(name)
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
