"""Trials that are run unless they are stored: each by one process, however many search at once."""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
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
        done: dict[int, TrialRecord] = {}
        waiting = dict(trials)
        claims: dict[int, ExitStack] = {}
        broken: list[BenchError] = []
        best = float("-inf")
        told = False
        with Progress(label, len(trials), unit="trial") as progress, ExitStack() as held:

            def take(number: int, record: TrialRecord) -> None:
                nonlocal best
                done[number] = record
                best = max(best, record.validation_auc or best)
                progress.advance(note=f"best val AUC {best:.4f}" if isfinite(best) else "")

            def free() -> Iterator[Trial]:
                nonlocal told
                # Looked up when a worker is free: another search may have made it by then.
                for number, trial in list(waiting.items()):
                    try:
                        with ExitStack() as claim:
                            record = self._stored(trial.key)
                            if record is None:
                                claim.enter_context(self._store.claim(trial.key))
                                record = self._stored(trial.key)  # in the meantime
                            if record is None:
                                claims[number] = claim.pop_all()
                                held.push(claims[number])
                    except BusyError as error:
                        if not told:
                            _log.info("left for later: %s", error)
                        told = True
                        continue
                    except BenchError as error:  # joblib asks in a thread, where it would be lost
                        broken.append(error)
                        return
                    del waiting[number]
                    if record is None:
                        yield trial
                    else:
                        take(number, record)

            while waiting:
                trials_to_run = free()
                first = next(trials_to_run, None)  # no worker is started for nothing
                if first is not None:
                    for outcome in pool.run(chain([first], trials_to_run)):
                        self._store.write(outcome.record, outcome.traceback)
                        self._made.add(key_hash(outcome.record.key))
                        claims.pop(outcome.number).close()
                        take(outcome.number, outcome.record)
                        self._report(outcome.record)
                if broken:
                    raise broken[0]
                if waiting and first is None:  # nothing is left but what others do
                    time.sleep(_POLL_SECONDS)
        return done

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
