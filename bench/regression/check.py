"""`bench check` from end to end: read the golden file, get fresh results, compare."""

from dataclasses import dataclass
from pathlib import Path

from bench.datasets.dataset import Dataset
from bench.datasets.library import check_available, find
from bench.datasets.record import read_record
from bench.errors import BenchError, did_you_mean
from bench.files import check_writable, remove_leftovers
from bench.registry import Registry
from bench.regression.drift import Drift, drifts_of
from bench.regression.fresh import OWN_FOLDER, Subject, fresh_cells
from bench.regression.golden import Golden
from bench.regression.golden_file import locate_golden, read_golden
from bench.regression.remarks import cell_remarks, data_remarks, machine_remarks

__all__ = ["CheckOptions", "CheckReport", "check", "open_data", "read_for"]


@dataclass(frozen=True, kw_only=True)
class CheckOptions:
    """What is to be checked.

    Attributes
    ----------
    dataset
        Name of the data set.
    golden
        The golden file; None: that of the data set under `results`, else the suite's own.
    recommenders
        Names; none: all of the golden file.
    seeds
        Seeds; none: those of the golden file.
    threads
        Processor threads.
    results, data_dir
        Folders of results and data sets.
    """

    dataset: str
    golden: Path | None = None
    recommenders: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    threads: int
    results: Path
    data_dir: Path


@dataclass(frozen=True, kw_only=True)
class CheckReport:
    """What a check found.

    Attributes
    ----------
    path, golden
        The golden file.
    dataset_title
        The data set's name in tables.
    drifts
        By recommender and metric, in the order of the golden file.
    n_fitted, n_stored
        Cells fitted for this check, and cells that `bench run` or an earlier check had made.
    remarks
        What else is not as it was: hyper-parameters, data, versions, processor.
    """

    path: Path
    golden: Golden
    dataset_title: str
    drifts: tuple[Drift, ...]
    n_fitted: int
    n_stored: int
    remarks: tuple[str, ...]

    @property
    def regressed(self) -> bool:
        """Whether anything is worse than it may be."""
        return any(drift.regressed for drift in self.drifts)


def check(options: CheckOptions, registry: Registry) -> CheckReport:
    """Compare the code as it is with the golden file.

    Raises
    ------
    BenchError
        No golden file, one of another split, recommenders or seeds it does not have, a recommender
        that is not installed; nothing is fitted then. Or results cannot be written.
    """
    path = locate_golden(options.dataset, options.results, options.golden)
    golden = read_for(path, options.dataset)
    subjects = _subjects(golden, path, options)
    for subject in subjects:
        subject.check(registry)
    dataset, title = open_data(options, registry)
    if dataset.split_hash != golden.split_hash:
        raise BenchError(
            f"golden file {path} is of another {golden.dataset}: split {golden.split_hash[:12]}, "
            f"here {dataset.split_hash[:12]}; name the right --golden, or make one with --update"
        )
    drifts: list[Drift] = []
    remarks = data_remarks(golden, dataset)
    n_fitted = n_cells = 0
    for subject in subjects:
        name, entry = subject.recommender, golden.recommenders[subject.recommender]
        cells, n_new = fresh_cells(
            subject,
            dataset,
            title=title,
            threads=options.threads,
            registry=registry,
            results=options.results,
        )
        n_fitted, n_cells = n_fitted + n_new, n_cells + len(cells)
        fresh = {
            cell.record.key.seed: cell.record.metrics if cell.record.status == "finished" else None
            for cell in cells
        }
        drifts += drifts_of(name, entry, fresh, golden.rule)
        remarks += cell_remarks(entry, cells)
    remarks += machine_remarks(golden, [subject.recommender for subject in subjects])
    return CheckReport(
        path=path,
        golden=golden,
        dataset_title=title,
        drifts=tuple(drifts),
        n_fitted=n_fitted,
        n_stored=n_cells - n_fitted,
        remarks=tuple(remarks),
    )


def read_for(path: Path, dataset: str) -> Golden:
    """Read the golden file of a data set.

    Raises
    ------
    BenchError
        It cannot be read, or is of another data set.
    """
    golden = read_golden(path)
    if golden.dataset != dataset:
        raise BenchError(
            f"golden file {path} is of {golden.dataset}, not of {dataset}; add --dataset "
            f"{golden.dataset}, or name another --golden"
        )
    return golden


def _subjects(golden: Golden, path: Path, options: CheckOptions) -> list[Subject]:
    """Pick what is compared.

    Raises
    ------
    BenchError
        A name or a seed that the golden file does not have.
    """
    subjects = []
    for name in options.recommenders or tuple(golden.recommenders):
        if name not in golden.recommenders:
            known = golden.recommenders
            hint = did_you_mean(name, known)
            raise BenchError(
                f"{path} has no values of {name!r}: {hint}it has {', '.join(known)}; `bench check "
                f"--update --reason TEXT --recommenders {name}` adds them"
            )
        entry = golden.recommenders[name]
        for seed in options.seeds:
            if seed not in entry.seeds:
                seeds = ", ".join(map(str, entry.seeds))
                raise BenchError(f"--seed {seed}: {path} has {name} with the seeds {seeds}")
        subjects.append(
            Subject(
                recommender=name,
                settings=dict(entry.settings),
                device=entry.device,
                seeds=options.seeds or entry.seeds,
            )
        )
    return subjects


def open_data(options: CheckOptions, registry: Registry) -> tuple[Dataset, str]:
    """Open the data set, drawn if need be, once it is known that results can be written.

    Returns
    -------
    The data set, and its name in tables.

    Raises
    ------
    BenchError
        There is no such data set, or results cannot be written.
    """
    check_available(options.dataset, options.data_dir, registry)
    check_writable("store results", options.results)
    remove_leftovers(options.results / OWN_FOLDER)
    dataset = find(options.dataset, options.data_dir, registry)
    return dataset, read_record(options.data_dir / options.dataset).title
