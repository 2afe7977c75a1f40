"""Fitted stand-ins on the toy data set, and small experiments with them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from toy_generation import SMALL, ColourTaste, Painter

from bench.datasets.dataset import Dataset
from bench.experiment.generation.make import Makers, make_parts
from bench.experiment.generation.options import GenerationOptions
from bench.experiment.generation.parts import Arrays, Parts
from bench.recommender import Runtime


@pytest.fixture
def makers(toy_dataset: Dataset) -> Makers:
    runtime = Runtime(seed=0, device="cpu", threads=1)
    return Makers(
        ColourTaste(runtime=runtime).fit(toy_dataset.training),
        Painter(runtime=runtime).fit(toy_dataset.training),
    )


@pytest.fixture
def make(toy_dataset: Dataset, makers: Makers, tmp_path: Path) -> Callable[..., dict[str, Arrays]]:
    """Make all parts of a small experiment."""

    def run(options: GenerationOptions = SMALL, folder: str = "parts") -> dict[str, Arrays]:
        parts = Parts(tmp_path / folder)
        settled = options.settled("cpu")
        return make_parts(toy_dataset, makers, settled, parts, seed=3, device="cpu", threads=1)[0]

    return run
