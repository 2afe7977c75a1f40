import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.datasets.dataset import FeatureInfo, Interactions
from bench.datasets.verification import check_dataset
from bench.errors import BenchError

Stored = Callable[..., Path]

TRAIN = Interactions.from_pairs(
    np.array([2, 0, 0, 1]), np.array([4, 3, 0, 1]), n_users=3, n_items=5
)


def details(folder: Path) -> dict[str, str]:
    return {check.name: check.detail for check in check_dataset(folder)}


def flaw(folder: Path) -> str:
    with pytest.raises(BenchError) as caught:
        list(check_dataset(folder))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def alter(folder: Path, **changes: Any) -> None:
    path = folder / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_all_in_order(stored: Stored) -> None:
    found = details(stored())
    assert list(found) == [
        "files",
        "ids",
        "interactions",
        "parts",
        "categories",
        "images",
        "features",
        "data hash",
    ]
    assert found["ids"] == "3 users and 5 items, each id once"
    assert found["interactions"] == "8 different pairs, as recorded"
    assert found["images"] == "5, all can be decoded"


def test_without_optional_parts(stored: Stored) -> None:
    folder = stored(
        images=None, features=None, feature_info=None, categories=None, category_names=()
    )
    assert details(folder)["categories"] == "none"
    assert "images" not in details(folder)


def test_a_flipped_bit(stored: Stored) -> None:
    folder = stored()
    content = bytearray((folder / "items.arrow").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "items.arrow").write_bytes(content)
    assert "items.arrow was altered" in flaw(folder)


def test_an_image_that_does_not_decode(stored: Stored) -> None:
    folder = stored(images=[b"no image"] * 5)
    assert "5 of 5 images cannot be decoded, the first is of item '00'" in flaw(folder)


def test_counts(stored: Stored) -> None:
    folder = stored()
    alter(folder, n_interactions=9)
    assert "it holds 8 interactions, recorded are 9" in flaw(folder)


@pytest.mark.parametrize("changes", [{"data_hash": "0" * 64}, {"category_names": ["coat", "cap"]}])
def test_a_record_that_was_edited(stored: Stored, changes: dict[str, Any]) -> None:
    folder = stored()
    alter(folder, **changes)
    assert "do not match the recorded data hash" in flaw(folder)


def test_category_names_that_are_not_as_many(stored: Stored) -> None:
    folder = stored()
    alter(folder, category_names=["coat"])
    assert "1 category names, recorded are 2" in flaw(folder)


class TestParts:
    # User 0 has trained on item 3, and user 2 on item 4.
    validation = np.array([3, -1, 0], np.int32)
    test = np.array([2, 2, 4], np.int32)

    def test_repeats_that_nobody_counted(self, stored: Stored) -> None:
        folder = stored(validation=self.validation, test=self.test)
        expected = "1 validation items that repeat training, recorded are 0"
        assert expected in flaw(folder)

    def test_repeats_that_the_record_counts(self, stored: Stored) -> None:
        partition = {
            "validation_items_that_repeat_training": 1,
            "test_items_that_repeat_training": 1,
        }
        folder = stored(validation=self.validation, test=self.test, report={"partition": partition})
        assert "but for 2 users with repeats" in details(folder)["parts"]

    def test_one_item_held_out_twice(self, stored: Stored) -> None:
        folder = stored(validation=np.array([2, -1, 0], np.int32))
        expected = "1 validation items that are the test item, recorded are 0"
        assert expected in flaw(folder)


def test_features_that_are_not_finite(stored: Stored) -> None:
    folder = stored(
        features=np.arange(10, dtype=np.float16).reshape(5, 2), feature_info=FeatureInfo("own", "")
    )
    path = folder / "features.npy"
    content = path.read_bytes()
    broken = content[:-2] + np.array([np.nan], np.float16).tobytes()
    path.write_bytes(broken)
    import hashlib

    hashes = json.loads((folder / "dataset.json").read_text())["file_hashes"]
    alter(folder, file_hashes=hashes | {"features.npy": hashlib.sha256(broken).hexdigest()})
    assert "features of 1 items are not finite, first '0,4'" in flaw(folder)
