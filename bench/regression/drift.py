"""How far fresh results are from the golden ones, and whether that is a regression."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.errors import BenchError
from bench.regression.golden import GoldenEntry, ToleranceRule

__all__ = ["Drift", "Verdict", "drifts_of"]

Verdict = Literal["same", "within", "better", "worse", "failed"]
"""Same to the last bit; within the tolerance; above it; below it, a regression; no value at all."""


@dataclass(frozen=True, kw_only=True)
class Drift:
    """One metric of one recommender, then and now.

    Attributes
    ----------
    recommender, label
        Its name and its name in tables.
    metric
        "auc_strict.all" and the like.
    seeds
        Those that were checked.
    golden, now
        Mean over these seeds, in the golden file and fresh; `now` is None where a fit failed.
    sd
        Sample standard deviation over all golden seeds.
    tolerance
        How far `now` may be from `golden`.
    verdict
        See `Verdict`.
    """

    recommender: str
    label: str
    metric: str
    seeds: tuple[int, ...]
    golden: float
    now: float | None
    sd: float
    tolerance: float
    verdict: Verdict

    @property
    def drift(self) -> float | None:
        """Fresh less golden; None where a fit failed."""
        return None if self.now is None else self.now - self.golden

    @property
    def regressed(self) -> bool:
        """Whether this fails a check."""
        return self.verdict in ("worse", "failed")


def drifts_of(
    name: str,
    entry: GoldenEntry,
    fresh: Mapping[int, Mapping[str, float] | None],
    rule: ToleranceRule,
) -> list[Drift]:
    """Compare one recommender seed by seed, each with the golden value of the same seed.

    Parameters
    ----------
    name
        Of the recommender.
    entry
        Its golden values.
    fresh
        By seed, all of them golden seeds: metrics by name, or None for a fit that failed.
    rule
        Says how much fewer seeds than the golden ones may drift. For all of them the tolerance
        written in the file counts, for fewer the larger of that and the rule's.

    Raises
    ------
    BenchError
        A fresh result lacks a metric of the golden one.
    """
    seeds = tuple(sorted(fresh))
    places = [entry.seeds.index(seed) for seed in seeds]
    found = []
    for metric, golden in entry.metrics.items():
        before = np.array([golden.values[place] for place in places])
        tolerance = golden.tolerance
        if len(seeds) < len(entry.seeds):
            n_golden = len(entry.seeds)
            by_rule = rule.tolerance(golden.sd, n_golden=n_golden, n_fresh=len(seeds))
            tolerance = max(tolerance, by_rule)
        values = [_value(name, seed, fresh[seed], metric) for seed in seeds]
        now = np.array([value for value in values if value is not None])
        whole = len(now) == len(seeds)
        found.append(
            Drift(
                recommender=name,
                label=entry.label,
                metric=metric,
                seeds=seeds,
                golden=float(before.mean()),
                now=float(now.mean()) if whole else None,
                sd=golden.sd,
                tolerance=tolerance,
                verdict=_verdict(before, now, tolerance) if whole else "failed",
            )
        )
    return found


def _value(name: str, seed: int, metrics: Mapping[str, float] | None, metric: str) -> float | None:
    if metrics is None:
        return None
    if metric not in metrics:
        raise BenchError(
            f"{name} (seed {seed}) has no {metric}, the golden file has: it is of other data; "
            "name another --golden, or make it anew with --update"
        )
    return metrics[metric]


def _verdict(
    before: np.ndarray[tuple[int], np.dtype[np.float64]],
    now: np.ndarray[tuple[int], np.dtype[np.float64]],
    tolerance: float,
) -> Verdict:
    if np.array_equal(before, now):
        return "same"
    drift = float(now.mean() - before.mean())
    if abs(drift) <= tolerance:
        return "within"
    return "better" if drift > 0 else "worse"
