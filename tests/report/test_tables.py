import pytest

from bench.errors import BenchError
from bench.report.comparison import improvement_percent
from bench.report.layout import DASH
from bench.report.tables import table2, table3


def titles(table):
    return [f"{column.group} {column.title}".strip() for column in table.columns]


def texts(table, row=0):
    return dict(zip(titles(table), [cell.text for cell in table.rows[row].cells], strict=True))


def best(table, row=0):
    cells = table.rows[row].cells
    return [title for title, cell in zip(titles(table), cells, strict=True) if cell.best]


def note(table, title, row=0):
    cell = table.rows[row].cells[titles(table).index(title)]
    return None if cell.note is None else table.notes[cell.note - 1]


def foot(table):
    return "\n".join(table.foot)


def test_rows_and_columns_of_the_paper(add_cell):
    # By hand: All is the sum over four users / 40, Cold over users 2 and 3 / 20.
    cells = [
        add_cell("rand", [5, 5, 5, 5]),
        add_cell("poprank", [9, 9, 2, 2]),
        add_cell("warp", [6, 6, 4, 6]),
        add_cell("bpr-mf", [8, 6, 5, 5]),
        add_cell("visrank", [6, 7, 7, 6]),
        add_cell("fm", [7, 7, 7, 6]),
        add_cell("vbpr", [8, 7, 8, 7]),
        add_cell("dvbpr", [9, 8, 8, 8]),
    ]
    table = table3(cells)
    assert titles(table) == [
        "Dataset", "Setting", "Users", "(a) RAND", "(b) PopRank", "(c) WARP", "(d) BPR-MF",
        "(e) VisRank", "(f) FM", "(g) VBPR", "(h) DVBPR", "Improvement h vs. d",
        "Improvement h vs. best",
    ]  # fmt: skip
    assert [[cell.text for cell in row.cells] for row in table.rows] == [
        ["Clothing", "All Items", "4", "0.5000", "0.5500", "0.5500", "0.6000", "0.6500", "0.6750",
         "0.7500", "0.8250", "37.5%", "10.0%"],
        ["", "Cold Items", "2", "0.5000", "0.2000", "0.5000", "0.5000", "0.6500", "0.6500",
         "0.7500", "0.8000", "60.0%", "6.7%"],
    ]  # fmt: skip
    assert best(table, 0) == best(table, 1) == ["(h) DVBPR"]
    assert table.notes == ()


def test_ties_for_the_best_are_all_bold_and_judged_unrounded(add_cell):
    # The same mean from other users: sums in another order may differ in the last bit.
    table = table3([add_cell("visrank", [1, 2, 4, 7]), add_cell("vbpr", [7, 4, 1, 2])])
    assert best(table) == ["(e) VisRank", "(g) VBPR"]

    # 0.50000 and 0.50004 print alike; only the second is best. 25,000 users: one more negative.
    n = 2500
    less = [5] * n
    more = [6, *less[1:]]
    common = {"equal": [0] * n, "users": range(n), "counts": [9] * n, "dataset": "big"}
    close = table3([add_cell("visrank", less, **common), add_cell("vbpr", more, **common)])
    assert texts(close)["(e) VisRank"] == texts(close)["(g) VBPR"] == "0.5000"
    assert best(close) == ["(g) VBPR"]


def test_columns_without_any_cell_are_left_out_and_letters_stay(add_cell):
    table = table3([add_cell("rand"), add_cell("vbpr", [7] * 4)])
    assert titles(table)[3:] == [
        "(a) RAND", "(g) VBPR", "Improvement g vs. d", "Improvement g vs. best",
    ]  # fmt: skip


def test_third_party_recommenders_follow_from_i(add_cell):
    cells = [add_cell(name, label=name.upper()) for name in ("zebra", "ant")]
    table = table3([*cells, add_cell("vbpr", [9] * 4)])
    assert titles(table)[3:6] == ["(g) VBPR", "(i) ANT", "(j) ZEBRA"]


def test_many_third_party_recommenders_run_past_z(add_cell):
    table = table3([add_cell(f"m{number:02}") for number in range(20)])
    assert [column.group for column in table.columns[-3:]] == ["(z)", "(aa)", "(ab)"]


