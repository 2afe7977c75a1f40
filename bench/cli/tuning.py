"""What `bench tune` and `bench run --tune` share: the searches of a call."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli.options import split_names
from bench.cli.tuning_options import OwnGrids, TuningOptions
from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.datasets.dataset import Dataset
    from bench.experiment.plan import RunOptions
    from bench.experiment.tuning.grid_file import OwnGrid
    from bench.experiment.tuning.search import SearchOptions
    from bench.experiment.tuning.tune import Search, SearchResult
    from bench.experiment.tuning.workers import Pool, Workers
    from bench.recommender import Recommender
    from bench.registry import Registry

__all__ = ["Tuning", "plan_tuning", "tuned_names"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """The searches of a call, checked before anything runs.

    Attributes
    ----------
    searches
        By recommender.
    workers
        Where trials run.
    options
        How fits are run.
    plugins
        Absolute paths of plug-in files.
    data_dir, results
        Folders of the data sets and of the results.
    """

    searches: "Mapping[str, Search]"
    workers: "Workers"
    options: "RunOptions"
    plugins: tuple[Path, ...]
    data_dir: Path
    results: Path

    def on(
        self, dataset: "Dataset", names: Sequence[str], pool: "Pool"
    ) -> "dict[str, SearchResult]":
        """Search for the recommenders `names` that are tuned, on one data set.

        Raises
        ------
        BenchError
            Nothing to tune by, trials cannot be stored, or the workers are lost.
        """
        from bench.datasets.record import read_record
        from bench.experiment.tuning.batch import TrialRunner
        from bench.experiment.tuning.store import TuningStore
        from bench.experiment.tuning.tune import Tuner, check_tunable

        check_tunable(dataset, drop_repeats=self.options.drop_repeats)
        store = TuningStore(self.results)
        folder = (self.data_dir / dataset.name).resolve()
        tuner = Tuner(
            dataset=dataset,
            folder=folder,
            title=read_record(folder).title,
            plugins=self.plugins,
            run=self.options,
            store=store,
            runner=TrialRunner(store, force=self.options.force),
        )
        found = {}
        for name in names:
            if name in self.searches:
                found[name] = tuner.search(self.searches[name], pool)
                _tell(name, dataset.name, found[name])
        return found

    def on_all(
        self, opened: "Sequence[tuple[Dataset, Mapping[str, Any]]]"
    ) -> "dict[str, dict[str, SearchResult]]":
        """Search on several data sets, each given with what can run on it; by name of the data set.

        Raises
        ------
        BenchError
            As `on` says, or there are no such workers.
        """
        with self.workers.open(threads=self.options.threads) as pool:
            return {d.name: self.on(d, list(names), pool) for d, names in opened}


def plan_tuning(
    names: Sequence[str],
    registry: "Registry",
    settings: Mapping[str, Mapping[str, str]],
    *,
    asked: TuningOptions,
    own: OwnGrids,
    options: "RunOptions",
    plugins: Sequence[Path],
    data_dir: Path,
    results: Path,
) -> Tuning:
    """Check everything a call says about tuning.

    Parameters
    ----------
    names
        Recommenders to tune; all must have a grid.
    settings
        Hyper-parameters that are given and so not searched, as text.
    asked, own
        How to search, and the grids that its file has.
    options
        Of the trials' fits: `threads` are one's, however many run at once, so that one process and
        many find the same numbers; the first seed is the searches'.

    Raises
    ------
    BenchError
        A grid, a search or the workers cannot be as they are asked for.
    """
    from bench.distributed import world_size
    from bench.experiment.tuning.search import SearchOptions
    from bench.experiment.tuning.workers import Workers

    if world_size() > 1:
        raise BenchError(
            "tuning runs under torchrun once per process: leave torchrun out and use --jobs or "
            "--backend dask; `bench run` under torchrun takes the winner by --set"
        )
    how = SearchOptions(kind=asked.search, trials=asked.search_trials, seed=options.seeds[0])
    workers = Workers(backend=asked.backend, jobs=asked.jobs, scheduler=asked.scheduler)
    workers.check_device(options.device)
    for name, parts in own.items():
        if name not in names:
            raise BenchError(
                f"{parts[0].where()}: {name} is not tuned in this call; name it, too, or take its "
                "section out"
            )
    searches = {
        name: _search(
            registry.recommender(name),
            settings.get(name, {}),
            own.get(name),
            how,
            source=asked.grid.name if asked.grid is not None and name in own else None,
        )
        for name in names
    }
    return Tuning(
        searches=searches,
        workers=workers,
        options=replace(options, sampled=None),
        plugins=tuple(path.resolve() for path in plugins),
        data_dir=data_dir,
        results=results,
    )


def _search(
    recommender: "type[Recommender]",
    pinned: Mapping[str, str],
    own: "Sequence[OwnGrid] | None",
    how: "SearchOptions",
    *,
    source: str | None,
) -> "Search":
    """Find the points of a search; one that the recommender refuses is told with its line."""
    from bench.experiment.plan import check_storable
    from bench.experiment.tuning.grid import RefusedPointError, grid_points
    from bench.experiment.tuning.tune import Search

    grids = None if own is None else [part.values for part in own]
    try:
        points = grid_points(recommender, pinned=pinned, own=grids, options=how)
    except RefusedPointError as error:
        if own is None:
            raise
        raise BenchError(f"{own[error.part].where(error.name)}: {error}") from None
    for point in points:
        check_storable(recommender.name, point.params)
    return Search(
        recommender=recommender,
        points=points,
        grids=tuple(grids or [recommender.grid]),
        pinned=pinned,
        grid=source,
        options=how,
    )


def tuned_names(
    text: str, candidates: Sequence[str], registry: "Registry", own: OwnGrids
) -> list[str]:
    """Read the recommenders to tune: those named, or all of the run that have a grid.

    Parameters
    ----------
    text
        Names, comma-separated, or "all".
    candidates
        What is run.
    registry
        Has the recommenders, with the grids they bring.
    own
        Grids of the user's own.

    Raises
    ------
    BenchError
        One of them is not run, or none has a grid.
    """
    if text == "all":
        found = [name for name in candidates if name in own or registry.recommender(name).grid]
        if not found:
            raise BenchError(f"--tune: nothing to tune, for {', '.join(candidates)} have no grid")
        return found
    for name in (names := split_names((text,))):
        if name not in candidates:
            registry.recommender(name)  # an unknown name gets its own message
            raise BenchError(f"--tune {name}: {name} is not among the recommenders of this run")
    return names


def _tell(name: str, dataset: str, result: "SearchResult") -> None:
    from bench.report.trials import budget

    if result.record.winner is None:
        _log.error("no trial of %s on %s finished: nothing was won", name, dataset)
        return
    won = ", ".join(f"{key}={value}" for key, value in result.record.winner.items())
    _log.info(
        "tuned %s on %s: %s; validation AUC %.4f (%s)",
        name,
        dataset,
        won,
        result.record.validation_auc,
        budget(result.record.note()),
    )
