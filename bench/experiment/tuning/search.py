"""Which points are tried, for how long, and which of them wins: pure functions."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, get_args

from bench.errors import BenchError
from bench.rng import child_generator

__all__ = [
    "SEARCHES",
    "Rung",
    "SearchKind",
    "SearchOptions",
    "chosen_points",
    "epochs_of",
    "keeps",
    "ranked",
    "rungs",
]

SearchKind = Literal["grid", "random", "halving"]
SEARCHES: tuple[SearchKind, ...] = get_args(SearchKind)

REDUCTION = 3
"""Successive halving keeps a third of the points and gives them three times the epochs; a half is
what its name says, a third is what Hyperband (Li et al., JMLR 2018) recommends."""


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """How a grid is searched.

    Attributes
    ----------
    kind
        "grid": every point; "random": points drawn without replacement; "halving": successive
        halving (Jamieson and Talwalkar, AISTATS 2016), where all points are fitted for few epochs
        and the better third goes on with three times as many, until all epochs are run.
    trials
        How many points "random" draws, or "halving" begins with; None for all, in halving.
    seed
        Draws the points, and is the seed of every fit.
    """

    kind: SearchKind = "grid"
    trials: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind == "grid" and self.trials is not None:
            raise BenchError(
                f"--search-trials {self.trials}: a grid search tries every point; choose --search "
                "random or halving to try fewer"
            )
        if self.kind == "random" and self.trials is None:
            raise BenchError("--search random: say how many points, with --search-trials N")
        if self.trials is not None and self.trials < 1:
            raise BenchError(f"--search-trials must be at least 1, got {self.trials}")


@dataclass(frozen=True)
class Rung:
    """One stage of a search.

    Attributes
    ----------
    n_points
        How many points enter it.
    share
        Of each fit's epochs.
    """

    n_points: int
    share: Fraction


def chosen_points(n_points: int, options: SearchOptions, recommender: str) -> list[int]:
    """Give the numbers of the points that are tried, ascending.

    A larger `trials` tries the points of a smaller one and more.
    """
    if options.trials is None or options.trials >= n_points:
        return list(range(n_points))
    generator = child_generator(options.seed, "tuning", recommender)
    return sorted(int(point) for point in generator.permutation(n_points)[: options.trials])


def rungs(n_points: int, kind: SearchKind) -> list[Rung]:
    """Give the stages of a search: one, or those of successive halving."""
    if kind != "halving":
        return [Rung(n_points, Fraction(1))]
    last = 0
    while REDUCTION ** (last + 1) <= n_points:
        last += 1
    return [
        Rung(n_points // REDUCTION**rung, Fraction(1, REDUCTION ** (last - rung)))
        for rung in range(last + 1)
    ]


def epochs_of(share: Fraction, max_epochs: int | None, validate_every: int) -> int | None:
    """Give the epochs of a stage, up to a validation; None for a whole fit.

    A model without epochs is always fitted whole.
    """
    if max_epochs is None:
        return None
    epochs = -(-share * max_epochs // validate_every) * validate_every
    return None if epochs >= max_epochs else int(epochs)


def ranked(trials: Iterable[tuple[int, float | None]]) -> list[int]:
    """Order points by validation AUC, best first; ties stand in the order of the grid.

    Parameters
    ----------
    trials
        Number of the point in the grid, and validation AUC; None for one that has none (its fit
        failed, or diverged), which is left out.
    """
    finished = [(-auc, point) for point, auc in trials if auc is not None]
    return [point for _, point in sorted(finished)]


def keeps(order: Sequence[int], rung: Rung) -> list[int]:
    """Give the points that enter a stage, ascending, from the order of the one before."""
    return sorted(order[: rung.n_points])
