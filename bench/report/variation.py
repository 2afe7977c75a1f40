"""What stands under a table about its two sources of variation, seeds and users, and its tests."""

from collections.abc import Sequence

from bench.evaluation.significance import N_RANDOMISATIONS, N_RESAMPLES
from bench.report.aggregate import METRICS, Entry
from bench.report.pairs import LEVEL

__all__ = ["interval_line", "marks_lines", "sources_lines", "how_tested"]


def interval_line() -> str:
    """Say how intervals of a mean come about."""
    return (
        f"Intervals: 95% percentile bootstrap over users ({N_RESAMPLES:,} resamples, seed 0); with "
        "several seeds, of each user's mean over seeds."
    )


def sources_lines(entries: Sequence[Entry], *, metric: str, over_users: bool) -> list[str]:
    """Keep the two sources of variation apart.

    Parameters
    ----------
    entries
        What the table shows.
    metric
        Name in `bench.report.aggregate.METRICS`.
    over_users
        Whether the table has intervals or tests.
    """
    several = any(len(entry.runs) > 1 for entry in entries)
    lines = []
    if several:
        lines.append(
            f"±: standard deviation over seeds of the mean {METRICS[metric].label}, the value "
            "above it: the noise of training. It says nothing of the choice of users."
        )
    if over_users:
        lines.append(
            "Intervals and tests: over users, as if others of their kind had been asked; they say "
            "nothing of the noise of training"
            + (
                ", which each user's mean over the seeds makes smaller."
                if several
                else ", which one seed does not show (`bench run --seeds 5` does)."
            )
        )
    return lines


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
