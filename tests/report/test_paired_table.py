"""The table of `bench compare`."""

import csv
import io
import json

import numpy as np
import pytest

from bench.errors import BenchError
from bench.report.layout import DASH
from bench.report.paired_table import paired_table
from bench.report.text import to_csv, to_json


def texts(table):
    return [[cell.text for cell in row.cells] for row in table.rows]


@pytest.fixture
def cells(add_cell):
    n = 24
    place = {"users": range(n), "equal": [0] * n, "counts": ([9] * 3 + [0]) * (n // 4)}
    return [
        add_cell("rand", [3] * n, **place),
        *(add_cell("fm", [5 + k] * 18 + [6] * 6, seed=k, **place) for k in (0, 1)),
        *(add_cell("vbpr", [7] * 18 + [5 + k] * 6, seed=k, **place) for k in (0, 1)),
        add_cell("rand", dataset="shoes"),
    ]


def test_every_pair_once_with_intervals_and_tests(cells):
    table = paired_table(cells)
    rows = texts(table)
    assert [row[:5] for row in rows] == [
        ["Clothing", "All Items", "24", "FM", "RAND"],
        ["", "", "", "VBPR", "RAND"],
        ["", "", "", "VBPR", "FM"],
        ["", "Cold Items", "6", "FM", "RAND"],
        ["", "", "", "VBPR", "RAND"],
        ["", "", "", "VBPR", "FM"],
    ]
    # FM: 5.5 and 6, so 0.5625; VBPR: 7 and 5.5, so 0.6625; RAND 0.3.
    assert [row[5] for row in rows[:3]] == ["+0.2625", "+0.3625", "+0.1000"]
    assert rows[0][7] == DASH  # RAND has one seed
    assert rows[2][7] == f"{np.hypot(0.0375, 0.0125) * np.sqrt(2):.4f}"
    # Three in four users gain 0.15, the others lose 0.05.
    assert rows[2][11] == "higher"
    assert rows[0][9:11] == ["<0.0001", "0.0002"]  # 1 / 24,001 and six times that
    note = table.notes[table.rows[2].cells[-1].note - 1]
    assert note == "within the noise of training: one fit of each might fall the other way"
    low, high = (float(end) for end in rows[2][6].strip("[]").split(", "))
    assert 0.05 < low < 0.1 < high < 0.15


def test_against_a_base(cells):
    table = paired_table(cells, base="fm")
    assert [row[3:5] for row in texts(table)] == [["RAND", "FM"], ["VBPR", "FM"]] * 2
    assert "over the 4 pairs of all rows, FM against each other recommender: one" in "\n".join(
        table.foot
    )
    assert table.tidy[0]["verdict"] == "lower"


def test_the_foot_explains_tests_and_both_sources(cells):
    foot = "\n".join(paired_table(cells).foot)
    for words in (
        "anew 24,000 times (seed 0), 9,999 where these give a p above 0.1, or all",
        "by Holm's method over the 6 pairs of all rows: one family per table",
        "A significant difference of no more than twice as much is noted.",
        "The interval is not adjusted",
        "adjusted p of at most 0.05",
        "nothing of the noise of training",
        "as Pratt has it",
        "Shoes: nothing to compare, only rand has a finished cell.",
    ):
        assert words in foot


def test_one_seed_says_that_training_noise_is_not_seen(add_cell):
    foot = "\n".join(paired_table([add_cell("fm"), add_cell("vbpr", [7] * 4)]).foot)
    assert "which one seed does not show (`bench run --seeds 5` does)" in foot


def test_who_has_one_seed_beside_others_with_several_is_named(cells):
    foot = "\n".join(paired_table(cells).foot)
    assert "which each user's mean over the seeds makes smaller, but for RAND: one seed" in foot


def test_csv_and_json_are_unrounded(cells):
    table = paired_table(cells)
    rows = list(csv.DictReader(io.StringIO(to_csv(table))))
    assert len(rows) == 6
    assert float(rows[2]["difference"]) == pytest.approx(0.1)
    assert float(rows[2]["value"]) == pytest.approx(0.6625)
    assert float(rows[2]["against_value"]) == pytest.approx(0.5625)
    assert float(rows[2]["p_holm"]) >= float(rows[2]["p"])
    assert rows[2]["seeds"] == rows[2]["against_seeds"] == "0 1"
    value = json.loads(to_json(table))
    assert value["significance"] == {"level": 0.05, "n_tests": 6, "n_randomisations": 24_000}
    assert value["rows"][0]["seed_sd"] is None
    assert value["rows"][0]["within_seed_noise"] is None
    assert value["rows"][2]["within_seed_noise"] is True


def test_what_cannot_be_compared_is_told(add_cell, cells):
    with pytest.raises(BenchError, match=r"unknown stored recommender 'vbrp': did you mean 'vbpr'"):
        paired_table(cells, base="vbrp")
    alone = [add_cell("rand", dataset="hats"), add_cell("fm", None, dataset="hats")]
    with pytest.raises(
        BenchError, match="Hats: nothing to compare, only rand has a finished cell; `bench run`"
    ):
        paired_table(alone)
    with pytest.raises(BenchError, match="Hats: nothing to compare, fm has no finished cell"):
        paired_table(alone, base="fm")
    with pytest.raises(BenchError, match="no results"):
        paired_table([])
    with pytest.raises(BenchError, match="unknown metric 'map'"):
        paired_table(cells, metric="map")


def test_a_data_set_without_cold_items_says_so(add_cell):
    warm = [add_cell(name, counts=[9] * 4) for name in ("fm", "vbpr")]
    table = paired_table(warm)
    assert len(table.rows) == 1
    assert "Clothing: no user has a cold test item." in table.foot
