"""A result store to fill by hand."""

import functools
from collections.abc import Callable
from pathlib import Path

import pytest
from stored_cells import add_cell as _add_cell

from bench.experiment.store import ResultStore, StoredCell


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(tmp_path / "results")


@pytest.fixture
def add_cell(store: ResultStore) -> Callable[..., StoredCell]:
    return functools.partial(_add_cell, store)
