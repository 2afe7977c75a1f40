"""AUC against how often the test item was seen in training: the cold-item microscope.

One threshold ("fewer than 5") hides where a model starts to know an item. Small counts stand for
themselves, larger ones in bins that double, so that the cold threshold is a border between bins.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.evaluation.significance import N_RESAMPLES, Interval, bootstrap_mean
from bench.rng import child_generator

__all__ = ["LEAST_USERS", "Bin", "Point", "cold_curve", "count_bins"]

LEAST_USERS = 10
"""Of fewer users no interval is given: the bootstrap's is far too narrow there."""


@dataclass(frozen=True)
class Bin:
    """Training counts `low` to `high`, both included."""

    low: int
    high: int

    @property
    def label(self) -> str:
        """As on an axis: "3", "5–9"."""
        return str(self.low) if self.low == self.high else f"{self.low}\N{EN DASH}{self.high}"


@dataclass(frozen=True)
class Point:
    """A bin's mean over users with its bootstrap interval."""

    bin: Bin
    interval: Interval


def count_bins(largest: int, *, exact_below: int = 5) -> tuple[Bin, ...]:
    """Give a bin each to 0, 1, ... below `exact_below`, then bins of doubling width.

    Parameters
    ----------
    largest
        The largest count that must find its bin.
    exact_below
        From here on bins double: 5 to 9, 10 to 19, 20 to 39, ...

    Raises
    ------
    ValueError
        `exact_below` is less than 1.
    """
    if exact_below < 1:
        raise ValueError(f"exact_below must be at least 1, got {exact_below}")
    bins = [Bin(count, count) for count in range(min(exact_below, largest + 1))]
    low = exact_below
    while low <= largest:
        bins.append(Bin(low, 2 * low - 1))
        low *= 2
    return tuple(bins)


def cold_curve(
    values: npt.NDArray[np.float64],
    item_counts: npt.NDArray[np.int64],
    *,
    exact_below: int = 5,
    n_resamples: int = N_RESAMPLES,
) -> tuple[Point, ...]:
    """Average a per-user metric over the users whose test item has so many training interactions.

    Two models on the same users are drawn with the same users in each resample.

    Parameters
    ----------
    values
        float64 (n_users,): NaN for a user without a value, who is left out.
    item_counts
        int64 (n_users,): training interactions of each user's test item; ignored where the value
        is NaN.
    exact_below
        Where bins start to double; see `count_bins`.
    n_resamples
        Resamples of the 95 % bootstrap interval.

    Returns
    -------
    A point per bin, also for bins without users (their mean is NaN); none without any user. Bounds
    are NaN where a bin has fewer than `LEAST_USERS` users.
    """
    there = ~np.isnan(values)
    if not there.any():
        return ()
    points = []
    for one in count_bins(int(item_counts[there].max()), exact_below=exact_below):
        inside = there & (item_counts >= one.low) & (item_counts <= one.high)
        rng = child_generator(0, "cold-curve", one.low)
        interval = bootstrap_mean(values[inside], rng=rng, n_resamples=n_resamples)
        if interval.n_users < LEAST_USERS:
            interval = interval._replace(low=float("nan"), high=float("nan"))
        points.append(Point(one, interval))
    return tuple(points)
