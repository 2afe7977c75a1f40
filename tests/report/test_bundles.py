"""The tables of `bench evaluate`: rows, intervals, differences and what is said of the manifest."""

import dataclasses
import json

import numpy as np
import pytest
from stored_cells import add_cell

from bench.evaluation.auc import auc_per_user
from bench.evaluation.significance import bootstrap_difference
from bench.experiment.export import evaluate, export_ranks
from bench.experiment.store import ResultStore
from bench.report.bundles import Evaluated, difference_table, rows_table
from bench.report.layout import DASH, joined
from bench.report.tables import table3
from bench.report.text import to_csv, to_json, to_text
from bench.rng import child_generator


def evaluated(store: ResultStore, name: str, less: list[int], **options: object) -> Evaluated:
    bundle = export_ranks(add_cell(store, name, less, **options))  # type: ignore[arg-type]
    return Evaluated(f"{name}.bundle", "f" * 64, bundle.manifest, evaluate(bundle))


@pytest.fixture
def popular(store: ResultStore) -> Evaluated:
    return evaluated(store, "poprank", [9, 8, 4, 1], equal=[0, 2, 4, 9])


@pytest.fixture
def visual(store: ResultStore) -> Evaluated:
    return evaluated(store, "vbpr", [8, 8, 8, 8])


def test_four_rows_by_hand(popular: Evaluated) -> None:
    table = rows_table([popular])
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
    assert "all 32 numbers are the manifest's" in " ".join(table.foot)
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
        assert rows_table([one]).rows[path].cells[4].details == (expected,)


def test_nobody_is_cold(store: ResultStore) -> None:
    one = evaluated(store, "rand", [5] * 4, counts=(9, 9, 9, 9))
    table = rows_table([one])
    assert [cell.text for cell in table.rows[2].cells[3:]] == ["0", *[DASH] * 4]
    assert "null" in to_json(table)


def test_a_difference_is_the_paired_bootstraps(popular: Evaluated, visual: Evaluated) -> None:
    table = difference_table([popular, visual], metric="auc", ties="strict")
    assert table is not None
    assert [cell.text for cell in table.rows[0].cells[:4]] == [
        "VBPR (seed 0) less PopRank (seed 0)", "All Items", "4", "+0.2500",
    ]  # fmt: skip
    values, others = (auc_per_user(one.row.counts, "strict") for one in (visual, popular))
    rng = child_generator(0, "report", "bootstrap", "difference", "all")
    expected = bootstrap_difference(values, others, rng=rng)
    assert table.tidy[0]["low"] == expected.low
    assert table.tidy[0]["high"] == expected.high
    half = difference_table([popular, visual], metric="mrr", ties="half")
    assert half is not None
    assert "MRR" in half.caption
    assert "half" in half.foot[0]


def test_only_what_rests_on_the_same_users_is_compared(
    store: ResultStore, popular: Evaluated, visual: Evaluated
) -> None:
    elsewhere = evaluated(store, "warp", [5] * 4, split_hash="6" * 64)
    others = evaluated(store, "fm", [5] * 4, users=(0, 1, 2, 5))
    assert difference_table([popular, elsewhere], metric="auc", ties="strict") is None
    assert difference_table([popular, others], metric="auc", ties="strict") is None
    assert difference_table([popular], metric="auc", ties="strict") is None
    table = difference_table([popular, elsewhere, visual], metric="auc", ties="strict")
    assert table is not None
    assert len(table.rows) == 2


def test_numbers_that_are_not_the_manifests_are_told(popular: Evaluated) -> None:
    metrics = {name: value + 0.1 for name, value in popular.manifest.metrics.items()}
    manifest = dataclasses.replace(popular.manifest, metrics=metrics)
    foot = " ".join(rows_table([dataclasses.replace(popular, manifest=manifest)]).foot)
    assert "NOT the manifest's numbers: auc_half.all: 0.737500, not 0.837500" in foot
    assert "and 28 more" in foot


def test_sampled_and_rounded_results_are_marked(store: ResultStore, popular: Evaluated) -> None:
    sampled = evaluated(store, "rand", [5] * 4, sampled=100)
    assert "100 SAMPLED items, not comparable" in " ".join(rows_table([sampled]).foot)
    manifest = dataclasses.replace(
        popular.manifest, kind="factors", before_rounding={"auc_strict.all": 0.56}
    )
    foot = " ".join(rows_table([dataclasses.replace(popular, manifest=manifest)]).foot)
    assert "All Items 0.560000 before, 0.550000 after" in foot
    assert "the AUC is the manifest's, to 0.00001" in foot


def test_formats(popular: Evaluated, visual: Evaluated) -> None:
    tables = [rows_table([popular, visual])]
    compared = difference_table([popular, visual], metric="auc", ties="strict")
    assert compared is not None
    tables.append(compared)
    whole = joined("evaluation", tables)
    assert {row["table"] for row in json.loads(to_json(whole))["rows"]} == {
        "bundles", "differences",
    }  # fmt: skip
    assert len(to_csv(whole).splitlines()) == 1 + 2 * 32 + 2
    assert all(len(line) < 200 for line in to_text(tables[0]).splitlines())
    assert np.isfinite(tables[1].tidy[0]["mean"])
