"""Finished cells as models again: loaded from the result store, ready to score."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.datasets.dataset import Dataset
from bench.errors import BenchError, one_line
from bench.experiment.provenance import recommender_version
from bench.experiment.record import CellRecord
from bench.experiment.store import ResultStore, StoredCell
from bench.recommender import Recommender, Runtime
from bench.registry import Registry

__all__ = ["LoadedModel", "finished_cells", "load_model", "made_at"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadedModel:
    """A fitted model and the record of the cell it comes from."""

    record: CellRecord
    model: Recommender


def made_at(cell: StoredCell) -> str:
    """Say when a cell was finished, as text that sorts by time; "" if it does not say."""
    return str(cell.record.provenance.get("finished_at", ""))


def finished_cells(
    store: ResultStore,
    dataset: Dataset,
    registry: Registry,
    *,
    names: Sequence[str] = (),
    seed: int | None = None,
    choose: Callable[[list[StoredCell]], Sequence[StoredCell]] = lambda cells: cells,
) -> list[StoredCell]:
    """Pick one finished cell per recommender: the newest that was fitted on just these data.

    Without a seed, all are of the newest seed that they share, if there is one: models side by side
    should have had the same chances. A choice among several configurations is logged.

    Parameters
    ----------
    store
        Where cells lie.
    dataset
        The data set; cells of other contents or splits under its name do not count.
    registry
        Says in which order recommenders stand.
    names
        Which recommenders, in this order; all that have a finished cell by default.
    seed
        Only cells of this seed.
    choose
        Keeps some of the cells that fit, before the newest are picked.

    Raises
    ------
    BenchError
        There is no such cell; the message says what is there and what makes one.
    """
    of_seed = "" if seed is None else f" with seed {seed}"
    fitting: list[StoredCell] = []
    other_data = False
    for cell in store.cells(dataset.name):
        key = cell.record.key
        if cell.record.status != "finished" or seed not in (None, key.seed):
            continue
        if (key.data_hash, key.split_hash) != (dataset.data_hash, dataset.split_hash):
            other_data = True
            continue
        fitting.append(cell)
    candidates: dict[str, list[StoredCell]] = {}
    for cell in sorted(choose(fitting), key=made_at) if fitting else ():
        name = cell.record.key.recommender
        if not names or name in names:
            candidates.setdefault(name, []).append(cell)
    if not names:
        candidates = _installed(candidates, registry)
    for name in names:
        registry.recommender(name)  # an unknown name gets its own message
    missing = [name for name in names if name not in candidates]
    if missing or not candidates:
        what = f"of {missing[0]} " if missing else ""
        finished = dict.fromkeys(cell.record.key.recommender for cell in fitting)
        there = f"; finished there: {', '.join(finished)}" if finished else ""
        if other_data:
            there += "; what is stored for other contents of that data set does not count"
        run = f"bench run --dataset {dataset.name}"
        if missing:
            run += f" --recommenders {','.join(missing)}"
        if seed is not None:
            run += f" --seed {seed}"
        raise BenchError(
            f"no finished cell {what}on {dataset.name}{of_seed} under {store.root}{there}; "
            f"`{run}` makes it"
        )
    newest = {name: cells[-1] for name, cells in _of_one_seed(candidates).items()}
    for name, taken in newest.items():
        same_seed = [c for c in candidates[name] if c.record.key.seed == taken.record.key.seed]
        if len(same_seed) > 1:
            others = ", ".join(cell.folder.name for cell in same_seed if cell is not taken)
            _log.warning(
                "%s: several configurations are stored; %s, the last made, is taken; there is also "
                "%s",
                name,
                taken.folder.name,
                others,
            )
    return [newest[name] for name in names or newest]


def _of_one_seed(candidates: dict[str, list[StoredCell]]) -> dict[str, list[StoredCell]]:
    """Keep the cells of the newest seed that all recommenders have; all cells if there is none."""
    seeds = [{cell.record.key.seed for cell in cells} for cells in candidates.values()]
    shared = set.intersection(*seeds)
    if not shared:
        _log.warning(
            "no seed has a finished fit of each of %s: the newest of each is taken; --seed chooses",
            ", ".join(candidates),
        )
        return candidates
    everything = [cell for cells in candidates.values() for cell in cells]
    of_shared = [cell for cell in everything if cell.record.key.seed in shared]
    seed = max(of_shared, key=made_at).record.key.seed
    return {
        name: [cell for cell in cells if cell.record.key.seed == seed]
        for name, cells in candidates.items()
    }


def load_model(
    cell: StoredCell, dataset: Dataset, registry: Registry, *, device: str, threads: int
) -> LoadedModel:
    """Make the recommender of a finished cell and give it what it had learnt.

    A cell made by other code than is installed is loaded all the same, with a warning.

    Raises
    ------
    BenchError
        The recommender is not installed, its hyper-parameters are others now, or the stored state
        is missing or damaged.
    """
    key = cell.record.key
    recommender = registry.recommender(key.recommender)
    if recommender_version(recommender) != key.recommender_version:
        _log.warning(
            "%s (seed %d) was fitted by other code (%s); `bench run` fits it anew",
            key.recommender,
            key.seed,
            key.recommender_version,
        )
    try:
        params = recommender.Params(**{k: _as_given(v) for k, v in key.params.items()})
    except (TypeError, ValueError) as error:
        raise BenchError(
            f"{cell.folder}: the hyper-parameters are not those of {key.recommender} any more "
            f"({error}); `bench run` fits it anew"
        ) from None
    runtime = Runtime(
        seed=key.seed, device=device, threads=threads, deterministic=key.deterministic
    )
    model = recommender(params, runtime=runtime)
    try:
        model.load(cell.folder, dataset.training)
    except BenchError:
        raise
    except Exception as error:  # a damaged file, or a state that this code cannot read
        raise BenchError(
            f"{cell.folder}: the stored model cannot be loaded ({type(error).__name__}: "
            f"{one_line(error)}); `bench run --force` fits it anew"
        ) from error
    return LoadedModel(cell.record, model)


def _installed(
    candidates: dict[str, list[StoredCell]], registry: Registry
) -> dict[str, list[StoredCell]]:
    """Keep the recommenders that are installed, in the order of the columns."""
    names = registry.recommender_names()
    unknown = [name for name in candidates if name not in names]
    if unknown:
        _log.warning("left out, for they are not installed: %s", ", ".join(unknown))
    return {name: candidates[name] for name in names if name in candidates}


def _as_given(value: Any) -> Any:
    """Turn a list, as JSON gives it, into the tuple that a hyper-parameter was."""
    return tuple(_as_given(part) for part in value) if isinstance(value, list) else value
