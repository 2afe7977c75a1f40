"""`bench compare`: options, formats and errors; the numbers are tests/report's."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from stored_cells import add_cell

from bench.cli.compare import compare
from bench.errors import BenchError
from bench.experiment.store import ResultStore


@pytest.fixture
def results(tmp_path: Path) -> Path:
    store = ResultStore(tmp_path / "results")
    add_cell(store, "poprank", [9, 8, 4, 1], equal=[0, 2, 4, 9])
    add_cell(store, "fm", [5, 6, 7, 5])
    add_cell(store, "vbpr", [9] * 4, params={"factors": 20}, made="2025-01-02")
    add_cell(store, "vbpr", [5] * 4, params={"factors": 10}, made="2025-01-01")
    add_cell(store, "fm", [5] * 4, dataset="shoes")
    add_cell(store, "vbpr", [6] * 4, dataset="shoes")
    return store.root


def call(*arguments: object):
    done = CliRunner().invoke(compare, [str(a) for a in arguments])
    if isinstance(done.exception, BenchError):
        raise done.exception
    return done


def rows(results, *more):
    done = call("--results", results, "--format", "json", *more)
    return json.loads(done.stdout)["rows"]


def test_pairs_data_sets_and_options_reach_the_table(results):
    found = rows(results)
    assert [(r["dataset"], r["recommender"], r["against"]) for r in found[:3]] == [
        ("clothing", "fm", "poprank"),
        ("clothing", "vbpr", "poprank"),
        ("clothing", "vbpr", "fm"),
    ]
    assert found[2]["difference"] == pytest.approx((36 - 23) / 40)
    assert len(found) == 8
    assert {r["dataset"] for r in rows(results, "--dataset", "shoes")} == {"shoes"}
    base = rows(results, "--base", "fm", "--dataset", "clothing")
    assert [r["recommender"] for r in base] == ["poprank", "vbpr"] * 2
    chosen = rows(results, "--set", "vbpr.factors=10", "--dataset", "clothing", "--base", "fm")
    assert chosen[1]["difference"] == pytest.approx((20 - 23) / 40)
    half = rows(results, "--ties", "half", "--dataset", "clothing")
    assert half[0]["against_value"] == pytest.approx(29.5 / 40)
    assert rows(results, "--metric", "mrr")[0]["metric"] == "mrr"


@pytest.mark.parametrize(
    ("format_", "start"),
    [
        ("text", "Differences in the AUC"),
        ("markdown", "**Differences in the AUC"),
        ("latex", r"% Needs \usepackage"),
        ("csv", "dataset,title"),
    ],
)
def test_every_format(results, tmp_path, format_, start):
    shown = call("--results", results, "--format", format_).stdout
    assert shown.startswith(start)
    path = tmp_path / "table"
    assert call("--results", results, "--format", format_, "--output", path).stdout == ""
    assert path.read_text(encoding="utf-8") == shown


def test_bad_input(results, tmp_path):
    with pytest.raises(BenchError, match="unknown stored recommender 'fn': did you mean 'fm'"):
        call("--results", results, "--base", "fn")
    with pytest.raises(BenchError, match="no results under"):
        call("--results", tmp_path / "nothing")
    with pytest.raises(
        BenchError, match=r"data set 'shoe' .*did you mean 'shoes'.*clothing, shoes"
    ):
        call("--results", results, "--dataset", "shoe")
    with pytest.raises(BenchError, match="has factors=30"):
        call("--results", results, "--set", "vbpr.factors=30")
    assert call("--results", results, "--metric", "map").exit_code == 2