def test_a_shared_label_is_told_apart_by_name(add_cell):
    table = table3([add_cell("vbpr", [9] * 4), add_cell("my-vbpr", label="VBPR")])
    assert titles(table)[3:5] == ["(g) VBPR [vbpr]", "(i) VBPR [my-vbpr]"]


def test_missing_and_failed_cells_are_dashes_with_their_reason(add_cell):
    cells = [
        add_cell("rand"),
        add_cell("fm", None, error="out of memory"),
        add_cell("rand", dataset="shoes"),
        add_cell("vbpr", [8] * 4, dataset="shoes"),
    ]
    table = table3(cells)
    assert texts(table, 0)["(f) FM"] == DASH
    assert note(table, "(f) FM", 0) == "FM failed: seed 0: out of memory"
    assert texts(table, 2)["(f) FM"] == DASH
    assert note(table, "(f) FM", 2) == "not run"
    assert note(table, "(g) VBPR", 0) == "not run"
    assert note(table, "(g) VBPR", 2) is None
    assert len(table.notes) == len(set(table.notes)) == 4
    # Nothing to compare on the first data set; no BPR-MF on the second.
    assert texts(table, 0)["Improvement g vs. best"] == DASH
    assert texts(table, 2)["Improvement g vs. d"] == DASH
    assert texts(table, 2)["Improvement g vs. best"] == "60.0%"
    assert table.rows[2].rule_above
    assert not table.rows[1].rule_above


def test_a_partly_failed_cell_says_which_seed_it_lacks(add_cell):
    table = table3([add_cell("vbpr", [8] * 4), add_cell("vbpr", None, seed=1, error="NaN loss")])
    assert texts(table)["(g) VBPR"] == "0.8000"
    assert note(table, "(g) VBPR") == "VBPR: mean without seed 1: NaN loss"


def test_no_cold_user_is_a_dash(add_cell):
    table = table3([add_cell("vbpr", [8] * 4, counts=[9] * 4)])
    assert texts(table, 1)["Users"] == "0"
    assert note(table, "(g) VBPR", 1) == "no user with a cold test item"


def test_all_failed_is_a_table_of_dashes(add_cell):
    table = table3([add_cell("vbpr", None)])
    assert [cell.text for cell in table.rows[0].cells] == ["Clothing", "All Items", "0", DASH]


def test_improvement_is_vbprs_without_dvbpr_and_may_be_negative(add_cell):
    cells = [
        add_cell("bpr-mf", [5] * 4),
        add_cell("vbpr", [6] * 4),
        add_cell("mine", [8] * 4),
    ]
    table = table3(cells)
    assert texts(table)["Improvement g vs. d"] == "20.0%"
    assert texts(table)["Improvement g vs. best"] == "-25.0%"
    assert improvement_percent(0.6, 0.8) == pytest.approx(-25)


def test_a_failed_dvbpr_leaves_the_improvement_to_vbpr(add_cell):
    cells = [add_cell("bpr-mf"), add_cell("vbpr", [6] * 4), add_cell("dvbpr", None)]
    assert texts(table3(cells))["Improvement g vs. d"] == "20.0%"


def test_no_minus_zero(add_cell):
    n = 2500
    common = {"equal": [0] * n, "users": range(n), "counts": [9] * n}
    cells = [add_cell("vbpr", [5] * n, **common), add_cell("fm", [6, *[5] * (n - 1)], **common)]
    assert texts(table3(cells))["Improvement g vs. best"] == "0.0%"


def test_improvement_over_zero_is_a_dash(add_cell):
    table = table3([add_cell("bpr-mf", [0] * 4), add_cell("vbpr", [6] * 4)])
    assert texts(table)["Improvement g vs. d"] == DASH


def test_without_visual_models_there_is_no_improvement(add_cell):
    assert titles(table3([add_cell("rand")]))[-1] == "(a) RAND"


def test_several_seeds_show_their_spread(add_cell):
    cells = [add_cell("vbpr", [5 + seed] * 4, seed=seed) for seed in range(3)]
    table = table3(cells)
    cell = table.rows[0].cells[3]
    assert (cell.text, cell.details) == ("0.6000", ("±0.1000",))
    assert "fitted with 3 seeds (0, 1, 2)" in foot(table)
    assert "±: standard deviation over seeds" in foot(table)


