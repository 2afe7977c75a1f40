"""Pairs of recommenders: what is compared, adjusted together, and decided."""

import numpy as np
import pytest
from scipy.stats import permutation_test, wilcoxon

from bench.report.aggregate import collect
from bench.report.pairs import (
    PairedRow,
    compare_rows,
    compared_with,
    pair_facts,
    paired_row,
    pairs_of,
)

RULES = {"metric": "auc", "ties": "strict"}


def column(n, counts=9):
    return {"users": range(n), "equal": [0] * n, "counts": [counts] * n}


def compare_pairs(block, setting, pairs):
    (found,) = compare_rows([paired_row(block, setting, pairs, **RULES)]).rows
    return list(found)


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
    (pair,) = compare_pairs(block, "all", [("vbpr", "fm")])
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
    (turned,) = compare_pairs(block, "all", [("fm", "vbpr")])
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
    pairs = compare_pairs(block, "all", pairs_of(list(names)))
    by_p = sorted(pairs, key=lambda pair: pair.randomisation)
    assert by_p[0].randomisation_holm == pytest.approx(6 * by_p[0].randomisation)
    assert by_p[0].randomisation == 1 / 24_001  # nothing drawn of 200 x 6 / 0.05 is as extreme
    best = compared_with(pairs, "fm")
    assert list(best) == ["rand", "vbpr", "dvbpr"]
    assert best["rand"].verdict == "lower"
    assert (best["rand"].other, best["rand"].difference) == ("fm", -pairs[0].difference)
    assert best["vbpr"] == next(p for p in pairs if (p.recommender, p.other) == ("vbpr", "fm"))
    assert compared_with(pairs, "dvbpr")["vbpr"].verdict == "not significant"


def test_all_rows_are_one_family(add_cell):
    block = only([add_cell("fm", [5] * 4), add_cell("vbpr", [5, 5, 8, 9])])
    rows = [paired_row(block, setting, [("vbpr", "fm")], **RULES) for setting in ("all", "cold")]
    family = compare_rows(rows)
    assert family.n_tests == 2
    (everyone,), (cold,) = family.rows
    assert (everyone.n_users, cold.n_users) == (4, 2)
    assert cold.difference == pytest.approx(0.35)
    # Of two users' four sign vectors two are as extreme; of four users', where two agree, half.
    assert everyone.randomisation == cold.randomisation == 0.5
    assert everyone.randomisation_holm == cold.randomisation_holm == 1.0


def test_equal_models_rarely_differ_anywhere_in_a_table():
    """Best against the others, as Table III reads them off, in 40 tables of eight rows."""
    rng = np.random.default_rng(7)
    names = [f"m{k}" for k in range(5)]
    n_tables, n_false = 40, 0
    for _ in range(n_tables):
        table = [
            PairedRow(
                setting="all",
                values={name: rng.normal(size=(1, 13)) for name in names},
                pairs=pairs_of(names),
            )
            for _ in range(8)
        ]
        found = compare_rows(table).rows
        for row, pairs in zip(table, found, strict=True):
            best = max(names, key=lambda name: row.values[name].mean())
            if any(p.verdict == "lower" for p in compared_with(pairs, best).values()):
                n_false += 1
                break
    # 5 % and three standard errors; a family per row, best against others, errs in nearly half.
    assert n_false / n_tables <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / n_tables)
    # Thirteen users are enough to find a difference in such a table.
    values = {**table[0].values, names[0]: table[0].values[names[1]] + rng.uniform(1, 2, (1, 13))}
    better = PairedRow(setting="all", values=values, pairs=pairs_of(names))
    found = compare_rows([better, *table[1:]]).rows
    assert compared_with(found[0], names[0])[names[1]].verdict == "lower"


def test_large_families_can_have_significant_pairs():
    """600 pairs: with 9,999 draws the smallest p, 1e-4, would be adjusted to 0.06."""
    rng = np.random.default_rng(1)
    equal = rng.normal(size=(1, 40))
    values = {f"m{k:02d}": equal + rng.normal(0, 0.1, (1, 40)) for k in range(35)}
    values["better"] = equal + 0.4
    row = PairedRow(setting="all", values=values, pairs=pairs_of(list(values)))
    family = compare_rows([row])
    assert family.n_tests == 630
    assert family.n_randomisations == 630 * 4000
    (pairs,) = family.rows
    assert all(p.verdict == "lower" for p in compared_with(pairs, "better").values())
    assert family.facts() == {"level": 0.05, "n_tests": 630, "n_randomisations": 2_520_000}


def test_users_are_averaged_over_seeds_first(add_cell):
    # Each seed of FM alone beats or loses to RAND by 0.4 per user; their mean is RAND's value.
    rand = [5] * 8
    cells = [
        add_cell("rand", rand, **column(8)),
        add_cell("fm", [9, 1] * 4, seed=0, **column(8)),
        add_cell("fm", [1, 9] * 4, seed=1, **column(8)),
    ]
    (pair,) = compare_pairs(only(cells), "all", [("fm", "rand")])
    assert pair.difference == pytest.approx(0)
    assert pair.randomisation == pair.wilcoxon == 1.0


def test_spread_over_seeds_is_of_two_independent_fits(add_cell):
    cells = [
        *(add_cell("fm", [4 + s] * 4, seed=s) for s in (0, 1, 2)),  # sd 0.1
        *(add_cell("vbpr", [5 + 2 * s] * 4, seed=s) for s in (0, 1)),  # sd 0.2 / sqrt(2)
        add_cell("rand"),
    ]
    block = only(cells)
    fm_vbpr, fm_rand = compare_pairs(block, "all", [("vbpr", "fm"), ("rand", "fm")])
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
    (pair,) = compare_pairs(block, "all", [("vbpr", "fm")])
    assert pair.difference == pytest.approx(0)
    assert pair.verdict == "not significant"
    assert pair.wilcoxon < 0.05
    assert pair.wilcoxon_disagrees


def test_nothing_to_compare(add_cell):
    warm = only([add_cell(name, counts=[9] * 4) for name in ("fm", "vbpr")])
    assert compare_pairs(warm, "cold", [("vbpr", "fm")]) == []
    assert compare_pairs(warm, "all", []) == []
    assert pair_facts(None) == dict.fromkeys(("p", "p_holm", "wilcoxon_p", "wilcoxon_p_holm"))
