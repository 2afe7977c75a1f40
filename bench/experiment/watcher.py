"""What the runner does between epochs: validation AUC, best state, checkpoints, early stopping.

Alike for every model: "we always report the model that did best on the validation set" (IV-A).
"""

import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import Interactions, TrainingSet
from bench.errors import DivergedError
from bench.evaluation.auc import mean_auc
from bench.evaluation.counts import count_ranks
from bench.experiment.checkpoint import Checkpoint
from bench.progress import Progress
from bench.recommender import Recommender, State, part_of

__all__ = ["Validated", "Watcher", "validation_auc"]

_log = logging.getLogger(__name__)


class Validated(Protocol):
    """What a fit is watched on: a `Dataset`, or a `TuningSet`, which has no test items."""

    @property
    def training(self) -> TrainingSet:
        """What the recommender sees."""
        ...

    @property
    def validation(self) -> npt.NDArray[np.int32]:
        """The validation item of each user: int32 (n_users,)."""
        ...

    @property
    def known(self) -> Interactions:
        """All items of each user, which are no negatives."""
        ...


def validation_auc(recommender: Recommender, dataset: Validated) -> float | None:
    """Give the AUC of the validation items; None where no user has one and a negative.

    Strict, as section IV-A defines it: a model that gives everything the same score must not look
    average.

    Raises
    ------
    NonFiniteScoreError
        A score is NaN or infinite.
    """
    counts = count_ranks(
        recommender,
        [dataset.validation],
        dataset.known,
        device=recommender.runtime.device,
        threads=recommender.runtime.threads,
    )[0]
    auc = mean_auc(counts, "strict").mean
    return None if math.isnan(auc) else auc


