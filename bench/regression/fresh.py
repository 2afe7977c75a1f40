"""Results of the code as it is: those that are stored, and fits of what is not."""

import dataclasses
import logging
from dataclasses import dataclass
from pathlib import Path

from bench.datasets.dataset import Dataset
from bench.errors import BenchError
from bench.experiment.plan import Cell, RunOptions, plan_cells, plan_params
from bench.experiment.provenance import suite_code
from bench.experiment.run import check_evaluable, run_plan
from bench.experiment.store import ResultStore, StoredCell
from bench.registry import Registry

__all__ = ["OWN_FOLDER", "Subject", "fresh_cells"]

_log = logging.getLogger(__name__)

OWN_FOLDER = "check"
"""Below the results: what a check fits. Tables show what `bench run` made, and stay as they are."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is checked: a recommender with its settings, on which device, with which seeds."""

    recommender: str
    settings: dict[str, str]
    device: str
    seeds: tuple[int, ...]

    def check(self, registry: Registry) -> None:
        """See that it can be planned, before a data set is drawn.

        Raises
        ------
        BenchError
            An unknown recommender or hyper-parameter, or seeds that will not do.
        """
        plan_params([self.recommender], registry, {self.recommender: self.settings})
        RunOptions(seeds=self.seeds, device=self.device, threads=1).protocol()


def fresh_cells(
    subject: Subject,
    dataset: Dataset,
    *,
    title: str,
    threads: int,
    registry: Registry,
    results: Path,
) -> tuple[list[StoredCell], int]:
    """Give a cell per seed, made by this very code; one that is stored nowhere is fitted.

    Parameters
    ----------
    subject
        What is checked.
    dataset, title
        On what; its name in tables.
    threads
        Processor threads.
    registry
        Knows the recommenders.
    results
        Where finished cells may lie; what is fitted goes below it, see `OWN_FOLDER`.

    Returns
    -------
    The cells in the order of the seeds, failed ones among them, and how many were fitted now.

    Raises
    ------
    BenchError
        The data set will not do, or results cannot be written.
    """
    name = subject.recommender
    if reason := registry.recommender(name).missing(dataset.training):
        raise BenchError(f"{reason}; leave it out of --recommenders")
    options = RunOptions(seeds=subject.seeds, device=subject.device, threads=threads)
    check_evaluable(dataset)
    params = plan_params([name], registry, {name: subject.settings})
    cells = plan_cells(dataset, params, registry, options)
    own = ResultStore(results / OWN_FOLDER)
    found: dict[int, StoredCell] = {}
    stale: list[Cell] = []
    missing: list[Cell] = []
    for cell in cells:
        seed = cell.key.seed
        for store in (ResultStore(results), own):
            stored = store.find(cell.key)
            if stored is not None and _is_current(stored):
                found[seed] = stored
        if seed not in found:
            (missing if own.find(cell.key) is None else stale).append(cell)
    for some, force in ((missing, False), (stale, True)):
        if some:
            how = dataclasses.replace(options, force=force)
            summary = run_plan(some, dataset, title=title, options=how, store=own)
            made = {one.record.key.seed: one for one in (*summary.made, *summary.skipped)}
            found |= made
    return [found[seed] for seed in subject.seeds], len(missing) + len(stale)


def _is_current(stored: StoredCell) -> bool:
    """Tell whether a finished cell was made by the code as it is, the runner included."""
    record = stored.record
    return record.status == "finished" and record.provenance.get("suite_code") == suite_code()
