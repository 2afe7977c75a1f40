"""A pytest plug-in: the fixture `bench_auc` fails a test when a recommender's AUC has dropped.

    def test_my_model(bench_auc):
        bench_auc("my-model", plugin="my_model.py", golden="golden.json")

pytest loads this in every test run where the suite is installed, so nothing is imported here that a
test without the fixture does not need.
"""

from collections.abc import Sequence
from pathlib import Path

import pytest

__all__ = ["BenchAuc", "bench_auc"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what a project's pytest configuration may say."""
    parser.addini(
        "bench_data",
        "Folder of bench's data sets, from the root folder ($BENCH_DATA, else data)",
        default="",
    )
    parser.addini(
        "bench_results",
        "Folder in which bench_auc keeps its fits for the next run; without it they are not kept",
        default="",
    )


class BenchAuc:
    """What the fixture gives: call it with a recommender's name.

    Parameters
    ----------
    root
        What relative paths are relative to: pytest's root folder.
    data_dir, results
        Folders of data sets and results.
    """

    def __init__(self, root: Path, *, data_dir: Path, results: Path) -> None:
        self._root = root
        self._data_dir = data_dir
        self._results = results

    def __call__(
        self,
        recommender: str,
        *,
        golden: str | Path | None = None,
        dataset: str = "synthetic_fashion",
        plugin: str | Path | None = None,
        seeds: Sequence[int] = (),
        threads: int | None = None,
    ) -> dict[str, float]:
        """Fit a recommender and fail the test if it is worse than the golden file allows.

        Parameters
        ----------
        recommender
            Its name.
        golden
            The golden file; None: results/golden/<dataset>.json, else the suite's own.
        dataset
            Name of the data set; synthetic_fashion is drawn if need be. The test is skipped where
            one that is only fetched on request is not there.
        plugin
            Python file that defines the recommender, if no installed package does.
        seeds
            Fewer seeds than those of the golden file, for a quicker test.
        threads
            Processor threads; None: all.

        Returns
        -------
        The mean over seeds of each metric: "auc_strict.all" and the like.
        """
        from bench.datasets.library import stored_names
        from bench.device import available_threads
        from bench.errors import BenchError
        from bench.registry import Registry
        from bench.regression.check import CheckOptions, check
        from bench.regression.golden_file import locate_golden
        from bench.report.drift import drift_table
        from bench.report.text import to_text

        report, problem = None, ""
        try:
            registry = Registry(() if plugin is None else (self._root / plugin,))
            if dataset not in stored_names(self._data_dir) and dataset in registry.source_names():
                how = registry.source(dataset).on_request
                if how is not None:
                    pytest.skip(f"data set {dataset} is not in {self._data_dir}; {how}")
            given = None if golden is None else self._root / golden
            options = CheckOptions(
                dataset=dataset,
                golden=locate_golden(dataset, self._root / "results", given),
                recommenders=(recommender,),
                seeds=tuple(seeds),
                threads=available_threads() if threads is None else threads,
                results=self._results,
                data_dir=self._data_dir,
            )
            report = check(options, registry)
        except BenchError as error:
            problem = str(error)
        if report is None:  # told here, where pytest has no other exception to show beside it
            pytest.fail(problem, pytrace=False)
        if report.regressed:
            table = to_text(drift_table(report))
            pytest.fail(f"golden file: {report.path}\n{table}", pytrace=False)
        return {drift.metric: drift.now for drift in report.drifts if drift.now is not None}


@pytest.fixture(scope="session")
def bench_auc(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> BenchAuc:
    """Give a function that compares a recommender's AUC with a golden file; see `BenchAuc`."""
    from bench.datasets.library import default_data_dir

    root = pytestconfig.rootpath
    data, results = (
        str(pytestconfig.getini("bench_data")),
        str(pytestconfig.getini("bench_results")),
    )
    return BenchAuc(
        root,
        data_dir=root / (data or default_data_dir()),
        results=root / results if results else tmp_path_factory.mktemp("bench"),
    )