def test_foot_lists_seeds_by_recommender_where_they_differ(add_cell):
    cells = [add_cell("rand"), *(add_cell("vbpr", seed=seed) for seed in (0, 1))]
    text = foot(table3(cells))
    assert "fitted with seed 0 for RAND; 2 seeds (0, 1) for VBPR." in text


def test_intervals_only_on_request(add_cell):
    cells = [add_cell("vbpr", [5] * 4)]
    assert table3(cells).rows[0].cells[3].details == ()
    table = table3(cells, ci=True)
    assert table.rows[0].cells[3].details == ("[0.5000, 0.5000]",)
    assert "95% percentile bootstrap over users" in foot(table)
    assert table.tidy[0]["ci_low"] == pytest.approx(0.5)


def test_foot_names_protocol_ties_and_provenance(add_cell):
    text = foot(table3([add_cell("poprank", [9, 8, 4, 1], equal=[0, 2, 4, 9]), add_cell("vbpr")]))
    assert "a tie earns nothing (strict, the paper's definition)" in text
    assert "exact, against the whole catalogue outside" in text
    assert "best validation AUC" in text
    assert "fewer than 5 training interactions" in text
    # All: (22 + 15/2) / 40; Cold: (5 + 13/2) / 20.
    assert "PopRank under half credit for ties: All 0.7375, Cold 0.5750." in text
    assert "data dddddddddddd, split 555555555555 (random, seed 0); fitted with seed 0." in text
    assert "features of VBPR: classifier features, 4096-d." in text
    assert "All fits were deterministic." in text
    assert "dvbpr-bench 0.1.0 on Some CPU @ 2 GHz, device cpu." in text


def test_half_credit_changes_values_and_foot(add_cell):
    table = table3([add_cell("poprank", [9, 8, 4, 1], equal=[0, 2, 4, 9])], ties="half")
    assert texts(table)["(b) PopRank"] == f"{29.5 / 40:.4f}"
    assert "a tie earns one half" in foot(table)
    assert "PopRank under the strict rule for ties: All 0.5500, Cold 0.2500." in foot(table)


def test_foot_names_what_was_not_deterministic(add_cell):
    table = table3([add_cell("warp", deterministic=False), add_cell("vbpr")])
    assert "Not deterministic (libraries with several threads race): WARP." in foot(table)


def test_sampled_rows_are_marked(add_cell):
    table = table3([add_cell("vbpr", [8] * 4), add_cell("vbpr", [7] * 4, sampled=100)])
    assert [row.cells[0].text for row in table.rows] == [
        "Clothing", "", "Clothing [100 sampled]", "",
    ]  # fmt: skip
    assert 'Rows marked "sampled"' in foot(table)
    assert "exact, against the whole catalogue" in foot(table)
    assert "sampled" not in foot(table3([add_cell("vbpr", [8] * 4)]))


def test_a_table_of_sampled_rows_alone_does_not_call_itself_exact(add_cell):
    text = foot(table3([add_cell("vbpr", [7] * 4, sampled=100)]))
    assert "SAMPLED, not exact" in text
    assert "whole catalogue" not in text


def test_two_hashes_are_two_blocks(add_cell):
    cells = [add_cell("vbpr", [8] * 4), add_cell("vbpr", [6] * 4, data_hash="e" * 64)]
    table = table3(cells)
    assert [row.cells[0].text for row in table.rows][::2] == [
        "Clothing [data dddddddd]", "Clothing [data eeeeeeee]",
    ]  # fmt: skip
    assert [texts(table, row)["(g) VBPR"] for row in (0, 2)] == ["0.8000", "0.6000"]


def test_chosen_configuration_is_said(add_cell):
    cells = [
        add_cell("vbpr", [6] * 4, params={"k": 10}, made="2025-02-01"),
        add_cell("vbpr", [8] * 4, params={"k": 20}, made="2025-01-01"),
    ]
    table = table3(cells)
    assert texts(table)["(g) VBPR"] == "0.6000"
    assert "2 configurations are stored; shown is the one made last (k=10)." in foot(table)


