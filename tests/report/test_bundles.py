"""The tables of `bench evaluate`: rows, intervals, differences and what is said of the manifest."""

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
from stored_cells import add_cell

from bench.experiment.export import evaluate, export_ranks
from bench.experiment.store import ResultStore
from bench.report.bundle_pairs import difference_table, not_compared
from bench.report.bundles import Evaluated, Result, results_of, rows_table
from bench.report.layout import DASH, Table, joined
from bench.report.paired_table import paired_table
from bench.report.tables import table3
from bench.report.text import to_csv, to_json, to_text

RULES: dict[str, Any] = {"metric": "auc", "ties": "strict"}


def evaluated(store: ResultStore, name: str, less: list[int], **options: object) -> Evaluated:
    bundle = export_ranks(add_cell(store, name, less, **options))  # type: ignore[arg-type]
    return Evaluated(f"{name}.bundle", "f" * 64, bundle.manifest, evaluate(bundle))


def alone(*bundles: Evaluated) -> list[Result]:
    return [Result((one,)) for one in bundles]


def compared(*bundles: Evaluated, **rules: Any) -> Table:
    table = difference_table(results_of(bundles), **(RULES | rules))
    assert table is not None
    return table


@pytest.fixture
def popular(store: ResultStore) -> Evaluated:
    return evaluated(store, "poprank", [9, 8, 4, 1], equal=[0, 2, 4, 9])


@pytest.fixture
def visual(store: ResultStore) -> Evaluated:
    return evaluated(store, "vbpr", [8, 8, 8, 8])


def test_four_rows_by_hand(popular: Evaluated) -> None:
    table = rows_table(alone(popular))
    rows = [[cell.text for cell in row.cells[1:5]] for row in table.rows]
    assert rows == [
        ["All Items", "strict", "4", "0.5500"],
        ["", "half", "4", "0.7375"],
        ["Cold Items", "strict", "2", "0.2500"],
        ["", "half", "2", "0.5750"],
    ]
    assert table.rows[0].cells[0].text == "PopRank (seed 0), Clothing"
    (interval,) = table.rows[0].cells[4].details
    low, high = json.loads(interval)
    assert low < 0.55 < high
    assert "all 32 numbers, and how many users they rest on, are the" in " ".join(table.foot)
    assert "SHA-256 of the bundle ffff" in " ".join(table.foot)


def test_intervals_are_those_of_table_3(store: ResultStore, visual: Evaluated) -> None:
    one = evaluated(store, "poprank", [9, 8, 4, 1])
    for path, setting in ((0, "All Items"), (2, "Cold Items")):
        (row,) = [
            row
            for row in table3(store.cells(), ci=True).tidy
            if row["recommender"] == "poprank" and row["setting"] == setting.split()[0].lower()
        ]
        expected = f"[{row['ci_low']:.4f}, {row['ci_high']:.4f}]"
        assert rows_table(alone(one)).rows[path].cells[4].details == (expected,)


def test_nobody_is_cold(store: ResultStore) -> None:
    one = evaluated(store, "rand", [5] * 4, counts=(9, 9, 9, 9))
    table = rows_table(alone(one))
    assert [cell.text for cell in table.rows[2].cells[3:]] == ["0", *[DASH] * 4]
    assert "null" in to_json(table)
    other = evaluated(store, "fm", [6] * 4, counts=(9, 9, 9, 9))
    assert [row["setting"] for row in compared(one, other).tidy] == ["all"]


def test_seeds_of_one_configuration_are_averaged_as_table_3_does(store: ResultStore) -> None:
    seeds = [
        evaluated(store, "vbpr", less, seed=seed)
        for seed, less in ((4, [9, 7, 6, 5]), (1, [8, 8, 4, 3]), (2, [7, 9, 5, 5]))
    ]
    other = evaluated(store, "vbpr", [1] * 4, params={"factors": 3}, made="2020-01-01")
    (result, another) = results_of([*seeds[:2], other, seeds[2]])
    assert result.seeds == [1, 2, 4]
    assert another.seeds == [0]
    table = rows_table([result, another])
    assert table.rows[0].cells[0].text == "VBPR (seeds 1, 2, 4), Clothing"
    (row,) = [row for row in table3(store.cells(), ci=True).tidy if row["setting"] == "all"]
    cell = table.rows[0].cells[4]
    assert cell.text == f"{row['value']:.4f}"
    interval = f"[{row['ci_low']:.4f}, {row['ci_high']:.4f}]"
    assert cell.details == (f"±{row['sd']:.4f}", interval)
    assert (table.tidy[0]["value"], table.tidy[0]["sd"]) == (row["value"], row["sd"])
    assert len(table.tidy[0]["manifest"]) == 3
    assert "standard deviation over seeds" in " ".join(table.foot)
    # The same seed again is another result, and so are other users.
    again = dataclasses.replace(seeds[0], name="copy.bundle")
    fewer = evaluated(store, "vbpr", [5] * 4, seed=7, users=(0, 1, 2, 5))
    assert [one.seeds for one in results_of([seeds[0], again, fewer])] == [[4], [4], [7]]


