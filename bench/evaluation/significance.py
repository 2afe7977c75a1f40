"""How far a mean over users can be trusted: percentile bootstrap intervals.

Users are the unit that is drawn with replacement; training noise is not in these intervals, several
seeds are there for that.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Interval", "bootstrap_difference", "bootstrap_mean"]

_BLOCK_DRAWS = 4 << 20


class Interval(NamedTuple):
    """A mean over users with its bootstrap interval.

    Attributes
    ----------
    mean
        The plain mean; NaN without users, like the bounds.
    low, high
        Bounds of the interval; both equal the mean for a single user.
    n_users
        How many users it rests on.
    """

    mean: float
    low: float
    high: float
    n_users: int


def bootstrap_mean(
    values: npt.NDArray[np.float64],
    *,
    rng: np.random.Generator,
    n_resamples: int = 1000,
    level: float = 0.95,
) -> Interval:
    """Give the percentile bootstrap interval of a mean over users.

    Parameters
    ----------
    values
        float64 (n_users,): a per-user metric; NaN users are left out.
    rng
        Draws the resamples: the same state gives the same interval.
    n_resamples
        How many times users are drawn with replacement, as many as there are each time.
    level
        The interval's nominal coverage, between 0 and 1.

    Notes
    -----
    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), section 13.3.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    there = values[~np.isnan(values)]
    n_users = len(there)
    if not n_users:
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    means = np.empty(n_resamples)
    size = max(1, _BLOCK_DRAWS // n_users)
    for start in range(0, n_resamples, size):
        n_here = min(size, n_resamples - start)
        # 32-bit draws halve the time; no metric here has 2^31 users.
        drawn = rng.integers(0, n_users, size=(n_here, n_users), dtype=np.int32)
        means[start : start + n_here] = there[drawn].mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(there.mean()), float(low), float(high), n_users)


def bootstrap_difference(
    values: npt.NDArray[np.float64],
    others: npt.NDArray[np.float64],
    *,
    rng: np.random.Generator,
    n_resamples: int = 1000,
    level: float = 0.95,
) -> Interval:
    """Give the interval of mean(values) - mean(others) for two models on the same users.

    Both values of a user are drawn together, so what makes a user easy or hard for both models
    cancels. An interval that excludes 0 is a difference at the given level.

    Parameters
    ----------
    values, others
        float64 (n_users,) each, row by row the same users; users with a NaN in either are left out.
    rng
        Draws the resamples.
    n_resamples
        How many times users are drawn with replacement.
    level
        The interval's nominal coverage, between 0 and 1.
    """
    if values.shape != others.shape:
        raise ValueError(f"paired values need equal shapes, got {values.shape}, {others.shape}")
    return bootstrap_mean(values - others, rng=rng, n_resamples=n_resamples, level=level)
