"""A search on one data set: trials that are stored are taken, the others are run and stored."""

import dataclasses
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.datasets.dataset import NO_ITEM, Dataset
from bench.errors import BenchError
from bench.experiment.plan import RunOptions
from bench.experiment.provenance import recommender_version, utc_now
from bench.experiment.store import key_hash
from bench.experiment.tuning.grid import Point
from bench.experiment.tuning.record import SearchKey, SearchRecord, TrialKey, TrialRecord
from bench.experiment.tuning.search import (
    Rung,
    SearchOptions,
    chosen_points,
    epochs_of,
    keeps,
    ranked,
    rungs,
)
from bench.experiment.tuning.store import TuningStore
from bench.experiment.tuning.trial import Trial
from bench.experiment.tuning.workers import Pool
from bench.progress import Progress
from bench.recommender import Recommender, Runtime

__all__ = ["Search", "SearchResult", "Tuner", "check_tunable"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Search:
    """What is searched.

    Attributes
    ----------
    recommender
        Whose hyper-parameters.
    points
        The grid.
    pinned
        Hyper-parameters that were given, as text.
    grid
        The file it comes from, see `SearchRecord.grid`.
    options
        How it is searched.
    """

    recommender: type[Recommender]
    points: tuple[Point, ...]
    pinned: Mapping[str, str]
    grid: str | None
    options: SearchOptions


@dataclass(frozen=True)
class SearchResult:
    """What came of a search.

    Attributes
    ----------
    record
        None where no point has a whole fit that finished.
    params
        The winner's hyper-parameters, as the recommender's `Params`.
    failed
        Trials that failed, other than by diverging: the next search tries them again.
    """

    record: SearchRecord | None
    params: Any
    failed: tuple[TrialRecord, ...]

    @property
    def well(self) -> bool:
        """Whether something was won, and no trial failed."""
        return self.record is not None and not self.failed


def check_tunable(dataset: Dataset) -> None:
    """See that there is something to choose hyper-parameters by.

    Raises
    ------
    BenchError
        No user has a validation item.
    """
    if not np.any(dataset.validation != NO_ITEM):
        raise BenchError(f"{dataset.name} has no validation items: there is nothing to tune by")


@dataclass(frozen=True, kw_only=True)
class Tuner:
    """Searches on one data set.

    Attributes
    ----------
    dataset, folder, title
        The data set, its absolute path and its name in tables.
    plugins
        Absolute paths of plug-in files.
    run
        How fits are run; `run.threads` are a trial's, `run.seeds` are not looked at.
    store
        Where trials are kept.
    """

    dataset: Dataset
    folder: Path
    title: str
    plugins: tuple[Path, ...]
    run: RunOptions
    store: TuningStore
    _made: set[str] = field(default_factory=set)

    def search(self, search: Search, pool: Pool) -> SearchResult:
        """Run what is not stored of a search, and store who won.

        Raises
        ------
        BenchError
            Trials cannot be stored, or the workers are lost.
        """
        name = search.recommender.name
        entering = chosen_points(len(search.points), search.options, name)
        n_points = len(entering)
        stages: list[dict[int, TrialRecord]] = []
        order: list[int] = entering
        for rung in rungs(n_points, search.options.kind):
            entering = keeps(order, rung)
            done = self._run({k: self._trial(search, k, rung) for k in entering}, name, pool)
            stages.append(done)
            order = ranked((k, record.validation_auc) for k, record in done.items())
        trials = _in_order(stages)
        failed = tuple(record for _, record in trials if record.status == "failed")
        if not order:
            return SearchResult(None, None, failed)
        winner = search.points[order[0]]
        record = SearchRecord(
            key=self._search_key(search),
            label=search.recommender.label,
            dataset_title=self.title,
            grid=search.grid,
            n_points=n_points,
            n_trials=len(trials),
            seconds=sum(record.seconds for _, record in trials),
            winner=winner.values,
            validation_auc=stages[-1][order[0]].validation_auc or 0.0,
            ranking=tuple(
                {
                    "values": search.points[k].values,
                    "validation_auc": record.validation_auc,
                    "epochs": record.epochs,
                    "budget": record.key.epochs,
                    "best_epoch": record.best_epoch,
                    "seconds": record.seconds,
                    "status": record.status,
                    "error": record.error,
                    "trial": self.store.folder(record.key).name,
                }
                for k, record in trials
            ),
            made_at=utc_now(),
        )
        self.store.write_search(record)
        return SearchResult(record, winner.params, failed)

    def _run(self, trials: Mapping[int, Trial], name: str, pool: Pool) -> dict[int, TrialRecord]:
        """Give the records of trials, by number; those that are not stored are made."""
        done: dict[int, TrialRecord] = {}
        best = float("-inf")
        label = f"tune {name} on {self.dataset.name}"
        with Progress(label, len(trials), unit="trial") as progress:

            def take(number: int, record: TrialRecord) -> None:
                nonlocal best
                done[number] = record
                best = max(best, record.validation_auc or best)
                progress.advance(note=f"best val AUC {best:.4f}" if np.isfinite(best) else "")

            def missing() -> Iterator[Trial]:
                # Looked up when a worker is free: another search may have made it by then.
                for number, trial in trials.items():
                    if (record := self._stored(trial.key)) is not None:
                        take(number, record)
                    else:
                        yield trial

            # No worker is started for nothing.
            if all(self._stored(trial.key) is not None for trial in trials.values()):
                list(missing())
                return done
            for outcome in pool.run(missing()):
                self.store.write(outcome.record, outcome.traceback)
                self._made.add(key_hash(outcome.record.key))
                take(outcome.number, outcome.record)
                self._report(outcome.record)
        return done

    def _stored(self, key: TrialKey) -> TrialRecord | None:
        if self.run.force and key_hash(key) not in self._made:
            return None
        return self.store.find(key)

    def _report(self, record: TrialRecord) -> None:
        if record.status == "failed":
            _log.error(
                "trial of %s failed: %s; traceback in %s",
                record.key.recommender,
                record.error,
                self.store.folder(record.key),
            )

    def _trial(self, search: Search, number: int, rung: Rung) -> Trial:
        """Name one trial by everything that moves its number."""
        run, recommender = self.run, search.recommender
        protocol = self._protocol()
        device = protocol["device"] if run.device == "auto" else run.device
        runtime = Runtime(
            seed=search.options.seed,
            device=device,
            threads=run.threads,
            deterministic=run.deterministic,
        )
        settled = recommender.settled(search.points[number].params, runtime)
        max_epochs = recommender(settled, runtime=runtime).max_epochs
        validate_every = run.epochs_between_validations(max_epochs)
        key = TrialKey(
            dataset=self.dataset.name,
            data_hash=self.dataset.data_hash,
            split_hash=self.dataset.split_hash,
            recommender=recommender.name,
            recommender_version=recommender_version(recommender),
            params=dataclasses.asdict(settled),
            seed=search.options.seed,
            deterministic=run.deterministic,
            protocol=protocol,
            epochs=epochs_of(rung.share, max_epochs, validate_every),
        )
        return Trial(
            number=number,
            key=key,
            folder=self.folder,
            plugins=self.plugins,
            device=device,
            validate_every=validate_every,
            patience=run.patience_for(max_epochs),
        )

    def _protocol(self) -> dict[str, Any]:
        """Give what of the run's protocol moves a validation AUC."""
        protocol = self.run.protocol()
        del protocol["sampled"]  # the validation item is ranked against the whole catalogue
        return protocol

    def _search_key(self, search: Search) -> SearchKey:
        return SearchKey(
            dataset=self.dataset.name,
            data_hash=self.dataset.data_hash,
            split_hash=self.dataset.split_hash,
            recommender=search.recommender.name,
            recommender_version=recommender_version(search.recommender),
            deterministic=self.run.deterministic,
            protocol=self._protocol(),
            points=tuple(dict(point.values) for point in search.points),
            pinned=dict(search.pinned),
            search=search.options.kind,
            trials=search.options.trials,
            seed=search.options.seed,
        )


def _in_order(stages: Sequence[Mapping[int, TrialRecord]]) -> list[tuple[int, TrialRecord]]:
    """Give each trial once: longer fits first, each stage best first, at the end what broke off."""
    best: list[tuple[int, TrialRecord]] = []
    broken: list[tuple[int, TrialRecord]] = []
    seen: set[str] = set()
    for stage in reversed(stages):
        order = ranked((k, record.validation_auc) for k, record in stage.items())
        best += [(k, stage[k]) for k in order]
        broken += [(k, r) for k, r in sorted(stage.items()) if r.validation_auc is None]
    unique = []
    for number, record in best + broken:
        if (name := key_hash(record.key)) not in seen:
            seen.add(name)
            unique.append((number, record))
    return unique