def test_foot_says_which_preset_ran(add_cell):
    params = {"preset": "slim", "backbone": "slim", "pixels": 64, "factors": 50, "start": "random"}
    table = table3([add_cell("dvbpr", label="DVBPR", params=params), add_cell("vbpr")])
    assert "DVBPR: preset slim, slim on 64 x 64 pixels, K = 50." in foot(table)
    assert foot(table).count("preset") == 1
    other = add_cell("dvbpr", label="DVBPR", params=params | {"start": "classifier"}, seed=1)
    assert "K = 50, started from classifier." in foot(table3([other]))


def test_foot_says_that_rows_were_fitted_anew(add_cell):
    params = {"preset": "slim", "factors": 50, "refit_lambda": 10.0}
    table = table3([add_cell("dvbpr", params=params)])
    assert "outputs with lambda_theta = 10 (not in the paper)." in foot(table)
    as_trained = table3([add_cell("dvbpr", params=params | {"refit_lambda": 0.0})])
    assert "lambda_theta" not in foot(as_trained)


ORACLE = {"oracle_auc": {"all": {"strict": 0.91, "half": 0.92}, "cold": {"strict": 0.88}}}


def test_oracle_is_a_reference_only(add_cell):
    cells = [
        add_cell("bpr-mf", [5] * 4, facts=ORACLE),
        add_cell("vbpr", [6] * 4, facts=ORACLE),
        add_cell("vbpr", [6] * 4, dataset="shoes"),
    ]
    table = table3(cells)
    assert texts(table, 0)["Oracle"] == "0.9100"
    assert texts(table, 1)["Oracle"] == "0.8800"
    assert best(table, 0) == ["(g) VBPR"]
    assert texts(table, 0)["Improvement g vs. best"] == "20.0%"
    assert note(table, "Oracle", 2) == "the best possible value is not known"
    assert "a reference, not a competitor" in foot(table)
    assert texts(table3(cells, ties="half"), 0)["Oracle"] == "0.9200"
    assert "Oracle" not in titles(table3(cells, metric="mrr"))
    assert [row["value"] for row in table.tidy if row["status"] == "reference"] == [0.91, 0.88]


def test_no_oracle_column_where_none_is_known(add_cell):
    assert "Oracle" not in titles(table3([add_cell("vbpr", facts={"oracle_auc": None})]))


def test_paper_datasets_come_first_with_a_word_on_the_other_item_set(add_cell):
    cells = [
        add_cell("vbpr", dataset="tradesy", title="Tradesy.com"),
        add_cell("vbpr", dataset="aaa"),
        add_cell("vbpr", dataset="amazon_fashion", title="Amazon Fashion"),
    ]
    table = table3(cells)
    assert [row.cells[0].text for row in table.rows][::2] == [
        "Amazon Fashion", "Tradesy.com", "Aaa",
    ]  # fmt: skip
    assert "is another item set" in foot(table)
    assert table.tidy[0]["paper"] == 0.7479


def test_another_metric_in_the_same_layout(add_cell):
    table = table3([add_cell("vbpr", [10, 8, 4, 1])], metric="recall@5")
    assert "Recall@5" in table.caption
    assert texts(table)["(g) VBPR"] == "0.5000"
    assert table.foot[0].startswith("Recall@5: share of test users")
    assert table.tidy[0]["paper"] is None


def test_unknown_metric(add_cell):
    with pytest.raises(BenchError, match="unknown metric 'map': choose one of auc, recall@5"):
        table3([add_cell("vbpr")], metric="map")


@pytest.mark.parametrize("make", [table2, table3])
def test_no_cells(make):
    with pytest.raises(BenchError, match="no results to make a table of; `bench run` makes them"):
        make([])


def test_table2_counts_of_own_data(add_cell):
    table = table2([add_cell("vbpr"), add_cell("rand", None)])
    assert titles(table) == ["Dataset", "#Users", "#Items", "#Interactions", "#Categories"]
    assert [[cell.text for cell in row.cells] for row in table.rows] == [
        ["Clothing", "4", "13", "20", "6"]
    ]
    assert table.foot == ("Clothing: random, seed 0 (data dddddddddddd).",)


