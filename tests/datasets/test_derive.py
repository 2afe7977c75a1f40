import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.datasets.dataset import FeatureInfo
from bench.datasets.derive import derive_with_features
from bench.datasets.record import read_record
from bench.datasets.store import open_dataset, verify
from bench.errors import BenchError

INFO = FeatureInfo("own", "by hand")


@pytest.fixture
def features() -> np.ndarray:
    return np.arange(15, dtype=np.float32).reshape(5, 3)


def derive(source: Path, features: np.ndarray, name: str = "other") -> Path:
    target = source.parent / name
    derive_with_features(
        source, target, title="Other", features=features, feature_info=INFO, how={"net": "x"}
    )
    return target


@pytest.mark.parametrize("without", [{}, {"features": None, "feature_info": None}])
def test_all_is_as_in_the_source_but_the_features(
    stored: Callable[..., Path], features: np.ndarray, without: dict[str, None]
) -> None:
    source = stored(**without)
    target = derive(source, features)
    verify(target)
    old, new = open_dataset(source), open_dataset(target)
    np.testing.assert_array_equal(new.training.features, features)
    assert new.training.feature_info == INFO
    assert new.name == "other"
    assert (new.user_ids, new.item_ids) == (old.user_ids, old.item_ids)
    assert new.split_hash == old.split_hash
    np.testing.assert_array_equal(new.test, old.test)
    np.testing.assert_array_equal(new.training.categories, old.training.categories)
    assert new.oracle is not None
    assert old.training.images is not None
    assert new.training.images is not None
    assert new.training.images.encoded(3) == old.training.images.encoded(3)
    # What is made of the images is shared.
    assert new.training.images.cache == old.training.images.cache
    record = read_record(target)
    assert (record.title, record.feature_dims, record.feature_dtype) == ("Other", 3, "float32")
    assert record.report["features"] == {
        "of_data_set": "tiny",
        "of_data_hash": old.data_hash,
        "net": "x",
    }
    assert record.report["pairs_read"] == 8


def test_the_hash_follows_the_features_and_the_source(
    stored: Callable[..., Path], features: np.ndarray
) -> None:
    source = stored()
    elsewhere = stored(name="tiny2", item_ids=list("abcde"))
    hashes = {
        open_dataset(source).data_hash,
        open_dataset(derive(source, features)).data_hash,
        open_dataset(derive(source, features + 1, "b")).data_hash,
        open_dataset(derive(source, features.astype(np.float16), "c")).data_hash,
        open_dataset(derive(elsewhere, features, "d")).data_hash,
    }
    assert len(hashes) == 5
    again = open_dataset(derive(source, features, "again"))
    assert again.data_hash == open_dataset(source.parent / "other").data_hash


def test_images_take_no_room_twice(stored: Callable[..., Path], features: np.ndarray) -> None:
    source = stored()
    target = derive(source, features)
    assert (target / "items.arrow").samefile(source / "items.arrow")
    assert not (target / "features.npy").samefile(source / "features.npy")


def test_a_file_system_without_hard_links_gets_copies(
    stored: Callable[..., Path], features: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*paths: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    target = derive(stored(), features)
    verify(target)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.ones((4, 3), np.float32), "shape"),
        (np.full((5, 3), np.nan, np.float32), "not finite"),
    ],
)
def test_features_that_do_not_fit_leave_nothing(
    stored: Callable[..., Path], wrong: np.ndarray, message: str
) -> None:
    source = stored()
    with pytest.raises(BenchError, match=message):
        derive(source, wrong)
    assert [path.name for path in source.parent.iterdir()] == ["tiny"]
