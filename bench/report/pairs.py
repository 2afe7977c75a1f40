"""Pairs of recommenders on the same users: how much one exceeds the other, and what tests say."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.evaluation.auc import Ties
from bench.evaluation.significance import holm, randomisation_p, wilcoxon_p
from bench.report.aggregate import Block, Setting, user_values
from bench.rng import child_generator

__all__ = [
    "LEVEL",
    "Pair",
    "Verdict",
    "best_facts",
    "compare_pairs",
    "compared_with_best",
    "pair_facts",
    "pairs_of",
]

LEVEL = 0.05
"""Chance of one or more false differences in a family of tests."""

Verdict = Literal["higher", "lower", "not significant"]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One recommender against another in one row; users are paired.

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
        The same, adjusted within the family of the pairs compared at once.
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
        """Whether one fit of each could well fall the other way: |difference| <= 2 `seed_sd`.

        None where the seeds do not tell.
        """
        return None if self.seed_sd is None else abs(self.difference) <= 2 * self.seed_sd


def pairs_of(names: Sequence[str], base: str | None = None) -> list[tuple[str, str]]:
    """List each pair once, the later one first; with a base, each other against it."""
    if base is not None:
        return [(name, base) for name in names if name != base]
    return [(later, names[k]) for k in range(len(names)) for later in names[k + 1 :]]


def compared_with_best(
    block: Block, setting: Setting, names: Sequence[str], best: str, *, metric: str, ties: Ties
) -> dict[str, Pair]:
    """Compare the best of a row with each other recommender: one family of tests.

    Returns
    -------
    By the other recommender's name; `Pair.difference` is the other's less the best's.
    """
    pairs = pairs_of(names, best)
    found = compare_pairs(block, setting, pairs, metric=metric, ties=ties)
    return {pair.recommender: pair for pair in found}


def compare_pairs(
    block: Block,
    setting: Setting,
    pairs: Sequence[tuple[str, str]],
    *,
    metric: str,
    ties: Ties,
) -> list[Pair]:
    """Test pairs of recommenders that have values in a row; all of them are one family.

    Parameters
    ----------
    block, setting
        The row.
    pairs
        Names of entries with a finished cell.
    metric, ties
        As in `bench.report.aggregate.estimate`.

    Returns
    -------
    In the order of `pairs`; empty without a user in this setting.
    """
    names = {name for pair in pairs for name in pair}
    by_seed = {
        name: values
        for name in names
        if (values := user_values(block.entries[name], setting, metric, ties)) is not None
    }
    if not pairs or by_seed.keys() != names:
        return []
    means = {name: values.mean(axis=0) for name, values in by_seed.items()}
    differences = np.stack([means[name] - means[other] for name, other in pairs])
    rng = child_generator(0, "report", "randomisation", setting)
    randomisation = randomisation_p(differences, rng=rng)
    wilcoxon = np.array([wilcoxon_p(row) for row in differences])
    adjusted, wilcoxon_adjusted = holm(randomisation), holm(wilcoxon)
    sds = {
        name: float(values.mean(axis=1).std(ddof=1)) if len(values) > 1 else None
        for name, values in by_seed.items()
    }
    return [
        Pair(
            recommender=name,
            other=other,
            n_users=differences.shape[1],
            difference=float(differences[k].mean()),
            seed_sd=_joined(sds[name], sds[other]),
            wilcoxon=float(wilcoxon[k]),
            wilcoxon_holm=float(wilcoxon_adjusted[k]),
            randomisation=float(randomisation[k]),
            randomisation_holm=float(adjusted[k]),
        )
        for k, (name, other) in enumerate(pairs)
    ]


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


def _joined(sd: float | None, other: float | None) -> float | None:
    return None if sd is None or other is None else math.hypot(sd, other)
