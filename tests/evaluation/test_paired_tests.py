"""Wilcoxon, randomisation and Holm against enumerations and figures recorded elsewhere."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm, permutation_test, rankdata

from bench.evaluation import significance
from bench.evaluation.significance import (
    holm,
    n_randomisations_for,
    randomisation_p,
    wilcoxon_p,
)

SMALL = st.lists(st.integers(-20, 20), min_size=1, max_size=9)


def enumerated(differences: np.ndarray) -> float:
    """How many of all sign vectors bring the sum as far from 0, in whole numbers."""
    sums = np.array(list(product((-1, 1), repeat=9))) @ differences
    return float(np.mean(np.abs(sums) >= abs(differences.sum())))


def padded(numbers: list[int]) -> np.ndarray:
    """Zeros change no sum, so nine users have the p of the fewer."""
    return np.array(numbers + [0] * (9 - len(numbers)), dtype=np.int64)


@settings(max_examples=25, deadline=None)
@given(SMALL)
def test_randomisation_of_few_users_is_exact(numbers: list[int]) -> None:
    differences = np.array(numbers) / 10  # tenths: equal sums differ in the last bit
    (found,) = randomisation_p(differences[np.newaxis], rng=np.random.default_rng(0))
    assert found == pytest.approx(enumerated(padded(numbers)), abs=1e-12)


@settings(max_examples=15, deadline=None)
@given(SMALL, st.floats(0.01, 100), st.randoms(use_true_random=False))
def test_sign_scale_and_order_of_users_change_nothing(numbers, scale, random) -> None:
    differences = np.array(numbers, dtype=float)
    shuffled = differences.copy()
    random.shuffle(shuffled)
    rng = np.random.default_rng(0)
    p = randomisation_p(np.stack([differences, -differences, shuffled]), rng=rng)
    assert p[0] == p[1] == p[2]
    assert 0 < p[0] <= 1
    assert randomisation_p(scale * differences[np.newaxis], rng=rng)[0] == p[0]


def test_randomisation_of_many_users_agrees_with_scipy(rng: np.random.Generator) -> None:
    differences = rng.normal([[0.1], [0.2]], 1.0, size=(2, 150))
    found = randomisation_p(differences, rng=rng)
    for mine, row in zip(found, differences, strict=True):
        reference = permutation_test(
            (row, np.zeros_like(row)),
            lambda a, b, axis: np.mean(a - b, axis=axis),
            permutation_type="samples",
            vectorized=True,
            n_resamples=1999,
            batch=500,
            rng=np.random.default_rng(1),
        ).pvalue
        # Four standard errors of the two draws' shares.
        error = np.sqrt(reference * (1 - reference) * (1 / 1999 + 1 / 9999))
        assert mine == pytest.approx(reference, abs=4 * error + 1e-3)


def test_pairs_share_their_draws(rng: np.random.Generator) -> None:
    differences = rng.normal(0.05, 1.0, size=(4, 60))
    together = randomisation_p(differences, rng=np.random.default_rng(3))
    alone = [randomisation_p(row[np.newaxis], rng=np.random.default_rng(3)) for row in differences]
    assert together == pytest.approx(np.concatenate(alone))


def test_drawn_p_is_never_zero() -> None:
    (p,) = randomisation_p(np.ones((1, 200)), rng=np.random.default_rng(0), n_randomisations=999)
    assert p == 1 / 1000


def test_draws_grow_with_the_family() -> None:
    assert n_randomisations_for(1, level=0.05) == n_randomisations_for(2, level=0.05) == 9999
    assert n_randomisations_for(28, level=0.05) == 112_000
    for n_tests in (1, 28, 501, 10_000):
        smallest = 1 / (1 + n_randomisations_for(n_tests, level=0.05))
        assert n_tests * smallest < 0.006  # survives Holm with room


def test_pairs_are_spared_draws_without_another_verdict(rng: np.random.Generator) -> None:
    """Clear pairs, doubtful ones and sure ones against the same test with all draws for all."""
    shifts = np.array([0.0, 0.05, 0.15, 0.2, 0.25, 0.3, 2.0])
    differences = rng.normal(shifts[:, np.newaxis], 1.0, size=(7, 150))
    found = randomisation_p(differences, rng=np.random.default_rng(1), n_randomisations=60_000)
    signs = np.random.default_rng(2).choice([-1.0, 1.0], size=(20_000, 150))
    far = np.abs(signs @ differences.T) >= np.abs(differences.sum(axis=1))
    # Five standard errors of the first 9,999 draws and of these.
    error = 5 * np.sqrt(far.mean(axis=0) * (1 - far.mean(axis=0)) * (1 / 9999 + 1 / 20_000))
    assert np.all(np.abs(found - far.mean(axis=0)) <= error + 2e-4)
    n_drawn = np.where(found > significance.OPEN_BELOW, 9999, 60_000)
    counts = found * (1 + n_drawn)
    assert counts == pytest.approx(np.round(counts))
    assert {9999, 60_000} == set(n_drawn.tolist())
    assert found[-1] == 1 / 60_001


def test_hoeffding_never_gives_too_small_a_p() -> None:
    # 16 equal differences: exactly 2 of 2^16 sign vectors are as extreme, 3.1e-5, and the bound
    # 2 exp(-8) = 6.7e-4 says no more than it may.
    equal = np.ones((1, 16))
    (p,) = randomisation_p(equal, rng=np.random.default_rng(0), n_randomisations=1000)
    assert p == 1 / 1001
    (exact,) = randomisation_p(equal, rng=np.random.default_rng(0), n_randomisations=2**16)
    assert exact == 2**-15
    assert exact <= 2 * np.exp(-8) <= p


def test_agreeing_users_can_make_wilcoxon_significant() -> None:
    """Pratt's zeros lift the other ranks, so that signs count more than sizes."""
    differences = np.array([1, -9, 2, -8, 3, 4, 5, 6, 7] + [10] * 6 + [-30] * 3) / 100
    alone = wilcoxon_p(differences)
    among_many = wilcoxon_p(np.append(differences, np.zeros(5000)))
    signs = np.sign(differences)
    sign_test = 2 * norm.sf(abs(signs.sum()) / np.sqrt(len(signs)))
    assert among_many < 0.5 * alone
    assert among_many == pytest.approx(sign_test, rel=0.05)


