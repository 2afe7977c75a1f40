"""Bootstrap intervals against SciPy's and against distributions worked out by hand."""

from itertools import product
from math import isnan

import numpy as np
import pytest
from scipy.stats import bootstrap

from bench.evaluation import significance
from bench.evaluation.significance import bootstrap_difference, bootstrap_mean


def test_three_users_by_enumeration() -> None:
    values = np.array([0.0, 1.0, 5.0])
    means = sorted(np.mean(draw) for draw in product(values, repeat=3))  # all 27 resamples
    generator = np.random.default_rng(1)
    found = bootstrap_mean(values, rng=generator, n_resamples=200_000, level=0.8)
    assert found.mean == 2.0
    assert found.n_users == 3
    # The 10 % and 90 % points lie inside steps of the 27-point distribution, so they are exact.
    assert found.low == pytest.approx(means[2], abs=1e-12)
    assert found.high == pytest.approx(means[24], abs=1e-12)


def test_agrees_with_scipy(rng: np.random.Generator) -> None:
    values = rng.beta(4, 2, size=80)
    reference = bootstrap(
        (values,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(5)
    ).confidence_interval
    found = bootstrap_mean(values, rng=rng, n_resamples=20_000)
    # The Monte-Carlo error of a 2.5 % point of 20,000 resamples is about 2 % of the half width.
    tolerance = 0.08 * (reference.high - reference.low) / 2
    assert found.low == pytest.approx(reference.low, abs=tolerance)
    assert found.high == pytest.approx(reference.high, abs=tolerance)


def test_difference_is_paired(rng: np.random.Generator) -> None:
    easy = rng.random(200)
    values, others = easy + 0.1, easy.copy()
    found = bootstrap_difference(values, others, rng=rng)
    assert found.mean == pytest.approx(0.1)
    assert found.high - found.low < 1e-12  # the users' own spread cancels
    reference = bootstrap(
        (values, others[::-1]),
        lambda a, b, axis: np.mean(a - b, axis=axis),
        paired=True,
        method="percentile",
        rng=np.random.default_rng(5),
    ).confidence_interval
    crossed = bootstrap_difference(values, others[::-1], rng=rng, n_resamples=9999)
    tolerance = 0.1 * (reference.high - reference.low) / 2
    assert crossed.low == pytest.approx(reference.low, abs=tolerance)
    assert crossed.high == pytest.approx(reference.high, abs=tolerance)
    with pytest.raises(ValueError, match="equal shapes"):
        bootstrap_difference(values, others[1:], rng=rng)


def test_users_without_a_value_are_left_out(rng: np.random.Generator) -> None:
    values = rng.random(30)
    with_gaps = np.concatenate([values, [np.nan] * 5])
    found = bootstrap_mean(with_gaps, rng=np.random.default_rng(2))
    assert found == bootstrap_mean(values, rng=np.random.default_rng(2))
    assert found.n_users == 30
    pair = bootstrap_difference(with_gaps, with_gaps[::-1], rng=rng)
    assert pair.n_users == 25


def test_one_user_and_none(rng: np.random.Generator) -> None:
    assert bootstrap_mean(np.array([0.3]), rng=rng) == (0.3, 0.3, 0.3, 1)
    nobody = bootstrap_mean(np.array([np.nan]), rng=rng)
    assert nobody.n_users == 0
    assert all(isnan(value) for value in nobody[:3])


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    values = rng.random(50)
    whole = bootstrap_mean(values, rng=np.random.default_rng(4), n_resamples=101)
    monkeypatch.setattr(significance, "_BLOCK_DRAWS", 300)
    assert bootstrap_mean(values, rng=np.random.default_rng(4), n_resamples=101) == whole


def test_level_must_be_a_share(rng: np.random.Generator) -> None:
    with pytest.raises(ValueError, match="level must lie between 0 and 1, got 95"):
        bootstrap_mean(np.array([1.0]), rng=rng, level=95)
