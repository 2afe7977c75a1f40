"""What bundles say when they are evaluated: their rows, those of one configuration averaged."""

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.evaluation.auc import TIES, Ties
from bench.experiment.bundle import Manifest
from bench.experiment.export import Row as BundleRow
from bench.experiment.export import differences, paired_users
from bench.experiment.plan import COLD_BELOW
from bench.report.aggregate import METRICS, Setting, mean_interval
from bench.report.comparison import SETTINGS
from bench.report.layout import DASH, Cell, Column, Row, Table
from bench.report.variation import interval_line, seeds_line

__all__ = ["Evaluated", "Result", "results_of", "rows_table"]

_SHOWN = ("recall@10", "ndcg@10", "mrr")
"""Beside the AUC; csv and json have all."""


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


@dataclass(frozen=True)
class Result:
    """Bundles of one configuration that differ in their seeds only, by seed."""

    bundles: tuple[Evaluated, ...]

    @property
    def first(self) -> Evaluated:
        """The bundle of the lowest seed: but for the seed its manifest is that of all."""
        return self.bundles[0]

    @property
    def seeds(self) -> list[int]:
        """Of the fits."""
        return [one.manifest.key.seed for one in self.bundles]

    @property
    def names(self) -> list[str]:
        """Of the files."""
        return [one.name for one in self.bundles]

    @property
    def title(self) -> str:
        """Name the model with its seeds."""
        word = "seed" if len(self.bundles) == 1 else "seeds"
        return f"{self.first.manifest.label} ({word} {', '.join(map(str, self.seeds))})"

    def values(self, setting: Setting, metric: str, ties: Ties) -> npt.NDArray[np.float64]:
        """Give a metric per seed and user of a setting: float64 (n_seeds, n_users)."""
        users = self.users(setting)
        per_user = METRICS[metric].per_user
        return np.stack([per_user(one.row.counts, ties)[users] for one in self.bundles])

    def users(self, setting: Setting) -> npt.NDArray[np.bool_]:
        """Tell which users belong to a setting."""
        row = self.first.row
        return row.cold if setting == "cold" else np.full(len(row.user), True)


def results_of(bundles: Sequence[Evaluated]) -> tuple[Result, ...]:
    """Put together what differs in the seed only, in the order in which each was first given.

    The same seed twice makes two results, and so do ranks and factors: their rounding differs.
    """
    groups: list[list[Evaluated]] = []
    for one in bundles:
        for group in groups:
            seeds = {other.manifest.key.seed for other in group}
            if one.manifest.key.seed not in seeds and _same_but_seed(one, group[0]):
                group.append(one)
                break
        else:
            groups.append([one])
    return tuple(
        Result(tuple(sorted(group, key=lambda one: one.manifest.key.seed))) for group in groups
    )


def rows_table(results: Sequence[Result]) -> Table:
    """Lay out four rows per result: All and Cold Items, ties earning nothing and one half."""
    rows: list[Row] = []
    tidy: list[dict[str, Any]] = []
    for result in results:
        for (setting, title), ties in itertools.product(SETTINGS, TIES):
            first = setting == "all" and ties == TIES[0]
            n_users = int(result.users(setting).sum())
            name = f"{result.title}, {result.first.manifest.dataset_title}" if first else ""
            cells = [
                Cell(name),
                Cell(title if ties == TIES[0] else ""),
                Cell(ties),
                Cell(f"{n_users:,}"),
                *(_cell(result, metric, setting, ties) for metric in ("auc", *_SHOWN)),
            ]
            rows.append(Row(tuple(cells), rule_above=first and bool(rows)))
            tidy.extend(_tidy(result, metric, setting, ties, n_users) for metric in METRICS)
    several = any(len(result.bundles) > 1 for result in results)
    return Table(
        name="bundles",
        caption="Recomputed from bundles, without training.",
        columns=(
            Column("Result", align="left"),
            Column("Setting", align="left"),
            Column("Ties", align="left"),
            Column("Users"),
            *(Column(METRICS[name].label, align="center") for name in ("auc", *_SHOWN)),
        ),
        rows=tuple(rows),
        foot=(
            "AUC: mean over test users of the share of items outside the user's training, "
            "validation and test items that score lower than the test item (IV-A); Cold Items: it "
            f"has fewer than {COLD_BELOW} training interactions. {interval_line()}",
            *([seeds_line("metric")] if several else []),
            *(line for result in results for one in result.bundles for line in _bundle_lines(one)),
        ),
        wide=True,
        tidy=tuple(tidy),
    )


