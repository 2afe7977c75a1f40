"""One trial: fit with given hyper-parameters, validate, and never look at the test items.

It runs wherever it is sent, in this process or on another machine, and needs nothing but the path
of the data set; it writes nothing.
"""

import socket
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from math import inf
from pathlib import Path
from typing import Any

from bench.datasets.dataset import TuningSet
from bench.datasets.store import open_dataset
from bench.device import torch_threads
from bench.errors import BenchError, DivergedError, described
from bench.experiment.provenance import describe_machine, loaded_version, utc_now
from bench.experiment.tuning.record import TrialKey, TrialRecord
from bench.experiment.watcher import Watcher, validation_auc
from bench.progress import Progress
from bench.recommender import Recommender, Runtime, State, Watch
from bench.registry import Registry

__all__ = ["Outcome", "Trial", "UnfitWorkerError", "fit_trial", "run_trial"]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A trial as it travels: small, and the data set as a path.

    Attributes
    ----------
    number
        Tells the trials of a batch apart.
    key
        What it is.
    folder
        Absolute path of the data set, the same wherever trials run.
    plugins
        Absolute paths of plug-in files, likewise.
    device
        "cpu", "cuda" or "cuda:N".
    validate_every, patience
        As `Watcher` takes them.
    """

    number: int
    key: TrialKey
    folder: Path
    plugins: tuple[Path, ...]
    device: str
    validate_every: int
    patience: int


class UnfitWorkerError(BenchError):
    """Where a trial was sent it cannot be run: every other trial would fail there, too."""


@dataclass(frozen=True)
class Outcome:
    """What comes back: the record, and the traceback of a failed trial."""

    number: int
    record: TrialRecord
    traceback: str | None


def run_trial(trial: Trial) -> Outcome:
    """Open the data set, fit and validate; what goes wrong in it is part of the outcome.

    Raises
    ------
    UnfitWorkerError
        Code or data are not there, or are others than where the search was started.
    """
    started_at, started = utc_now(), time.perf_counter()
    fitted = Fitted(None, None, None, ())
    trace: str | None = None
    error_line: str | None = None
    status: Any = "finished"
    recommender_class, dataset = _prepared(trial)
    try:
        recommender = _made(recommender_class, trial)
        started = time.perf_counter()  # what was opened is there for the next trial, too
        with torch_threads(recommender.runtime.threads):
            fitted = fit_trial(
                recommender,
                dataset,
                epochs=trial.key.epochs,
                validate_every=trial.validate_every,
                patience=trial.patience,
            )
    except Exception as error:  # whatever a recommender raises fails its own trial only
        error_line = described(error)
        status = "diverged" if isinstance(error, DivergedError) else "failed"
        trace = traceback.format_exc()
    record = TrialRecord(
        status=status,
        key=trial.key,
        validation_auc=fitted.validation_auc,
        epochs=fitted.epochs,
        best_epoch=fitted.best_epoch,
        seconds=time.perf_counter() - started,
        history=fitted.history,
        provenance=_machine() | {"started_at": started_at, "finished_at": utc_now()},
        error=error_line,
    )
    return Outcome(trial.number, record, trace)


@dataclass(frozen=True)
class Fitted:
    """The numbers of a fit, as `TrialRecord` names them."""

    validation_auc: float | None
    epochs: int | None
    best_epoch: int | None
    history: tuple[Mapping[str, Any], ...]


def fit_trial(
    recommender: Recommender,
    dataset: TuningSet,
    *,
    epochs: int | None,
    validate_every: int,
    patience: int,
) -> Fitted:
    """Fit on what has no test items, and give the best validation AUC.

    Parameters
    ----------
    recommender
        Not fitted yet.
    dataset
        Training interactions and validation items.
    epochs
        The epoch after which to stop, a multiple of `validate_every`; None for a whole fit.
    validate_every, patience
        As `Watcher` takes them.

    Raises
    ------
    BenchError
        No user has a validation item and a negative, or the fit diverged.
    """
    name = recommender.name
    silent = Progress(name, recommender.max_epochs, unit="epoch", every_seconds=inf)
    watcher = Watcher(
        recommender, dataset, validate_every=validate_every, patience=patience, progress=silent
    )
    recommender.fit(dataset.training, watch=_StopAfter(watcher, epochs))
    auc = watcher.best_auc if watcher.history else validation_auc(recommender, dataset)
    if auc is None:
        raise BenchError(f"{name}: no user has a validation item and an item to compare it with")
    return Fitted(auc, watcher.epochs or None, watcher.best_epoch, tuple(watcher.history))


class _StopAfter:
    """A watch that says stop after an epoch, and else what the watcher says."""

    def __init__(self, watcher: Watch, epochs: int | None) -> None:
        self._watcher = watcher
        self._epochs = epochs

    def __call__(self, epoch: int, *, loss: float | None = None, rate: float | None = None) -> bool:
        return self._watcher(epoch, loss=loss, rate=rate) and epoch != self._epochs

    def pause(self) -> None:
        self._watcher.pause()

    def resume(self) -> State | None:
        return self._watcher.resume()


def _prepared(trial: Trial) -> tuple[type[Recommender], TuningSet]:
    """Find code and data where the trial runs.

    Raises
    ------
    UnfitWorkerError
        They are not there, or are others than where the search was started.
    """
    key = trial.key
    here = f"on {socket.gethostname()}"
    try:
        found = _registry(trial.plugins).recommender(key.recommender)
        drop_repeats = bool(key.protocol["drop_repeats"])
        dataset = _opened(trial.folder, key.data_hash, key.split_hash, drop_repeats)
    except BenchError as error:
        raise UnfitWorkerError(
            f"{here}: {error}; every worker needs the same installation, and the data sets at the "
            "same path"
        ) from None
    # Of the code that is loaded, which the files may have left behind.
    version = loaded_version(found)
    if version != key.recommender_version:
        raise UnfitWorkerError(
            f"{here} a worker has loaded the code {version} of {key.recommender}, the search has "
            f"{key.recommender_version}: restart the workers if the code has changed, else install "
            "the same version of the suite on all of them"
        )
    return found, dataset


def _made(recommender: type[Recommender], trial: Trial) -> Recommender:
    key = trial.key
    runtime = Runtime(
        seed=key.seed,
        device=trial.device,
        threads=key.protocol["threads"],
        deterministic=key.deterministic,
    )
    return recommender(recommender.Params(**key.params), runtime=runtime)


@lru_cache(maxsize=1)
def _registry(plugins: tuple[Path, ...]) -> Registry:
    return Registry(plugins)


@lru_cache(maxsize=1)
def _opened(folder: Path, data_hash: str, split_hash: str, drop_repeats: bool) -> TuningSet:
    """Open a data set, once per process, and put its test items away."""
    dataset = open_dataset(folder, name=folder.name)
    if (dataset.data_hash, dataset.split_hash) != (data_hash, split_hash):
        raise BenchError(f"{folder}: another data set than the search was started with")
    return dataset.for_tuning(drop_repeats=drop_repeats)


@cache
def _machine() -> dict[str, Any]:
    return describe_machine()
