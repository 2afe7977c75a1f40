"""Trials as a table, and the line under Table III that says how hyper-parameters were chosen."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bench.experiment.store import ResultStore, StoredCell
from bench.experiment.tuning.record import SearchKey, SearchRecord
from bench.report.layout import DASH
from bench.report.tables import table3
from bench.report.text import to_csv, to_json, to_text
from bench.report.trials import budget, settings_of, trials_in_one, trials_table

NOTE: dict[str, Any] = {
    "search": "grid",
    "n_points": 21,
    "n_trials": 21,
    "seed": 0,
    "seconds": 1234.5,
    "grid": None,
    "winner": {"factors": 15, "regularization": 0.1},
    "validation_auc": 0.78,
}


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({}, "grid of 21 trials, seed 0, 1,234 s"),
        ({"grid": "mine.toml"}, "grid of 21 trials (mine.toml), seed 0, 1,234 s"),
        ({"search": "random", "n_trials": 5}, "random search of 5 trials, seed 0, 1,234 s"),
        (
            {"search": "halving", "n_trials": 30, "seed": 2, "seconds": 0.6},
            "successive halving of 21 points in 30 trials, seed 2, 1 s",
        ),
    ],
)
def test_what_a_search_cost(changed: dict[str, Any], text: str) -> None:
    assert budget(NOTE | changed) == text


def trial(values: dict[str, Any], auc: float | None, **more: Any) -> dict[str, Any]:
    fields = {"epochs": 50, "best_epoch": 12, "budget": None, "seconds": 2.25, "trial": "seed0-x"}
    status = "finished" if auc is not None else "diverged"
    told = {"values": values, "validation_auc": auc, "status": status, "error": None}
    return told | fields | more


@pytest.fixture
def record() -> SearchRecord:
    return SearchRecord(
        key=SearchKey(
            dataset="clothing",
            data_hash="d",
            split_hash="s",
            recommender="visrank",
            recommender_version="1",
            deterministic=True,
            protocol={},
            grids=(),
            points=(),
            pinned={"epochs": "50"},
            search="halving",
            trials=None,
            seed=0,
        ),
        label="VisRank",
        dataset_title="Clothing",
        grid=None,
        n_points=3,
        n_trials=3,
        seconds=6.75,
        winner={"dims": None, "normalize": True},
        validation_auc=0.71239,
        ranking=(
            trial({"dims": None, "normalize": True}, 0.71239),
            trial({"dims": 8, "normalize": False}, 0.5, epochs=None, best_epoch=None),
            trial({"dims": 9, "normalize": False}, None, error="the loss is nan"),
        ),
        made_at="2025-01-01T00:00:00+00:00",
    )


def test_trials_stand_with_values_epoch_and_time(record: SearchRecord) -> None:
    table = trials_table(record)
    assert [column.title for column in table.columns] == [
        *("", "dims", "normalize", "Validation AUC", "Epoch", "Seconds"),
    ]
    assert [[cell.text for cell in row.cells] for row in table.rows] == [
        ["1", "none", "true", "0.7124", "12 of 50", "2.2"],
        ["2", "8", "false", "0.5000", DASH, "2.2"],
        ["3", "9", "false", DASH, "12 of 50", "2.2"],
    ]
    assert table.notes == ("diverged: the loss is nan",)
    text = " ".join(to_text(table).split())
    assert "Tuning VisRank on Clothing: trials, best first." in text
    assert "longer fits stand above shorter ones" in text
    assert "Given, not searched: epochs=50." in text
    assert "Won: dims=none, normalize=true." in text
    assert to_csv(table).splitlines()[1].startswith(",True,0.71239,50,12,,2.25,finished")


def test_the_winner_s_row_is_run_with_or_without_the_search(record: SearchRecord) -> None:
    text = " ".join(to_text(trials_table(record)).split())
    pinned = "--set visrank.epochs=50"
    assert f"`bench run --dataset clothing --recommenders visrank {pinned} --set visrank." in text
    assert (
        "`bench run --dataset clothing --recommenders visrank --tune --seed 0 --search halving "
        f"{pinned}` does, too, and its table says what the search cost" in text
    )


def test_of_a_search_that_won_nothing_the_trials_are_shown(record: SearchRecord) -> None:
    nothing = replace(record, winner=None, validation_auc=None, ranking=record.ranking[2:])
    table = trials_table(nothing)
    assert [cell.text for cell in table.rows[0].cells][:4] == ["1", "9", "false", DASH]
    text = " ".join(to_text(table).split())
    assert "Nothing was won: no whole fit came to an end." in text
    assert "bench run" not in text
    assert table.facts["winner"] is None


def test_several_searches_are_one_document(record: SearchRecord) -> None:
    other = replace(record, key=replace(record.key, dataset="shoes"))
    told = json.loads(to_json(trials_in_one([record, other])))
    assert [row["table"] for row in told["rows"]] == [
        *["trials-clothing-visrank"] * 3,
        *["trials-shoes-visrank"] * 3,
    ]
    assert [search["table"] for search in told["searches"]] == [
        *("trials-clothing-visrank", "trials-shoes-visrank"),
    ]
    assert [search["winner"] for search in told["searches"]] == [record.winner] * 2
    assert trials_in_one([record]) == trials_table(record)


def test_the_winner_as_the_command_line_takes_it(record: SearchRecord) -> None:
    assert settings_of(record) == (
        "--set visrank.epochs=50 --set visrank.dims=none --set visrank.normalize=true"
    )


def test_table_3_says_which_columns_were_tuned_and_at_what_cost(
    store: ResultStore, add_cell: Callable[..., StoredCell]
) -> None:
    untouched = add_cell("poprank")
    plain = add_cell("vbpr")
    tuned = store.note_tuning(plain, NOTE)
    assert store.note_tuning(tuned, None) is tuned
    assert store.note_tuning(untouched, None) is untouched
    assert [cell.record.tuning for cell in store.cells()] == [None, NOTE]
    foot = "\n".join(table3(store.cells()).foot)
    assert (
        "Tuned on validation: VBPR on Clothing (factors=15, regularization=0.1): "
        "grid of 21 trials, seed 0, 1,234 s." in foot
    )
    assert "Tuned" not in "\n".join(table3([untouched, plain]).foot)