def test_table2_puts_the_papers_counts_beside_ours(add_cell):
    fashion = {"n_users": 45_184, "n_items": 166_270, "n_interactions": 358_003}
    tradesy = {
        "n_users": 33_864, "n_items": 326_393, "n_interactions": 662_408, "n_categories": None,
    }  # fmt: skip
    cells = [
        add_cell("rand", dataset="tradesy", title="Tradesy.com", facts=tradesy),
        add_cell("rand", dataset="amazon_fashion", title="Amazon Fashion", facts=fashion),
    ]
    table = table2(cells)
    assert [[cell.text for cell in row.cells] for row in table.rows] == [
        ["Amazon Fashion", "ours", "45,184", "166,270", "358,003", "6"],
        ["", "paper (other item set)", "64,583", "234,892", "513,367", "6"],
        ["Tradesy.com", "ours", "33,864", "326,393", "662,408", "N/A"],
        ["", "paper", "33,864", "326,393", "655,409", "N/A"],
    ]
    assert foot(table).count("another item set") == 1
    assert "Amazon Fashion: these are the counts known of the published archive" in foot(table)
    assert [row.get("note") for row in table.tidy] == [None, "other item set", None, None]
    assert "ICDM 2017" in table.foot[-1]


def test_table2_of_an_archive_that_is_neither_the_papers_nor_the_published_one(add_cell):
    table = table2([add_cell("rand", dataset="amazon_fashion", title="Amazon Fashion")])
    assert "Amazon Fashion: these are not the counts known of the published archive" in foot(table)


FASHION = {"n_users": 45_184, "n_items": 166_270, "n_interactions": 358_003}


def test_the_papers_row_of_another_item_set_is_marked(add_cell):
    cells = [
        add_cell("vbpr", dataset="amazon_fashion", title="Amazon Fashion", facts=FASHION),
        add_cell("mine", dataset="amazon_fashion", title="Amazon Fashion", facts=FASHION),
    ]
    table = table3(cells)
    expected = (
        "Amazon Fashion: the paper's Table III (other item set) has All: VBPR 0.7479; "
        "Cold: VBPR 0.7319."
    )
    assert expected in table.foot
    marks = {(row["recommender"], row["paper"], row["paper_note"]) for row in table.tidy}
    assert ("vbpr", 0.7479, "other item set") in marks
    assert ("mine", None, None) in marks
    assert "authors' log for the published archive" in foot(table)
    assert "0.8011 on the test items, in epoch 14, whose validation AUC 0.8023" in foot(table)
    # The log and the paper's row are AUCs.
    other = foot(table3(cells, metric="mrr"))
    assert "authors' log" not in other
    assert "the paper's Table III" not in other


def test_the_papers_row_of_the_same_item_set_is_not_marked(add_cell):
    facts = {"n_users": 34_244, "n_items": 110_636}
    table = table3([add_cell("vbpr", dataset="amazon_men", title="Amazon Men", facts=facts)])
    expected = "Amazon Men: the paper's Table III has All: VBPR 0.7089; Cold: VBPR 0.6863."
    assert expected in table.foot
    assert {row["paper_note"] for row in table.tidy} == {None}
    assert "other item set" not in foot(table)
    assert "authors' log" not in foot(table)


def test_rows_without_repeats_are_blocks_of_their_own(add_cell):
    facts = {"n_repeats": 2}
    table = table3(
        [
            add_cell("vbpr", [8] * 4, facts=facts),
            add_cell(
                "vbpr",
                [6] * 2,
                equal=(0, 0),
                users=(0, 3),
                counts=(9, 0),
                drop_repeats=True,
                facts=facts,
            ),
        ]
    )
    assert [row.cells[0].text for row in table.rows] == [
        "Clothing", "", "Clothing [repeats dropped]", "",
    ]  # fmt: skip
    assert [row.cells[2].text for row in table.rows] == ["4", "2", "2", "1"]
    assert "Clothing: 2 users are counted whose validation or test item" in foot(table)
    assert "Clothing [repeats dropped]: 2 users are left out whose validation" in foot(table)
    assert [row["drop_repeats"] for row in table.tidy] == [False, False, True, True]
    assert "one of their own training items" not in foot(table3([add_cell("vbpr", [8] * 4)]))


def test_table2_two_contents_of_one_name(add_cell):
    cells = [
        add_cell("rand", facts={"n_users": 4}),
        add_cell("rand", data_hash="e" * 64, facts={"n_users": 5}),
    ]
    assert [[cell.text for cell in row.cells][:2] for row in table2(cells).rows] == [
        ["Clothing [data dddddddd]", "4"],
        ["Clothing [data eeeeeeee]", "5"],
    ]