def test_randomisation_keeps_its_level(rng: np.random.Generator) -> None:
    p = randomisation_p(rng.normal(size=(400, 12)), rng=rng, n_randomisations=5000)  # exact
    # A share of 5 % of 400 has a standard error of 1.1 %.
    assert 0.015 < np.mean(p <= 0.05) < 0.095


def test_exact_and_drawn_in_blocks(monkeypatch, rng: np.random.Generator) -> None:
    differences = rng.normal(0.3, 1.0, size=(2, 8))
    whole = randomisation_p(differences, rng=rng)
    monkeypatch.setattr(significance, "_BLOCK_DRAWS", 40)
    assert randomisation_p(differences, rng=rng).tolist() == whole.tolist()
    drawn = randomisation_p(differences, rng=rng, n_randomisations=200)
    assert drawn == pytest.approx(whole, abs=0.15)


def test_users_without_a_value_and_no_users(rng: np.random.Generator) -> None:
    values = rng.normal(0.4, 1.0, size=8)
    gaps = np.array([[*values, np.nan, 1.0], [*values, 3.0, np.nan]])
    expected = randomisation_p(values[np.newaxis], rng=rng)[0]
    assert randomisation_p(gaps, rng=rng).tolist() == [expected, expected]
    assert wilcoxon_p(gaps[0, :-1]) == wilcoxon_p(values)
    assert randomisation_p(np.full((2, 3), np.nan), rng=rng).tolist() == [1.0, 1.0]
    assert randomisation_p(np.zeros((1, 30)), rng=rng).tolist() == [1.0]
    assert wilcoxon_p(np.zeros(5)) == wilcoxon_p(np.array([])) == 1.0


def test_wilcoxon_of_few_users_by_enumeration() -> None:
    differences = np.array([0.3, -0.1, 0.7, 0.45, -0.2, 0.9, 0.62, 0.05])
    ranks = rankdata(np.abs(differences))
    found = abs(np.dot(np.sign(differences), ranks))
    sums = [abs(np.dot(signs, ranks)) for signs in product((-1, 1), repeat=8)]
    assert wilcoxon_p(differences) == pytest.approx(np.mean([s >= found for s in sums]))


def test_wilcoxon_of_many_by_the_normal_approximation_with_zeros_and_ties() -> None:
    numbers = np.array([0] * 6 + [1] * 20 + [-1] * 11 + [2] * 15 + [-2] * 9 + [5] * 4 + [-3] * 2)
    ranks = rankdata(np.abs(numbers))  # Pratt: zeros are ranked, then left out
    there = numbers != 0
    # Given the ranks, the signed sum has mean 0 and variance sum of squares.
    z = np.dot(np.sign(numbers[there]), ranks[there]) / np.sqrt(np.sum(ranks[there] ** 2))
    assert wilcoxon_p(numbers / 10) == pytest.approx(2 * norm.sf(abs(z)), rel=1e-9)


def test_differences_equal_but_for_rounding_are_ties() -> None:
    # 0.3 - 0.2 and 0.2 - 0.1 differ in the last bits.
    differences = np.array([0.3 - 0.2, -(0.2 - 0.1)] * 8)
    assert wilcoxon_p(differences) == pytest.approx(1.0)


def test_holm_by_hand() -> None:
    # As `p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")` in R gives.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([0.2]).tolist() == [0.2]
    assert holm([]).tolist() == []


def step_down(p_values: list[float], level: float) -> list[bool]:
    """Holm's own words: reject the smallest while it is at most level / tests left."""
    rejected = [False] * len(p_values)
    for n_done, k in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[k] > level / (len(p_values) - n_done):
            break
        rejected[k] = True
    return rejected


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 1000), min_size=1, max_size=12), st.permutations(range(12)))
def test_holm_rejects_what_the_step_down_procedure_rejects(thousandths, order) -> None:
    p_values = [number / 1000 for number in thousandths]
    adjusted = holm(p_values)
    # 0.0503 lies on no border of a thousandth times a count.
    assert (adjusted <= 0.0503).tolist() == step_down(p_values, 0.0503)
    assert np.all(adjusted >= p_values)
    assert np.all(adjusted <= np.minimum(1, len(p_values) * np.array(p_values)) + 1e-12)
    order = [k for k in order if k < len(p_values)]
    assert holm([p_values[k] for k in order]) == pytest.approx(adjusted[order])
