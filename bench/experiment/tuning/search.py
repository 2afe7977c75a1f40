"""Which points are tried, for how long, and which of them wins: pure functions."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from bench.errors import BenchError
from bench.rng import child_generator

__all__ = [
    "Rung",
    "SearchKind",
    "SearchOptions",
    "drawn_points",
    "entering",
    "epochs_of",
    "ranked",
    "rungs",
]

SearchKind = Literal["grid", "random", "halving"]

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
        and the better third is fitted anew for three times as many, until fits are whole.
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


def drawn_points(n_points: int, options: SearchOptions, recommender: str) -> Iterator[int]:
    """Give the numbers of the points of a grid in the order in which they are drawn, each once.

    All of them, in the grid's order, where none are to be left out. A larger `trials` tries the
    points of a smaller one and more.
    """
    if options.trials is None or options.trials >= n_points:
        yield from range(n_points)
        return
    # Drawn one by one, and not as a permutation: a product of many lists is larger than memory, and
    # than NumPy's integers. Eight bytes more than it takes leave no bias that could be seen.
    generator = child_generator(options.seed, "tuning", recommender)
    n_bytes = n_points.bit_length() // 8 + 9
    drawn: set[int] = set()
    while len(drawn) < n_points:
        point = int.from_bytes(generator.bytes(n_bytes), "little") % n_points
        if point not in drawn:
            drawn.add(point)
            yield point


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


def entering(
    order: Sequence[int], n_points: int, done: Iterable[tuple[int, float | None]]
) -> list[int]:
    """Give the points that a stage still takes in, ascending.

    The first of `order` first; where one of them came to no validation AUC, the next one takes its
    place, so that a stage in which the best diverge is not left empty.

    Parameters
    ----------
    order
        The points that may enter, the best of the stages before first.
    n_points
        How many are to come through with a validation AUC.
    done
        Number and validation AUC of those that the stage has already had.
    """
    results = dict(done)
    lacking = n_points - sum(auc is not None for auc in results.values())
    return sorted([point for point in order if point not in results][: max(0, lacking)])
