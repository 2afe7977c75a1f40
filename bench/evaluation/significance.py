"""How far a mean over users can be trusted, and a difference between two models on the same users.

Users are the unit: drawn with replacement for percentile bootstrap intervals, paired between two
models in the tests. Training noise is in neither; several seeds are there for that.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = [
    "Interval",
    "N_RANDOMISATIONS",
    "N_RESAMPLES",
    "OPEN_BELOW",
    "bootstrap_difference",
    "bootstrap_mean",
    "holm",
    "n_randomisations_for",
    "randomisation_p",
    "wilcoxon_p",
]

N_RESAMPLES = 1000
N_RANDOMISATIONS = 9999
"""The least number of draws."""

OPEN_BELOW = 0.1
"""A pair whose first `N_RANDOMISATIONS` draws give a larger p gets no further ones."""

_DRAWS_AT_THE_BORDER = 200
_BLOCK_DRAWS = 4 << 20
_BITS = 63
"""Sign vectors that are counted through are bits of an int64."""


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
    n_resamples: int = N_RESAMPLES,
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
    n_resamples: int = N_RESAMPLES,
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


def wilcoxon_p(differences: npt.NDArray[np.float64]) -> float:
    """Give the two-sided p of Wilcoxon's signed-rank test on paired differences.

    It asks whether differences lie symmetrically about 0, so it may decide otherwise than a test of
    the mean where few users gain much and many lose little.

    Parameters
    ----------
    differences
        float64 (n_users,): one model's value less the other's, user by user; NaNs are left out.

    Returns
    -------
    The p-value, in 0..1: exact for few users, else by the normal approximation, as SciPy chooses. 1
    without a user on whom the models differ.

    Notes
    -----
    Source: Wilcoxon (1945), with zeros as Pratt (1959) treats them: ranked with the others, then
    left out. Zeros have the lowest ranks, so they lift all others and make these more alike: the
    more users the models agree on, the less counts how large a difference is, until with very many
    the test is the sign test. That can make a difference significant as well as the opposite.
    """
    from scipy import stats  # takes longer to import than all a table without tests needs

    rounded = _rounded(differences)
    if not rounded.any():
        return 1.0
    return float(stats.wilcoxon(rounded, zero_method="pratt").pvalue)


def n_randomisations_for(n_tests: int, *, level: float) -> int:
    """Say how many draws a randomisation test needs beside `n_tests` - 1 others under Holm.

    Holm's first step asks for p of at most level / n_tests. So many draws are taken that 200 of
    them are expected to be as extreme at that border: a p near it is known to 7 %, and the smallest
    that draws can give is 200 times smaller. Never fewer than `N_RANDOMISATIONS`.
    """
    return max(N_RANDOMISATIONS, round(_DRAWS_AT_THE_BORDER * n_tests / level))


def randomisation_p(
    differences: npt.NDArray[np.float64],
    *,
    rng: np.random.Generator,
    n_randomisations: int = N_RANDOMISATIONS,
) -> npt.NDArray[np.float64]:
    """Give the two-sided p of the randomisation test for the mean of paired differences.

    If two models are the same, which of a user's two values belongs to which is a coin's toss: the
    signs of the differences are drawn anew, and p is how often the mean gets as far from 0 as the
    one found. Several pairs of models on the same users share their draws.

    Parameters
    ----------
    differences
        float64 (n_pairs, n_users): per pair of models one's value less the other's; a user with a
        NaN in any pair is left out of all.
    rng
        Draws the signs.
    n_randomisations
        How many times they are drawn at most. All 2^n_users sign vectors are taken instead, and p
        is exact, where there are no more of them.

    Returns
    -------
    float64 (n_pairs,). Drawn: (1 + b) / (1 + n) for b of n draws as extreme, so that p is never 0
    and the test keeps its level (Phipson and Smyth 2010). 1 without users.

    Notes
    -----
    Two kinds of pairs are spared draws that could change nothing. One whose first
    `N_RANDOMISATIONS` give p above `OPEN_BELOW` keeps it; that is valid, as a p-value of this size
    rests on these draws and a smaller one needs them and all others (Besag and Clifford, Sequential
    Monte Carlo p-values, 1991). One whose p is at most 1 / (1 + n_randomisations), the smallest
    that draws can give, by Hoeffding's inequality for sums of signs, P(|sum| >= t) <=
    2 exp(-t^2 / (2 sum of squares)), gets that value undrawn, which is never too small.

    Source: Fisher, The Design of Experiments (1935), section 21; Smucker, Allan and Carterette, A
    Comparison of Statistical Significance Tests for Information Retrieval Evaluation (CIKM 2007).
    """
    rounded = _rounded(differences)
    n_pairs, n_users = rounded.shape
    found = np.ones(n_pairs)
    if not n_users:
        return found
    if n_users < _BITS and 2**n_users <= n_randomisations:
        n_all = 2**n_users
        found[:] = _n_extreme(rounded, n_all, lambda numbers: _bits_of(numbers, n_users)) / n_all
        return found
    smallest = 1 / (1 + n_randomisations)
    squares = np.maximum((rounded**2).sum(axis=1), np.finfo(np.float64).tiny)
    sure = 2 * np.exp(-(rounded.sum(axis=1) ** 2) / (2 * squares)) <= smallest
    found[sure] = smallest
    open_ = np.flatnonzero(~sure)
    n_extreme = np.zeros(len(open_), dtype=np.int64)
    n_drawn = 0
    for n_here in (min(N_RANDOMISATIONS, n_randomisations), n_randomisations):
        if len(open_) and n_here > n_drawn:
            n_extreme += _n_extreme(
                rounded[open_], n_here - n_drawn, lambda numbers: _drawn(rng, len(numbers), n_users)
            )
            n_drawn = n_here
            found[open_] = (1 + n_extreme) / (1 + n_drawn)
            going_on = found[open_] <= OPEN_BELOW
            open_, n_extreme = open_[going_on], n_extreme[going_on]
    return found


def holm(p_values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Adjust the p-values of a family of tests: `adjusted <= level` keeps the family's level.

    The chance of one or more false differences among all tests of the family stays below the
    level, however the tests depend on each other.

    Parameters
    ----------
    p_values
        float (n_tests,), in 0..1.

    Returns
    -------
    float64 (n_tests,), in the order given.

    Notes
    -----
    Source: Holm, A Simple Sequentially Rejective Multiple Test Procedure (1979): the k-th smallest
    of m is multiplied by m - k + 1, and none ends up below a smaller one.
    """
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    scaled = values[order] * np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(scaled))
    return adjusted


