"""Golden files: the tolerance's formula, what is read and refused, and the suite's own file."""

import dataclasses
import json
import math
import statistics
from pathlib import Path
from typing import Any

import pytest

from bench.errors import BenchError
from bench.regression.golden import (
    METRICS,
    Golden,
    GoldenEntry,
    ToleranceRule,
    Update,
    golden_metric,
    params_hash,
)
from bench.regression.golden_file import (
    locate_golden,
    packaged_golden,
    read_golden,
    write_golden,
)

T_995 = {2: 63.657, 3: 9.925, 5: 4.604}
"""Two-sided 99% quantiles of Student's t as printed in tables, by the number of values."""


def golden_of(values: dict[str, tuple[float, ...]], **changes: Any) -> Golden:
    """A golden file with one metric, the seeds 0, 1, ..."""
    rule = ToleranceRule()
    entries = {
        name: GoldenEntry(
            label=name.upper(),
            device="cpu",
            settings={},
            params={"factors": 3},
            params_hash=params_hash({"factors": 3}),
            recommender_version="1",
            seeds=tuple(range(len(some))),
            metrics={"auc_strict.all": golden_metric(some, rule)},
        )
        for name, some in values.items()
    }
    update = Update(date="2026-01-01", reason="first", recommenders=tuple(values), provenance={})
    golden = Golden(
        dataset="toy",
        data_hash="d",
        split_hash="s",
        n_users={"all": 3},
        rule=rule,
        recommenders=entries,
        updates=(update,),
    )
    return dataclasses.replace(golden, **changes)


@pytest.mark.parametrize("n", sorted(T_995))
@pytest.mark.parametrize("m", [1, 2, 5])
def test_the_tolerance_is_students_t_times_the_spread_of_a_difference(n: int, m: int) -> None:
    rule = ToleranceRule(floor=0.0)
    found = rule.tolerance(0.01, n_golden=n, n_fresh=m)
    assert found == pytest.approx(T_995[n] * 0.01 * math.sqrt(2 / m), rel=1e-4)


def test_the_tolerance_has_a_floor() -> None:
    assert ToleranceRule(floor=0.002).tolerance(0.0, n_golden=5, n_fresh=5) == 0.002


def test_values_are_summarised() -> None:
    values = (0.61, 0.60, 0.63)
    metric = golden_metric(values, ToleranceRule())
    assert metric.mean == pytest.approx(statistics.fmean(values))
    assert metric.sd == pytest.approx(statistics.stdev(values))
    assert metric.tolerance == pytest.approx(9.925 * metric.sd * math.sqrt(2 / 3), rel=1e-4)


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    golden = golden_of({"a": (0.5, 0.6), "b": (0.1, 0.2, 0.3)})
    write_golden(tmp_path / "g.json", golden)
    assert read_golden(tmp_path / "g.json") == golden
    text = json.loads((tmp_path / "g.json").read_text())
    assert text["tolerance_rule"]["formula"].startswith("max(0.002, t * sd * sqrt(2 / m))")


def test_files_with_the_seconds_of_the_fits_are_still_read(tmp_path: Path) -> None:
    golden = golden_of({"a": (0.5, 0.6)})
    value = golden.to_json()
    assert "fit_seconds" not in value["recommenders"]["a"]
    value["recommenders"]["a"]["fit_seconds"] = 1.5
    (tmp_path / "g.json").write_text(json.dumps(value))
    assert read_golden(tmp_path / "g.json") == golden


def test_the_latest_update_that_names_a_recommender_is_its_origin() -> None:
    updates = [
        Update(date=str(day), reason="", recommenders=names, provenance={})
        for day, names in enumerate([("a", "b"), ("a",), ("b",), ("a",)])
    ]
    golden = golden_of({"a": (0.5, 0.6), "b": (0.5, 0.6)}, updates=tuple(updates))
    assert (golden.origin("a").date, golden.origin("b").date) == ("3", "2")


