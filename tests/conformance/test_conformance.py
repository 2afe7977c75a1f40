"""Every recommender the suite registers keeps the promises of the shared interface."""

from functools import cache

import pytest

from bench.registry import PAPER_COLUMNS, Registry
from bench.testing import CHECKS, CheckResult, RecommenderConformance, check_recommender

NAMES = Registry().recommender_names()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "test", [name for name in dir(RecommenderConformance) if name.startswith("test_")]
)
def test_promise(name: str, test: str) -> None:
    class OfName(RecommenderConformance):
        recommender = Registry().recommender(name)

    getattr(OfName(), test)()


@cache
def results_of(name: str) -> dict[str, CheckResult]:
    results = check_recommender(Registry().recommender(name))
    return {result.name: result for result in results}


@pytest.mark.parametrize("name", ["poprank", "warp", "bpr-mf", "fm", "vbpr", "dvbpr"])
def test_factor_models_take_the_evaluators_fast_path(name: str) -> None:
    assert "K = " in results_of(name)["factors agree with score"].detail


@pytest.mark.parametrize("name", ["warp", "bpr-mf", "fm", "vbpr", "dvbpr"])
def test_iterative_models_report_their_epochs(name: str) -> None:
    assert "stops when told" in results_of(name)["reports epochs and stops when told"].detail


@pytest.mark.parametrize("name", ["vbpr", "dvbpr"])
def test_our_own_training_resumes_to_the_last_bit(name: str) -> None:
    detail = results_of(name)["an interrupted fit can be resumed"].detail
    assert detail.endswith("equal to the last bit")


def test_the_papers_columns_are_all_registered() -> None:
    assert [name for name in NAMES if name in PAPER_COLUMNS] == list(PAPER_COLUMNS)
    assert len(CHECKS) * len(NAMES) >= 12 * 8