def _same_but_seed(one: Evaluated, other: Evaluated) -> bool:
    keys = [dataclasses.replace(each.manifest.key, seed=0) for each in (one, other)]
    return (
        one.manifest.kind == other.manifest.kind
        and keys[0] == keys[1]
        and paired_users([one.row, other.row])
    )


def _cell(result: Result, metric: str, setting: Setting, ties: Ties) -> Cell:
    values = result.values(setting, metric, ties)
    if not values.size:
        return Cell(DASH)
    details = []
    if (sd := _sd(values)) is not None:
        details.append(f"±{sd:.4f}")
    if metric == "auc":
        interval = mean_interval(values, setting)
        details.append(f"[{interval.low:.4f}, {interval.high:.4f}]")
    return Cell(f"{values.mean(axis=1).mean():.4f}", tuple(details))


def _tidy(
    result: Result, metric: str, setting: Setting, ties: Ties, n_users: int
) -> dict[str, Any]:
    values = result.values(setting, metric, ties)
    key = result.first.manifest.key
    name = f"{metric}_{ties}.{setting}"
    interval = mean_interval(values, setting) if metric == "auc" and values.size else None
    return {
        "bundles": result.names,
        "sha256": [one.sha256 for one in result.bundles],
        "dataset": key.dataset,
        "data_hash": key.data_hash,
        "split_hash": key.split_hash,
        "sampled": sampled(result),
        "recommender": key.recommender,
        "seeds": result.seeds,
        "setting": setting,
        "ties": ties,
        "metric": metric,
        "n_users": n_users,
        "value": float(values.mean(axis=1).mean()) if values.size else None,
        "sd": _sd(values),
        "ci_low": None if interval is None else interval.low,
        "ci_high": None if interval is None else interval.high,
        "manifest": [one.manifest.metrics.get(name) for one in result.bundles],
    }


def sampled(result: Result) -> int | None:
    """Give how many items the test items were ranked against; None for the exact evaluation."""
    return result.first.manifest.key.protocol.get("sampled") or None


def _sd(values: npt.NDArray[np.float64]) -> float | None:
    """Give the standard deviation over seeds of the mean over users."""
    if len(values) < 2 or not values.size:
        return None
    return float(values.mean(axis=1).std(ddof=1))


def _bundle_lines(one: Evaluated) -> list[str]:
    manifest, key = one.manifest, one.manifest.key
    what = (
        f"ranks of {len(one.row.user):,} test users"
        if manifest.kind == "ranks"
        else "user and item factors in half precision, ranked here"
    )
    n_sampled = key.protocol.get("sampled")
    if n_sampled:
        what += f" among {n_sampled} SAMPLED items, not comparable with exact rows"
    lines = [
        f"{one.name}: {what}; {key.recommender} {key.recommender_version}, seed {key.seed}, data "
        f"{key.data_hash[:12]}, split {key.split_hash[:12]}, fitted with dvbpr-bench "
        f"{manifest.provenance.get('suite_version', 'unknown')} on "
        f"{manifest.provenance.get('cpu', 'unknown')}; SHA-256 of the bundle {one.sha256}."
    ]
    if manifest.before_rounding is not None:
        before, after = manifest.before_rounding, manifest.metrics
        changes = [
            f"{title} {before[name]:.6f} before, {after[name]:.6f} after"
            for setting, title in SETTINGS
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
        lines.append(
            f"{one.name}: all {len(manifest.metrics)} numbers, and how many users they rest on, "
            "are the manifest's."
        )
    else:
        lines.append(f"{one.name}: the AUC is the manifest's, to 0.00001.")
    return lines
