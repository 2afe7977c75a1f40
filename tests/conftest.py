"""What several tests share: where the shared data lies, seeded generators, a small data set."""

import os
from pathlib import Path

import numpy as np
import pytest

from bench.datasets.dataset import NO_ITEM, Dataset, split_hash
from bench.datasets.store import write_dataset
from bench.recommender import Factors
from bench.testing import toy_training_set


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real photographs beside the checkout; the test is skipped without it."""
    root = Path(__file__).resolve().parents[1]
    folder = Path(os.environ.get("BENCH_SHARED", root.parent / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}")
    return folder


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator with a fixed seed."""
    return np.random.default_rng(20171118)


@pytest.fixture(scope="session")
def toy_dataset() -> Dataset:
    """The conformance kit's toy data with held-out items; one user has none of either.

    The oracle is what drew the groups: a user's own group scores 1.
    """
    training = toy_training_set()
    rng = np.random.default_rng(11)
    held_out = np.full((2, training.n_users), NO_ITEM, dtype=np.int32)
    for user in range(training.n_users - 1):
        own = np.flatnonzero(np.arange(training.n_items) % 3 == user % 3)
        free = np.setdiff1d(own, training.train.of(user))
        held_out[:, user] = rng.choice(free, size=2, replace=False)
    groups = np.eye(3, dtype=np.float32)
    return Dataset(
        training=training,
        validation=held_out[0],
        test=held_out[1],
        user_ids=[f"u{user}" for user in range(training.n_users)],
        item_ids=[f"i{item}" for item in range(training.n_items)],
        data_hash="d" * 64,
        split_hash=split_hash(training.train, held_out[0], held_out[1]),
        split_rule="by hand",
        oracle=Factors(
            groups[np.arange(training.n_users) % 3],
            groups[np.arange(training.n_items) % 3],
            np.zeros(training.n_items, dtype=np.float32),
        ),
    )


@pytest.fixture(scope="session")
def toy_data_dir(toy_dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that holds the toy data set as `toy`."""
    data_dir = tmp_path_factory.mktemp("data")
    training = toy_dataset.training
    assert training.images is not None
    write_dataset(
        data_dir / "toy",
        name="toy",
        title="Toy",
        source="the tests",
        licence="none",
        train=training.train,
        validation=toy_dataset.validation,
        test=toy_dataset.test,
        user_ids=toy_dataset.user_ids,
        item_ids=toy_dataset.item_ids,
        split_rule=toy_dataset.split_rule,
        split_seed=None,
        category_names=training.category_names,
        categories=training.categories,
        images=(training.images.encoded(item) for item in range(training.n_items)),
        features=training.features,
        feature_info=training.feature_info,
        oracle=toy_dataset.oracle,
    )
    return data_dir
