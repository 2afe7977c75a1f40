"""What stands under a table about its two sources of variation, seeds and users, and its tests."""

from collections.abc import Iterable, Mapping, Sequence

from bench.evaluation.significance import N_RANDOMISATIONS, N_RESAMPLES, OPEN_BELOW
from bench.report.aggregate import Entry
from bench.report.pairs import LEVEL, Family

__all__ = [
    "has_several_seeds",
    "how_tested",
    "interval_line",
    "marks_lines",
    "seeds_line",
    "seeds_of",
    "users_line",
]


def interval_line() -> str:
    """Say how intervals of a mean come about."""
    return (
        f"Intervals: 95% percentile bootstrap over users ({N_RESAMPLES:,} resamples, seed 0), each "
        "on its own, not adjusted for their number; with several seeds, of each user's mean over "
        "seeds."
    )


def seeds_line(what: str) -> str:
    """Say what stands after "±" below the mean of `what`, and which variation it leaves out."""
    return (
        f"±: standard deviation over seeds of the mean {what}, the value above it: the noise of "
        "training. It says nothing of the choice of users."
    )


def users_line(n_seeds: Mapping[str, int]) -> str:
    """Say which source of variation intervals and tests over users leave out.

    Parameters
    ----------
    n_seeds
        By the label of a model, how many fits its values are averaged over.
    """
    alone = [label for label, n in n_seeds.items() if n == 1]
    averaged = "which each user's mean over the seeds makes smaller"
    unseen = "which one seed does not show (`bench run --seeds 5` does)"
    if not alone:
        without = averaged
    elif len(alone) == len(n_seeds):
        without = unseen
    else:
        without = f"{averaged}, but for {', '.join(alone)}: one seed, which does not show it"
    return (
        "Intervals and tests: over users, as if others of their kind had been asked; they say "
        f"nothing of the noise of training, {without}."
    )


def seeds_of(entries: Iterable[Entry]) -> dict[str, int]:
    """Count the seeds behind each label, the fewest where data sets differ."""
    found: dict[str, int] = {}
    for entry in entries:
        if entry.runs:
            found[entry.label] = min(len(entry.runs), found.get(entry.label, len(entry.runs)))
    return found


def has_several_seeds(entries: Sequence[Entry]) -> bool:
    """Tell whether the noise of training is measured anywhere in a table."""
    return any(len(entry.runs) > 1 for entry in entries)


def how_tested(family: Family, which: str = "") -> list[str]:
    """Say which tests stand behind p-values and verdicts.

    Parameters
    ----------
    family
        The tests that were adjusted together.
    which
        What these pairs are, if not all of the table, as it reads after their number.
    """
    n_drawn = f"{family.n_randomisations:,} times (seed 0)"
    if family.n_randomisations > N_RANDOMISATIONS:
        n_drawn += f", {N_RANDOMISATIONS:,} where these give a p above {OPEN_BELOW:g}"
    return [
        "Randomisation test: two-sided, on the difference of the two means; the signs of the "
        f"users' differences are drawn anew {n_drawn}, or all sign vectors taken where there are "
        "no more of them. Where Hoeffding's inequality puts p below the smallest that so many "
        "draws can give, this smallest stands.",
        f"Adjusted: by Holm's method over the {family.n_tests:,} pairs of all rows{which}: one "
        f"family per table. Significant: adjusted p of at most {LEVEL}.",
    ]


def marks_lines(mark: str, family: Family) -> list[str]:
    """Explain the mark of Table III beside values that the best does not significantly exceed."""
    return [
        f"{mark} not significantly lower than the best of its row; where no value of a row bears "
        "it, the best is significantly higher than every other. The best was chosen on the same "
        "users, so each row's pairs are all in the family, whichever is best. `bench compare` "
        "shows p-values.",
        *how_tested(family),
    ]
