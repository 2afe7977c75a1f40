"""The golden file: what recommenders scored, over seeds, and how far a result may drift from it.

One JSON file per data set, results/golden/<data set>.json, made by `bench check --update`. A value
is the mean over the entry's seeds; its tolerance comes from their spread and is written beside it,
where a person may widen it.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from bench.errors import BenchError

__all__ = [
    "GOLDEN_SCHEMA_VERSION",
    "METRICS",
    "Golden",
    "GoldenEntry",
    "GoldenMetric",
    "ToleranceRule",
    "Update",
    "golden_metric",
    "params_hash",
    "plain",
]

GOLDEN_SCHEMA_VERSION = 1

_NO_LONGER_WRITTEN = ("fit_seconds",)
"""What entries of earlier files hold besides; it changed no verdict, so these are still read."""

METRICS = ("auc_strict.all", "auc_half.all", "auc_strict.cold", "auc_half.cold")
"""What is compared: AUC under both tie rules, of All Items and Cold Items."""


@dataclass(frozen=True, kw_only=True)
class ToleranceRule:
    """How far the mean over seeds may drift, by the spread of the golden seeds.

    A fit that is drawn anew (another order of random numbers, another library version) differs from
    the golden one of the same seed by the difference of two draws, whose standard deviation is
    sqrt(2) sd; the mean over m of them has sqrt(2 / m) sd. As sd is itself estimated from n seeds,
    Student's t with n - 1 degrees of freedom says how many of these to allow.

    Attributes
    ----------
    confidence
        Share of harmless re-draws that stay within the tolerance, two-sided, per metric.
    floor
        Least tolerance: what other processors, thread counts and library versions may change in a
        model without a seed. An assumption, not a measurement.
    """

    confidence: float = 0.99
    floor: float = 0.002

    def tolerance(self, sd: float, *, n_golden: int, n_fresh: int) -> float:
        """Give the tolerance of a mean over `n_fresh` of the `n_golden` seeds that gave `sd`."""
        from scipy.stats import t

        quantile = float(t.ppf((1.0 + self.confidence) / 2.0, df=n_golden - 1))
        return max(self.floor, quantile * sd * math.sqrt(2.0 / n_fresh))

    def in_words(self) -> str:
        """Write the formula as the file and the table give it."""
        return (
            f"max({self.floor:g}, t * sd * sqrt(2 / m)): sd over the n golden seeds, m seeds "
            f"checked, t the two-sided {self.confidence:.0%} quantile of Student's t with n - 1 "
            "degrees of freedom"
        )


@dataclass(frozen=True, kw_only=True)
class GoldenMetric:
    """One metric of one recommender.

    Attributes
    ----------
    values
        Per seed, in the order of the entry's seeds.
    mean, sd
        Of these; the sample standard deviation.
    tolerance
        How far the mean over all these seeds may drift.
    """

    values: tuple[float, ...]
    mean: float
    sd: float
    tolerance: float


@dataclass(frozen=True, kw_only=True)
class GoldenEntry:
    """One recommender.

    Attributes
    ----------
    label
        Its name in tables.
    device
        Device type it was fitted on.
    settings
        Hyper-parameters that were set, as text, as `--set` takes them; the others are the
        recommender's defaults, whatever they are now: one that lowers the AUC is a regression.
    params, params_hash
        Every hyper-parameter as it was, and a hash of them.
    recommender_version
        Of the code that was measured.
    seeds
        At least two.
    metrics
        By name, see `METRICS`; cold ones are missing where no test item is cold.
    """

    label: str
    device: str
    settings: Mapping[str, str]
    params: Mapping[str, Any]
    params_hash: str
    recommender_version: str
    seeds: tuple[int, ...]
    metrics: Mapping[str, GoldenMetric]


@dataclass(frozen=True, kw_only=True)
class Update:
    """Why and where values were measured.

    Attributes
    ----------
    date
        ISO 8601, UTC.
    reason
        As given.
    recommenders
        Whose values they are.
    provenance
        Versions, git state, processor and threads, see `bench.experiment.provenance`.
    """

    date: str
    reason: str
    recommenders: tuple[str, ...]
    provenance: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Golden:
    """A golden file.

    Attributes
    ----------
    dataset
        Name of the data set.
    data_hash, split_hash
        Its contents. The split must be the same; features and images may differ in the last bit
        where another processor made them, so another data hash is told and compared all the same.
    n_users
        Users behind the means: "all", "cold".
    rule
        Where the tolerances come from.
    recommenders
        By name.
    updates
        Oldest first; the last one that names a recommender is about its values.
    """

    dataset: str
    data_hash: str
    split_hash: str
    n_users: Mapping[str, int]
    rule: ToleranceRule
    recommenders: Mapping[str, GoldenEntry]
    updates: tuple[Update, ...]

    def origin(self, name: str) -> Update:
        """Give the update that a recommender's values are from."""
        return next(update for update in reversed(self.updates) if name in update.recommenders)

    def is_of(self, data_hash: str, split_hash: str) -> bool:
        """Tell whether it is of just these data."""
        return (self.data_hash, self.split_hash) == (data_hash, split_hash)

    def to_json(self) -> dict[str, Any]:
        """Give the file's content."""
        content = asdict(self)
        rule = content.pop("rule")
        return {
            "schema_version": GOLDEN_SCHEMA_VERSION,
            "tolerance_rule": {"formula": self.rule.in_words(), **rule},
            **content,
        }

    @classmethod
    def from_json(cls, value: Any, *, where: str) -> Self:
        """Read what `to_json` gave.

        Raises
        ------
        BenchError
            Another schema version, or no golden file at all.
        """
        version = value.get("schema_version") if isinstance(value, dict) else None
        if version != GOLDEN_SCHEMA_VERSION:
            raise BenchError(
                f"{where}: golden schema version {version!r}, this suite reads "
                f"{GOLDEN_SCHEMA_VERSION}; make it anew with `bench check --update`"
            )
        try:
            golden = cls(
                dataset=str(value["dataset"]),
                data_hash=str(value["data_hash"]),
                split_hash=str(value["split_hash"]),
                n_users=dict(value["n_users"]),
                rule=ToleranceRule(
                    confidence=float(value["tolerance_rule"]["confidence"]),
                    floor=float(value["tolerance_rule"]["floor"]),
                ),
                recommenders={
                    str(name): _entry(entry) for name, entry in value["recommenders"].items()
                },
                updates=tuple(
                    Update(**{**update, "recommenders": tuple(update["recommenders"])})
                    for update in value["updates"]
                ),
            )
            for name in golden.recommenders:
                golden.origin(name)
        except (KeyError, TypeError, ValueError, AttributeError, StopIteration) as error:
            raise BenchError(
                f"{where}: not a golden file ({type(error).__name__}: {error}); restore it, or "
                "make it anew with `bench check --update`"
            ) from None
        return golden