def _rounded(differences: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Leave out users with a NaN; make equal what differs by a sum's rounding alone.

    Shares of 350,000 negatives differ by 1e-11 or not at all, so twelve digits keep all there is.
    """
    there = ~np.isnan(np.atleast_2d(differences)).any(axis=0)
    return np.round(differences[..., there], 12)


def _n_extreme(
    differences: npt.NDArray[np.float64],
    n_vectors: int,
    minus_of: Callable[[npt.NDArray[np.int64]], npt.NDArray[np.uint8]],
) -> npt.NDArray[np.int64]:
    """Count per pair the sign vectors, made block by block, whose sum is as far from 0."""
    n_pairs, n_users = differences.shape
    sums = differences.sum(axis=1)
    # A flipped sum equal to the one found but for rounding is as extreme as it.
    least = np.abs(sums) - 1e-9 * np.maximum(1.0, np.abs(differences).sum(axis=1))
    n_extreme = np.zeros(n_pairs, dtype=np.int64)
    size = max(1, _BLOCK_DRAWS // n_users)
    for start in range(0, n_vectors, size):
        minus = minus_of(np.arange(start, min(start + size, n_vectors))).astype(np.float64)
        flipped = sums - 2 * (minus @ differences.T)
        n_extreme += (np.abs(flipped) >= least).sum(axis=0)
    return n_extreme


def _bits_of(numbers: npt.NDArray[np.int64], n_users: int) -> npt.NDArray[np.uint8]:
    """Write out numbers as sign vectors, uint8 (n, n_users): 1 is minus."""
    return ((numbers[:, np.newaxis] >> np.arange(n_users)) & 1).astype(np.uint8)


def _drawn(rng: np.random.Generator, n_vectors: int, n_users: int) -> npt.NDArray[np.uint8]:
    """Draw sign vectors, uint8 (n_vectors, n_users): a random bit per sign is quickest."""
    drawn = rng.integers(0, 256, size=(n_vectors, -(-n_users // 8)), dtype=np.uint8)
    return np.unpackbits(drawn, axis=1, count=n_users)
