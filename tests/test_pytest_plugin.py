"""The fixture `bench_auc` in somebody else's tests."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.cli.main import main

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
TEST = """
def test_my_model(bench_auc):
    bench_auc("mine", dataset="toy", plugin="my_model.py", golden="golden.json", threads=1)
"""


@pytest.fixture
def project(pytester: pytest.Pytester, toy_data_dir: Path) -> Callable[[str], pytest.RunResult]:
    """A project with a model, a golden file of it, and tests; gives what running them gives."""
    pytester.makepyfile(my_model=MODEL)
    words = ["-q", "check", "--update", "--reason", "first", "--dataset", "toy", "--threads", "1"]
    words += ["--data", str(toy_data_dir), "--golden", "golden.json", "--seed", "0", "--seed", "1"]
    words += ["--recommenders", "mine", "--plugin", "my_model.py", "--results", "elsewhere"]
    assert main(words) == 0
    pytester.makeini(f"[pytest]\nbench_data = {toy_data_dir}\n")

    def run(tests: str, *options: str) -> pytest.RunResult:
        pytester.makepyfile(test_auc=tests)
        return pytester.runpytest_inprocess("-p", "bench.pytest_plugin", *options)

    return run


def test_two_lines_are_a_test(
    project: Callable[[str], pytest.RunResult], pytester: pytest.Pytester
) -> None:
    project(TEST).assert_outcomes(passed=1)
    assert not (pytester.path / "results").exists()
    pytester.makepyfile(my_model=MODEL + WORSE)
    worse = project(TEST)
    worse.assert_outcomes(failed=1)
    worse.stdout.fnmatch_lines(["golden file: *golden.json", "*WORSE*", "Regression: Mine."])
    worse.stdout.no_fnmatch_line("*pytest_plugin.py*")  # no traceback through the suite


def test_it_gives_the_values(project: Callable[[str], pytest.RunResult]) -> None:
    project(
        """
def test_my_model(bench_auc):
    values = bench_auc("mine", dataset="toy", plugin="my_model.py", golden="golden.json", seeds=[1])
    assert 0.3 < values["auc_strict.all"] <= values["auc_half.all"] < 0.9
"""
    ).assert_outcomes(passed=1)


def test_results_are_kept_where_the_project_says(
    project: Callable[[str], pytest.RunResult], pytester: pytest.Pytester
) -> None:
    ini = pytester.path / "tox.ini"
    ini.write_text(ini.read_text() + "bench_results = kept\n")
    project(TEST).assert_outcomes(passed=1)
    found = sorted((pytester.path / "kept").rglob("result.json"))
    assert len(found) == 2
    times = [path.stat().st_mtime_ns for path in found]
    project(TEST).assert_outcomes(passed=1)
    assert [path.stat().st_mtime_ns for path in found] == times
    assert json.loads(found[0].read_text())["key"]["recommender"] == "mine"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ('"other", dataset="toy", golden="golden.json"', "unknown recommender in*'other'*"),
        ('"mine", dataset="toy", golden="g.json"', "golden file *g.json: no such file*"),
        ('"mine", dataset="toyy", golden="golden.json"', "*is of toy, not of toyy*"),
        ('"mine", dataset="toy", golden="golden.json", plugin="p.py"', "plug-in *p.py: no such*"),
    ],
)
def test_a_mistake_fails_the_test_in_one_line(
    project: Callable[[str], pytest.RunResult], call: str, message: str
) -> None:
    outcome = project(f"def test_it(bench_auc):\n    bench_auc({call})\n")
    outcome.assert_outcomes(failed=1)
    outcome.stdout.fnmatch_lines([message])


def test_published_data_that_are_not_there_skip_the_test(
    project: Callable[[str], pytest.RunResult],
) -> None:
    outcome = project(
        'def test_it(bench_auc):\n    bench_auc("poprank", dataset="tradesy")\n', "-rs"
    )
    outcome.assert_outcomes(skipped=1)
    outcome.stdout.fnmatch_lines(["SKIPPED*data set tradesy is not in*"])


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
