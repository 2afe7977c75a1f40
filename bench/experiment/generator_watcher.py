"""Between the epochs of a generator's training: its curve, pages of samples, checkpoints."""

import logging
import math
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.errors import BenchError
from bench.experiment.checkpoint import Checkpoint
from bench.experiment.sample_page import write_page
from bench.generator import Generator
from bench.progress import Progress
from bench.recommender import State, part_of
from bench.rng import child_generator

__all__ = ["GeneratorWatcher"]

_log = logging.getLogger(__name__)

_PER_CATEGORY = 12
"""Images of each category on the page that is drawn after every epoch."""


class GeneratorWatcher:
    """The watch of a training: curve, pages of samples, checkpoints.

    Parameters
    ----------
    model
        The generator being fitted.
    checkpoint
        What an interrupted training goes on from; pages lie beside it.
    bar
        Where each epoch is counted.
    """

    def __init__(self, model: Generator, checkpoint: Checkpoint, bar: Progress) -> None:
        self._model, self._checkpoint, self._bar = model, checkpoint, bar
        self.pages = checkpoint.path.parent / "samples"
        self.history: list[dict[str, Any]] = []
        self._unsaved: tuple[State, dict[str, Any]] | None = None
        self._started = time.monotonic()
        self._seconds_before = 0.0

    @property
    def seconds(self) -> float:
        """Wall time of the training so far, over all interruptions, without drawing pages."""
        return self._seconds_before + time.monotonic() - self._started

    def __call__(self, epoch: int, *, loss: float | None = None, rate: float | None = None) -> bool:
        """Note an epoch; see `bench.recommender.Watch`."""
        if loss is not None and not math.isfinite(loss):
            raise BenchError(
                f"{self._model.name}: the loss of epoch {epoch} is {loss}; smaller learning rates "
                "often help"
            )
        figures = dict(self._model.figures)
        entry = {"epoch": epoch, "loss": loss, **figures, "rate": rate, "seconds": self.seconds}
        self.history.append(entry)
        drawing = time.monotonic()
        _draw_page(self._model, self.pages / f"epoch-{epoch:03d}.png")
        self._started += time.monotonic() - drawing
        note = ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in figures.items())
        self._bar.advance(1, note=note)
        self._keep()
        if self._checkpoint.due:
            self.save_checkpoint()
        return True

    def pause(self) -> None:
        """Write a checkpoint within an epoch if one is due; see `bench.recommender.Watch`."""
        if self._checkpoint.due:
            self._keep()
            self.save_checkpoint()

    def resume(self) -> State | None:
        """Take up the checkpoint of an interrupted training; see `bench.recommender.Watch`."""
        stored = self._checkpoint.read()
        if stored is None:
            return None
        arrays, notes = stored
        self.history = notes["history"]
        self._seconds_before, self._started = notes["seconds"], time.monotonic()
        self._bar.advance(len(self.history))
        _log.info("%s goes on after epoch %d", self._model.name, len(self.history))
        return part_of(arrays, "training.")

    def save_checkpoint(self) -> None:
        """Write what was last kept, unless it is written.

        Raises
        ------
        StorageError
            It cannot be written.
        """
        if self._unsaved is not None:
            self._checkpoint.write(*self._unsaved)
            self._unsaved = None

    def _keep(self) -> None:
        training = self._model.training_state()
        if training is not None:
            notes = {"history": list(self.history), "seconds": self.seconds}
            self._unsaved = ({f"training.{k}": v for k, v in training.items()}, notes)


def _draw_page(model: Generator, path: Path) -> None:
    """Draw images of the same codes after every epoch, a row per category."""
    n_categories = len(model.category_names)
    codes = model.codes(n_categories * _PER_CATEGORY, child_generator(0, "generator", "page"))
    images = model.generate(codes, np.repeat(np.arange(n_categories), _PER_CATEGORY))
    write_page(images, _PER_CATEGORY, path)