def golden_metric(values: Sequence[float], rule: ToleranceRule) -> GoldenMetric:
    """Summarise the values of two or more seeds."""
    array = np.array(values, dtype=np.float64)
    sd = float(array.std(ddof=1))
    return GoldenMetric(
        values=tuple(array.tolist()),
        mean=float(array.mean()),
        sd=sd,
        tolerance=rule.tolerance(sd, n_golden=len(array), n_fresh=len(array)),
    )


def plain(params: Mapping[str, Any]) -> dict[str, Any]:
    """Give hyper-parameters as JSON gives them back: tuples are lists."""
    value: dict[str, Any] = json.loads(json.dumps(dict(params)))
    return value


def params_hash(params: Mapping[str, Any]) -> str:
    """Hash hyper-parameters: 16 hexadecimal digits."""
    return hashlib.sha256(json.dumps(plain(params), sort_keys=True).encode()).hexdigest()[:16]


def _entry(value: Mapping[str, Any]) -> GoldenEntry:
    metrics = {
        name: GoldenMetric(
            values=tuple(float(number) for number in metric["values"]),
            mean=float(metric["mean"]),
            sd=float(metric["sd"]),
            tolerance=float(metric["tolerance"]),
        )
        for name, metric in value["metrics"].items()
    }
    known = {name: part for name, part in value.items() if name not in _NO_LONGER_WRITTEN}
    entry = GoldenEntry(**{**known, "seeds": tuple(value["seeds"]), "metrics": metrics})
    n_seeds = len(set(entry.seeds))
    for name, metric in metrics.items():
        if n_seeds < 2 or not n_seeds == len(entry.seeds) == len(metric.values):
            raise ValueError(f"{entry.label}, {name}: two or more seeds, and a value for each")
        numbers = (*metric.values, metric.mean, metric.sd, metric.tolerance)
        # JSON has no NaN, Python reads it all the same, and nothing would ever be below it.
        if not all(map(math.isfinite, numbers)) or min(metric.sd, metric.tolerance) < 0:
            raise ValueError(f"{entry.label}, {name}: not a number, or a negative spread")
    return entry