def broken(change: str) -> str:
    value = golden_of({"a": (0.5, 0.6)}).to_json()
    metric = value["recommenders"]["a"]["metrics"]["auc_strict.all"]
    match change:
        case "schema":
            value["schema_version"] = 99
        case "missing":
            del value["split_hash"]
        case "one seed":
            value["recommenders"]["a"]["seeds"] = [0]
        case "seed twice":
            value["recommenders"]["a"]["seeds"] = [0, 0]
        case "values":
            metric["values"] = [0.5]
        case "nan":
            metric["tolerance"] = math.nan
        case "negative":
            metric["tolerance"] = -1.0
        case "text":
            metric["mean"] = "high"
        case "no origin":
            value["updates"] = []
        case "no entries":
            value["recommenders"] = []
        case "unknown":
            value["recommenders"]["a"]["colour"] = "red"
    return json.dumps(value)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "1", "null", *map(broken, (
        "schema", "missing", "one seed", "seed twice", "values", "nan", "negative", "text",
        "no origin", "no entries", "unknown",
    ))],
)  # fmt: skip
def test_a_bad_file_is_one_line_with_its_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "g.json"
    path.write_text(text)
    with pytest.raises(BenchError) as caught:
        read_golden(path)
    assert str(caught.value).startswith(f"golden file {path}: ")
    assert "\n" not in str(caught.value)
    assert "--update" in str(caught.value)
    path.write_text(broken("nothing"))
    read_golden(path)


def test_which_file_counts(tmp_path: Path) -> None:
    own = packaged_golden("synthetic_fashion")
    assert own is not None
    assert locate_golden("synthetic_fashion", tmp_path, None) == own
    local = tmp_path / "golden" / "synthetic_fashion.json"
    local.parent.mkdir()
    local.write_text("{}")
    assert locate_golden("synthetic_fashion", tmp_path, None) == local
    given = tmp_path / "mine.json"
    with pytest.raises(BenchError, match=r"mine\.json: no such file; add --update"):
        locate_golden("synthetic_fashion", tmp_path, given)
    given.write_text("{}")
    assert locate_golden("synthetic_fashion", tmp_path, given) == given
    with pytest.raises(BenchError, match=r"no golden file for toy: .*--dataset toy --update"):
        locate_golden("toy", tmp_path, None)


def test_the_suites_own_file_is_what_its_numbers_say() -> None:
    path = packaged_golden("synthetic_fashion")
    assert path is not None
    golden = read_golden(path)
    assert list(golden.recommenders) == [
        *("rand", "poprank", "warp", "bpr-mf", "visrank", "fm", "vbpr", "dvbpr")
    ]
    assert golden.n_users["all"] == 1500
    for name, entry in golden.recommenders.items():
        assert tuple(entry.metrics) == METRICS
        assert entry.params_hash == params_hash(entry.params)
        origin = golden.origin(name)
        assert origin.reason
        assert origin.provenance["versions"]
        n = len(entry.seeds)
        for metric in entry.metrics.values():
            assert metric.mean == pytest.approx(statistics.fmean(metric.values))
            assert metric.sd == pytest.approx(statistics.stdev(metric.values), abs=1e-12)
            by_hand = max(0.002, T_995[n] * metric.sd * math.sqrt(2 / n))
            assert metric.tolerance == pytest.approx(by_hand, rel=1e-3)
        # An AUC and its ties: strict never above half, and chance in the middle.
        for setting in ("all", "cold"):
            strict = entry.metrics[f"auc_strict.{setting}"].mean
            assert strict <= entry.metrics[f"auc_half.{setting}"].mean
    means = {n: e.metrics["auc_strict.all"].mean for n, e in golden.recommenders.items()}
    assert means["rand"] == pytest.approx(0.5, abs=0.02)
    assert means["rand"] < means["poprank"] < means["bpr-mf"] < means["vbpr"]
