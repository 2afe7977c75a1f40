"""Making and judging designs through the store: what is there is not made again."""

import dataclasses
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stored_cells import add_cell
from toy_generation import SMALL, ColourJudge, ColourTaste, OtherJudge, Painter

from bench.datasets.dataset import Dataset
from bench.errors import BenchError
from bench.experiment.generation.options import GenerationOptions
from bench.experiment.generation.run import Fitted, judge_designs, make_designs
from bench.experiment.generation.store import GenerationStore, StoredDesigns
from bench.experiment.generator_store import GeneratorStore
from bench.experiment.generators import TrainOptions, train_generator
from bench.experiment.store import ResultStore, StoredCell
from bench.recommender import Recommender, Runtime


class ToyRegistry:
    """Knows the stand-ins only."""

    def recommender(self, name: str) -> type[Recommender]:
        return ColourTaste

    def generator(self, name: str) -> type[Painter]:
        return Painter


def a_cell(dataset: Dataset, store: ResultStore, **changes: Any) -> StoredCell:
    """Store a fitted `ColourTaste` as a run does."""
    made = add_cell(store, "colour-taste", dataset=dataset.name, label="Colour", **changes)
    model = ColourTaste(runtime=Runtime(seed=0, device="cpu", threads=1)).fit(dataset.training)
    model.save_into(made.folder)
    return made


@pytest.fixture
def fitted(toy_dataset: Dataset, tmp_path: Path) -> Fitted:
    cell = a_cell(toy_dataset, ResultStore(tmp_path))
    generator, _ = train_generator(
        Painter,
        Painter.Params(),
        toy_dataset,
        title="Toy",
        options=TrainOptions(device="cpu", threads=1),
        store=GeneratorStore(tmp_path),
    )
    return Fitted(cell, generator)


@pytest.fixture
def store(tmp_path: Path) -> GenerationStore:
    return GenerationStore(tmp_path)


@pytest.fixture
def run(
    toy_dataset: Dataset, fitted: Fitted, store: GenerationStore
) -> Callable[..., StoredDesigns]:
    def make(options: GenerationOptions = SMALL, **changes: Any) -> StoredDesigns:
        given: dict[str, Any] = {"seed": 0, "device": "cpu", "threads": 1, **changes}
        dataset = given.pop("dataset", toy_dataset)
        of = given.pop("fitted", fitted)
        return make_designs(
            dataset, of, options, title="Toy", registry=ToyRegistry(), store=store, **given
        )

    return make


@pytest.fixture
def judge(toy_dataset: Dataset) -> Callable[..., Any]:
    def judged(stored: StoredDesigns, *judges: Any, **changes: Any) -> Any:
        ready = [one.prepare(toy_dataset.training) for one in judges or (ColourJudge(),)]
        options = changes.pop("options", SMALL).settled("cpu")
        given = {"classifier": ready[0], "reader": lambda: None, "threads": 1, **changes}
        return judge_designs(stored, toy_dataset, options, ready, **given)

    return judged


def test_record_and_images_lie_together_and_nothing_is_left(
    run: Callable[..., StoredDesigns], tmp_path: Path, fitted: Fitted
) -> None:
    stored = run()
    record = stored.record
    assert stored.folder.parent == tmp_path / "designs" / "toy"
    assert (record.trials, record.eta_trials, record.pixels) == (18, 6, 12)
    assert record.key.options["starts"] == 20
    assert "splits" not in record.key.options
    assert record.key.recommender_cell in fitted.cell.folder.name
    assert record.key.generator_cell in fitted.generator.folder.name
    assert set(record.seconds) == {"trials", "designed", *(f"figure {n}" for n in (3, 4, 5, 6))}
    assert {path.name for path in stored.folder.iterdir()} == {
        "designs.json",
        *(f"{name}.npz" for name in ("trials", "designed", "eta-0", "eta-0.1", "eta-10")),
        *(f"{name}.npz" for name in ("samples", "picks", "tailored")),
    }
    assert not list((tmp_path / "unfinished").glob("*"))


def test_what_is_stored_is_found_and_not_made_again(
    run: Callable[..., StoredDesigns], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run()
    monkeypatch.setattr(
        "bench.experiment.generation.run.make_parts", lambda *a, **k: pytest.fail("made again")
    )
    again = run()
    assert again.folder == first.folder
    assert again.record == first.record


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"threads": 2},
        {"options": replace(SMALL, starts=21)},
        {"options": replace(SMALL, eta=0.5)},
        {"dataset": "other split"},
        {"dataset": "other data"},
        {"fitted": "other cell"},
    ],
    ids=str,
)
def test_anything_that_moves_an_image_makes_another_set(
    run: Callable[..., StoredDesigns],
    toy_dataset: Dataset,
    fitted: Fitted,
    tmp_path: Path,
    change: dict[str, Any],
) -> None:
    first = run()
    if change.get("dataset") == "other split":
        change = {"dataset": replace(toy_dataset, split_hash="a" * 64)}
    elif change.get("dataset") == "other data":
        change = {"dataset": replace(toy_dataset, data_hash="a" * 64)}
    elif change.get("fitted") == "other cell":
        other = a_cell(toy_dataset, ResultStore(tmp_path), params={"x": 1})
        with pytest.raises(BenchError, match="hyper-parameters are not those"):
            run(fitted=replace(fitted, cell=other))  # it is looked for, and not found
        return
    assert run(**change).folder != first.folder
    assert first.folder.is_dir()


