"""Pairs of recommenders: what is compared, adjusted together, and decided."""

import numpy as np
import pytest
from scipy.stats import permutation_test, wilcoxon

from bench.report.aggregate import collect
from bench.report.pairs import compare_pairs, compared_with_best, pair_facts, pairs_of

RULES = {"metric": "auc", "ties": "strict"}


def column(n, counts=9):
    return {"users": range(n), "equal": [0] * n, "counts": [counts] * n}


def only(cells):
    (block,) = collect(cells)
    return block


def test_pairs_come_once_and_the_later_first():
    assert pairs_of(["a", "b", "c"]) == [("b", "a"), ("c", "a"), ("c", "b")]
    assert pairs_of(["a", "b", "c"], "b") == [("a", "b"), ("c", "b")]
    assert pairs_of(["a"]) == []


def test_differences_and_p_values_of_seven_users(add_cell):
    fm, vbpr = [5, 4, 6, 7, 3, 5, 2], [6, 6, 9, 6, 7, 10, 8]
    block = only([add_cell("fm", fm, **column(7)), add_cell("vbpr", vbpr, **column(7))])
    (pair,) = compare_pairs(block, "all", [("vbpr", "fm")], **RULES)
    assert (pair.recommender, pair.other, pair.n_users) == ("vbpr", "fm", 7)
    assert pair.difference == pytest.approx(20 / 70)
    reference = permutation_test(
        (np.array(vbpr), np.array(fm)),
        lambda a, b, axis: np.mean(a - b, axis=axis),
        permutation_type="samples",
        n_resamples=np.inf,
        vectorized=True,
    ).pvalue
    assert pair.randomisation == pytest.approx(reference)
    expected = wilcoxon(np.array(vbpr) - np.array(fm), zero_method="pratt").pvalue
    assert pair.wilcoxon == pytest.approx(expected)
    assert pair.randomisation_holm == pair.randomisation  # alone in its family
    assert pair.verdict == "higher"
    (turned,) = compare_pairs(block, "all", [("fm", "vbpr")], **RULES)
    assert turned.verdict == "lower"
    assert turned.randomisation == pair.randomisation


def test_holm_is_over_the_pairs_compared_at_once(add_cell):
    n = 40
    rng = np.random.default_rng(0)
    ease = rng.integers(2, 6, n)
    names = {"rand": -2, "fm": 0, "vbpr": 1, "dvbpr": 1}
    cells = [
        add_cell(name, (ease + shift + rng.integers(0, 3, n)).tolist(), **column(n))
        for name, shift in names.items()
    ]
    block = only(cells)
    pairs = compare_pairs(block, "all", pairs_of(list(names)), **RULES)
    by_p = sorted(pairs, key=lambda pair: pair.randomisation)
    assert by_p[0].randomisation_holm == pytest.approx(6 * by_p[0].randomisation)
    assert by_p[0].randomisation == 1e-4  # nothing drawn of 9,999 is as extreme
    best = compared_with_best(block, "all", list(names), "dvbpr", **RULES)
    assert list(best) == ["rand", "fm", "vbpr"]
    assert best["rand"].randomisation_holm == pytest.approx(3e-4)
    assert best["rand"].verdict == "lower"
    assert best["vbpr"].verdict == "not significant"


def test_users_are_averaged_over_seeds_first(add_cell):
    # Each seed of FM alone beats or loses to RAND by 0.4 per user; their mean is RAND's value.
    rand = [5] * 8
    cells = [
        add_cell("rand", rand, **column(8)),
        add_cell("fm", [9, 1] * 4, seed=0, **column(8)),
        add_cell("fm", [1, 9] * 4, seed=1, **column(8)),
    ]
    (pair,) = compare_pairs(only(cells), "all", [("fm", "rand")], **RULES)
    assert pair.difference == pytest.approx(0)
    assert pair.randomisation == pair.wilcoxon == 1.0


def test_spread_over_seeds_is_of_two_independent_fits(add_cell):
    cells = [
        *(add_cell("fm", [4 + s] * 4, seed=s) for s in (0, 1, 2)),  # sd 0.1
        *(add_cell("vbpr", [5 + 2 * s] * 4, seed=s) for s in (0, 1)),  # sd 0.2 / sqrt(2)
        add_cell("rand"),
    ]
    block = only(cells)
    fm_vbpr, fm_rand = compare_pairs(block, "all", [("vbpr", "fm"), ("rand", "fm")], **RULES)
    assert fm_vbpr.seed_sd == pytest.approx(np.sqrt(0.01 + 0.02))
    assert fm_vbpr.difference == pytest.approx(0.1)
    assert fm_vbpr.within_seed_noise is True
    assert fm_rand.seed_sd is None
    assert fm_rand.within_seed_noise is None


def test_wilcoxon_and_the_mean_may_disagree(add_cell):
    # Most users lose a little, a few gain much: the mean stays, the ranks do not.
    n = 60
    other = [5] * n
    mine = [4] * 48 + [9] * 12
    block = only([add_cell("fm", other, **column(n)), add_cell("vbpr", mine, **column(n))])
    (pair,) = compare_pairs(block, "all", [("vbpr", "fm")], **RULES)
    assert pair.difference == pytest.approx(0)
    assert pair.verdict == "not significant"
    assert pair.wilcoxon < 0.05
    assert pair.wilcoxon_disagrees


def test_cold_items_are_a_family_of_their_own(add_cell):
    block = only([add_cell("fm", [5] * 4), add_cell("vbpr", [5, 5, 8, 9])])
    (everyone,) = compare_pairs(block, "all", [("vbpr", "fm")], **RULES)
    (cold,) = compare_pairs(block, "cold", [("vbpr", "fm")], **RULES)
    assert (everyone.n_users, cold.n_users) == (4, 2)
    assert cold.difference == pytest.approx(0.35)
    assert cold.randomisation == 0.5  # of four sign vectors two are as extreme


def test_nothing_to_compare(add_cell):
    warm = only([add_cell(name, counts=[9] * 4) for name in ("fm", "vbpr")])
    assert compare_pairs(warm, "cold", [("vbpr", "fm")], **RULES) == []
    assert compare_pairs(warm, "all", [], **RULES) == []
    assert pair_facts(None) == dict.fromkeys(("p", "p_holm", "wilcoxon_p", "wilcoxon_p_holm"))