class Watcher:
    """The watch of one cell's fit.

    Parameters
    ----------
    recommender
        The model being fitted.
    dataset
        The data set; only its validation items are read, and the test items are only left out
        of the negatives.
    validate_every
        Epochs between two validations; the last epoch is always validated.
    patience
        Stop after so many validations in a row without a new best; 0 never stops.
    progress
        Where each epoch is counted.
    checkpoint
        File for what an interrupted fit needs to go on; None writes none.
    checkpoint_seconds
        Least time between two checkpoints; what an interruption needs is kept after every epoch.
    """

    def __init__(
        self,
        recommender: Recommender,
        dataset: Validated,
        *,
        validate_every: int,
        patience: int,
        progress: Progress,
        checkpoint: Path | None = None,
        checkpoint_seconds: float = 60.0,
    ) -> None:
        self._recommender = recommender
        self._dataset = dataset
        self._validate_every = validate_every
        self._patience = patience
        self._progress = progress
        self._checkpoint = (
            None if checkpoint is None else Checkpoint(checkpoint, seconds=checkpoint_seconds)
        )
        self._unsaved: _Snapshot | None = None
        self._started = time.monotonic()
        self._best_state: State | None = None
        self._best_auc = -math.inf
        self._best_epoch: int | None = None
        self._without_best = 0
        self.history: list[dict[str, Any]] = []
        self.seconds_before = 0.0  # of fitting, in the process that was interrupted
        self.validation_seconds = 0.0
        self.validation_seconds_before = 0.0  # of these, in the process that was interrupted

    @property
    def best_epoch(self) -> int | None:
        """The epoch with the best validation AUC; None if none was validated."""
        return self._best_epoch

    @property
    def best_auc(self) -> float | None:
        """Its validation AUC."""
        return self._best_auc if self._best_epoch is not None else None

    @property
    def epochs(self) -> int:
        """How many epochs were run, those before an interruption included."""
        return int(self.history[-1]["epoch"]) if self.history else 0

    def __call__(self, epoch: int, *, loss: float | None = None, rate: float | None = None) -> bool:
        """Note an epoch; see `bench.recommender.Watch`."""
        if loss is not None and not math.isfinite(loss):
            raise DivergedError(
                f"{self._recommender.name}: the training loss of epoch {epoch} is {loss}; "
                "a smaller learning rate or scaled features often help"
            )
        auc: float | None = None
        if epoch % self._validate_every == 0 or epoch == self._recommender.max_epochs:
            auc = self._validate()
            if auc is not None and auc > self._best_auc:
                self._best_auc, self._best_epoch, self._without_best = auc, epoch, 0
                self._best_state = self._recommender.state()
            elif auc is not None:
                self._without_best += 1
        entry: dict[str, Any] = {"epoch": epoch, "validation_auc": auc, "loss": loss}
        if rate is not None:
            entry |= {"rate": rate, "seconds": self._fit_seconds()}
        self.history.append(entry)
        best = f"best val AUC {self._best_auc:.4f}" if self._best_epoch else ""
        self._progress.advance(1, note=best)
        keep_going = not self._patience or self._without_best < self._patience
        if keep_going and self._checkpoint is not None:
            self._unsaved = self._snapshot()
            if self._checkpoint.due:
                self.save_checkpoint()
        return keep_going

    def pause(self) -> None:
        """Write a checkpoint within an epoch if one is due; see `bench.recommender.Watch`."""
        if self._checkpoint is not None and self._checkpoint.due:
            self._unsaved = self._snapshot()
            self.save_checkpoint()

    def restore_best(self) -> None:
        """Give the model the state of its best epoch."""
        if self._best_state is not None:
            self._recommender.load_state(self._best_state, self._dataset.training)

    def save_checkpoint(self) -> None:
        """Write what the last finished epoch left, unless it is written or cannot be resumed.

        An interrupted fit calls it: the model itself may by then be in the middle of an epoch.

        Raises
        ------
        StorageError
            It cannot be written.
        """
        if self._checkpoint is None or self._unsaved is None:
            return
        unsaved = self._unsaved
        history = self.history[: unsaved.n_history]
        self._checkpoint.write(unsaved.arrays(), {**unsaved.notes, "history": history})
        self._unsaved = None

    def resume(self) -> State | None:
        """Take up the checkpoint of an interrupted fit; see `bench.recommender.Watch`."""
        stored = None if self._checkpoint is None else self._checkpoint.read()
        if stored is None:
            return None
        arrays, notes = stored
        self._best_state = part_of(arrays, "best.") or None
        self._best_epoch, self._without_best = notes["best_epoch"], notes["without_best"]
        self._best_auc = -math.inf if notes["best_auc"] is None else notes["best_auc"]
        self.history = notes["history"]
        self.validation_seconds = notes["validation_seconds"]
        self.validation_seconds_before = self.validation_seconds
        self.seconds_before, self._started = notes["fit_seconds"], time.monotonic()
        self._progress.advance(self.epochs)
        _log.info("%s goes on after epoch %d", self._recommender.name, self.epochs)
        return part_of(arrays, "training.")

    def forget(self) -> None:
        """Remove the checkpoint: the cell is stored."""
        if self._checkpoint is not None:
            self._checkpoint.forget()

    def _fit_seconds(self) -> float:
        """Give the wall time of the fit so far, without validation and interruptions."""
        validated = self.validation_seconds - self.validation_seconds_before
        return self.seconds_before + time.monotonic() - self._started - validated

    def _validate(self) -> float | None:
        started = time.perf_counter()
        auc = validation_auc(self._recommender, self._dataset)
        self.validation_seconds += time.perf_counter() - started
        return auc

    def _snapshot(self) -> "_Snapshot | None":
        training = self._recommender.training_state()
        if training is None:
            return None
        notes = {
            "best_epoch": self._best_epoch,
            "best_auc": self.best_auc,
            "without_best": self._without_best,
            "validation_seconds": self.validation_seconds,
            "fit_seconds": self._fit_seconds(),
        }
        return _Snapshot(training, self._best_state or {}, notes, len(self.history))


@dataclass(frozen=True)
class _Snapshot:
    """All that is known after one epoch: whole, whenever an interruption comes.

    Attributes
    ----------
    training, best
        The model's own state to go on from, and its best epoch's.
    notes
        The watcher's numbers.
    n_history
        How much of the history, which only grows, belongs to it.
    """

    training: State
    best: State
    notes: dict[str, Any]
    n_history: int

    def arrays(self) -> State:
        """Give the arrays of a checkpoint."""
        arrays = {f"training.{name}": array for name, array in self.training.items()}
        return arrays | {f"best.{name}": array for name, array in self.best.items()}
