"""The audit's tables: what stands in which row, and that no number appears without its making."""

import csv
import io
import json
from typing import Any

import numpy as np
import pytest
from stored_cells import add_cell

from bench.evaluation.audit import DEFINITIONS, AuditCounts
from bench.evaluation.counts import RankCounts
from bench.experiment.store import ResultStore
from bench.report.audit import Audited, curve_of, curve_table, definitions_table
from bench.report.latex import to_latex
from bench.report.layout import DASH, Table, joined
from bench.report.text import to_csv, to_json, to_markdown, to_text


def ranks(less: list[int], equal: list[int], n: int = 10) -> RankCounts:
    return RankCounts(np.array(less), np.array(equal), np.full(len(less), n))


def counts(less: tuple[int, ...] = (9, 8, 4, 1), **changes: Any) -> AuditCounts:
    """Four users; the test items of users 2 and 3 are cold (4 and 0 training interactions)."""
    whole = ranks(list(less), [0, 2, 4, 9])
    made = {
        "exact": whole,
        "validation_in": ranks([10, 8, 4, 1], [0, 0, 0, 0], 11),
        "known_in": ranks([10, 8, 4, 1], [0, 0, 0, 0], 20),
        "pooled": ranks([30, 20, 10, 0], [0, 0, 0, 0], 40),
        "draws": (ranks([9, 8, 4, 1], [0] * 4), ranks([9, 8, 4, 3], [0] * 4)),
        "test": np.array([0, 1, 2, 3]),
        "train_item_counts": np.array([9, 5, 4, 0, 7]),
        "item_counts": np.array([11, 6, 5, 2, 7]),
        "n_samples": 100,
        "k": 10,
        "cold_below": 5,
    }
    return AuditCounts(**(made | changes))


@pytest.fixture
def audited(store: ResultStore) -> Audited:
    return Audited(add_cell(store, "vbpr").record, counts())


def texts(table: Table) -> dict[str, list[str]]:
    return {row.cells[0].text: [cell.text for cell in row.cells[1:]] for row in table.rows}


def note(table: Table, label: str) -> str:
    (cell,) = [row.cells[0] for row in table.rows if row.cells[0].text == label]
    assert cell.note is not None
    return table.notes[cell.note - 1]


def test_a_row_per_definition_with_the_difference_to_the_papers(audited: Audited) -> None:
    table = definitions_table([audited])
    assert [column.title for column in table.columns] == [
        "Definition", "All Items", "Cold Items", "Δ All", "Δ Cold",
    ]  # fmt: skip
    rows = texts(table)
    assert len(rows) == len(DEFINITIONS)
    assert rows["Exact, ties earn nothing"] == ["0.5500", "0.2500", "", ""]
    assert rows["Exact, ties earn half"] == ["0.7375", "0.5750", "+0.1875", "+0.3250"]
    assert rows["100 sampled items"] == ["0.5750", "0.3000", "+0.0250", "+0.0500"]
    assert rows["Validation item left in"][0] == f"{23 / 44:.4f}"
    assert rows["Validation item left in"][2] == "\N{MINUS SIGN}0.0273"
    assert rows["Pooled over users"][:2] == ["0.3750", "0.1250"]
    # Of item 1 there are 5 in training: cold by the rule of the C++ code.
    assert rows["Cold: at most 5 in training"] == [DASH, "0.4333", DASH, "+0.1833"]
    assert rows["Cold: at most 5 in all parts"][1] == "0.2500"


def test_spread_and_users_stand_below(audited: Audited) -> None:
    table = definitions_table([audited])
    cells = {row.cells[0].text: row.cells for row in table.rows}
    assert cells["100 sampled items"][1].details == ("±0.0354",)  # sd of 0.55 and 0.60
    assert cells["Macro: over test items"][0].details == ("4 items, 2 of them cold",)
    assert cells["Cold: at most 5 in training"][0].details == ("3 users",)
    one_draw = Audited(audited.record, counts(draws=(ranks([9, 8, 4, 1], [0] * 4),)))
    (row,) = [r for r in definitions_table([one_draw]).rows if "sampled" in r.cells[0].text]
    assert row.cells[1].details == ()


