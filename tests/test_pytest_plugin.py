"""The fixture `bench_auc` in somebody else's tests."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

MODEL = """
from baselines.visrank import VisRank

class Mine(VisRank):
    name = "mine"
    label = "Mine"
    source = "a test"
"""
WORSE = """
    def _score(self, users):
        return -super()._score(users)
"""
TESTS = """
def test_my_model(bench_auc):
    bench_auc("mine", dataset="toy", plugin="my_model.py", golden="golden.json", threads=1)

def test_the_values(bench_auc):
    values = bench_auc("mine", dataset="toy", plugin="my_model.py", golden="golden.json", seeds=[1],
                       threads=1)
    assert 0.5 < values["auc_strict.all"] <= values["auc_half.all"] < 1

def test_published_data_that_are_not_there(bench_auc):
    bench_auc("poprank", dataset="tradesy")

def test_another_recommender(bench_auc):
    bench_auc("other", dataset="toy", golden="golden.json")

def test_no_golden_file(bench_auc):
    bench_auc("mine", dataset="toy", golden="g.json")

def test_another_data_set(bench_auc):
    bench_auc("mine", dataset="toyy", golden="golden.json")

def test_no_plug_in(bench_auc):
    bench_auc("mine", dataset="toy", golden="golden.json", plugin="p.py")
"""


@pytest.fixture
def project(pytester: pytest.Pytester, toy_data_dir: Path) -> Callable[..., pytest.RunResult]:
    """A project with a model, a golden file of it, and tests; gives what running them gives."""
    pytester.makepyfile(my_model=MODEL)
    words = ["-q", "check", "--update", "--reason", "first", "--dataset", "toy", "--threads", "1"]
    words += ["--data", str(toy_data_dir), "--golden", "golden.json", "--seed", "0", "--seed", "1"]
    words += ["--recommenders", "mine", "--plugin", "my_model.py", "--results", "elsewhere"]
    # In processes of their own, here and below: pytester forgets what is imported under it, and
    # NumPy and pandas cannot be imported twice in one.
    subprocess.run([sys.executable, "-m", "bench.cli.main", *words], check=True)
    pytester.makeini(f"[pytest]\nbench_data = {toy_data_dir}\nbench_results = kept\n")
    pytester.makepyfile(test_auc=TESTS)

    def run(*options: str) -> pytest.RunResult:
        return pytester.runpytest_subprocess("-p", "bench.pytest_plugin", *options)

    return run


def test_two_lines_are_a_test(
    project: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    first = project("-rs", "-W", "error")
    first.assert_outcomes(passed=2, skipped=1, failed=4)
    first.stdout.fnmatch_lines(
        [
            "*golden.json has no values of 'other'*",
            "golden file *g.json: no such file*",
            "*is of toy, not of toyy*",
            "plug-in *p.py: no such file*",
            "SKIPPED*data set tradesy is not in*",
        ]
    )
    first.stdout.no_fnmatch_line("*pytest_plugin.py*in __call__*")  # no traceback of the suite's
    kept = sorted((pytester.path / "kept").rglob("result.json"))
    assert len(kept) == 2
    assert json.loads(kept[0].read_text())["key"]["recommender"] == "mine"
    assert not (pytester.path / "results").exists()

    times = [path.stat().st_mtime_ns for path in kept]
    project("-k", "my_model").assert_outcomes(passed=1, deselected=6)
    assert [path.stat().st_mtime_ns for path in kept] == times

    pytester.makepyfile(my_model=MODEL + WORSE)
    worse = project("-k", "my_model")
    worse.assert_outcomes(failed=1, deselected=6)
    worse.stdout.fnmatch_lines(["golden file: *golden.json", "*WORSE*", "Regression: Mine."])


def test_tests_without_it_do_not_notice_it(tmp_path: Path) -> None:
    """Loaded in every run of pytest: no data, no PyTorch, nothing of the suite but itself."""
    (tmp_path / "test_other.py").write_text(
        "import sys\n"
        "def test_it():\n"
        "    loaded = {name for name in sys.modules if name.split('.')[0] == 'bench'}\n"
        "    assert loaded == {'bench', 'bench.pytest_plugin'}\n"
        "    assert not {'torch', 'numpy', 'click'} & set(sys.modules)\n"
    )
    words = ["-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, *words, "-p", "bench.pytest_plugin"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert {path.name for path in tmp_path.iterdir()} <= {"test_other.py", "__pycache__"}


def test_pytest_loads_it_by_itself() -> None:
    from importlib.metadata import entry_points

    found = [point.value for point in entry_points(group="pytest11")]
    assert "bench.pytest_plugin" in found