def test_what_only_measures_is_no_part_of_it(run: Callable[..., StoredDesigns]) -> None:
    first = run()
    assert run(replace(SMALL, splits=2, ssim_colour="rgb")).folder == first.folder


def test_force_makes_it_anew(run: Callable[..., StoredDesigns]) -> None:
    first = run()
    made = first.record.provenance["finished_at"]
    again = run(force=True)
    assert again.folder == first.folder
    assert again.record.provenance["finished_at"] > made
    for part in ("designed", "samples"):
        for name, array in again.arrays(part).items():
            np.testing.assert_array_equal(array, first.arrays(part)[name])


def test_judged_once_per_judge(
    run: Callable[..., StoredDesigns], judge: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = run()
    first = judge(stored)["classifier"]
    assert first.facts["score_label"] == "classifier score"
    assert first.options == {
        "splits": 4,
        "ssim_window": "gaussian",
        "ssim_colour": "grey",
        "ssim_size": 0,
        "utility": True,
    }
    calls: list[str] = []
    real = judge_designs.__globals__["measure"].measure

    def counted(*arguments: Any, **named: Any) -> Any:
        calls.append(named["judge"].name)
        return real(*arguments, **named)

    monkeypatch.setattr("bench.experiment.generation.measure.measure", counted)
    assert judge(stored)["classifier"] == first
    assert calls == []
    both = judge(stored, ColourJudge(), OtherJudge())
    assert calls == ["inception"]
    assert set(both) == set(stored.judged()) == {"classifier", "inception"}
    assert both["inception"].facts["weights_sha256"] == "1" * 64
    judge(stored, options=replace(SMALL, splits=1))
    assert calls == ["inception", "classifier"]
    assert len(stored.judged()["classifier"].sources["real"]["quality"]["split_sizes"]) == 1
    judge(stored, options=replace(SMALL, splits=1), force=True)
    assert calls == ["inception", "classifier", "classifier"]


def test_a_judge_with_other_weights_judges_again(
    run: Callable[..., StoredDesigns], judge: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = run()
    judge(stored)
    monkeypatch.setattr(ColourJudge, "weights", "2" * 64)
    assert judge(stored)["classifier"].facts["weights_sha256"] == "2" * 64


def test_records_survive_the_disk(
    run: Callable[..., StoredDesigns], judge: Callable[..., Any], store: GenerationStore
) -> None:
    stored = run()
    judged = judge(stored)["classifier"]
    (read,) = store.all("toy")
    assert read.record == stored.record
    assert dataclasses.asdict(read.judged()["classifier"]) == dataclasses.asdict(judged)
    assert list(store.all("other")) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("no json", "cannot be read"),
        ("[]", "schema version None"),
        ('{"schema_version": 99}', "schema version 99"),
        ('{"schema_version": 1}', "missing"),
    ],
)
def test_a_record_that_cannot_be_read_is_skipped_with_a_warning(
    run: Callable[..., StoredDesigns],
    judge: Callable[..., Any],
    store: GenerationStore,
    caplog: pytest.LogCaptureFixture,
    content: str,
    message: str,
) -> None:
    stored = run()
    judge(stored)
    (stored.folder / "judged-classifier.json").write_text(content)
    assert stored.judged() == {}
    assert message in caplog.text
    (stored.folder / "designs.json").write_text(content)
    caplog.clear()
    assert list(store.all()) == []
    assert message in caplog.text


def test_missing_and_damaged_images_are_told(run: Callable[..., StoredDesigns]) -> None:
    stored = run()
    path = stored.folder / "designed.npz"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(BenchError, match=r"designed.npz: cannot be read .*--force"):
        stored.arrays("designed")
    path.unlink()
    with pytest.raises(BenchError, match="No such file"):
        stored.arrays("designed")


def test_a_recommender_without_a_score_of_images_is_refused(
    run: Callable[..., StoredDesigns], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ColourTaste, "scores_images", False)
    with pytest.raises(BenchError, match="colour-taste cannot guide a design"):
        run()


def test_the_judged_record_is_plain_json_without_nan(
    run: Callable[..., StoredDesigns], judge: Callable[..., Any]
) -> None:
    stored = run()
    judge(stored)
    text = (stored.folder / "judged-classifier.json").read_text()
    assert "NaN" not in text
    assert json.loads(text)["sources"]["designed"]["preference"]["n_images"] == 54
