import csv
import dataclasses
import io
import json
import re

import pytest

from bench.report.layout import DASH, Cell, Column, Row, Table
from bench.report.tables import table2, table3
from bench.report.text import to_csv, to_json, to_markdown, to_text


@pytest.fixture
def cells(add_cell):
    return [
        add_cell("rand", [5, 5, 5, 5]),
        add_cell("fm", None, error="out of memory"),
        *(add_cell("vbpr", [7 + seed, 7, 8, 7], seed=seed) for seed in (0, 1)),
        add_cell("rand", dataset="shoes"),
        add_cell("my|model", label="My|Model & <b>*Söhne*</b>", dataset="shoes"),
    ]


def test_text_in_full(add_cell):
    cells = [
        add_cell("bpr-mf", [5] * 4),
        *(add_cell("vbpr", [5 + seed] * 4, seed=seed) for seed in (0, 2)),
        add_cell("fm", None),
    ]
    grid = to_text(table3(cells)).split("\n\n")[1]
    assert grid.splitlines() == [
        "--------  ----------  -----  ------  -----  -------  -----------  ----------",
        "                                (d)    (f)      (g)  Improvement",
        "Dataset   Setting     Users  BPR-MF     FM     VBPR      g vs. d  g vs. best",
        "--------  ----------  -----  ------  -----  -------  -----------  ----------",
        f"Clothing  All Items       4  0.5000  {DASH} [1]  *0.6000        20.0%       20.0%",
        "                                            ±0.1414",
        f"          Cold Items      2  0.5000  {DASH} [1]  *0.6000        20.0%       20.0%",
        "                                            ±0.1414",
        "--------  ----------  -----  ------  -----  -------  -----------  ----------",
    ]


def test_text_marks_the_best_and_says_how(cells):
    plain, styled = to_text(table3(cells)), to_text(table3(cells), styled=True)
    assert "*0.7375" in plain
    assert "\n* best in row\n" in plain
    assert "\x1b" not in plain
    assert "\x1b[1m0.7375\x1b[0m" in styled
    assert "* best in row" not in styled


def test_text_styles_do_not_shift_columns(cells):
    styled = re.sub(r"\x1b\[\d*m", "", to_text(table3(cells), styled=True))
    lines = [line for line in styled.splitlines() if "Items   " in line]
    ends = {line.index("0.", line.index("Items")) for line in lines if "0." in line}
    assert len(ends) == 1


def test_text_foot_is_wrapped_to_the_table(cells):
    text = to_text(table3(cells))
    width = max(len(line) for line in text.splitlines() if line.startswith("-----"))
    assert all(len(line) <= max(width, 72) for line in text.splitlines())
    assert "[1] FM failed: seed 0: out of memory" in text


def test_text_can_be_copied_from_the_foot(cells):
    table = table3(cells)
    command = (
        "bench run --dataset synthetic_fashion-users200-items150-pixels32 --set bpr-mf.epochs=3"
    )
    for n in range(0, 90, 7):  # wherever a line ends
        long = dataclasses.replace(table, foot=("x" * n + " " + command,))
        lines = to_text(long).splitlines()
        words = [word for line in lines for word in line.split()]
        assert all(word in words for word in command.split())


def test_text_rules_stand_between_data_sets(cells):
    grid = to_text(table3(cells)).split("\n\n")[1].splitlines()
    rules = [number for number, line in enumerate(grid) if line.startswith("----")]
    assert rules[0] == 0
    assert rules[-1] == len(grid) - 1
    assert len(rules) == 4


def test_text_lets_no_name_steer_the_terminal(add_cell):
    text = to_text(table3([add_cell("vbpr", label="\x1b[31mred\x07", title="a\nb")]))
    assert "\x1b" not in text
    assert "\x07" not in text


def test_a_line_end_in_a_cell_does_not_break_the_grid():
    cells = (Cell("a\nb", ("c\nd",)), Cell("1"))
    columns = (Column("A\nB", "G\nH", align="left"), Column("C"))
    text = to_text(Table(name="t", caption="One\ntwo.", columns=columns, rows=(Row(cells),)))
    assert text.split("\n\n")[0] == "One two."
    grid = text.split("\n\n")[1].splitlines()
    assert grid == ["---  -", "G H", "A B  C", "---  -", "a b  1", "c d", "---  -"]


def test_text_of_a_table_without_foot_or_rows():
    assert to_text(Table(name="t", caption="Empty.", columns=(Column("A"),), rows=()))


