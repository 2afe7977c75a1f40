"""From stored cells to the numbers of a table: what may be joined is joined, nothing else.

Cells meet in one block only when data set, data hash, split hash, sampling and the users left out
agree; seeds are averaged only within one configuration (version, hyper-parameters, determinism,
protocol).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from bench.errors import BenchError
from bench.evaluation.auc import Ties
from bench.evaluation.counts import RankCounts
from bench.evaluation.ranking import Metric, ranking_metrics
from bench.evaluation.significance import Interval, bootstrap_difference, bootstrap_mean
from bench.experiment.plan import COLD_BELOW
from bench.experiment.record import CellRecord, PerUser
from bench.experiment.store import StoredCell
from bench.report.configurations import configurations, made_at, remark
from bench.report.published import load_published
from bench.rng import child_generator

__all__ = [
    "METRICS",
    "Block",
    "Entry",
    "Estimate",
    "Run",
    "Setting",
    "collect",
    "difference",
    "difference_interval",
    "estimate",
    "mean_interval",
    "user_values",
]

Setting = Literal["all", "cold"]

_Place = tuple[str, str, str, int, bool]
"""Data set, data hash, split hash, sampled items (0: exact), repeats dropped."""

METRICS: Mapping[str, Metric] = {metric.name: metric for metric in ranking_metrics()}


@dataclass(frozen=True)
class Run:
    """One finished cell: a seed and its counts per user."""

    seed: int
    record: CellRecord
    counts: PerUser


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One recommender in one block.

    Attributes
    ----------
    recommender, label
        Its name and its name in tables.
    newest
        The record made last among those shown.
    runs
        Finished cells of one configuration, by seed.
    failures
        "seed 1: why" for each failed cell of that configuration.
    remark
        What was chosen where several configurations are stored; else None.
    """

    recommender: str
    label: str
    newest: CellRecord
    runs: tuple[Run, ...]
    failures: tuple[str, ...]
    remark: str | None

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of the finished cells."""
        return tuple(run.seed for run in self.runs)


@dataclass(frozen=True, kw_only=True)
class Block:
    """All recommenders on one data set with one content, one split and one way of evaluating.

    Attributes
    ----------
    dataset, data_hash, split_hash
        As in the cells' keys.
    sampled
        Negatives drawn per user; None for the exact evaluation.
    drop_repeats
        Whether users whose held-out item is one of their training items were left out.
    title
        The data set's name in tables, with a hash where one name stands for several contents.
    facts
        `dataset_facts` of the newest cell.
    entries
        By recommender name, in the order of the columns.
    """

    dataset: str
    data_hash: str
    split_hash: str
    sampled: int | None
    drop_repeats: bool
    title: str
    facts: Mapping[str, Any]
    entries: Mapping[str, Entry]

    def holds(self, record: CellRecord) -> bool:
        """Tell whether a cell belongs to this block."""
        mine = (self.dataset, self.data_hash, self.split_hash, self.sampled)
        key = record.key
        return mine == (key.dataset, key.data_hash, key.split_hash, _sampled(record))


@dataclass(frozen=True)
class Estimate:
    """A metric's mean over users (and seeds).

    Attributes
    ----------
    value
        Mean over seeds of the means over users.
    sd
        Sample standard deviation over seeds; None with one seed.
    interval
        95 % percentile bootstrap interval over users, each user's value averaged over seeds;
        None unless asked for.
    n_users
        Users the mean rests on.
    """

    value: float
    sd: float | None
    interval: tuple[float, float] | None
    n_users: int


def collect(cells: Iterable[StoredCell]) -> tuple[Block, ...]:
    """Sort cells into blocks and pick one configuration per recommender.

    Of several configurations the most recently made one with a finished cell is taken; the entry's
    `remark` says so.

    Raises
    ------
    BenchError
        Two cells of one block were evaluated on different users: their means cannot stand side by
        side.
    """
    groups: dict[_Place, dict[str, list[StoredCell]]] = {}
    for cell in cells:
        key = cell.record.key
        place = (
            key.dataset,
            key.data_hash,
            key.split_hash,
            _sampled(cell.record) or 0,
            _drop_repeats(cell.record),
        )
        groups.setdefault(place, {}).setdefault(key.recommender, []).append(cell)

    blocks = []
    for place, by_recommender in groups.items():
        dataset, data_hash, split_hash, sampled, drop_repeats = place
        entries = {name: _entry(by_recommender[name]) for name in _ordered(by_recommender)}
        _require_same_users(entries, dataset)
        newest = max((e.newest for e in entries.values()), key=made_at)
        blocks.append(
            Block(
                dataset=dataset,
                data_hash=data_hash,
                split_hash=split_hash,
                sampled=sampled or None,
                drop_repeats=drop_repeats,
                title=_title(newest, list(groups)),
                facts=newest.dataset_facts,
                entries=entries,
            )
        )
    return tuple(blocks)


def estimate(
    entry: Entry, setting: Setting, *, metric: str, ties: Ties, interval: bool = False
) -> Estimate | None:
    """Compute a metric of one entry from its counts per user.

    Returns
    -------
    Estimate | None
        None without a finished cell, or without a user in this setting.
    """
    values = user_values(entry, setting, metric, ties)
    if values is None:
        return None
    means = values.mean(axis=1)
    sd = float(means.std(ddof=1)) if len(means) > 1 else None
    ends = None
    if interval:
        bootstrap = mean_interval(values, setting)
        ends = (bootstrap.low, bootstrap.high)
    return Estimate(float(means.mean()), sd, ends, values.shape[1])


def difference(
    entry: Entry, other: Entry, setting: Setting, *, metric: str, ties: Ties
) -> Interval | None:
    """Compute by how much `entry` exceeds `other`, with the interval over users drawn for both.

    Each user's value is averaged over the entry's seeds first; None where either has no value.
    """
    values = user_values(entry, setting, metric, ties)
    others = user_values(other, setting, metric, ties)
    if values is None or others is None:
        return None
    return difference_interval(values, others, setting)


def mean_interval(values: npt.NDArray[np.float64], setting: Setting) -> Interval:
    """Give the interval over users of a mean, from values per seed and user."""
    rng = child_generator(0, "report", "bootstrap", setting)
    return bootstrap_mean(values.mean(axis=0), rng=rng)


def difference_interval(
    values: npt.NDArray[np.float64], others: npt.NDArray[np.float64], setting: Setting
) -> Interval:
    """Give the interval over users of the difference of two means, from values per seed and user.

    Parameters
    ----------
    values, others
        float64 (n_seeds, n_users) each, of the same users.
    setting
        Which users these are.
    """
    rng = child_generator(0, "report", "bootstrap", "difference", setting)
    return bootstrap_difference(values.mean(axis=0), others.mean(axis=0), rng=rng)


def user_values(
    entry: Entry, setting: Setting, metric: str, ties: Ties
) -> npt.NDArray[np.float64] | None:
    """Give a metric per seed and user of a setting.

    Returns
    -------
    float64 (n_seeds, n_users), or None without a finished cell or a user in this setting.
    """
    if not entry.runs:
        return None
    first = entry.runs[0].counts
    chosen = np.full(len(first.user), True)
    if setting == "cold":
        chosen = first.test_item_count < COLD_BELOW
    if not chosen.any():
        return None
    return np.stack([_per_user(run.counts, metric, ties)[chosen] for run in entry.runs])


def _ordered(names: Iterable[str]) -> list[str]:
    """Put the paper's recommenders first, in its order; others follow by name."""
    order = [column.recommender for column in load_published().columns]
    return sorted(names, key=lambda n: (order.index(n) if n in order else len(order), n))


