"""Trials that are run unless they are stored: each by one process, however many search at once."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from itertools import chain
from math import isfinite

from bench.datasets.lock import BusyError
from bench.errors import BenchError
from bench.experiment.store import key_hash
from bench.experiment.tuning.record import TrialKey, TrialRecord
from bench.experiment.tuning.store import TuningStore
from bench.experiment.tuning.trial import Trial
from bench.experiment.tuning.workers import Pool
from bench.progress import Progress

__all__ = ["TrialRunner"]

_log = logging.getLogger(__name__)

_POLL_SECONDS = 0.2


class TrialRunner:
    """Runs the trials of searches.

    Parameters
    ----------
    store
        Where trials are kept.
    force
        Make each once more, whether it is stored or not.
    """

    def __init__(self, store: TuningStore, *, force: bool) -> None:
        self._store = store
        self._force = force
        self._made: set[str] = set()

    def run(self, trials: Mapping[int, Trial], label: str, pool: Pool) -> dict[int, TrialRecord]:
        """Give the records of trials, by number; those that are not stored are made.

        A trial that another process has in hand is left for later: by then it is stored, or that
        process has ended and the trial is free. This process keeps a trial (`TuningStore.claim`)
        from the moment it is given to a worker until its record is stored.

        Raises
        ------
        BenchError
            Trials cannot be stored, or the workers are lost.
        """
        with (
            Progress(label, len(trials), unit="trial") as progress,
            closing(_Batch(trials, self._store, self._stored, progress)) as batch,
        ):
            while batch.waiting:
                free = batch.free()
                first = next(free, None)  # no worker is started for nothing
                if first is not None:
                    for outcome in pool.run(chain([first], free)):
                        self._store.write(outcome.record, outcome.traceback)
                        self._made.add(key_hash(outcome.record.key))
                        batch.take(outcome.number, outcome.record)
                        self._report(outcome.record)
                if batch.broken is not None:
                    raise batch.broken
                if batch.waiting and first is None:  # nothing is left but what others do
                    time.sleep(_POLL_SECONDS)
        return batch.done

    def _stored(self, key: TrialKey) -> TrialRecord | None:
        if self._force and key_hash(key) not in self._made:
            return None
        return self._store.find(key)

    def _report(self, record: TrialRecord) -> None:
        if record.status == "failed":
            _log.error(
                "trial of %s failed: %s; traceback in %s",
                record.key.recommender,
                record.error,
                self._store.folder(record.key),
            )


class _Batch:
    """Trials on their way: waiting, claimed and with a worker, or done.

    Attributes
    ----------
    waiting
        What has neither been run nor found.
    done
        Records by number.
    broken
        Why `free` has ended early: joblib asks for trials in a thread, where errors are lost.
    """

    def __init__(
        self,
        trials: Mapping[int, Trial],
        store: TuningStore,
        stored: Callable[[TrialKey], TrialRecord | None],
        progress: Progress,
    ) -> None:
        self.waiting = dict(trials)
        self.done: dict[int, TrialRecord] = {}
        self.broken: BenchError | None = None
        self._store = store
        self._stored = stored
        self._progress = progress
        self._claims: dict[int, ExitStack] = {}
        self._best = float("-inf")
        self._told = False

    def free(self) -> Iterator[Trial]:
        """Claim what is neither stored nor in another process's hands, when it is asked for."""
        for number, trial in list(self.waiting.items()):
            try:
                record = self._found_or_claimed(number, trial.key)
            except BusyError as error:
                if not self._told:
                    _log.info("left for later: %s", error)
                self._told = True
                continue
            except BenchError as error:
                self.broken = error
                return
            del self.waiting[number]
            if record is None:
                yield trial
            else:
                self.take(number, record)

    def take(self, number: int, record: TrialRecord) -> None:
        """Note what came of a trial, which is stored by now, and let go of it."""
        if number in self._claims:
            self._claims.pop(number).close()
        self.done[number] = record
        self._best = max(self._best, record.validation_auc or self._best)
        note = f"best val AUC {self._best:.4f}" if isfinite(self._best) else ""
        self._progress.advance(note=note)

    def close(self) -> None:
        """Let go of what did not come back."""
        while self._claims:
            self._claims.popitem()[1].close()

    def _found_or_claimed(self, number: int, key: TrialKey) -> TrialRecord | None:
        """Give a trial's record, or claim the trial.

        Raises
        ------
        BusyError
            Another process has it.
        """
        if (record := self._stored(key)) is not None:
            return record
        with ExitStack() as claim:
            claim.enter_context(self._store.claim(key))
            # Another process may have stored it before this one had it.
            if (record := self._stored(key)) is None:
                self._claims[number] = claim.pop_all()
            return record