def unescaped_pipes(line):
    return len(re.findall(r"(?<!\\)\|", line))


@pytest.mark.parametrize("make", [table2, table3])
def test_markdown_has_as_many_pipes_in_every_row(cells, make):
    table = make(cells)
    grid = [line for line in to_markdown(table).splitlines() if line.startswith("|")]
    assert len(grid) == 2 + len(table.rows)
    assert {unescaped_pipes(line) for line in grid} == {len(table.columns) + 1}


def test_markdown_bold_details_and_escapes(cells):
    text = to_markdown(table3(cells))
    assert "**0.7375**<br>±0.0177" in text
    assert r"(i) My\|Model &amp; \<b\>\*Söhne\*\</b\>" in text
    assert r"- \[1\] FM failed: seed 0: out of memory" in text
    assert "- Bold: best in row." in text


def test_csv_parses_back_unrounded(add_cell, cells):
    rows = list(csv.DictReader(io.StringIO(to_csv(table3(cells, ci=True)))))
    assert len(rows) == 2 * 2 * 4  # data sets, settings, recommenders
    (vbpr,) = [
        r for r in rows if (r["dataset"], r["setting"], r["recommender"])
        == ("clothing", "all", "vbpr")
    ]  # fmt: skip
    assert float(vbpr["value"]) == pytest.approx(0.7375, abs=1e-12)
    assert vbpr["seeds"] == "0 1"
    assert vbpr["n_users"] == "4"
    assert vbpr["best"] == "True"
    assert vbpr["ties"] == "strict"
    assert float(vbpr["ci_low"]) <= 0.7375 <= float(vbpr["ci_high"])
    (fm,) = [
        r for r in rows if (r["dataset"], r["setting"], r["recommender"])
        == ("clothing", "all", "fm")
    ]  # fmt: skip
    assert (fm["value"], fm["status"]) == ("", "failed")
    assert fm["note"] == "FM failed: seed 0: out of memory"
    assert {r["label"] for r in rows if r["recommender"] == "my|model"} >= {
        "My|Model & <b>*Söhne*</b>"
    }


def test_csv_keeps_every_digit(add_cell):
    (row, _) = csv.DictReader(io.StringIO(to_csv(table3([add_cell("vbpr", [3, 3, 3, 4])]))))
    assert float(row["value"]) == pytest.approx(13 / 40, abs=1e-15)


def test_json_holds_rows_foot_and_facts(cells):
    table = table3(cells)
    value = json.loads(to_json(table))
    assert value["table"] == "table3"
    assert value["metric"] == "auc"
    assert value["ties"] == "strict"
    assert value["foot"] == list(table.foot)
    assert value["notes"] == list(table.notes)
    assert len(value["rows"]) == 2 * 2 * 4
    assert value["rows"][0]["value"] == 0.5
    assert value["rows"][0]["seeds"] == [0]
    clothing = value["datasets"][0]
    assert clothing["facts"]["n_users"] == 4
    assert clothing["recommenders"]["vbpr"]["seeds"] == [0, 1]
    assert clothing["recommenders"]["vbpr"]["provenance"]["cpu"] == "Some CPU @ 2 GHz"
    gains = {(g["setting"], g["improvement"]): g["percent"] for g in value["improvements"]}
    assert gains["all", "g vs. best"] == pytest.approx(47.5)


def test_csv_and_json_of_table2(cells):
    rows = list(csv.DictReader(io.StringIO(to_csv(table2(cells)))))
    assert [(row["dataset"], row["n_users"]) for row in rows] == [("clothing", "4"), ("shoes", "4")]
    assert json.loads(to_json(table2(cells)))["rows"][0]["n_categories"] == 6


def test_a_note_and_a_best_mark_can_meet():
    row = Row((Cell("0.5", best=True, note=1),))
    table = Table(name="t", caption="C.", columns=(Column("A"),), rows=(row,), notes=("why",))
    assert "*0.5 [1]" in to_text(table)
    assert r"**0.5 \[1\]**" in to_markdown(table)


def test_a_mark_stands_before_the_value_in_text_and_after_it_in_markdown():
    columns = (Column("A"), Column("B"))
    cells = (Cell("0.5", mark="†"), Cell("0.6", best=True, mark="†", note=1))
    table = Table(name="t", caption="c", columns=columns, rows=(Row(cells),), notes=("why",))
    assert "†0.5  *†0.6 [1]" in to_text(table)
    assert "0.5† | **0.6† \\[1\\]** |" in to_markdown(table)
