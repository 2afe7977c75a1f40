"""Trained generators under the results folder: made once, resumed, found again, told when bad."""

import csv
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from bench.datasets.dataset import Dataset, Images, TrainingSet
from bench.errors import BenchError
from bench.experiment.generator_store import GeneratorStore, StoredGenerator, images_hash
from bench.experiment.generators import (
    TrainOptions,
    find_generator,
    load_generator,
    train_generator,
)
from bench.experiment.sample_page import tiled
from bench.generator import Generator
from bench.recommender import State, Watch
from bench.registry import Registry

OPTIONS = TrainOptions(device="cpu", threads=1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class BlotParams:
    epochs: int = 4
    crash_at: int = 0


class Blots(Generator):
    """Draws z as grey pixels; what it learns is a random walk, so that a resumed fit can differ."""

    name: ClassVar[str] = "blots"
    label: ClassVar[str] = "Blots"
    source: ClassVar[str] = "the tests"
    Params: ClassVar[type[Any]] = BlotParams
    pixels = 2
    code_dims = 4
    loss: ClassVar[float] = 0.5
    interrupt_at: ClassVar[tuple[int, ...]] = ()

    @property
    def max_epochs(self) -> int:
        epochs: int = self.params.epochs
        return epochs

    @property
    def figures(self) -> dict[str, float]:
        return {"discriminator_loss": 0.2, "generator_loss": float(self._walk[0])}

    def codes(self, n: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
        return rng.uniform(-1, 1, (n, 4)).astype(np.float32)

    def state(self) -> State:
        return {"walk": self._walk.copy()}

    def load_state(self, state: State, dataset: TrainingSet) -> None:
        self._walk = state["walk"]

    def training_state(self) -> State:
        return {"walk": self._walk.copy(), "place": np.array([self._epoch, self._half])}

    def _fit(self, dataset: TrainingSet, watch: Watch) -> None:
        self._walk, self._epoch, self._half = np.zeros(1), 0, 0
        if stored := watch.resume():
            self._walk = stored["walk"]
            self._epoch, self._half = (int(n) for n in stored["place"])
        while self._epoch < self.params.epochs:
            while self._half < 2:
                place = 2 * self._epoch + self._half
                rng = np.random.default_rng((self.runtime.seed, place))
                self._walk = 1.5 * self._walk + rng.random(1)
                self._half += 1
                if place in Blots.interrupt_at:
                    raise KeyboardInterrupt
                if self._half == 1:
                    watch.pause()
            self._epoch, self._half = self._epoch + 1, 0
            if not watch(self._epoch, loss=self.loss, rate=10.0):
                break

    def _generate(
        self, codes: npt.NDArray[np.float32], categories: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.uint8]:
        grey = np.clip((codes + 1) * 100 + self._walk, 0, 255).astype(np.uint8)
        return grey.reshape(-1, 2, 2, 1).repeat(3, axis=3)

    def _real_loss(
        self, images: npt.NDArray[np.uint8], categories: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        return images.astype(np.float32).mean(axis=(1, 2, 3))


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Blots, "interrupt_at", ())
    monkeypatch.setattr(Registry, "generator", lambda _self, _name: Blots)


@pytest.fixture
def store(tmp_path: Path) -> GeneratorStore:
    return GeneratorStore(tmp_path / "results")


@pytest.fixture
def train(toy_dataset: Dataset, store: GeneratorStore) -> Callable[..., StoredGenerator]:
    def train(dataset: Dataset = toy_dataset, **given: Any) -> StoredGenerator:
        params = given.pop("params", BlotParams())
        options = dataclasses.replace(OPTIONS, **given)
        stored, _ = train_generator(
            Blots, params, dataset, title="Toy", options=options, store=store
        )
        return stored

    return train


def weights(stored: StoredGenerator) -> npt.NDArray[np.float64]:
    with np.load(stored.folder / "state.npz") as state:
        return state["walk"]


def test_what_is_stored(
    train: Callable[..., StoredGenerator], toy_dataset: Dataset, store: GeneratorStore
) -> None:
    stored = train(seed=3)
    record = stored.record
    assert stored.folder.parent == store.root / "generators" / "toy" / "blots"
    assert (record.epochs, record.n_images, record.pixels) == (4, 60, 2)
    assert record.category_names == ("red", "green", "blue")
    assert record.key.seed == 3
    assert record.key.params == {"epochs": 4, "crash_at": 0}
    assert record.provenance["data_hash"] == toy_dataset.data_hash
    assert record.provenance["repeatable"] is True
    with (stored.folder / "curve.csv").open(encoding="utf-8") as file:
        curve = list(csv.DictReader(file))
    assert [row["epoch"] for row in curve] == ["1", "2", "3", "4"]
    assert all(float(row["rate"]) == 10.0 and float(row["seconds"]) > 0 for row in curve)
    assert float(curve[-1]["generator_loss"]) == float(weights(stored)[0])
    pages = sorted((stored.folder / "samples").iterdir())
    assert [page.name for page in pages] == [f"epoch-{k:03d}.png" for k in (1, 2, 3, 4)]
    # The same codes on every page: only what was learnt moves them.
    first, last = (np.asarray(Image.open(page), dtype=int) for page in (pages[0], pages[-1]))
    assert first.shape == (3 * 2, 12 * 2, 3)
    moved = last - first
    assert moved.min() >= 0
    assert np.ptp(moved) <= 1
    assert not store.unfinished(record.key).exists()
    again = store.find(record.key)
    assert again is not None
    assert again.record == record


def test_trained_once(
    toy_dataset: Dataset, store: GeneratorStore, train: Callable[..., StoredGenerator]
) -> None:
    def call(**given: Any) -> tuple[StoredGenerator, bool]:
        options = dataclasses.replace(OPTIONS, **given)
        return train_generator(
            Blots, BlotParams(), toy_dataset, title="Toy", options=options, store=store
        )

    first, trained = call()
    again, trained_again = call()
    forced, trained_by_force = call(force=True)
    assert (trained, trained_again, trained_by_force) == (True, False, True)
    assert first.folder == again.folder == forced.folder
    assert first.record == again.record
    assert forced.record.provenance["finished_at"] > first.record.provenance["finished_at"]
    np.testing.assert_array_equal(weights(first), weights(forced))


@pytest.mark.parametrize("place", range(8))
def test_killed_and_resumed_equals_undisturbed(
    train: Callable[..., StoredGenerator],
    store: GeneratorStore,
    monkeypatch: pytest.MonkeyPatch,
    place: int,
) -> None:
    undisturbed = train()
    page = (undisturbed.folder / "samples" / "epoch-004.png").read_bytes()
    expected = weights(undisturbed)
    history = [row["epoch"] for row in undisturbed.record.history]
    key = undisturbed.record.key
    monkeypatch.setattr(Blots, "interrupt_at", (place,))
    with pytest.raises(KeyboardInterrupt):
        train(force=True, checkpoint_seconds=0.0)
    if place:
        assert (store.unfinished(key) / "checkpoint.npz").is_file()
    monkeypatch.setattr(Blots, "interrupt_at", ())
    (undisturbed.folder / "result.json").unlink()  # as if there had never been one
    resumed = train()
    np.testing.assert_array_equal(weights(resumed), expected)
    assert [row["epoch"] for row in resumed.record.history] == history
    assert (resumed.folder / "samples" / "epoch-004.png").read_bytes() == page
    seconds = [row["seconds"] for row in resumed.record.history]
    assert seconds == sorted(seconds)
    assert not store.unfinished(key).exists()


def test_an_interruption_keeps_the_last_epoch(
    train: Callable[..., StoredGenerator],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(Blots, "interrupt_at", (5,))
    with pytest.raises(KeyboardInterrupt):
        train()  # no checkpoint is due for a minute: Ctrl-C writes it
    monkeypatch.setattr(Blots, "interrupt_at", ())
    with caplog.at_level("INFO"):
        train()
    assert "goes on after epoch 2" in caplog.text


def test_a_damaged_checkpoint_costs_time_only(
    train: Callable[..., StoredGenerator],
    store: GeneratorStore,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    expected = weights(train(seed=1))
    monkeypatch.setattr(Blots, "interrupt_at", (5,))
    with pytest.raises(KeyboardInterrupt):
        train(seed=1, force=True)
    monkeypatch.setattr(Blots, "interrupt_at", ())
    (checkpoint,) = (store.root / "unfinished").glob("*/checkpoint.npz")
    checkpoint.write_bytes(checkpoint.read_bytes()[:100])
    for stored in store.all("toy"):
        (stored.folder / "result.json").unlink()
    assert np.array_equal(weights(train(seed=1)), expected)
    assert "is unreadable" in caplog.text


def test_what_makes_it_another_generator(
    train: Callable[..., StoredGenerator], toy_dataset: Dataset
) -> None:
    """Images, categories, hyper-parameters, seed and threads do; the split does not."""
    training = toy_dataset.training
    assert training.images is not None
    assert training.categories is not None
    encoded = [training.images.encoded(item) for item in range(training.n_items)]
    encoded[7] = encoded[8]
    folders = {
        train().folder,
        train(seed=1).folder,
        train(threads=2).folder,
        train(params=BlotParams(epochs=2)).folder,
        *(
            train(dataclasses.replace(toy_dataset, training=changed)).folder
            for changed in (
                dataclasses.replace(training, images=Images(encoded)),
                dataclasses.replace(training, categories=training.categories[::-1].copy()),
                dataclasses.replace(training, category_names=("a", "b", "c")),
            )
        ),
    }
    assert len(folders) == 7
    other_split = dataclasses.replace(toy_dataset, split_hash="0" * 64, data_hash="1" * 64)
    assert train(other_split).folder in folders


def test_a_stored_data_set_need_not_be_read(toy_dataset: Dataset, tmp_path: Path) -> None:
    training = toy_dataset.training
    named = dataclasses.replace(training, images=Images([b"no image"] * 60, cache=tmp_path / "abc"))
    other = dataclasses.replace(training, images=Images([b""] * 60, cache=tmp_path / "abc"))
    assert images_hash(named) == images_hash(other) != images_hash(training)


def test_the_newest_of_these_images_is_found(
    train: Callable[..., StoredGenerator], toy_dataset: Dataset, store: GeneratorStore
) -> None:
    def find(dataset: Dataset = toy_dataset, seed: int | None = None) -> StoredGenerator:
        return find_generator(store, dataset, Registry(), "blots", seed=seed)

    with pytest.raises(BenchError) as caught:
        find()
    assert str(caught.value) == (
        f"no trained generator blots on toy under {store.root}; "
        "`bench generate train --dataset toy --generator blots` trains it"
    )
    train(seed=1)
    newest = train(seed=0)
    assert find().folder == newest.folder
    assert find(seed=1).record.key.seed == 1
    with pytest.raises(BenchError, match=r"with seed 2 .*--seed 2` trains it"):
        find(seed=2)
    training = toy_dataset.training
    renamed = dataclasses.replace(training, category_names=("a", "b", "c"))
    with pytest.raises(BenchError, match="stored for other images of that name does not count"):
        find(dataclasses.replace(toy_dataset, training=renamed))
    without = dataclasses.replace(training, images=None)
    with pytest.raises(BenchError, match="blots needs images, which toy does not have"):
        find(dataclasses.replace(toy_dataset, training=without))


def test_loaded_again(
    train: Callable[..., StoredGenerator],
    toy_dataset: Dataset,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    stored = train()

    def load() -> Generator:
        return load_generator(stored, toy_dataset, Registry(), device="cpu", threads=1)

    model = load()
    codes = model.codes(2, np.random.default_rng(0))
    grey = np.clip((codes + 1) * 100 + weights(stored), 0, 255).astype(np.uint8)
    np.testing.assert_array_equal(model.generate(codes, [0, 1])[..., 0].reshape(2, 4), grey)
    assert not caplog.text
    monkeypatch.setattr("bench.experiment.generators.generator_version", lambda _: "other")
    load()
    assert "was trained by other code" in caplog.text
    (stored.folder / "state.npz").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(BenchError, match=r"cannot be loaded .*--force` trains it anew"):
        load()
    (stored.folder / "state.npz").unlink()
    with pytest.raises(BenchError, match="no such file"):
        load()


def test_a_damaged_record_is_told(
    train: Callable[..., StoredGenerator], store: GeneratorStore, caplog: pytest.LogCaptureFixture
) -> None:
    stored = train()
    path = stored.folder / "result.json"
    whole = json.loads(path.read_text(encoding="utf-8"))
    for content in ("{", "[]", json.dumps(whole | {"schema_version": 99})):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(BenchError, match="remove the folder"):
            store.find(stored.record.key)
        assert list(store.all("toy")) == []
        assert "skipped: " in caplog.text
        caplog.clear()
    del whole["pixels"]
    path.write_text(json.dumps(whole), encoding="utf-8")
    with pytest.raises(BenchError, match=r"no generator's record"):
        store.find(stored.record.key)


def test_a_loss_that_is_no_number_ends_the_training(
    train: Callable[..., StoredGenerator], store: GeneratorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Blots, "loss", float("nan"))
    with pytest.raises(BenchError, match="blots: the loss of epoch 1 is nan"):
        train()
    assert list(store.all("toy")) == []


@pytest.mark.parametrize(
    ("n", "columns", "shape"), [(6, 3, (8, 15)), (5, 3, (8, 15)), (1, 4, (4, 20))]
)
def test_pages_are_read_like_text(n: int, columns: int, shape: tuple[int, int]) -> None:
    images = np.arange(n, dtype=np.uint8)[:, None, None, None] * np.ones((4, 5, 3), dtype=np.uint8)
    page = tiled(images, columns)
    assert page.shape == (*shape, 3)
    for k in range(n):
        top, left = 4 * (k // columns), 5 * (k % columns)
        assert (page[top : top + 4, left : left + 5] == k).all()
    assert (page == 255).sum() == page.size - images.size