def _per_user(counts: PerUser, metric: str, ties: Ties) -> npt.NDArray[np.float64]:
    """Give a metric per test user, float64 (n,), from stored counts."""
    ranks = RankCounts(counts.n_less, counts.n_equal, counts.n_negatives)
    return METRICS[metric].per_user(ranks, ties)


def _sampled(record: CellRecord) -> int | None:
    return record.key.protocol.get("sampled") or None


def _drop_repeats(record: CellRecord) -> bool:
    return bool(record.key.protocol.get("drop_repeats"))


def _title(record: CellRecord, places: list[_Place]) -> str:
    """Name a block, by hash too where the data set's name alone would not tell it from others."""
    key = record.key
    same = [place for place in places if place[0] == key.dataset]
    marks = []
    if len({place[1] for place in same}) > 1:
        marks.append(f"data {key.data_hash[:8]}")
    if len({place[2] for place in same if place[1] == key.data_hash}) > 1:
        marks.append(f"split {key.split_hash[:8]}")
    if (sampled := _sampled(record)) is not None:
        marks.append(f"{sampled} sampled")
    if _drop_repeats(record):
        marks.append("repeats dropped")
    return f"{record.dataset_title} [{', '.join(marks)}]" if marks else record.dataset_title


def _entry(cells: list[StoredCell]) -> Entry:
    """Choose one configuration of a recommender and read its counts."""
    found = configurations(cells)
    chosen = found[0].cells
    runs, failures = [], []
    for cell in chosen:
        record = cell.record
        if record.status == "failed":
            failures.append(f"seed {record.key.seed}: {record.error}")
            continue
        try:
            runs.append(Run(record.key.seed, record, cell.per_user()))
        except BenchError as error:  # one damaged file must not keep the others from their table
            failures.append(f"seed {record.key.seed}: {error}")
    newest = max((cell.record for cell in chosen), key=made_at)
    return Entry(
        recommender=newest.key.recommender,
        label=newest.label,
        newest=newest,
        runs=tuple(runs),
        failures=tuple(failures),
        remark=remark(newest.label, found),
    )


def _require_same_users(entries: Mapping[str, Entry], dataset: str) -> None:
    runs = [(entry, run) for entry in entries.values() for run in entry.runs]
    for entry, run in runs[1:]:
        first_entry, first = runs[0]
        if not (
            np.array_equal(run.counts.user, first.counts.user)
            and np.array_equal(run.counts.test_item, first.counts.test_item)
        ):
            raise BenchError(
                f"{dataset}: {entry.label} seed {run.seed} and {first_entry.label} seed "
                f"{first.seed} were evaluated on different test items; `bench run --force` makes "
                "them anew"
            )
