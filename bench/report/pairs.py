"""Pairs of models on the same users: how much one exceeds the other, and what tests say.

All pairs of all rows that stand in one table are one family, adjusted together.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from bench.evaluation.auc import Ties
from bench.evaluation.significance import (
    holm,
    n_randomisations_for,
    randomisation_p,
    wilcoxon_p,
)
from bench.report.aggregate import Block, Setting, user_values
from bench.rng import child_generator

__all__ = [
    "LEVEL",
    "Family",
    "Pair",
    "PairedRow",
    "Verdict",
    "best_facts",
    "compare_rows",
    "compared_with",
    "pair_facts",
    "paired_row",
    "pairs_of",
]

LEVEL = 0.05
"""Chance of one or more false differences in a family of tests."""

Verdict = Literal["higher", "lower", "not significant"]


@dataclass(frozen=True, kw_only=True)
class PairedRow:
    """Models with values on the same users, and which of them are compared.

    Attributes
    ----------
    setting
        Which users these are.
    values
        By model: float64 (n_seeds, n_users), a metric per seed and user.
    pairs
        Names in `values`; the difference is the former's mean less the latter's.
    """

    setting: Setting
    values: Mapping[str, npt.NDArray[np.float64]]
    pairs: Sequence[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One model against another in one row; users are paired.

    Attributes
    ----------
    recommender, other
        Names; the difference is the former's mean less the latter's.
    n_users
        Users that both were evaluated on.
    difference
        Of the means over users (each user's value averaged over the seeds first).
    seed_sd
        Standard deviation of the difference between one fit of each over seeds, the two fits
        independent: sqrt(sd^2 + sd'^2); None where either has a single seed.
    wilcoxon, randomisation
        Two-sided p-values of the paired tests over users.
    wilcoxon_holm, randomisation_holm
        The same, adjusted within the family: all pairs of the table.
    """

    recommender: str
    other: str
    n_users: int
    difference: float
    seed_sd: float | None
    wilcoxon: float
    wilcoxon_holm: float
    randomisation: float
    randomisation_holm: float

    @property
    def verdict(self) -> Verdict:
        """Decide by the randomisation test, Holm-adjusted, at `LEVEL`: it is about the mean."""
        if self.randomisation_holm > LEVEL:
            return "not significant"
        return "higher" if self.difference > 0 else "lower"

    @property
    def wilcoxon_disagrees(self) -> bool:
        """Whether Wilcoxon's test, adjusted alike, decides otherwise at `LEVEL`."""
        return (self.wilcoxon_holm > LEVEL) != (self.randomisation_holm > LEVEL)

    @property
    def within_seed_noise(self) -> bool | None:
        """Whether one fit of each might fall the other way: |difference| <= 2 `seed_sd`.

        None where the seeds do not tell.
        """
        return None if self.seed_sd is None else abs(self.difference) <= 2 * self.seed_sd

    def turned(self) -> "Pair":
        """Give the same pair the other way round."""
        return replace(
            self, recommender=self.other, other=self.recommender, difference=-self.difference
        )


@dataclass(frozen=True)
class Family:
    """The pairs of a table, tested and adjusted together.

    Attributes
    ----------
    rows
        As they were given: the pairs of each row.
    n_randomisations
        How many sign vectors were drawn at most, see `randomisation_p`.
    """

    rows: tuple[tuple[Pair, ...], ...]
    n_randomisations: int

    @property
    def n_tests(self) -> int:
        """How many pairs were adjusted together."""
        return sum(map(len, self.rows))

    def facts(self) -> dict[str, Any]:
        """Give what JSON says of the tests."""
        return {
            "level": LEVEL,
            "n_tests": self.n_tests,
            "n_randomisations": self.n_randomisations,
        }


def pairs_of(names: Sequence[str], base: str | None = None) -> list[tuple[str, str]]:
    """List each pair once, the later one first; with a base, each other against it."""
    if base is not None:
        return [(name, base) for name in names if name != base]
    return [(later, names[k]) for k in range(len(names)) for later in names[k + 1 :]]


