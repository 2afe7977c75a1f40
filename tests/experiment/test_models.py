import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.datasets.dataset import Dataset
from bench.errors import BenchError
from bench.experiment.models import finished_cells, load_model
from bench.experiment.plan import Cell, RunOptions, parse_settings, plan_cells, plan_params
from bench.experiment.run import run_plan
from bench.experiment.store import ResultStore, StoredCell
from bench.registry import Registry

REGISTRY = Registry()


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(tmp_path)


@pytest.fixture
def run(toy_dataset: Dataset, store: ResultStore) -> Callable[..., None]:
    def go(
        *names: str,
        seeds: tuple[int, ...] = (0,),
        dataset: Dataset = toy_dataset,
        settings: tuple[str, ...] = (),
    ) -> None:
        options = RunOptions(seeds=seeds, device="cpu", threads=1)
        params = plan_params(names, REGISTRY, parse_settings(settings))
        cells: list[Cell] = plan_cells(dataset, params, REGISTRY, options)
        run_plan(cells, dataset, title="Toy", options=options, store=store)

    return go


def load(cell: StoredCell, dataset: Dataset) -> Any:
    return load_model(cell, dataset, REGISTRY, device="cpu", threads=1).model


@pytest.mark.parametrize("name", REGISTRY.recommender_names()[:7])
def test_a_loaded_model_gives_the_counts_that_were_stored(
    run: Callable[..., None], store: ResultStore, toy_dataset: Dataset, name: str
) -> None:
    settings = (f"{name}.epochs=2",) if name in ("vbpr", "fm", "warp", "bpr-mf") else ()
    run(name, settings=settings)
    (cell,) = finished_cells(store, toy_dataset, REGISTRY)
    model = load(cell, toy_dataset)
    counts = cell.per_user()
    scores = model.score(counts.user)
    for row, user in enumerate(counts.user):
        free = np.setdiff1d(np.arange(60), toy_dataset.known.of(int(user)))
        test = scores[row, counts.test_item[row]]
        # Tiny differences of rounding may move a score past another.
        assert abs(int((scores[row, free] < test).sum()) - counts.n_less[row]) <= 1
        assert len(free) == counts.n_negatives[row]


def named(cells: list[StoredCell]) -> list[tuple[str, int]]:
    return [(cell.record.key.recommender, cell.record.key.seed) for cell in cells]


def test_the_newest_cell_of_each_in_the_order_of_the_columns(
    run: Callable[..., None],
    store: ResultStore,
    toy_dataset: Dataset,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("WARNING", logger="bench")
    run("vbpr", "poprank", seeds=(0,), settings=("vbpr.epochs=1",))
    run("vbpr", seeds=(1,), settings=("vbpr.epochs=2",))
    assert named(finished_cells(store, toy_dataset, REGISTRY, names=["vbpr"])) == [("vbpr", 1)]
    # Side by side, both have the seed that both have.
    found = finished_cells(store, toy_dataset, REGISTRY)
    assert named(found) == [("poprank", 0), ("vbpr", 0)]
    asked = finished_cells(store, toy_dataset, REGISTRY, names=["vbpr", "poprank"], seed=0)
    assert named(asked) == [("vbpr", 0), ("poprank", 0)]
    assert not caplog.messages
    run("rand", seeds=(2,))
    found = finished_cells(store, toy_dataset, REGISTRY)
    assert named(found) == [("rand", 2), ("poprank", 0), ("vbpr", 1)]
    assert caplog.messages[0].startswith("no seed has a finished fit of each of ")
    assert named(finished_cells(store, toy_dataset, REGISTRY, names=["poprank"])) == [
        ("poprank", 0)
    ]


def test_a_choice_among_configurations_is_told(
    run: Callable[..., None],
    store: ResultStore,
    toy_dataset: Dataset,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("WARNING", logger="bench")
    run("vbpr", settings=("vbpr.epochs=2",))
    (first,) = finished_cells(store, toy_dataset, REGISTRY)
    assert not caplog.messages
    run("vbpr", settings=("vbpr.epochs=1",))
    (second,) = finished_cells(store, toy_dataset, REGISTRY)
    assert second.folder != first.folder
    assert caplog.messages == [
        f"vbpr: several configurations are stored; {second.folder.name}, the last made, is taken; "
        f"there is also {first.folder.name}"
    ]


def test_cells_of_other_contents_do_not_count(
    run: Callable[..., None], store: ResultStore, toy_dataset: Dataset
) -> None:
    run("poprank")
    other = dataclasses.replace(toy_dataset, data_hash="e" * 64)
    with pytest.raises(BenchError, match="other contents of that data set does not count"):
        finished_cells(store, other, REGISTRY)


def test_what_is_missing_is_told_with_the_command_that_makes_it(
    run: Callable[..., None], store: ResultStore, toy_dataset: Dataset
) -> None:
    with pytest.raises(BenchError, match=r"no finished cell on toy .*`bench run --dataset toy`"):
        finished_cells(store, toy_dataset, REGISTRY)
    run("poprank")
    with pytest.raises(
        BenchError,
        match=r"cell of rand on toy with seed 3 .*`bench run .* --recommenders rand --seed 3`",
    ):
        finished_cells(store, toy_dataset, REGISTRY, names=["rand"], seed=3)
    with pytest.raises(BenchError, match="unknown recommender 'popran': did you mean 'poprank'"):
        finished_cells(store, toy_dataset, REGISTRY, names=["popran"])


def edit(cell: StoredCell, **changes: Any) -> StoredCell:
    key = dataclasses.replace(cell.record.key, **changes)
    return StoredCell(cell.folder, dataclasses.replace(cell.record, key=key))


def test_other_code_is_said_and_other_parameters_refused(
    run: Callable[..., None],
    store: ResultStore,
    toy_dataset: Dataset,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run("vbpr", settings=("vbpr.epochs=1",))
    (cell,) = finished_cells(store, toy_dataset, REGISTRY)
    load(cell, toy_dataset)
    assert "other code" not in caplog.text
    with caplog.at_level(logging.WARNING):
        load(edit(cell, recommender_version="0+x"), toy_dataset)
    assert "was fitted by other code" in caplog.text
    with pytest.raises(BenchError, match="hyper-parameters are not those of vbpr any more"):
        load(edit(cell, params={"gone": 1}), toy_dataset)


@pytest.mark.parametrize("damage", ["cut", "missing", "empty"])
def test_a_damaged_state_is_one_line(
    run: Callable[..., None], store: ResultStore, toy_dataset: Dataset, damage: str
) -> None:
    run("vbpr", settings=("vbpr.epochs=1",))
    (cell,) = finished_cells(store, toy_dataset, REGISTRY)
    state = cell.folder / "state.npz"
    if damage == "missing":
        state.unlink()
    else:
        state.write_bytes(state.read_bytes()[:200] if damage == "cut" else b"")
    with pytest.raises(BenchError, match=r"cannot be loaded|cannot read the model"):
        load(cell, toy_dataset)
