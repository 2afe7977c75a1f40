"""Table IV: rows, marks, the paper's numbers, in every format."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from stored_designs import add_designs, judged_by

from bench.errors import BenchError
from bench.experiment.generation.store import GenerationStore
from bench.report.latex import to_latex
from bench.report.layout import DASH, Table
from bench.report.shown_designs import choose_designs
from bench.report.table4 import table4
from bench.report.text import to_csv, to_json, to_markdown, to_text


def made(root: Path, settings: dict[str, str] | None = None, **options: Any) -> Table:
    return table4(choose_designs(GenerationStore(root).all(), settings), **options)


def cells(table: Table, row: int) -> list[str]:
    return [cell.text for cell in table.rows[row].cells]


def titles(table: Table) -> list[str]:
    return [f"{column.group} {column.title}".strip() for column in table.columns]


def test_four_sources_with_standard_deviations_and_the_improvement(tmp_path: Path) -> None:
    add_designs(tmp_path, judged_by())
    table = made(tmp_path)
    assert titles(table) == [
        "Dataset",
        "Item Source",
        "Preference Score",
        "Quality classifier",
        "Quality inception",
        "Diversity",
        "Fréchet classifier",
        "Kernel classifier",
        "Category",
    ]
    assert cells(table, 0)[:4] == ["Photos", "X_c", "-0.5000 ±3.8", "1.1000 ±0.36"]
    assert cells(table, 3) == [
        "",
        "δ\u0302(u, c)",
        "2.5000 ±3.8",
        "1.4000 ±0.36",
        DASH,
        "0.5600 ±0.095",
        "40",
        "0.004",
        "94.0%",
    ]
    assert cells(table, 4)[1:6] == ["δ\u0302(u, c) vs. δ(u, c)", "+25.0%", "+7.7%", "", "-1.8%"]
    assert table.rows[4].cells[2].details == ("+0.5000",)
    assert table.rows[3].cells[4].note == 1
    assert "--inception-weights" in table.notes[0]


def test_the_papers_rows_and_the_other_data_set(tmp_path: Path) -> None:
    add_designs(tmp_path, judged_by())
    table = made(tmp_path)
    assert cells(table, 5)[:6] == [
        "Paper: Amazon Fashion",
        "X_c",
        "-1.9547 ±3.8",
        DASH,
        "6.8685 ±0.36",
        "0.5585 ±0.09",
    ]
    assert cells(table, 6)[0] == "(other data set)"
    assert cells(table, 8)[2] == "7.6760 ±4.1"
    # The paper's 6.8 % is what its own numbers give.
    assert cells(table, 9)[2:6] == ["+6.8%", "", "+0.0%", "-2.4%"]
    assert table.rows[5].rule_above


@pytest.mark.parametrize(
    ("facts", "mark"),
    [
        ({"n_users": 45184, "n_items": 166270}, "(other item set)"),
        ({"n_users": 64583, "n_items": 234892}, ""),
    ],
)
def test_amazon_fashions_archive_is_another_item_set(
    tmp_path: Path, facts: dict[str, int], mark: str
) -> None:
    add_designs(
        tmp_path, judged_by(), dataset="amazon_fashion", title="Amazon Fashion", facts=facts
    )
    table = made(tmp_path)
    assert cells(table, 6)[0] == mark
    assert any(line.startswith("other item set:") for line in table.foot) == bool(mark)


def test_judges_never_share_a_column(tmp_path: Path) -> None:
    add_designs(tmp_path, judged_by(), judged_by("inception"))
    table = made(tmp_path)
    row = dict(zip(titles(table), cells(table, 3), strict=True))
    assert row["Quality classifier"].startswith("1.4000")
    assert row["Quality inception"].startswith("6.4000")
    assert row["Fréchet classifier"] == row["Fréchet FID"] == "40"
    assert not table.notes
    lines = [line for line in table.foot if "Quality (" in line]
    assert [("classifier score" in line, "inception score" in line) for line in lines] == [
        (True, False),
        (False, True),
    ]


def test_where_one_data_set_lacks_a_judge(tmp_path: Path) -> None:
    add_designs(tmp_path, judged_by(), title="A")
    add_designs(tmp_path, judged_by("inception"), dataset="other", title="B")
    table = made(tmp_path)
    assert [table.rows[row].cells[0].text for row in (0, 5, 10)] == [
        "A",
        "B",
        "Paper: Amazon Fashion",
    ]
    columns = titles(table)
    first, second = (dict(zip(columns, cells(table, row), strict=True)) for row in (3, 8))
    assert (first["Quality inception"], first["Fréchet FID"]) == (DASH, DASH)
    assert (second["Quality classifier"], second["Fréchet classifier"]) == (DASH, DASH)
    assert second["Quality inception"].startswith("6.4")


def test_true_utility_where_it_is_known(tmp_path: Path) -> None:
    add_designs(tmp_path, judged_by(utility=True))
    table = made(tmp_path, ci=True)
    assert titles(table)[-1] == "True Utility"
    assert cells(table, 2)[-1] == "3.000 ±1.2"
    assert table.rows[4].cells[-1].details == ("+1.000", "[+0.500, +1.500]")
    (line,) = [line for line in table.foot if "True utility" in line]
    assert "error 0.4" in line
    assert "1.050 (X_c) and 3.050 (δ)" in line


def test_what_cannot_be_had_is_a_dash(tmp_path: Path) -> None:
    add_designs(tmp_path, judged_by(distances=False, agreement=False, etas=False))
    add_designs(tmp_path, judged_by(utility=True), dataset="other", title="Z")
    table = made(tmp_path)
    row = dict(zip(titles(table), table.rows[0].cells, strict=True))
    for title, reason in (
        ("Fréchet classifier", "too few other real images"),
        ("Category", "no classifier"),
        ("True Utility", "true taste"),
    ):
        assert row[title].text == DASH
        assert reason in table.notes[row[title].note - 1]


def test_no_percentage_where_the_retrieved_are_disliked(tmp_path: Path) -> None:
    add_designs(tmp_path, judged_by(preference=(-2.0, 1.0)))
    gain = made(tmp_path, ci=True).rows[4].cells[2]
    assert gain.text == "+3.0000"
    assert gain.details == ("[+0.1250, +0.8750]",)


def test_the_foot_says_how_numbers_were_made(tmp_path: Path) -> None:
    add_designs(tmp_path, judged_by())
    foot = "\n".join(made(tmp_path).foot)
    for words in (
        "40 trials, each of a random user and the category of her test item",
        "3 of 64 starts, drawn by eq. 11, 50 steps of Adam with 0.05, eta 1; seed 0",
        "(the paper: 1,000 trials)",
        "10 splits of 12 images in the order of the trials, N = 120",
        "weights SHA-256 12345678",
        "accuracy 98.1% on 450 held-out images",
        "11 x 11 window (Gaussian, sigma 1.5)",
        "data range 255",
        "12.2 (4.0) for 15 samples of G, 11.5 (4.0) for 15 real images; medians differ by +0.8 "
        "(95% percentile bootstrap interval -0.2 to +1.0); 4.0% of the samples are nearer",
        "AUC 0.7741; cell abcdef0123456789",
        "LSGAN preset slim, 24 epochs on 90 images (seed 0; 0123456789abcdef)",
        "never with eta",
        "the user's own items included",
        "over 100 subsets of 60",
    ):
        assert words in foot, words
    assert "Intervals" not in foot
    assert "Intervals" in "\n".join(made(tmp_path, ci=True).foot)


def test_the_foot_says_what_is_not_the_papers(tmp_path: Path) -> None:
    add_designs(tmp_path, judged_by(), starts=16, steps=25, eta=10.0)
    foot = "\n".join(made(tmp_path).foot)
    assert "3 of 16 starts, drawn by eq. 11, 25 steps of Adam with 0.05, eta 10; seed 0" in foot
    assert "(the paper: 1,000 trials, 64 starts, 50 steps, eta 1)" in foot


def test_the_newest_is_shown_and_another_can_be_chosen(tmp_path: Path) -> None:
    add_designs(tmp_path, judged_by(), made="2025-01-02", starts=32)
    add_designs(tmp_path, judged_by(preference=(4.0, 5.0)), made="2025-01-01", starts=16)
    table = made(tmp_path)
    assert cells(table, 3)[2].startswith("2.5")
    assert any("1 more set of designs is stored" in line for line in table.foot)
    for settings in ({"starts": "16"}, {"starts": "16.0", "eta": "1", "generator": "lsgan"}):
        assert cells(made(tmp_path, settings), 3)[2].startswith("5.0")
    with pytest.raises(BenchError, match="no stored designs have starts=8"):
        made(tmp_path, {"starts": "8"})
    with pytest.raises(BenchError, match="unknown setting of design 'strats': did you mean"):
        made(tmp_path, {"strats": "8"})


def test_other_contents_of_one_name_are_blocks_of_their_own(tmp_path: Path) -> None:
    add_designs(tmp_path, judged_by())
    add_designs(tmp_path, judged_by(), data_hash="e" * 64)
    table = made(tmp_path)
    assert [table.rows[row].cells[0].text for row in (0, 5)] == [
        "Photos [data dddddddd]",
        "Photos [data eeeeeeee]",
    ]


def test_nothing_to_show_is_told(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no designs are stored; `bench run` makes them"):
        made(tmp_path)
    add_designs(tmp_path)
    with pytest.raises(BenchError, match="not judged"):
        made(tmp_path)


def test_csv_has_every_number_unrounded(tmp_path: Path) -> None:
    add_designs(tmp_path, judged_by(utility=True), judged_by("inception"))
    rows = list(csv.DictReader(io.StringIO(to_csv(made(tmp_path)))))

    def value(**wanted: str) -> dict[str, str]:
        (found,) = [r for r in rows if all(r[k] == v for k, v in wanted.items())]
        return found

    ours = {"dataset": "photos", "from": "ours"}
    quality = value(**ours, source="designed", measure="quality", judge="inception")
    assert (quality["value"], quality["sd"], quality["n"]) == ("6.4", "0.356", "120")
    assert value(**ours, source="real", measure="diversity")["n"] == "40"
    assert value(**ours, source="real", measure="agreement")["value"] == "0.91"
    assert value(**ours, source="retrieved", measure="utility")["value"] == "3.0"
    assert value(**ours, source="real", measure="kernel", judge="classifier")["value"] == "0.001"
    gain = value(**ours, source="designed vs. retrieved", measure="preference", percent="25.0")
    assert (gain["value"], gain["ci_low"], gain["ci_high"]) == ("0.5", "0.125", "0.875")
    paper = value(**{"from": "paper"}, source="designed", measure="preference")
    assert (paper["value"], paper["trials"], paper["note"]) == ("7.676", "1000", "other data set")
    assert paper["group"] == "Personalized Methods"


def test_json_has_the_whole_record(tmp_path: Path) -> None:
    add_designs(tmp_path, judged_by())
    value = json.loads(to_json(made(tmp_path)))
    (experiment,) = value["experiments"]
    assert experiment["record"]["key"]["options"]["starts"] == 64
    assert experiment["judged"]["classifier"]["facts"]["weights_sha256"] == "12345678" * 8
    assert len(value["rows"]) == 4 * 6 + 3 + 12


def test_text_stands_in_columns_though_letters_have_hats(tmp_path: Path) -> None:
    add_designs(tmp_path, judged_by())
    lines = to_text(made(tmp_path)).splitlines()
    rows = [line for line in lines if "(u, c) " in line and "±" in line]
    assert len(rows) == 4
    # The hat takes no column of its own on the screen.
    ends = {len(line.replace("\u0302", "").rstrip()) for line in rows[:2]}
    assert len(ends) == 1
    assert "δ\u0302(u, c)" in "\n".join(lines)
    assert "\ue000" not in "\n".join(lines)


def test_latex_sets_the_hat(tmp_path: Path) -> None:
    add_designs(tmp_path, judged_by())
    text = to_latex(made(tmp_path))
    assert r"$\hat{\delta}$(u, c)" in text
    assert r"G($\cdot$, c)" in text
    assert "U+0302" not in text
    assert r"\label{tab:table4}" in text


def test_markdown(tmp_path: Path) -> None:
    add_designs(tmp_path, judged_by())
    text = to_markdown(made(tmp_path))
    assert "Quality classifier" in text
    assert "+25.0%<br>+0.5000" in text