def paired_row(
    block: Block,
    setting: Setting,
    pairs: Sequence[tuple[str, str]],
    *,
    metric: str,
    ties: Ties,
) -> PairedRow:
    """Gather a row of stored recommenders; without pairs if no user is in this setting.

    Parameters
    ----------
    block, setting
        The row.
    pairs
        Names of entries with a finished cell.
    metric, ties
        As in `bench.report.aggregate.estimate`.
    """
    values = {}
    for name in dict.fromkeys(name for pair in pairs for name in pair):
        found = user_values(block.entries[name], setting, metric, ties)
        if found is None:
            return PairedRow(setting=setting, values={}, pairs=())
        values[name] = found
    return PairedRow(setting=setting, values=values, pairs=pairs)


def compare_rows(rows: Iterable[PairedRow]) -> Family:
    """Test the pairs of all rows of a table: one family.

    The more pairs, the more often signs are drawn: else no p-value could be small enough to
    survive the adjustment.
    """
    rows = list(rows)
    n_randomisations = n_randomisations_for(sum(len(row.pairs) for row in rows), level=LEVEL)
    found = [pair for row in rows for pair in _tested(row, n_randomisations)]
    randomisation = holm([pair.randomisation for pair in found])
    wilcoxon = holm([pair.wilcoxon for pair in found])
    adjusted = iter(
        replace(pair, randomisation_holm=float(p), wilcoxon_holm=float(p_wilcoxon))
        for pair, p, p_wilcoxon in zip(found, randomisation, wilcoxon, strict=True)
    )
    return Family(tuple(tuple(next(adjusted) for _ in row.pairs) for row in rows), n_randomisations)


def compared_with(pairs: Iterable[Pair], name: str) -> dict[str, Pair]:
    """Read off how each other model of a row compares with one, by its name."""
    turned = (pair.turned() if pair.recommender == name else pair for pair in pairs)
    return {pair.recommender: pair for pair in turned if pair.other == name}


def pair_facts(pair: Pair | None) -> dict[str, float | None]:
    """Give the p-values of a pair as CSV and JSON have them."""
    return {
        name: None if pair is None else getattr(pair, field)
        for name, field in (
            ("p", "randomisation"),
            ("p_holm", "randomisation_holm"),
            ("wilcoxon_p", "wilcoxon"),
            ("wilcoxon_p_holm", "wilcoxon_holm"),
        )
    }


def best_facts(pair: Pair | None, *, is_best: bool) -> dict[str, float | str | None]:
    """Give what the tests against the best of a row say; the best itself has no p-values."""
    verdict = "best" if is_best else None if pair is None else pair.verdict
    values = {f"{name}_against_best": value for name, value in pair_facts(pair).items()}
    return {**values, "significance": verdict}


def _tested(row: PairedRow, n_randomisations: int) -> list[Pair]:
    """Test the pairs of a row, not adjusted yet."""
    if not row.pairs:
        return []
    means = {name: values.mean(axis=0) for name, values in row.values.items()}
    sds = {
        name: float(values.mean(axis=1).std(ddof=1)) if len(values) > 1 else None
        for name, values in row.values.items()
    }
    differences = np.stack([means[name] - means[other] for name, other in row.pairs])
    rng = child_generator(0, "report", "randomisation", row.setting)
    randomisation = randomisation_p(differences, rng=rng, n_randomisations=n_randomisations)
    found = []
    for (name, other), values, p in zip(row.pairs, differences, randomisation, strict=True):
        wilcoxon = wilcoxon_p(values)
        found.append(
            Pair(
                recommender=name,
                other=other,
                n_users=len(values),
                difference=float(values.mean()),
                seed_sd=_joined(sds[name], sds[other]),
                wilcoxon=wilcoxon,
                wilcoxon_holm=wilcoxon,
                randomisation=float(p),
                randomisation_holm=float(p),
            )
        )
    return found


def _joined(sd: float | None, other: float | None) -> float | None:
    return None if sd is None or other is None else math.hypot(sd, other)
