import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.datasets.store import open_dataset, read_record
from bench.datasets.synthetic import SyntheticFashion, SyntheticOptions
from bench.datasets.synthetic.style import CATEGORIES
from bench.errors import BenchError

_SMALL = {
    "n_users": 40,
    "n_items": 90,
    "image_size": 48,
    "seed": 5,
    "classifier_garments": 120,
    "classifier_epochs": 1,
    "device": "cpu",
}


def _prepare(folder: Path, **changes: object) -> Path:
    options = SyntheticOptions(**{**_SMALL, **changes})  # type: ignore[arg-type]  # mixed values
    SyntheticFashion(options).prepare(folder)
    return folder


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _prepare(tmp_path_factory.mktemp("synthetic") / "store", n_workers=1)


def test_the_store_holds_everything(stored: Path) -> None:
    dataset = open_dataset(stored)
    training = dataset.training
    assert (dataset.name, dataset.n_users, dataset.n_items) == ("synthetic_fashion", 40, 90)
    assert training.category_names == CATEGORIES
    assert training.categories is not None
    assert set(training.categories.tolist()) == set(range(6))
    assert training.need_features().shape == (90, 4096)
    assert training.need_features().dtype == np.float16
    assert training.feature_info is not None
    assert training.feature_info.kind == "classifier"
    assert "100 drawings outside the catalogue" in training.feature_info.description
    assert training.images is not None
    image = np.asarray(training.images.decoded(17))
    assert image.shape == (48, 48, 3)
    assert (np.concatenate([image[0], image[-1]]) > 240).mean() > 0.95
    assert not list(stored.parent.glob(".tmp*"))
    report = read_record(stored).report
    assert report["classifier"]["n_held_out"] == 20
    assert report["preprocessing"]["users_discarded"] == 0


def test_every_user_has_a_training_a_validation_and_a_test_item(stored: Path) -> None:
    dataset = open_dataset(stored)
    train = dataset.training.train
    assert np.diff(train.indptr).min() >= 3
    users = np.arange(dataset.n_users)
    assert not train.contains(users, dataset.validation).any()
    assert not train.contains(users, dataset.test).any()
    assert (dataset.validation != dataset.test).all()
    assert dataset.known.n_pairs == train.n_pairs + 2 * 40


def test_the_oracle_ranks_test_items_far_above_chance(stored: Path) -> None:
    dataset = open_dataset(stored)
    assert dataset.oracle is not None
    scores = dataset.oracle.score(np.arange(dataset.n_users))
    shares = []
    for user, test in enumerate(dataset.test):
        others = np.setdiff1d(np.arange(dataset.n_items), dataset.known.of(user))
        shares.append((scores[user, others] < scores[user, test]).mean())
    assert np.mean(shares) > 0.8


def test_same_seed_same_data_whatever_the_workers(stored: Path, tmp_path: Path) -> None:
    again = read_record(_prepare(tmp_path / "again", n_workers=2))
    other = read_record(_prepare(tmp_path / "other", n_workers=1, seed=6))
    first = read_record(stored)
    assert again.data_hash == first.data_hash
    assert again.split_hash == first.split_hash
    assert other.data_hash != first.data_hash
    assert other.split_hash != first.split_hash


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"n_users": 9}, "n_users must be a whole number from 10 to .*, got 9"),
        ({"n_items": 59}, "n_items must be a whole number from 60"),
        ({"n_items": 100.5}, "n_items must be a whole number"),
        ({"image_size": 1000}, "image_size must be a whole number from 32 to 512, got 1000"),
        ({"seed": -1}, "seed must be a whole number from 0"),
        ({"n_workers": 0}, "n_workers must be a whole number from 1"),
        ({"classifier_garments": 5}, "classifier_garments must be a whole number from 100"),
        ({"classifier_epochs": True}, "classifier_epochs must be a whole number from 1"),
    ],
)
def test_impossible_options_are_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(BenchError, match=words):
        SyntheticOptions(**change)  # type: ignore[arg-type]  # wrong on purpose


def test_unknown_device_is_refused_before_anything_is_drawn(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="unknown device 'gpu'"):
        _prepare(tmp_path / "store", device="gpu")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BenchError, match=r"cannot draw the garments at .*file"):
        _prepare(tmp_path / "file" / "store", n_workers=1)


def test_importing_the_source_loads_no_torch() -> None:
    code = "import sys, bench.datasets.synthetic; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
