from fractions import Fraction

import numpy as np
import pytest

from bench.errors import BenchError
from bench.evaluation.significance import bootstrap_mean
from bench.report.aggregate import collect, difference, estimate
from bench.rng import child_generator


def only(cells):
    (block,) = collect(cells)
    return block


def test_auc_is_the_mean_of_shares_all_and_cold(add_cell):
    entry = only([add_cell("vbpr", [9, 8, 4, 1])]).entries["vbpr"]
    everyone = estimate(entry, "all", metric="auc", ties="strict")
    cold = estimate(entry, "cold", metric="auc", ties="strict")
    assert everyone.value == pytest.approx(float(Fraction(22, 40)))
    assert everyone.n_users == 4
    # Training counts are 9, 5, 4, 0: five is not fewer than five.
    assert cold.value == pytest.approx(float(Fraction(5, 20)))
    assert cold.n_users == 2
    assert everyone.sd is None
    assert everyone.interval is None


def test_half_credit_counts_ties_by_half(add_cell):
    entry = only([add_cell("poprank", [9, 8, 4, 1], equal=[0, 2, 4, 9])]).entries["poprank"]
    strict = estimate(entry, "all", metric="auc", ties="strict")
    half = estimate(entry, "all", metric="auc", ties="half")
    assert strict.value == pytest.approx(22 / 40)
    assert half.value == pytest.approx((22 + 15 / 2) / 40)


def test_other_metrics_come_from_the_same_counts(add_cell):
    # Ranks 1, 3, 7, 10 of 11.
    entry = only([add_cell("vbpr", [10, 8, 4, 1])]).entries["vbpr"]
    recall = estimate(entry, "all", metric="recall@5", ties="strict")
    mrr = estimate(entry, "cold", metric="mrr", ties="strict")
    assert recall.value == pytest.approx(2 / 4)
    assert mrr.value == pytest.approx(float((Fraction(1, 7) + Fraction(1, 10)) / 2))


def test_seeds_are_averaged_and_spread_is_the_sample_deviation(add_cell):
    cells = [
        add_cell("vbpr", [5, 5, 5, 5], seed=0),
        add_cell("vbpr", [6, 6, 6, 6], seed=1),
        add_cell("vbpr", [7, 7, 7, 7], seed=2),
    ]
    entry = only(cells).entries["vbpr"]
    got = estimate(entry, "all", metric="auc", ties="strict")
    assert entry.seeds == (0, 1, 2)
    assert got.value == pytest.approx(0.6)
    assert got.sd == pytest.approx(0.1)
    assert got.n_users == 4


def test_interval_is_over_users_of_their_mean_over_seeds(add_cell):
    # Seeds disagree per user but every user's mean is 1/2: nothing left to vary over users.
    cells = [add_cell("vbpr", [2, 4, 6, 8], seed=0), add_cell("vbpr", [8, 6, 4, 2], seed=1)]
    level = estimate(only(cells).entries["vbpr"], "all", metric="auc", ties="strict", interval=True)
    assert level.interval == pytest.approx((0.5, 0.5))

    entry = only([add_cell("visrank", [2, 4, 6, 8])]).entries["visrank"]
    wide = estimate(entry, "all", metric="auc", ties="strict", interval=True)
    expected = bootstrap_mean(
        np.array([0.2, 0.4, 0.6, 0.8]), rng=child_generator(0, "report", "bootstrap", "all")
    )
    assert wide.interval == pytest.approx((expected.low, expected.high))
    assert wide.interval[0] < 0.5 < wide.interval[1]


def test_seeds_of_different_settings_are_never_joined(add_cell):
    cells = [
        add_cell("vbpr", [1] * 4, seed=0, params={"k": 10, "lr": 0.1}, made="2025-01-02"),
        add_cell("vbpr", [9] * 4, seed=1, params={"k": 20, "lr": 0.1}, made="2025-01-03"),
        add_cell("vbpr", [7] * 4, seed=0, params={"k": 20, "lr": 0.1}, made="2025-01-01"),
    ]
    entry = only(cells).entries["vbpr"]
    assert entry.seeds == (0, 1)
    assert estimate(entry, "all", metric="auc", ties="strict").value == pytest.approx(0.8)
    assert entry.remark == (
        "VBPR: 2 configurations are stored; shown is the one made last (k=20). There is also k=10; "
        "choose with --set vbpr.k=10."
    )


def test_threads_and_protocol_make_configurations_too(add_cell):
    cells = [
        add_cell("warp", [1] * 4, deterministic=True, made="2025-01-01"),
        add_cell("warp", [9] * 4, deterministic=False, made="2025-01-02"),
    ]
    entry = only(cells).entries["warp"]
    assert estimate(entry, "all", metric="auc", ties="strict").value == pytest.approx(0.9)
    assert "(deterministic=False)" in entry.remark


