"""Rows of cost below a data set: from records to text, CSV and foot."""

import dataclasses

import pytest

from bench.report.aggregate import collect
from bench.report.cost import cost_facts, cost_of
from bench.report.layout import DASH
from bench.report.tables import table3


@pytest.fixture
def add_costly(store, add_cell):
    def add(
        name, *, fit=1.0, peak=2_500_000_000, gpu=None, scope="cell", used="cpu", on="cpu", **more
    ):
        made = {"device_used": used, "threads_used": 1 + (used == "cpu"), "device": on}
        cell = add_cell(name, provenance=made, **more)
        record = dataclasses.replace(
            cell.record,
            fit_seconds=fit,
            validation_seconds=0.25,
            evaluation_seconds=12.0,
            peak_memory_bytes=peak,
            peak_gpu_memory_bytes=gpu,
            peak_memory_scope=scope,
        )
        return store.write(record, per_user=cell.per_user())

    return add


def lines(table):
    return {row.cells[1].text: [cell.text for cell in row.cells[3:]] for row in table.rows}


def test_seconds_are_means_over_seeds_and_memory_is_the_largest(add_costly):
    cells = [
        add_costly("fm", fit=1.0, peak=1_000_000_000, seed=0),
        add_costly("fm", fit=3.0, peak=2_000_000_000, seed=1),
    ]
    (block,) = collect(cells)
    cost = cost_of(block.entries["fm"])
    assert (cost.fit.mean, cost.fit.sd) == (2.0, pytest.approx(2**0.5))
    assert cost.peak_memory_bytes == 2_000_000_000
    facts = cost_facts(cost)
    assert facts["fit_seconds"] == 2.0
    assert facts["evaluation_seconds_sd"] == 0.0
    assert facts["threads"] == 2


def test_rows_of_cost_below_a_data_set(add_costly, add_cell):
    table = table3([add_costly("fm", fit=1234.5), add_cell("vbpr", None)], cost=True)
    found = lines(table)
    assert list(found) == [
        "All Items", "Cold Items", "Training [s]", "Validation [s]", "Evaluation [s]",
        "Peak memory [MB]", "Device",
    ]  # fmt: skip
    assert [found[title][0] for title in list(found)[2:]] == [
        "1,234.5", "0.25", "12.0", "2,500", "cpu",
    ]  # fmt: skip
    assert found["Device"][1] == DASH
    failed = table.rows[2].cells[4]
    assert table.notes[failed.note - 1] == "VBPR failed: seed 0: out of memory"
    assert table.rows[-1].cells[3].details == ("2 threads",)
    assert all(len(row.cells) == len(table.columns) for row in table.rows)
    assert not any(cell.best for row in table.rows[2:] for cell in row.cells)


def test_gpu_memory_only_where_a_gpu_was_used(add_costly):
    cells = [add_costly("fm"), add_costly("vbpr", gpu=7_000_000, used="cuda")]
    table = table3(cells, cost=True)
    assert lines(table)["Peak GPU memory [MB]"][:2] == ["none", "7"]
    assert lines(table)["Device"][:2] == ["cpu", "cuda"]


def test_the_card_is_named_beside_its_threads(add_costly):
    card = "NVIDIA H100 80GB HBM3"
    cells = [
        add_costly("vbpr", used="cuda", on=card),
        add_costly("fm", on=card),  # trained on the processor of a machine with that card
    ]
    table = table3(cells, cost=True)
    device = table.rows[-1].cells
    assert [cell.text for cell in device[3:5]] == ["cpu", "cuda"]
    assert [cell.details for cell in device[3:5]] == [("2 threads",), (card, "1 thread")]
    assert [row["card"] for row in table.tidy[:2]] == [None, card]


def test_the_foot_says_what_the_numbers_are(add_costly):
    foot = "\n".join(table3([add_costly("fm")], cost=True).foot)
    assert "wall seconds, mean over seeds" in foot
    assert "other processes and the GPU's memory are not" in foot
    assert "since the process began" not in foot
    whole = table3([add_costly("fm", scope="process since start")], cost=True)
    assert "since the process began, so that of an earlier cell may be in it: FM." in "\n".join(
        whole.foot
    )


def test_nothing_of_it_unless_asked_for(add_costly):
    table = table3([add_costly("fm")])
    assert len(table.rows) == 2
    assert "fit_seconds" not in table.tidy[0]
    costly = table3([add_costly("fm")], cost=True)
    assert costly.tidy[0]["fit_seconds"] == 1.0
    assert costly.tidy[1]["peak_memory_bytes"] == 2_500_000_000


def test_a_failed_recommender_has_no_cost(add_cell):
    table = table3([add_cell("fm", None), add_cell("vbpr")], cost=True)
    assert table.tidy[0]["fit_seconds"] is None
    assert table.tidy[1]["fit_seconds"] == 1.0
    assert "Cost:" in "\n".join(table.foot)
    assert "Cost:" not in "\n".join(table3([add_cell("fm", None, dataset="x")], cost=True).foot)
