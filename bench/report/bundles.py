"""What bundles say when they are evaluated: their rows, and how far two of them differ."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.evaluation.auc import TIES, Ties
from bench.evaluation.ranking import Metric, ranking_metrics
from bench.evaluation.significance import bootstrap_difference, bootstrap_mean
from bench.experiment.bundle import Manifest
from bench.experiment.export import Row as BundleRow
from bench.experiment.export import differences, paired_users
from bench.report.layout import DASH, Cell, Column, Row, Table
from bench.rng import child_generator

__all__ = ["Evaluated", "difference_table", "rows_table"]

_METRICS: Mapping[str, Metric] = {metric.name: metric for metric in ranking_metrics()}
_SHOWN = ("recall@10", "ndcg@10", "mrr")
"""Beside the AUC; csv and json have all."""

_SETTINGS = {"all": "All Items", "cold": "Cold Items"}


@dataclass(frozen=True)
class Evaluated:
    """A bundle with its recomputed row.

    Attributes
    ----------
    name
        The file's name.
    sha256
        Of the file.
    manifest, row
        What it says, and what was recomputed.
    """

    name: str
    sha256: str
    manifest: Manifest
    row: BundleRow

    @property
    def title(self) -> str:
        """Name the model with its seed."""
        return f"{self.manifest.label} (seed {self.manifest.key.seed})"


def rows_table(bundles: Sequence[Evaluated]) -> Table:
    """Lay out four rows per bundle: All and Cold Items, ties earning nothing and one half."""
    rows: list[Row] = []
    tidy: list[dict[str, Any]] = []
    for one in bundles:
        for number, (setting, ties) in enumerate(itertools.product(_SETTINGS, TIES)):
            users = _users(one.row, setting)
            n_users = int(users.sum())
            names = (f"{one.title}, {one.manifest.dataset_title}", "", "", "")
            cells = [
                Cell(names[number]),
                Cell(_SETTINGS[setting] if ties == TIES[0] else ""),
                Cell(ties),
                Cell(f"{n_users:,}"),
                _auc_cell(_values(one.row, "auc", ties)[users], setting),
            ]
            for name in _SHOWN:
                value = one.row.metrics.get(f"{name}_{ties}.{setting}")
                cells.append(Cell(DASH if value is None else f"{value:.4f}"))
            rows.append(Row(tuple(cells), rule_above=number == 0 and bool(rows)))
            for name in _METRICS:
                key = f"{name}_{ties}.{setting}"
                tidy.append(
                    {
                        **_whose(one),
                        "setting": setting,
                        "ties": ties,
                        "metric": name,
                        "n_users": n_users,
                        "value": one.row.metrics.get(key),
                        "manifest": one.manifest.metrics.get(key),
                    }
                )
    return Table(
        name="bundles",
        caption="Recomputed from bundles, without training.",
        columns=(
            Column("Result", align="left"),
            Column("Setting", align="left"),
            Column("Ties", align="left"),
            Column("Users"),
            Column("AUC", align="center"),
            *(Column(_METRICS[name].label, align="center") for name in _SHOWN),
        ),
        rows=tuple(rows),
        foot=(
            "AUC: mean over test users of the share of items outside the user's training, "
            "validation and test items that score lower than the test item (IV-A); Cold Items: it "
            "has fewer than 5 training interactions. In brackets: 95% percentile bootstrap over "
            "users, 1,000 resamples.",
            *(line for one in bundles for line in _bundle_lines(one)),
        ),
        wide=True,
        tidy=tuple(tidy),
    )


def difference_table(bundles: Sequence[Evaluated], *, metric: str, ties: Ties) -> Table | None:
    """Lay out how far each two bundles on the same users differ; None if there are no such two.

    Parameters
    ----------
    bundles
        In the order given; of each two the later is compared with the earlier.
    metric
        A metric's name, as "auc".
    ties
        "strict" or "half".
    """
    rows: list[Row] = []
    tidy: list[dict[str, Any]] = []
    statistics: list[dict[str, float]] = []
    for earlier, later in itertools.combinations(bundles, 2):
        if not _comparable(earlier, later):
            continue
        for setting, title in _SETTINGS.items():
            users = _users(later.row, setting)
            if not users.any():
                continue
            values, others = (_values(one.row, metric, ties)[users] for one in (later, earlier))
            statistics.append(_paired(values, others, setting))
            first = setting == "all"
            rows.append(
                Row(
                    (
                        Cell(f"{later.title} less {earlier.title}" if first else ""),
                        Cell(title),
                        Cell(f"{int(users.sum()):,}"),
                        *(Cell(_signed(value)) for value in statistics[-1].values()),
                    ),
                    rule_above=first and bool(rows),
                )
            )
            tidy.append(
                {
                    "bundle": later.name,
                    "less": earlier.name,
                    "setting": setting,
                    "ties": ties,
                    "metric": metric,
                    "n_users": int(users.sum()),
                    **statistics[-1],
                }
            )
    if not rows:
        return None
    return Table(
        name="differences",
        caption=f"Differences in {_METRICS[metric].label} on the same users.",
        columns=(
            Column("Difference", align="left"),
            Column("Setting", align="left"),
            Column("Users"),
            *(Column(name) for name in statistics[0]),
        ),
        rows=tuple(rows),
        foot=(
            f"Ties: {ties}. Interval from low to high: 95% percentile bootstrap of the mean "
            "difference, users drawn for both, 1,000 resamples; training noise is not in it.",
        ),
        tidy=tuple(tidy),
    )


def _paired(
    values: npt.NDArray[np.float64], others: npt.NDArray[np.float64], setting: str
) -> dict[str, float]:
    """Compare two models user by user; each entry is a column of the table."""
    rng = child_generator(0, "report", "bootstrap", "difference", setting)  # as Table III draws
    interval = bootstrap_difference(values, others, rng=rng)
    return {"mean": interval.mean, "low": interval.low, "high": interval.high}


def _comparable(one: Evaluated, other: Evaluated) -> bool:
    keys = one.manifest.key, other.manifest.key
    return keys[0].split_hash == keys[1].split_hash and paired_users([one.row, other.row])


def _bundle_lines(one: Evaluated) -> list[str]:
    manifest, key = one.manifest, one.manifest.key
    what = (
        f"ranks of {len(one.row.user):,} test users"
        if manifest.kind == "ranks"
        else "user and item factors in half precision, ranked here"
    )
    sampled = key.protocol.get("sampled")
    if sampled:
        what += f" among {sampled} SAMPLED items, not comparable with exact rows"
    lines = [
        f"{one.name}: {what}; {key.recommender} {key.recommender_version}, data "
        f"{key.data_hash[:12]}, split {key.split_hash[:12]}, fitted with dvbpr-bench "
        f"{manifest.provenance.get('suite_version', 'unknown')} on "
        f"{manifest.provenance.get('cpu', 'unknown')}; SHA-256 of the bundle {one.sha256}."
    ]
    if manifest.before_rounding is not None:
        before, after = manifest.before_rounding, manifest.metrics
        changes = [
            f"{title} {before[name]:.6f} before, {after[name]:.6f} after"
            for setting, title in _SETTINGS.items()
            if (name := f"auc_strict.{setting}") in before and name in after
        ]
        lines.append(f"{one.name}: rounding to half precision, AUC: {'; '.join(changes)}.")
    different = differences(manifest, one.row)
    if different:
        lines.append(
            f"{one.name}: NOT the manifest's numbers: {'; '.join(different[:4])}"
            f"{f' and {len(different) - 4} more' if len(different) > 4 else ''}."
        )
    elif manifest.kind == "ranks":
        lines.append(f"{one.name}: all {len(manifest.metrics)} numbers are the manifest's.")
    else:
        lines.append(f"{one.name}: the AUC is the manifest's, to 0.00001.")
    return lines


def _users(row: BundleRow, setting: str) -> npt.NDArray[np.bool_]:
    return row.cold if setting == "cold" else np.full(len(row.user), True)


def _values(row: BundleRow, metric: str, ties: Ties) -> npt.NDArray[np.float64]:
    return _METRICS[metric].per_user(row.counts, ties)


def _auc_cell(values: npt.NDArray[np.float64], setting: str) -> Cell:
    if not len(values):
        return Cell(DASH)
    # As Table III draws, so that the interval is the same.
    interval = bootstrap_mean(values, rng=child_generator(0, "report", "bootstrap", setting))
    return Cell(f"{interval.mean:.4f}", (f"[{interval.low:.4f}, {interval.high:.4f}]",))


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "\N{MINUS SIGN}")


def _whose(one: Evaluated) -> Mapping[str, Any]:
    key = one.manifest.key
    return {
        "bundle": one.name,
        "sha256": one.sha256,
        "dataset": key.dataset,
        "recommender": key.recommender,
        "seed": key.seed,
        "split_hash": key.split_hash,
    }