def test_differences_are_those_of_compare(store: ResultStore) -> None:
    n = 24
    place: dict[str, Any] = {
        "users": range(n), "equal": [0] * n, "counts": ([9] * 3 + [0]) * (n // 4),
    }  # fmt: skip
    bundles = [
        evaluated(store, "rand", [3] * n, **place),
        *(evaluated(store, "fm", [5 + k] * 18 + [6] * 6, seed=k, **place) for k in (0, 1)),
        *(evaluated(store, "vbpr", [7] * 18 + [5 + k] * 6, seed=k, **place) for k in (0, 1)),
    ]
    mine, theirs = compared(*bundles), paired_table(store.cells())
    names = (
        "difference", "ci_low", "ci_high", "seed_sd", "p", "p_holm", "wilcoxon_p",
        "wilcoxon_p_holm", "verdict", "within_seed_noise", "value", "against_value", "n_users",
    )  # fmt: skip
    assert len(mine.tidy) == len(theirs.tidy) == 6
    for one, other in zip(mine.tidy, theirs.tidy, strict=True):
        assert {name: one[name] for name in names} == {name: other[name] for name in names}
    for row, expected in zip(mine.rows, theirs.rows, strict=True):
        assert row.cells[5:] == expected.cells[5:]
    assert mine.rows[2].cells[3].text == "VBPR (seeds 0, 1)"
    assert mine.facts["significance"] == theirs.facts["significance"]
    foot = " ".join(mine.foot)
    assert "over the 6 pairs of all rows: one family per table" in foot
    assert "makes smaller, but for RAND (seed 0): one seed" in foot


def test_the_metric_and_ties_are_said(popular: Evaluated, visual: Evaluated) -> None:
    table = compared(popular, visual, metric="mrr", ties="half")
    assert "MRR" in table.caption
    assert "half" in table.foot[0]
    assert [cell.text for cell in compared(popular, visual).rows[0].cells[:6]] == [
        "Clothing", "All Items", "4", "VBPR (seed 0)", "PopRank (seed 0)", "+0.2500",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"split_hash": "6" * 64}, "other splits (clothing 555555555555, clothing 666666666666)"),
        ({"data_hash": "e" * 64}, "other data (clothing dddddddddddd, clothing eeeeeeeeeeee)"),
        ({"sampled": 100}, "ranked exactly and against 100 SAMPLED items"),
        ({"users": (0, 1, 2, 5)}, "other users or test items"),
    ],
)
def test_only_like_with_like_is_compared(
    store: ResultStore,
    popular: Evaluated,
    visual: Evaluated,
    options: dict[str, Any],
    reason: str,
) -> None:
    other = evaluated(store, "warp", [5] * 4, **options)
    assert difference_table(alone(popular, other), **RULES) is None
    assert not_compared(alone(popular, other)) == [
        f"Not compared: PopRank (seed 0) with WARP (seed 0): {reason}."
    ]
    table = compared(popular, other, visual)
    assert len(table.rows) == 2
    line = f"Not compared: PopRank (seed 0), VBPR (seed 0) with WARP (seed 0): {reason}."
    assert table.foot[-1] == line
    assert difference_table(alone(popular), **RULES) is None
    assert not_compared(alone(popular)) == []


def test_two_results_of_one_title_are_told_apart_by_their_files(popular: Evaluated) -> None:
    copy = dataclasses.replace(popular, name="copy.bundle")
    table = compared(popular, copy)
    assert [cell.text for cell in table.rows[0].cells[3:6]] == [
        "PopRank (seed 0) [copy.bundle]", "PopRank (seed 0) [poprank.bundle]", "+0.0000",
    ]  # fmt: skip
    same_name = compared(popular, popular)
    assert same_name.rows[0].cells[3].text == "PopRank (seed 0) [poprank.bundle]'"


def test_numbers_that_are_not_the_manifests_are_told(popular: Evaluated) -> None:
    metrics = {name: value + 0.1 for name, value in popular.manifest.metrics.items()}
    manifest = dataclasses.replace(popular.manifest, metrics=metrics)
    foot = " ".join(rows_table(alone(dataclasses.replace(popular, manifest=manifest))).foot)
    assert "NOT the manifest's numbers: auc_half.all: 0.737500, not 0.837500" in foot
    assert "and 28 more" in foot


def test_sampled_and_rounded_results_are_marked(store: ResultStore, popular: Evaluated) -> None:
    sampled = evaluated(store, "rand", [5] * 4, sampled=100)
    assert "100 SAMPLED items, not comparable" in " ".join(rows_table(alone(sampled)).foot)
    manifest = dataclasses.replace(
        popular.manifest, kind="factors", before_rounding={"auc_strict.all": 0.56}
    )
    foot = " ".join(rows_table(alone(dataclasses.replace(popular, manifest=manifest))).foot)
    assert "All Items 0.560000 before, 0.550000 after" in foot
    assert "the AUC is the manifest's, to 0.00001" in foot


def test_formats(popular: Evaluated, visual: Evaluated) -> None:
    tables = [rows_table(alone(popular, visual)), compared(popular, visual)]
    whole = joined("evaluation", tables)
    assert {row["table"] for row in json.loads(to_json(whole))["rows"]} == {
        "bundles", "differences",
    }  # fmt: skip
    assert len(to_csv(whole).splitlines()) == 1 + 2 * 32 + 2
    assert all(len(line) < 200 for line in to_text(tables[0]).splitlines())
    assert np.isfinite(tables[1].tidy[0]["difference"])
    assert json.loads(to_json(whole))["differences"]["significance"]["n_tests"] == 2


def test_wrong_counts_of_users_are_told(popular: Evaluated) -> None:
    manifest = dataclasses.replace(popular.manifest, n_users={"all": 999_999})
    foot = " ".join(rows_table(alone(dataclasses.replace(popular, manifest=manifest))).foot)
    assert "NOT the manifest's numbers: n_users.all: 4, not 999,999; n_users.cold: 2, not" in foot
