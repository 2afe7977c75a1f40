"""Cells of the scripted recommenders."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from bench.datasets.dataset import Dataset
from bench.experiment.plan import Cell, RunOptions
from bench.experiment.record import CellKey
from bench.recommender import Recommender, Runtime


@pytest.fixture
def make_cell(toy_dataset: Dataset) -> Callable[..., Cell]:
    def make(
        recommender: type[Recommender], params: Any = None, *, options: RunOptions, seed: int = 0
    ) -> Cell:
        params = recommender.Params() if params is None else params
        key = CellKey(
            dataset=toy_dataset.name,
            data_hash=toy_dataset.data_hash,
            split_hash=toy_dataset.split_hash,
            recommender=recommender.name,
            recommender_version="1",
            params=dataclasses.asdict(params),
            seed=seed,
            deterministic=True,
            protocol=options.protocol(),
        )
        return Cell(key, recommender, params, Runtime(seed=seed, device="cpu", threads=1))

    return make