def test_a_later_configuration_without_a_finished_cell_does_not_hide_an_older_one(add_cell):
    cells = [
        add_cell("vbpr", [7] * 4, params={"k": 10}, made="2025-01-01"),
        add_cell("vbpr", None, params={"k": 99}, made="2025-01-02"),
    ]
    entry = only(cells).entries["vbpr"]
    assert entry.seeds == (0,)
    assert entry.failures == ()
    assert "(k=10); a later one has no finished cell. There is also k=99" in entry.remark


def test_a_failed_seed_is_kept_with_its_reason(add_cell):
    cells = [add_cell("vbpr", [7] * 4, seed=0), add_cell("vbpr", None, seed=1, error="NaN loss")]
    entry = only(cells).entries["vbpr"]
    assert entry.seeds == (0,)
    assert entry.failures == ("seed 1: NaN loss",)


def test_a_damaged_count_file_fails_its_own_cell_only(add_cell):
    broken = add_cell("vbpr", [7] * 4)
    (broken.folder / "per_user.parquet").write_bytes(b"no parquet")
    block = only([broken, add_cell("fm", [6] * 4)])
    assert block.entries["vbpr"].runs == ()
    assert "cannot be read" in block.entries["vbpr"].failures[0]
    assert block.entries["fm"].seeds == (0,)


def test_other_content_split_or_sampling_is_another_block(add_cell):
    cells = [
        add_cell("vbpr", [9] * 4),
        add_cell("vbpr", [8] * 4, data_hash="e" * 64),
        add_cell("vbpr", [7] * 4, split_hash="6" * 64),
        add_cell("vbpr", [6] * 4, sampled=100),
        add_cell("vbpr", [5] * 4, dataset="shoes"),
    ]
    values = {
        block.title: estimate(block.entries["vbpr"], "all", metric="auc", ties="strict").value
        for block in collect(cells)
    }
    assert values == pytest.approx(
        {
            "Clothing [data dddddddd, split 55555555]": 0.9,
            "Clothing [data eeeeeeee]": 0.8,
            "Clothing [data dddddddd, split 66666666]": 0.7,
            "Clothing [data dddddddd, split 55555555, 100 sampled]": 0.6,
            "Shoes": 0.5,
        }
    )


def test_different_test_users_are_refused(add_cell):
    fewer = {"equal": [0] * 3, "users": [0, 1, 2], "counts": [9, 5, 4]}
    cells = [add_cell("vbpr", [9] * 4), add_cell("fm", [9] * 3, **fewer)]
    with pytest.raises(BenchError, match="VBPR seed 0 and FM seed 0 were evaluated on different"):
        collect(cells)


def test_nobody_with_a_cold_item_gives_no_value(add_cell):
    entry = only([add_cell("vbpr", [9] * 4, counts=[5, 5, 6, 7])]).entries["vbpr"]
    assert estimate(entry, "cold", metric="auc", ties="strict") is None


def test_paper_order_then_names(add_cell):
    cells = [add_cell(name) for name in ("zeta", "vbpr", "alpha", "rand", "bpr-mf")]
    assert list(only(cells).entries) == ["rand", "bpr-mf", "vbpr", "alpha", "zeta"]


def test_a_difference_is_of_the_same_users_and_of_means_over_seeds(add_cell):
    # Every user gains 0.1, whoever is drawn: the interval has no width, though both models' do.
    entries = only(
        [
            add_cell("vbpr", [3, 5, 7, 9], seed=0),
            add_cell("vbpr", [3, 5, 7, 9], seed=1),
            add_cell("fm", [2, 4, 6, 8]),
        ]
    ).entries
    got = difference(entries["vbpr"], entries["fm"], "all", metric="auc", ties="strict")
    assert (got.mean, got.low, got.high) == pytest.approx((0.1, 0.1, 0.1))
    # By hand: differences 0.4, 0, -0.2, 0.2; an oracle of its own draws users one by one.
    entries = only([add_cell("vbpr", [9, 5, 4, 7]), add_cell("fm", [5, 5, 6, 5])]).entries
    got = difference(entries["vbpr"], entries["fm"], "all", metric="auc", ties="strict")
    rng = np.random.default_rng(1)
    means = [np.mean(rng.choice([0.4, 0.0, -0.2, 0.2], 4)) for _ in range(20_000)]
    assert got.mean == pytest.approx(0.1)
    assert (got.low, got.high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])), abs=0.06)


def test_no_value_no_difference(add_cell):
    entries = only([add_cell("vbpr", [9] * 4), add_cell("fm", None)]).entries
    assert difference(entries["vbpr"], entries["fm"], "all", metric="auc", ties="strict") is None
