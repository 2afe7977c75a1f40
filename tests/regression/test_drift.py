"""The verdict on a fresh result."""

import math

import pytest

from bench.errors import BenchError
from bench.regression.drift import Drift, drifts_of
from bench.regression.golden import GoldenEntry, ToleranceRule, golden_metric

RULE = ToleranceRule(floor=0.01)
NAME = "auc_strict.all"


def entry(*values: float) -> GoldenEntry:
    return GoldenEntry(
        label="M",
        device="cpu",
        settings={},
        params={},
        params_hash="",
        recommender_version="1",
        seeds=tuple(range(10, 10 + len(values))),
        metrics={NAME: golden_metric(values, RULE)},
    )


def drift(golden: GoldenEntry, fresh: dict[int, float | None]) -> Drift:
    values = {seed: None if value is None else {NAME: value} for seed, value in fresh.items()}
    (found,) = drifts_of("m", golden, values, RULE)
    return found


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (0.0, "same"),
        (1e-15, "within"),
        (0.0099, "within"),
        (-0.0099, "within"),
        (0.0101, "better"),
        (-0.0101, "worse"),
    ],
)
def test_a_model_without_spread_may_drift_by_the_floor(change: float, verdict: str) -> None:
    golden = entry(0.5, 0.5, 0.5)
    found = drift(golden, dict.fromkeys(golden.seeds, 0.5 + change))
    assert found.tolerance == 0.01
    assert found.verdict == verdict
    assert found.drift == pytest.approx(change)
    assert found.regressed is (verdict == "worse")


def test_seeds_are_compared_with_themselves() -> None:
    golden = entry(0.4, 0.5, 0.6)
    found = drift(golden, {12: 0.6})
    assert (found.verdict, found.seeds, found.golden) == ("same", (12,), 0.6)
    swapped = drift(golden, {10: 0.6, 11: 0.5, 12: 0.4})
    assert swapped.verdict == "within"
    assert swapped.drift == pytest.approx(0.0)


def test_fewer_seeds_may_drift_more() -> None:
    golden = entry(0.4, 0.5, 0.6)
    of_all = drift(golden, dict.fromkeys(golden.seeds, 0.5)).tolerance
    of_one = drift(golden, {10: 0.4}).tolerance
    assert of_all == pytest.approx(9.925 * 0.1 * math.sqrt(2 / 3), rel=1e-4)
    assert of_one == pytest.approx(9.925 * 0.1 * math.sqrt(2), rel=1e-4)


def test_a_tolerance_widened_by_hand_counts() -> None:
    golden = entry(0.5, 0.5, 0.5)
    metric = golden_metric((0.5, 0.5, 0.5), ToleranceRule(floor=0.2))
    wide = GoldenEntry(**{**vars(golden), "metrics": {NAME: metric}})
    for fresh in ({10: 0.35}, {10: 0.35, 11: 0.35, 12: 0.35}):
        assert drift(golden, fresh).verdict == "worse"  # type: ignore[arg-type]  # no None in it
        assert drift(wide, fresh).verdict == "within"  # type: ignore[arg-type]  # no None in it


def test_a_failed_fit_is_a_regression_without_a_value() -> None:
    golden = entry(0.5, 0.5)
    found = drift(golden, {10: 0.5, 11: None})
    assert (found.verdict, found.now, found.drift, found.regressed) == ("failed", None, None, True)


def test_a_metric_that_is_not_there_is_other_data() -> None:
    with pytest.raises(BenchError, match=r"m \(seed 10\) has no auc_strict.all"):
        drifts_of("m", entry(0.5, 0.5), {10: {"mrr_strict.all": 0.1}}, RULE)
