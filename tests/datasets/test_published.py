"""Published archives into the store: with archives made by hand, and with the small real ones."""

import dataclasses
import hashlib
import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from bench.cli.datasets.notes import notable
from bench.datasets import published
from bench.datasets.archive import Archive
from bench.datasets.dataset import NO_ITEM
from bench.datasets.preprocess import NO_TIME
from bench.datasets.published import FALLBACK_IMAGE, import_archive
from bench.datasets.published_sets import FASHION_CATEGORIES, PUBLISHED_SETS, published_set
from bench.datasets.record import DatasetRecord
from bench.datasets.store import open_dataset
from bench.errors import BenchError

Make = Callable[..., DatasetRecord]


def image(kind: str = "JPEG", mode: str = "RGB", level: int = 90) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (20, 20), (level, 30, 200)).convert(mode).save(buffer, kind)
    return buffer.getvalue()


def by_hand(path: Path, images: list[bytes], **changes: Any) -> Archive:
    """An archive of 3 users and as many items as images, whose file holds nothing but images."""
    offsets, lengths, content = [], [], b"head"
    for encoded in images:
        offsets.append(len(content) if encoded else -1)
        lengths.append(len(encoded))
        content += encoded + b"--"
    path.write_bytes(content)
    parts: dict[str, Any] = {
        "path": path,
        "size": len(content),
        "user_ids": ("ann", "bob", "cid"),
        # (0, 2) twice; bob's test item 1 and ann's validation item 2 are trained on.
        "train_users": np.array([0, 0, 0, 1, 2], np.int32),
        "train_items": np.array([0, 2, 2, 1, 3], np.int32),
        "train_seconds": np.array([50, 70, 60, NO_TIME, 90], np.int64),
        "validation": np.array([2, 0, NO_ITEM], np.int32),
        "test": np.array([3, 1, 0], np.int32),
        "item_ids": tuple(f"B{k}" for k in range(len(images))),
        "image_offsets": np.array(offsets, np.int64),
        "image_lengths": np.array(lengths, np.int64),
        "categories": None,
        "category_paths": None,
        "report": {"items_with_repeated_asin": 0},
    }
    return Archive(**(parts | changes))


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Import an archive made by hand as Tradesy; give its record."""

    def make(
        images: list[bytes] | None = None,
        *,
        options: dict[str, Any] | None = None,
        **changes: Any,
    ) -> DatasetRecord:
        images = [image()] * 5 if images is None else images
        archive = by_hand(tmp_path / "archive.npy", images, **changes)
        monkeypatch.setattr(published, "read_archive", lambda path: archive)
        return import_archive(
            tmp_path / "archive.npy",
            "mine",
            tmp_path / "data",
            **({"as_name": "tradesy"} | (options or {})),
        )

    return make


def test_the_partition_is_kept_as_it_is(make: Make, tmp_path: Path) -> None:
    record = make()
    dataset = open_dataset(tmp_path / "data" / "mine")
    assert [dataset.training.train.of(u).tolist() for u in range(3)] == [[0, 2], [1], [3]]
    assert dataset.validation.tolist() == [2, 0, NO_ITEM]
    assert dataset.test.tolist() == [3, 1, 0]
    assert list(dataset.user_ids) == ["ann", "bob", "cid"]
    # Ann 0 2 3, Bob 0 1, Cid 0 3: unique pairs over all parts, as Table II counts them.
    assert dataset.n_interactions == record.n_interactions == 7
    assert record.split_seed is None
    assert "own partition" in record.split_rule
    table = pq.read_table(tmp_path / "data" / "mine" / "interactions.parquet").to_pydict()
    pairs = zip(table["user"], table["item"], table["split"], table["timestamp"], strict=True)
    train_times = {(u, i): t for u, i, split, t in pairs if split == 0}
    assert train_times == {(0, 0): 50, (0, 2): 60, (1, 1): None, (2, 3): 90}


def test_an_archive_that_is_changed_meanwhile(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = published.write_dataset

    def write_and_change(*args: Any, **kwargs: Any) -> DatasetRecord:
        with (tmp_path / "archive.npy").open("ab") as file:
            file.write(b"more")
        return write(*args, **kwargs)

    monkeypatch.setattr(published, "write_dataset", write_and_change)
    with pytest.raises(BenchError, match=r"archive.npy: has changed since it was read; start"):
        make()
    assert not list(tmp_path.glob("data/**/*"))


def test_what_was_odd_is_counted(make: Make) -> None:
    assert make().report["partition"] == {
        "training_pairs_listed": 5,
        "repeated_training_pairs_merged": 1,
        "validation_items_that_repeat_training": 1,
        "test_items_that_repeat_training": 1,
        "users_with_a_held_out_repeat": 2,
        "validation_items_that_are_the_test_item": 0,
        "items_never_in_training": 1,
    }
    same = make(
        options={"force": True},
        validation=np.array([4, 4, 4], np.int32),
        test=np.array([4, NO_ITEM, 4], np.int32),
    )
    assert same.report["partition"]["validation_items_that_are_the_test_item"] == 2
    assert same.report["partition"]["users_with_a_held_out_repeat"] == 0


def test_held_out_repeats_are_no_negatives(make: Make, tmp_path: Path) -> None:
    make()
    dataset = open_dataset(tmp_path / "data" / "mine")
    assert dataset.repeats.tolist() == [True, True, False]
    assert [dataset.known.of(u).tolist() for u in range(3)] == [[0, 2, 3], [0, 1], [0, 3]]


def test_images_are_copied_and_broken_ones_replaced(make: Make, tmp_path: Path) -> None:
    cut = image()[:300]
    images = [image(level=1), image("PNG", "RGBA"), cut, b"", image(mode="L")]
    record = make(images)
    stored = open_dataset(tmp_path / "data" / "mine").training.images
    assert stored is not None
    expected = [images[0], images[1], FALLBACK_IMAGE, FALLBACK_IMAGE, images[4]]
    assert [stored.encoded(k) for k in range(5)] == expected
    assert record.report["images"] == {
        "grey": 1,
        "png": 1,
        "formats": {"JPEG": 2, "PNG": 1},
        "modes": {"L": 1, "RGB": 1, "RGBA": 1},
        "replaced_because_broken": ["B2"],
        "replaced_because_missing": ["B3"],
    }


def test_the_fallback_is_mid_grey_and_always_the_same_bytes() -> None:
    with Image.open(io.BytesIO(FALLBACK_IMAGE)) as picture:
        assert (picture.format, picture.mode, picture.size) == ("PNG", "RGB", (16, 16))
        assert picture.getcolors() == [(256, (128, 128, 128))]
    assert hashlib.sha256(FALLBACK_IMAGE).hexdigest().startswith("87be3c415945132b")


def test_images_in_another_order_than_the_file(make: Make, tmp_path: Path) -> None:
    images = [image(level=20 * k) for k in range(5)]
    archive = by_hand(tmp_path / "x", images)
    order = [3, 0, 4, 2, 1]
    make(
        images,
        image_offsets=archive.image_offsets[order],
        image_lengths=archive.image_lengths[order],
    )
    stored = open_dataset(tmp_path / "data" / "mine").training.images
    assert stored is not None
    assert [stored.encoded(k) for k in range(5)] == [images[k] for k in order]


def test_the_source_names_the_archive_by_content_not_by_place(make: Make, tmp_path: Path) -> None:
    record = make()
    content = (tmp_path / "archive.npy").read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    expected = f"published archive archive.npy, {len(content):,} bytes, SHA-256 {sha256}"
    assert record.source == expected
    assert str(tmp_path) not in (tmp_path / "data" / "mine" / "dataset.json").read_text()
    assert "academic use only" in record.licence


def test_titles(make: Make, tmp_path: Path) -> None:
    assert make().title == "mine"
    assert make(options={"force": True, "title": "My copy"}).title == "My copy"


def test_ids_of_a_hostile_archive_do_not_reach_the_terminal(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="bench")
    ids = ("B0", "B\x1b[2J\n1", "B2", "B3", "Bé")
    record = make([image(), b"broken" * 20, image(), image(), b"broken" * 20], item_ids=ids)
    assert record.report["images"]["replaced_because_broken"] == [ids[1], ids[4]]
    told = [*caplog.messages, *notable(record)]
    assert any(line.startswith(r"item B\x1b[2J\n1: image replaced") for line in told)
    assert any(line.endswith(r": B\x1b[2J\n1, Bé") for line in told)
    assert all(line.isprintable() for line in told)


class TestCategories:
    def test_of_fashion(self, make: Make) -> None:
        codes = np.array([5, 0, 1, 0, 2], np.int16)
        record = make(categories=codes, options={"as_name": "amazon_fashion"})
        assert record.category_names == FASHION_CATEGORIES
        assert record.n_categories == 6
        assert record.category_names[5] == "women's shoes"

    def test_of_women_are_a_level_of_the_taxonomy(self, make: Make) -> None:
        root = "Clothing, Shoes & Jewelry"
        kinds = ["Dresses", "Skirts", "Dresses", "Jeans", "Skirts"]
        paths = tuple(((root, "Women", "Clothing", kind, "Long"),) for kind in kinds)
        record = make(category_paths=paths, options={"as_name": "amazon_women"})
        assert record.category_names == (
            "Clothing > Dresses",
            "Clothing > Jeans",
            "Clothing > Skirts",
        )
        options = {"as_name": "amazon_women", "category_level": 3, "force": True}
        assert make(category_paths=paths, options=options).category_names == ("Clothing",)

    def test_none_for_tradesy(self, make: Make, tmp_path: Path) -> None:
        assert make(categories=np.zeros(5, np.int16)).n_categories is None
        assert "categories" not in open_dataset(tmp_path / "data" / "mine").training.offers

    @pytest.mark.parametrize(
        ("options", "changes", "match"),
        [
            ({"as_name": "amazon_fashion"}, {}, "no category vector `c`.*--as"),
            ({"as_name": "amazon_men"}, {}, "no taxonomy paths.*--as"),
            ({"category_level": 3}, {}, "--category-level is for Amazon Women and Men"),
            ({"as_name": "tradesi"}, {}, "did you mean 'tradesy'"),
        ],
    )
    def test_an_archive_that_is_another(
        self, make: Make, tmp_path: Path, options: Any, changes: Any, match: str
    ) -> None:
        with pytest.raises(BenchError, match=match):
            make(options=options, **changes)
        assert not list(tmp_path.glob("data/**/*"))


class TestFeatures:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        path = tmp_path / "image_features_x.b"
        rows = [
            (item, np.arange(4096, dtype="<f4") + k) for k, item in enumerate(["B4", "B0", "X"])
        ]
        path.write_bytes(b"".join(item.encode().ljust(10) + row.tobytes() for item, row in rows))
        return path

    def test_are_joined_by_id(self, make: Make, tmp_path: Path, file: Path) -> None:
        record = make(options={"features": file, "feature_dtype": "float16"})
        features = open_dataset(tmp_path / "data" / "mine").training.need_features()
        assert features.dtype == np.float16
        assert features[:, 5].tolist() == [6, 0, 0, 0, 5]
        assert record.report["features"]["items_without_a_row"] == ["B1", "B2", "B3"]
        assert record.feature_info is not None
        assert "3 items without a row have zeros" in record.feature_info.description
        assert str(tmp_path) not in record.feature_info.description
        assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["mine"]

    def test_items_of_one_asin_share_a_row(self, make: Make, tmp_path: Path, file: Path) -> None:
        ids = ("B0", "B4", "B0#2", "B7", "B7#2")
        record = make(item_ids=ids, options={"features": file})
        features = open_dataset(tmp_path / "data" / "mine").training.need_features()
        assert features[:, 5].tolist() == [6, 5, 6, 0, 0]
        assert record.report["features"]["items_without_a_row"] == ["B7", "B7#2"]

    def test_a_broken_file_leaves_nothing(self, make: Make, tmp_path: Path, file: Path) -> None:
        whole = file.read_bytes()
        file.write_bytes(whole[:-1])
        with pytest.raises(BenchError, match=r"image_features_x\.b"):
            make(options={"features": file})
        assert not (tmp_path / "data").exists()  # seen before anything was begun
        not_finite = np.full(4096, np.nan, "<f4").tobytes()
        file.write_bytes(whole + b"B1".ljust(10) + not_finite)
        with pytest.raises(BenchError, match="not finite"):
            make(options={"features": file})
        assert list((tmp_path / "data").iterdir()) == []


def test_names(make: Make, tmp_path: Path) -> None:
    make()
    with pytest.raises(BenchError, match="--force replaces it"):
        make()
    archive = tmp_path / "archive.npy"
    with pytest.raises(BenchError, match="'amazon_men' belongs to a data set the suite"):
        import_archive(archive, "amazon_men", tmp_path / "data", as_name="tradesy")
    record = import_archive(archive, "tradesy", tmp_path / "data", as_name="tradesy")
    assert (record.name, record.title) == ("tradesy", "Tradesy.com")


def test_the_disk_is_asked_first(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def refuse(folder: Path, n_bytes: int, doing: str) -> None:
        asked.append((folder, n_bytes, doing))
        raise BenchError("no room")

    monkeypatch.setattr(published, "need_disk_space", refuse)
    with pytest.raises(BenchError, match="no room"):
        make()
    ((folder, n_bytes, doing),) = asked
    assert folder == tmp_path / "data"
    assert doing == "convert mine"
    assert n_bytes >= 5 * len(image())
    assert not list(tmp_path.glob("data/**/*"))


def test_an_archive_that_changes_meanwhile(make: Make, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="ends early"):
        make(image_lengths=np.array([9, 9, 9, 9, 10**9], np.int64))
    assert not list(tmp_path.glob("data/*"))


def test_the_sets_are_those_of_table_2() -> None:
    from bench.datasets.hosts import ARCHIVES
    from bench.report.published import load_published

    assert list(PUBLISHED_SETS) == list(load_published().table2) == list(ARCHIVES)
    for name, row in load_published().table2.items():
        assert published_set(name).title == row.title
        assert (published_set(name).categories == "none") == (row.n_categories is None)


FILES = {
    "amazon_fashion": "AmazonFashion6ImgPartitioned.npy",
    "amazon_women": "AmazonWomenWithImgPartitioned.npy",
    "amazon_men": "AmazonMenWithImgPartitioned.npy",
    "tradesy": "TradesyImgPartitioned.npy",
}


def unpickled(path: Path) -> list[Any]:
    """Read an archive of our own making the way everybody does: an oracle for the safe reader."""
    with path.open("rb") as handle:
        np.lib.format.read_magic(handle)
        np.lib.format.read_array_header_1_0(handle)
        return list(pickle.load(handle, encoding="bytes"))


def value(entry: dict[Any, Any], key: str) -> Any:
    found = entry[key.encode()] if key.encode() in entry else entry[key]
    return found.decode() if key == "asin" and isinstance(found, bytes) else found


@pytest.mark.parametrize("name", FILES)
def test_a_small_archive_comes_out_as_unpickling_says(
    shared_data: Path, tmp_path: Path, name: str
) -> None:
    path = shared_data / "published" / FILES[name]
    train, validation, test, items, n_users, n_items = unpickled(path)
    import_archive(path, name, tmp_path, as_name=name)
    dataset = open_dataset(tmp_path / name)
    assert (dataset.n_users, dataset.n_items) == (n_users, n_items)
    for user in range(n_users):
        bought = {value(entry, "productid") for entry in train[user]}
        assert dataset.training.train.of(user).tolist() == sorted(bought)
        assert dataset.validation[user] == value(validation[user][0], "productid")
        assert dataset.test[user] == value(test[user][0], "productid")
    images = dataset.training.images
    assert images is not None
    for item in range(n_items):
        assert images.encoded(item) == value(items[item], "imgs")
        assert dataset.item_ids[item] == value(items[item], "asin")
        if name == "amazon_fashion":
            assert dataset.training.categories is not None
            assert value(items[item], "c")[dataset.training.categories[item]] == 1


def test_tradesy_s_repeats(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "published" / FILES["tradesy"]
    train, validation, test, _, n_users, _ = unpickled(path)
    record = import_archive(path, "tradesy", tmp_path, as_name="tradesy")
    repeats = [
        {value(e, "productid") for e in train[user]}
        & {value(e, "productid") for part in (validation, test) for e in part[user]}
        for user in range(n_users)
    ]
    dataset = open_dataset(tmp_path / "tradesy")
    assert dataset.repeats.tolist() == [bool(found) for found in repeats]
    assert record.report["partition"]["users_with_a_held_out_repeat"] == sum(map(bool, repeats))
    assert record.report["partition"]["users_with_a_held_out_repeat"] == 12


def test_grey_and_png_of_fashion(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "published" / FILES["amazon_fashion"]
    features = shared_data / "published" / "image_features_Clothing_Shoes_and_Jewelry.b"
    record = import_archive(
        path, "amazon_fashion", tmp_path, as_name="amazon_fashion", features=features
    )
    assert record.report["images"]["grey"] == 1
    assert record.report["images"]["png"] == 1
    assert record.report["images"]["modes"]["L"] == 1
    missing = record.report["features"]["items_without_a_row"]
    assert len(missing) == 4
    dataset = open_dataset(tmp_path / "amazon_fashion")
    rows = np.abs(dataset.training.need_features()).sum(axis=1)
    assert {dataset.item_ids[k] for k in np.flatnonzero(rows == 0)} == set(missing)


def test_twice_the_same_bytes(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "published" / FILES["amazon_fashion"]
    for copy in ("one", "two"):
        import_archive(path, "amazon_fashion", tmp_path / copy, as_name="amazon_fashion")
    one, two = (sorted((tmp_path / copy / "amazon_fashion").iterdir()) for copy in ("one", "two"))
    assert [path.name for path in one] == [path.name for path in two]
    assert len(one) == 4
    for left, right in zip(one, two, strict=True):
        assert left.read_bytes() == right.read_bytes(), left.name


def test_records_are_plain_data(make: Make) -> None:
    record = make()
    assert dataclasses.asdict(record) == record.to_json()