def test_table2_takes_the_facts_recorded_last(add_cell):
    cells = [
        add_cell("fm", made="2025-01-02", facts={"n_categories": 7}),
        add_cell("rand", made="2025-01-01", facts={"n_categories": 5}),
        add_cell("vbpr", made="2025-01-03", facts={"n_categories": 9}),
    ]
    assert texts(table2(cells))["#Categories"] == "9"
    assert texts(table2(cells[::-1]))["#Categories"] == "9"


@pytest.mark.parametrize(
    ("others", "why"),
    [
        ({}, "no improvement: BPR-MF: not run"),
        ({"bpr-mf": None}, "no improvement: BPR-MF failed: seed 0: out of memory"),
        (
            {"bpr-mf": [0] * 4},
            "no improvement: BPR-MF is 0, and nothing is a percentage of that",
        ),
    ],
)
def test_why_there_is_no_improvement_over_bpr_mf(add_cell, others, why):
    cells = [add_cell(name, less) for name, less in others.items()]
    table = table3([*cells, add_cell("vbpr", [8] * 4)])
    assert texts(table)["Improvement g vs. d"] == DASH
    assert note(table, "Improvement g vs. d") == why


def test_why_there_is_no_improvement_of_the_compared(add_cell):
    fine = [add_cell("vbpr", [8] * 4), add_cell("bpr-mf", [4] * 4)]
    table = table3([*fine, add_cell("bpr-mf", [4] * 4, dataset="shoes")])
    assert note(table, "Improvement g vs. d", 0) is None
    assert note(table, "Improvement g vs. d", 2) == "no improvement: VBPR: not run"
    alone = table3([add_cell("vbpr", [8] * 4)])
    assert note(alone, "Improvement g vs. best") == "no improvement: nothing else has a value"
    warm = [add_cell(name, [8] * 4, counts=[9] * 4, dataset="warm") for name in ("vbpr", "bpr-mf")]
    expected = "no improvement: VBPR: no user with a cold test item"
    assert note(table3(warm), "Improvement g vs. d", 1) == expected


def test_intervals_of_differences_stand_below_improvements(add_cell):
    cells = [add_cell("vbpr", [3, 5, 7, 9]), add_cell("bpr-mf", [2, 4, 6, 8])]
    row = table3(cells, ci=True).rows[0]
    assert row.cells[-2].details == ("[+0.1000, +0.1000]",)
    assert "of the difference" in foot(table3(cells, ci=True))
    assert table3(cells).rows[0].cells[-2].details == ()
    (gain, _, *_) = table3(cells, ci=True).facts["improvements"]
    assert gain["difference"] == pytest.approx(0.1)
    assert gain["against"] == "bpr-mf"


def test_a_chosen_configuration_is_shown_and_named_where_it_was_not_run(add_cell):
    cells = [
        add_cell("vbpr", [9] * 4, params={"k": 20}, made="2025-01-02"),
        add_cell("vbpr", [5] * 4, params={"k": 10}, made="2025-01-01"),
        add_cell("vbpr", [9] * 4, params={"k": 20}, dataset="shoes"),
        add_cell("rand", dataset="shoes"),
    ]
    assert texts(table3(cells))["(g) VBPR"] == "0.9000"
    chosen = table3(cells, settings={"vbpr": {"k": "10"}})
    assert texts(chosen)["(g) VBPR"] == "0.5000"
    assert "configurations are stored" not in foot(chosen)
    assert note(chosen, "(g) VBPR", 2) == "not run with k=10"


def test_the_foot_says_what_is_true_for_the_device(add_cell):
    assert "All fits were deterministic." in foot(table3([add_cell("vbpr"), add_cell("rand")]))
    on_gpu = table3([add_cell("vbpr", provenance={"repeatable": False}), add_cell("rand")])
    assert "Not repeatable to the last bit (a GPU adds in no fixed order): VBPR." in foot(on_gpu)
    assert "All fits" not in foot(on_gpu)


def test_the_foot_names_fits_that_were_best_in_their_last_epoch(add_cell):
    cells = [add_cell("vbpr", seed=s, best_is_last=s != 1) for s in range(3)]
    expected = "may not have converged: VBPR on Clothing (seeds 0, 2)."
    assert expected in foot(table3([*cells, add_cell("fm")]))
    assert "converged" not in foot(table3(cells[1:2]))


