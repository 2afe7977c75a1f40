"""A search on one data set: its stages, the names of its trials, and who won."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.datasets.dataset import NO_ITEM, Dataset
from bench.errors import BenchError
from bench.experiment.plan import RunOptions
from bench.experiment.provenance import loaded_version, utc_now
from bench.experiment.store import key_hash
from bench.experiment.tuning.batch import TrialRunner
from bench.experiment.tuning.grid import Point
from bench.experiment.tuning.record import SearchKey, SearchRecord, TrialKey, TrialRecord
from bench.experiment.tuning.search import (
    Rung,
    SearchOptions,
    entering,
    epochs_of,
    ranked,
    rungs,
)
from bench.experiment.tuning.store import TuningStore
from bench.experiment.tuning.trial import Trial
from bench.experiment.tuning.workers import Pool
from bench.recommender import Recommender, Runtime

__all__ = ["Search", "SearchResult", "Tuner", "check_tunable"]


@dataclass(frozen=True, kw_only=True)
class Search:
    """What is searched.

    Attributes
    ----------
    recommender
        Whose hyper-parameters.
    points
        What is tried.
    grids
        What they are from, one grid after the other.
    pinned
        Hyper-parameters that were given, as text.
    grid
        The file it comes from, see `SearchRecord.grid`.
    options
        How it is searched.
    """

    recommender: type[Recommender]
    points: tuple[Point, ...]
    grids: tuple[Mapping[str, Sequence[object]], ...]
    pinned: Mapping[str, str]
    grid: str | None
    options: SearchOptions


@dataclass(frozen=True)
class SearchResult:
    """What came of a search.

    Attributes
    ----------
    record
        All trials, and who won.
    params
        The winner's hyper-parameters, as the recommender's `Params`; None without a winner.
    failed
        Trials that failed, other than by diverging: the next search tries them again.
    """

    record: SearchRecord
    params: Any
    failed: tuple[TrialRecord, ...]

    @property
    def won(self) -> bool:
        """Whether any point has a whole fit that finished."""
        return self.record.winner is not None

    @property
    def well(self) -> bool:
        """Whether something was won, and no trial failed."""
        return self.won and not self.failed


def check_tunable(dataset: Dataset, *, drop_repeats: bool = False) -> None:
    """See that there is something to choose hyper-parameters by.

    Parameters
    ----------
    dataset
        The data set.
    drop_repeats
        As `Dataset.for_tuning` takes it.

    Raises
    ------
    BenchError
        No user has a validation item.
    """
    if not np.any(dataset.for_tuning(drop_repeats=drop_repeats).validation != NO_ITEM):
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
    runner
        What runs them.
    """

    dataset: Dataset
    folder: Path
    title: str
    plugins: tuple[Path, ...]
    run: RunOptions
    store: TuningStore
    runner: TrialRunner

    def search(self, search: Search, pool: Pool) -> SearchResult:
        """Run what is not stored of a search, and store who won.

        Raises
        ------
        BenchError
            Trials cannot be stored, or the workers are lost.
        """
        label = f"tune {search.recommender.name} on {self.dataset.name}"
        stages: list[dict[int, TrialRecord]] = []
        order = list(range(len(search.points)))
        for rung in rungs(len(search.points), search.options.kind):
            done: dict[int, TrialRecord] = {}
            while numbers := entering(order, rung.n_points, _aucs(done)):
                batch = {k: self._trial(search, k, rung) for k in numbers}
                done |= self.runner.run(batch, label, pool)
            stages.append(done)
            # Behind those that came through stand those of the stages before, for the next one.
            order = [*ranked(_aucs(done)), *(k for k in order if k not in done)]
        won = ranked(_aucs(stages[-1]))[:1]
        trials = _in_order(stages)
        record = SearchRecord(
            key=self._search_key(search),
            label=search.recommender.label,
            dataset_title=self.title,
            grid=search.grid,
            n_points=len(search.points),
            n_trials=len(trials),
            seconds=sum(record.seconds for _, record in trials),
            winner=search.points[won[0]].values if won else None,
            validation_auc=stages[-1][won[0]].validation_auc if won else None,
            ranking=tuple(self._ranking(search, k, record) for k, record in trials),
            made_at=utc_now(),
        )
        self.store.write_search(record)
        failed = tuple(record for _, record in trials if record.status == "failed")
        return SearchResult(record, search.points[won[0]].params if won else None, failed)

    def _ranking(self, search: Search, number: int, record: TrialRecord) -> dict[str, Any]:
        """Say what a search's record does of a trial."""
        return {
            "values": search.points[number].values,
            "validation_auc": record.validation_auc,
            "epochs": record.epochs,
            "budget": record.key.epochs,
            "best_epoch": record.best_epoch,
            "seconds": record.seconds,
            "status": record.status,
            "error": record.error,
            "trial": self.store.folder(record.key).name,
        }

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
            recommender_version=loaded_version(recommender),
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
        # Other users than an evaluation leaves out, which looks at test items, too.
        protocol["drop_repeats"] = "validation" if self.run.drop_repeats else False
        return protocol

    def _search_key(self, search: Search) -> SearchKey:
        return SearchKey(
            dataset=self.dataset.name,
            data_hash=self.dataset.data_hash,
            split_hash=self.dataset.split_hash,
            recommender=search.recommender.name,
            recommender_version=loaded_version(search.recommender),
            deterministic=self.run.deterministic,
            protocol=self._protocol(),
            grids=tuple({name: list(v) for name, v in grid.items()} for grid in search.grids),
            points=tuple(dict(point.values) for point in search.points),
            pinned=dict(search.pinned),
            search=search.options.kind,
            trials=search.options.trials,
            seed=search.options.seed,
        )


def _aucs(done: Mapping[int, TrialRecord]) -> list[tuple[int, float | None]]:
    return [(number, record.validation_auc) for number, record in done.items()]


def _in_order(stages: Sequence[Mapping[int, TrialRecord]]) -> list[tuple[int, TrialRecord]]:
    """Give each trial once: longer fits first, each stage best first, at the end what broke off."""
    best: list[tuple[int, TrialRecord]] = []
    broken: list[tuple[int, TrialRecord]] = []
    seen: set[str] = set()
    for stage in reversed(stages):
        best += [(k, stage[k]) for k in ranked(_aucs(stage))]
        broken += [(k, r) for k, r in sorted(stage.items()) if r.validation_auc is None]
    unique = []
    for number, record in best + broken:
        if (name := key_hash(record.key)) not in seen:
            seen.add(name)
            unique.append((number, record))
    return unique
