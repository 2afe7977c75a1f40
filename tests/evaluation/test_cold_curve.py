"""AUC against training counts: bins without gaps, means by hand."""

import itertools

import numpy as np
import pytest

from bench.evaluation.cold_curve import Bin, cold_curve, count_bins
from bench.evaluation.significance import bootstrap_mean
from bench.rng import child_generator


def label(one: Bin) -> str:
    return one.label.replace("\N{EN DASH}", "-")


def test_small_counts_stand_for_themselves_and_larger_bins_double() -> None:
    assert [label(one) for one in count_bins(83)] == [
        "0", "1", "2", "3", "4", "5-9", "10-19", "20-39", "40-79", "80-159",
    ]  # fmt: skip
    assert count_bins(0) == (Bin(0, 0),)
    assert [one.high for one in count_bins(2)] == [0, 1, 2]
    assert count_bins(5)[-1] == Bin(5, 9)
    assert [label(one) for one in count_bins(4, exact_below=1)] == ["0", "1", "2-3", "4-7"]
    with pytest.raises(ValueError, match="at least 1"):
        count_bins(3, exact_below=0)


@pytest.mark.parametrize("exact_below", [1, 3, 5])
@pytest.mark.parametrize("largest", [0, 4, 5, 99, 12345])
def test_every_count_has_one_bin(largest: int, exact_below: int) -> None:
    bins = count_bins(largest, exact_below=exact_below)
    assert bins[0].low == 0
    assert bins[-1].low <= largest <= bins[-1].high
    for one, following in itertools.pairwise(bins):
        assert one.high + 1 == following.low


def test_means_and_users_by_hand() -> None:
    values = np.array([0.1, 0.3, np.nan, 0.5, 0.7, 0.9])
    counts = np.array([0, 0, 0, 6, 9, 2])
    points = cold_curve(values, counts)
    assert [(label(p.bin), p.interval.n_users) for p in points] == [
        ("0", 2), ("1", 0), ("2", 1), ("3", 0), ("4", 0), ("5-9", 2),
    ]  # fmt: skip
    assert points[0].interval.mean == pytest.approx(0.2)
    assert np.isnan(points[1].interval.mean)
    assert points[2].interval.mean == 0.9
    assert points[5].interval.mean == pytest.approx(0.6)


def test_intervals_are_the_bootstraps_and_draw_the_same_users(rng: np.random.Generator) -> None:
    counts = np.repeat([0, 3], 40)
    values = rng.random(80)
    first, *_, last = cold_curve(values, counts, n_resamples=200)
    expected = bootstrap_mean(values[40:], rng=child_generator(0, "cold-curve", 3), n_resamples=200)
    assert last.interval == expected
    # The same users are drawn for another model: a shift by a constant shifts the interval.
    shifted = cold_curve(values + 0.25, counts, n_resamples=200)[0].interval
    assert shifted.low == pytest.approx(first.interval.low + 0.25)
    assert first.interval.low < first.interval.mean < first.interval.high


def test_few_users_have_no_interval(rng: np.random.Generator) -> None:
    counts = np.repeat([0, 1, 2], [9, 10, 1])
    few, enough, one = cold_curve(rng.random(20), counts, n_resamples=50)
    assert np.isfinite([few.interval.mean, one.interval.mean]).all()
    assert np.isnan([few.interval[1:3], one.interval[1:3]]).all()
    assert enough.interval.low < enough.interval.mean < enough.interval.high


def test_nobody() -> None:
    assert cold_curve(np.array([np.nan]), np.array([-1])) == ()