def test_the_foot_counts_users_without_negatives(add_cell):
    table = table3([add_cell("vbpr", facts={"n_users_without_negatives": 3})])
    assert "Clothing: 3 users own the whole catalogue, so no metric is defined" in foot(table)
    assert "whole catalogue, so" not in foot(table3([add_cell("rand", dataset="shoes")]))


def a_row_of_forty(add_cell, *, dataset="clothing"):
    n = 40
    common = {"equal": [0] * n, "users": range(n), "counts": [9] * n, "dataset": dataset}
    return [
        add_cell("rand", [2, 4] * 20, **common),
        add_cell("fm", [7] * 20 + [5] * 20, **common),  # less than VBPR's by 0 and 0.1, in turn
        add_cell("vbpr", [7] * 20 + [6] * 20, **common),
        add_cell("dvbpr", [6, 7] * 20, **common),  # VBPR's mean, but for other users
        add_cell("warp", None, **common),
    ]


def marks(table, row=0):
    cells = table.rows[row].cells
    return {t: cell.mark for t, cell in zip(titles(table), cells, strict=True) if cell.mark}


def test_what_is_not_significantly_lower_than_the_best_is_marked(add_cell):
    cells = a_row_of_forty(add_cell)
    table = table3(cells, significance=True)
    # VBPR and DVBPR have one mean: both are best, tests are against the first of them.
    assert best(table) == ["(g) VBPR", "(h) DVBPR"]
    assert marks(table) == {"(h) DVBPR": "†"}
    by_name = {row["recommender"]: row for row in table.tidy if row["setting"] == "all"}
    assert {name: row["significance"] for name, row in by_name.items()} == {
        "rand": "lower",
        "warp": None,
        "fm": "lower",
        "vbpr": "best",
        "dvbpr": "not significant",
    }
    # Six pairs of four recommenders in a row of 40 users; nobody is cold: one family of six.
    assert by_name["rand"]["p_against_best"] == 1 / 24_001
    assert by_name["rand"]["p_holm_against_best"] == pytest.approx(6 / 24_001)
    assert by_name["dvbpr"]["p_holm_against_best"] == 1.0
    assert by_name["vbpr"]["p_against_best"] is None
    assert by_name["fm"]["wilcoxon_p_against_best"] < 1e-4
    text = foot(table)
    assert "† not significantly lower than the best of its row" in text
    assert "anew 24,000 times (seed 0)" in text
    assert "by Holm's method over the 6 pairs of all rows: one family per table" in text
    assert table.facts["significance"]["n_tests"] == 6


def test_pairs_of_all_rows_are_adjusted_together(add_cell):
    cells = [*a_row_of_forty(add_cell), *a_row_of_forty(add_cell, dataset="shoes")]
    table = table3(cells, significance=True)
    rand = [row for row in table.tidy if row["recommender"] == "rand" and row["setting"] == "all"]
    assert [row["p_holm_against_best"] for row in rand] == [pytest.approx(12 / 48_001)] * 2
    assert "the 12 pairs of all rows" in foot(table)


def test_no_marks_unless_asked_for_and_none_alone(add_cell):
    plain = table3(a_row_of_forty(add_cell))
    assert marks(plain) == {}
    assert "significance" not in plain.tidy[0]
    assert "†" not in foot(plain)
    assert "significance" not in plain.facts
    alone = table3([add_cell("vbpr", dataset="shoes")], significance=True)
    assert marks(alone) == {}
    assert alone.tidy[0]["significance"] is None


def test_both_sources_of_variation_are_kept_apart(add_cell):
    cells = [*(add_cell("vbpr", [5 + s] * 4, seed=s) for s in (0, 1)), add_cell("fm")]
    text = foot(table3(cells, ci=True))
    assert "the noise of training. It says nothing of the choice of users." in text
    assert "nothing of the noise of training, which each user's mean over the seeds" in text
    one = foot(table3([add_cell("vbpr", dataset="shoes")], ci=True))
    assert "makes smaller, but for FM: one seed, which does not show it" in text
    assert "not adjusted for their number" in text
    assert "which one seed does not show (`bench run --seeds 5` does)" in one
    assert "±:" not in one