def test_who_uses_it_and_how_it_was_made(audited: Audited) -> None:
    table = definitions_table([audited])
    assert len(table.notes) == len(DEFINITIONS)
    assert "section IV-A" in note(table, "Exact, ties earn nothing")
    assert "RecBole" in note(table, "Exact, ties earn half")
    assert "2 draws" in note(table, "100 sampled items")
    assert "implicit" in note(table, "AUC@10")
    foot = " ".join(table.foot)
    assert "4 users" in foot
    assert "2 users whose test item has fewer than 5" in foot
    assert "seed 0" in foot
    assert "split 555555555555" in foot


@pytest.mark.parametrize(
    ("stored", "said"),
    [(0.55, "the first row is the stored result"), (0.61, "the stored result is 0.6100, not")],
)
def test_the_stored_result_is_compared(
    audited: Audited, store: ResultStore, stored: float, said: str
) -> None:
    record = audited.record
    object.__setattr__(record, "metrics", {"auc_strict.all": stored})
    assert said in " ".join(definitions_table([Audited(record, counts())]).foot)


def test_models_side_by_side(audited: Audited, store: ResultStore) -> None:
    other = Audited(add_cell(store, "poprank").record, counts(less=(1, 1, 1, 1)))
    table = definitions_table([audited, other])
    assert [f"{c.group} {c.title}".strip() for c in table.columns] == [
        "Definition", "VBPR All Items", "VBPR Cold Items", "PopRank All Items",
        "PopRank Cold Items",
    ]  # fmt: skip
    assert texts(table)["Exact, ties earn nothing"] == ["0.5500", "0.2500", "0.1000", "0.1000"]


def test_nobody_is_cold(audited: Audited) -> None:
    warm = Audited(audited.record, counts(train_item_counts=np.full(5, 50)))
    rows = texts(definitions_table([warm]))
    assert rows["Exact, ties earn nothing"][:2] == ["0.5500", DASH]
    text = to_json(
        joined("audit", [definitions_table([warm]), curve_table([curve_of(warm, "half")])])
    )
    (cold,) = [
        row for row in json.loads(text)["rows"]
        if row.get("definition") == "strict" and row["setting"] == "cold"
    ]  # fmt: skip
    assert cold["value"] is None


def test_the_curve_by_hand(audited: Audited) -> None:
    table = curve_table([curve_of(audited, "strict"), curve_of(audited, "strict")])
    rows = [[cell.text for cell in row.cells] for row in table.rows]
    assert rows == [
        ["0", "1", "0.1000", "0.1000"],
        ["1", "0", DASH, DASH],
        ["2", "0", DASH, DASH],
        ["3", "0", DASH, DASH],
        ["4", "1", "0.4000", "0.4000"],
        [f"5{DASH}9", "2", "0.8500", "0.8500"],
    ]
    assert [row.rule_above for row in table.rows] == [False] * 5 + [True]
    half = curve_table([curve_of(audited, "half")])
    assert half.rows[0].cells[2].text == "0.5500"
    assert "a tie earns one half" in half.foot[0]
    assert "95% percentile bootstrap" in half.foot[1]
    assert "none for fewer than 10 users" in half.foot[1]
    assert {row.cells[2].details for row in half.rows} == {()}
    assert half.tidy[0]["ci_low"] is None


@pytest.mark.parametrize("write", [to_text, to_markdown, to_latex, to_csv, to_json])
def test_every_format_takes_them(audited: Audited, write: Any) -> None:
    tables = [definitions_table([audited]), curve_table([curve_of(audited, "strict")])]
    for table in [*tables, joined("audit", tables)] if write in (to_csv, to_json) else tables:
        assert len(write(table)) > 300
    rows = list(csv.DictReader(io.StringIO(to_csv(joined("audit", tables)))))
    assert {row["table"] for row in rows} == {"audit", "cold-curve"}
    assert len(rows) == 2 * len(DEFINITIONS) + 6
    (half,) = [r for r in rows if r["definition"] == "half" and r["setting"] == "all"]
    assert float(half["value"]) == 0.7375
