import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from stored_cells import add_cell

from bench.cli.table import table
from bench.errors import BenchError
from bench.experiment.store import ResultStore


@pytest.fixture
def results(tmp_path: Path) -> Path:
    store = ResultStore(tmp_path / "results")
    add_cell(store, "poprank", [9, 8, 4, 1], equal=[0, 2, 4, 9])
    add_cell(store, "vbpr", [8, 8, 8, 8])
    add_cell(store, "vbpr", [6, 6, 6, 6], dataset="shoes")
    return store.root


def call(*arguments: object):
    # BenchError is the root command's to print: here it comes through as it is.
    done = CliRunner().invoke(table, [str(a) for a in arguments])
    if isinstance(done.exception, BenchError):
        raise done.exception
    return done


def test_table3_as_text(results):
    done = call(3, "--results", results)
    assert done.exit_code == 0
    assert "*0.8000" in done.stdout  # no terminal: an asterisk, no codes
    assert "\x1b" not in done.stdout
    assert done.stdout.endswith("\n")
    assert not done.stdout.endswith("\n\n")


@pytest.mark.parametrize(
    ("format_", "start"),
    [
        ("text", "Data set statistics"),
        ("markdown", "**Data set statistics"),
        ("latex", r"% Needs \usepackage"),
        ("csv", "dataset,title,source"),
        ("json", "{"),
    ],
)
def test_table2_in_every_format(results, format_, start):
    done = call(2, "--results", results, "--format", format_)
    assert done.exit_code == 0
    assert done.stdout.startswith(start)


def test_ties_ci_and_metric_reach_the_table(results):
    def first(*more):
        value = json.loads(call(3, "--results", results, "--format", "json", *more).stdout)
        return value["rows"][0]

    assert first()["value"] == pytest.approx(0.55)
    assert first()["ci_low"] is None
    assert first("--ties", "half")["value"] == pytest.approx(29.5 / 40)
    assert first("--ci")["ci_low"] < 0.55 < first("--ci")["ci_high"]
    # Ranks 2, 3, 7, 10 of 11 under the strict rule.
    assert first("--metric", "recall@5")["value"] == pytest.approx(0.5)


def test_only_the_named_data_sets(results):
    done = call(3, "--results", results, "--dataset", "shoes", "--format", "csv")
    assert "shoes" in done.stdout
    assert "clothing" not in done.stdout
    both = call(3, "--results", results, "--dataset", "shoes", "--dataset", "clothing")
    assert "Shoes" in both.stdout
    assert "Clothing" in both.stdout


def test_output_file_holds_what_the_terminal_would_show(results, tmp_path):
    path = tmp_path / "new" / "table.tex"
    done = call(3, "--results", results, "--format", "latex", "--output", path)
    assert done.stdout == ""
    shown = call(3, "--results", results, "--format", "latex").stdout
    assert path.read_text(encoding="utf-8") == shown


def test_no_results(tmp_path):
    with pytest.raises(BenchError, match=r"no results under .*run `bench run` first"):
        call(3, "--results", tmp_path / "nothing")


def test_unknown_data_set(results):
    with pytest.raises(
        BenchError, match=r"data set 'shoe' .*did you mean 'shoes'.*clothing, shoes"
    ):
        call(3, "--results", results, "--dataset", "shoe")


@pytest.mark.parametrize("option", [["--ci"], ["--ties", "half"], ["--metric", "mrr"]])
def test_table2_refuses_what_it_would_ignore(results, option):
    with pytest.raises(BenchError, match=f"{option[0]} is for table 3.*: table 2 has counts only"):
        call(2, "--results", results, *option)


@pytest.mark.parametrize("arguments", [["5"], [], ["3", "--metric", "map"], ["3", "--format", "x"]])
def test_unknown_choices_are_refused(arguments):
    assert call(*arguments).exit_code == 2


def test_reports_import_no_torch():
    code = "import sys, bench.cli.table; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.fixture
def two_configurations(tmp_path: Path) -> Path:
    store = ResultStore(tmp_path / "two")
    add_cell(store, "vbpr", [9] * 4, params={"factors": 20}, made="2025-01-02")
    add_cell(store, "vbpr", [5] * 4, params={"factors": 10}, made="2025-01-01")
    return store.root


def test_a_configuration_is_chosen_by_set_as_in_a_run(two_configurations):
    assert "0.9000" in call(3, "--results", two_configurations).stdout
    shown = call(3, "--results", two_configurations, "--set", "vbpr.factors=10").stdout
    assert "0.5000" in shown
    with pytest.raises(BenchError, match="has factors=30; there is factors=20; factors=10"):
        call(3, "--results", two_configurations, "--set", "vbpr.factors=30")
    with pytest.raises(BenchError, match="--set is for table 3"):
        call(2, "--results", two_configurations, "--set", "vbpr.factors=10")


def test_configurations_are_listed(two_configurations):
    lines = call(3, "--results", two_configurations, "--configurations").stdout.splitlines()
    assert lines[2].split()[:4] == ["Clothing", "vbpr", "*", "factors=20"]
    assert lines[3].split()[:3] == ["Clothing", "vbpr", "factors=10"]
    assert len(lines) == 4


@pytest.mark.parametrize("format_", ["text", "markdown", "latex", "csv", "json"])
@pytest.mark.parametrize("more", [["--significance", "--cost"], ["--against", "paper"]])
def test_significance_cost_and_the_paper_in_every_format(tmp_path, more, format_):
    store = ResultStore(tmp_path / "men")
    for name, less in (("fm", [5, 6, 7, 8]), ("vbpr", [6, 6, 7, 8])):
        add_cell(store, name, less, dataset="amazon_men", title="Amazon Men")
    done = call(3, "--results", store.root, "--format", format_, *more)
    assert done.exit_code == 0
    if "--against" in more:
        words = ["0.7089", "0.6863", "other item set"]
    elif format_ in ("csv", "json"):
        words = ["p_holm_against_best", "not significant", "fit_seconds"]
    else:
        words = ["$\\dagger$" if format_ == "latex" else "†", "Holm", "Peak memory"]
    for word in words:
        assert word in done.stdout


@pytest.mark.parametrize("option", [["--ci"], ["--significance"], ["--cost"], ["--metric", "mrr"]])
def test_against_the_paper_refuses_what_it_has_no_room_for(results, option):
    with pytest.raises(BenchError, match=f"--against paper has columns.*leave out {option[0]}"):
        call(3, "--results", results, "--against", "paper", *option)


def test_against_the_paper_without_a_data_set_of_its(results):
    with pytest.raises(BenchError, match="the paper has no numbers for Clothing, Shoes; its"):
        call(3, "--results", results, "--against", "paper")
    assert call(3, "--results", results, "--against", "papers").exit_code == 2


@pytest.mark.parametrize("option", [["--significance"], ["--cost"], ["--against", "paper"]])
def test_other_tables_refuse_options_of_table_3(results, option):
    with pytest.raises(BenchError, match=f"{option[0]} is for table 3: table 2 has counts only"):
        call(2, "--results", results, *option)
