"""Between epochs: the curve, a page of the same codes, checkpoints when they are due."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from bench.errors import BenchError
from bench.experiment import generator_watcher as module
from bench.experiment.checkpoint import Checkpoint
from bench.experiment.generator_watcher import GeneratorWatcher
from bench.progress import Progress
from bench.recommender import State


class Painter:
    """A generator in training: paints its category's number, and its codes' first digits."""

    name = "painter"
    category_names = ("red", "green", "blue")
    figures: ClassVar[dict[str, float]] = {"discriminator_loss": 0.25, "generator_loss": 0.5}
    resumable = True

    def __init__(self) -> None:
        self.asked: list[npt.NDArray[np.float32]] = []
        self.step = 0

    def codes(self, n: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
        return rng.uniform(-1, 1, (n, 2)).astype(np.float32)

    def generate(
        self, codes: npt.NDArray[np.float32], categories: npt.ArrayLike
    ) -> npt.NDArray[np.uint8]:
        self.asked.append(codes)
        grey = 40 * (np.asarray(categories) + 1)
        return np.broadcast_to(grey[:, None, None, None], (len(grey), 4, 4, 3)).astype(np.uint8)

    def training_state(self) -> State | None:
        return {"step": np.array(self.step)} if self.resumable else None


class Clock:
    """Time that passes as it is told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module.time, "monotonic", clock)
    return clock


@pytest.fixture
def watcher(tmp_path: Path, clock: Clock) -> Callable[..., GeneratorWatcher]:
    def watcher(model: Any, *, every: float = 60.0) -> GeneratorWatcher:
        checkpoint = Checkpoint(tmp_path / "unfinished" / "checkpoint.npz", seconds=every)
        return GeneratorWatcher(model, checkpoint, Progress("painter", 5))

    return watcher


def stored(tmp_path: Path) -> tuple[State, dict[str, Any]] | None:
    return Checkpoint(tmp_path / "unfinished" / "checkpoint.npz", seconds=0.0).read()


def test_the_curve_and_its_seconds_leave_out_what_pages_take(
    watcher: Callable[..., GeneratorWatcher], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_page(*_: object) -> None:
        clock.now += 1000.0

    monkeypatch.setattr(module, "write_page", write_page)
    watch = watcher(Painter(), every=1e9)
    for epoch, loss in ((1, 0.75), (2, None)):
        clock.now += 3.0
        assert watch(epoch, loss=loss, rate=50.0)
    figures = {"discriminator_loss": 0.25, "generator_loss": 0.5}
    assert watch.history == [
        {"epoch": 1, "loss": 0.75, **figures, "rate": 50.0, "seconds": 3.0},
        {"epoch": 2, "loss": None, **figures, "rate": 50.0, "seconds": 6.0},
    ]
    assert watch.seconds == 6.0


def test_every_page_has_the_same_codes_a_row_per_category(
    watcher: Callable[..., GeneratorWatcher], tmp_path: Path
) -> None:
    model = Painter()
    watch = watcher(model)
    for epoch in (1, 2, 12):
        watch(epoch, loss=1.0)
    pages = sorted((tmp_path / "unfinished" / "samples").iterdir())
    assert [page.name for page in pages] == [f"epoch-{k:03d}.png" for k in (1, 2, 12)]
    with Image.open(pages[0]) as image:
        page = np.asarray(image)
    assert page.shape == (3 * 4, 12 * 4, 3)
    for row in range(3):
        assert (page[4 * row : 4 * row + 4] == 40 * (row + 1)).all()
    assert len(model.asked[0]) == 36
    assert len(np.unique(model.asked[0], axis=0)) == 36
    assert all(np.array_equal(codes, model.asked[0]) for codes in model.asked)


def test_checkpoints_are_written_when_they_are_due(
    watcher: Callable[..., GeneratorWatcher], clock: Clock, tmp_path: Path
) -> None:
    model = Painter()
    watch = watcher(model)
    model.step = 3
    clock.now += 59.0
    watch.pause()
    watch(1, loss=1.0)
    assert stored(tmp_path) is None
    model.step = 5
    clock.now += 1.0
    watch.pause()  # within the second epoch
    found = stored(tmp_path)
    assert found is not None
    assert int(found[0]["training.step"]) == 5
    assert [row["epoch"] for row in found[1]["history"]] == [1]
    assert found[1]["seconds"] == 60.0
    model.step = 8
    clock.now += 61.0
    watch(2, loss=1.0)
    found = stored(tmp_path)
    assert found is not None
    assert int(found[0]["training.step"]) == 8
    assert [row["epoch"] for row in found[1]["history"]] == [1, 2]


def test_an_interruption_writes_the_last_epochs_state_once(
    watcher: Callable[..., GeneratorWatcher], tmp_path: Path
) -> None:
    model = Painter()
    watch = watcher(model)
    watch.save_checkpoint()
    assert stored(tmp_path) is None  # nothing was learnt yet
    model.step = 4
    watch(1, loss=1.0)
    model.step = 6  # half a step may be in the networks by now: this is not what is written
    watch.save_checkpoint()
    found = stored(tmp_path)
    assert found is not None
    assert int(found[0]["training.step"]) == 4
    (tmp_path / "unfinished" / "checkpoint.npz").unlink()
    watch.save_checkpoint()
    assert stored(tmp_path) is None


def test_it_goes_on_with_curve_and_clock(
    watcher: Callable[..., GeneratorWatcher],
    clock: Clock,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    model = Painter()
    first = watcher(model)
    assert first.resume() is None
    clock.now += 10.0
    first(1, loss=1.0, rate=20.0)
    model.step = 7
    clock.now += 60.0
    first.pause()
    clock.now += 500.0  # killed; started again later
    with caplog.at_level("INFO"):
        second = watcher(Painter())
        state = second.resume()
    assert state is not None
    assert {name: int(value) for name, value in state.items()} == {"step": 7}
    assert "painter goes on after epoch 1" in caplog.text
    assert second.seconds == 70.0
    clock.now += 5.0
    second(2, loss=0.5)
    assert second.history[0] == first.history[0]
    assert [row["seconds"] for row in second.history] == [10.0, 75.0]


def test_a_generator_that_cannot_be_resumed_leaves_no_checkpoint(
    watcher: Callable[..., GeneratorWatcher], tmp_path: Path
) -> None:
    model = Painter()
    model.resumable = False
    watch = watcher(model, every=0.0)
    watch(1, loss=1.0)
    watch.pause()
    watch.save_checkpoint()
    assert stored(tmp_path) is None
    assert len(watch.history) == 1


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number(
    watcher: Callable[..., GeneratorWatcher], tmp_path: Path, loss: float
) -> None:
    watch = watcher(Painter(), every=0.0)
    with pytest.raises(BenchError, match=f"painter: the loss of epoch 3 is {loss}; smaller"):
        watch(3, loss=loss)
    assert watch.history == []
    assert list(tmp_path.iterdir()) == []
