"""What stands under a table about its two sources of variation, seeds and users, and its tests."""

from collections.abc import Sequence

from bench.evaluation.significance import N_RANDOMISATIONS, N_RESAMPLES
from bench.report.aggregate import METRICS, Entry
from bench.report.pairs import LEVEL

__all__ = [
    "has_several_seeds",
    "how_tested",
    "interval_line",
    "marks_lines",
    "seeds_line",
    "users_line",
]


def interval_line() -> str:
    """Say how intervals of a mean come about."""
    return (
        f"Intervals: 95% percentile bootstrap over users ({N_RESAMPLES:,} resamples, seed 0); with "
        "several seeds, of each user's mean over seeds."
    )


def seeds_line(metric: str) -> str:
    """Say what stands after "±" below a value, and which source of variation it leaves out."""
    return (
        f"±: standard deviation over seeds of the mean {METRICS[metric].label}, the value above "
        "it: the noise of training. It says nothing of the choice of users."
    )


def users_line(entries: Sequence[Entry]) -> str:
    """Say which source of variation intervals and tests over users leave out."""
    without = (
        "which each user's mean over the seeds makes smaller"
        if has_several_seeds(entries)
        else "which one seed does not show (`bench run --seeds 5` does)"
    )
    return (
        "Intervals and tests: over users, as if others of their kind had been asked; they say "
        f"nothing of the noise of training, {without}."
    )


def has_several_seeds(entries: Sequence[Entry]) -> bool:
    """Tell whether the noise of training is measured anywhere in a table."""
    return any(len(entry.runs) > 1 for entry in entries)


def how_tested(family: str) -> list[str]:
    """Say which tests stand behind p-values and verdicts.

    Parameters
    ----------
    family
        Which tests are adjusted together, as it reads after "within".
    """
    return [
        "Randomisation test: two-sided, on the difference of the two means; the signs of the "
        f"users' differences are drawn anew {N_RANDOMISATIONS:,} times (seed 0), or all sign "
        "vectors taken where there are no more of them.",
        f"Adjusted: by Holm's method within {family}. Significant: adjusted p of at most {LEVEL}.",
    ]


def marks_lines(mark: str) -> list[str]:
    """Explain the mark of Table III beside values that the best does not significantly exceed."""
    family = "each row, the best against each other recommender"
    return [
        f"{mark} not significantly lower than the best of its row; where no value of a row bears "
        "it, the best is significantly higher than every other. The best was chosen on the same "
        "users, which favours it a little; `bench compare` adjusts over all pairs and shows "
        "p-values.",
        *how_tested(family),
    ]
