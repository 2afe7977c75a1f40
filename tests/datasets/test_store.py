import errno
import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.datasets.dataset import FeatureInfo, Interactions
from bench.datasets.store import open_dataset, read_record, verify, write_dataset
from bench.errors import BenchError

Stored = Callable[..., Path]


def minimal(folder: Path, **changes: Any) -> None:
    parts: dict[str, Any] = {
        "name": "m",
        "title": "M",
        "source": "",
        "licence": "",
        "train": Interactions.from_pairs(np.array([0]), np.array([0]), n_users=1, n_items=2),
        "validation": np.array([-1], np.int32),
        "test": np.array([1], np.int32),
        "user_ids": ["u"],
        "item_ids": ["a", "b"],
        "split_rule": "",
        "split_seed": 1,
    }
    write_dataset(folder, **(parts | changes))


def test_everything_comes_back(stored: Stored) -> None:
    folder = stored()
    dataset = open_dataset(folder)
    training = dataset.training
    assert (dataset.name, dataset.n_users, dataset.n_items) == ("tiny", 3, 5)
    assert dataset.n_interactions == 8
    assert [training.train.of(u).tolist() for u in range(3)] == [[0, 3], [1], [4]]
    assert dataset.validation.tolist() == [1, -1, 0]
    assert dataset.test.tolist() == [2, 2, -1]
    assert list(dataset.user_ids) == ["u0", "u1", "ü2"]
    assert list(dataset.item_ids) == ["00", "01", "02", "03", "0,4"]
    assert training.categories is not None
    assert training.categories.tolist() == [0, 1, 0, 1, 0]
    assert training.category_names == ("coat", "hat")
    assert training.need_features().dtype == np.float16
    assert training.need_features().tolist() == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]
    assert training.images is not None
    assert training.images.decoded(4).size == (16, 16)
    assert training.feature_info == FeatureInfo("own", "by hand")
    assert dataset.oracle is not None
    assert dataset.oracle.score(np.array([0])).tolist() == [[2.0] * 5]
    assert dataset.split_hash == read_record(folder).split_hash
    assert dataset.data_hash == read_record(folder).data_hash


def test_the_record_comes_back_equal(tmp_path: Path, stored: Stored) -> None:
    folder = stored()
    record = read_record(folder)
    assert record.report == {"pairs_read": 8}
    assert record.density == 8 / 15
    assert set(record.file_hashes) == {p.name for p in folder.iterdir()} - {"dataset.json"}


def test_timestamps_stand_beside_their_pairs_and_others_are_null(stored: Stored) -> None:
    table = pq.read_table(stored() / "interactions.parquet").to_pydict()
    times = {
        (u, i): t
        for u, i, t in zip(table["user"], table["item"], table["timestamp"], strict=True)
        if t is not None
    }
    assert times == {(2, 0): 77, (0, 3): 33}


def test_without_the_optional_parts(tmp_path: Path) -> None:
    minimal(tmp_path / "m")
    dataset = open_dataset(tmp_path / "m")
    assert dataset.training.offers == frozenset()
    assert dataset.oracle is None
    assert read_record(tmp_path / "m").n_categories is None


def test_a_name_of_ones_own_overrides_the_recorded_one(stored: Stored) -> None:
    assert open_dataset(stored(), name="copy").name == "copy"


def test_features_are_mapped_and_images_are_not_read_at_opening(stored: Stored) -> None:
    dataset = open_dataset(stored())
    assert isinstance(dataset.training.features, np.memmap)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read off /proc")
def test_opening_copies_no_images(tmp_path: Path) -> None:
    n_items, n_bytes = 400, 250_000  # 100 MB
    minimal(
        tmp_path / "m",
        train=Interactions.from_pairs(np.array([0]), np.array([0]), n_users=1, n_items=n_items),
        item_ids=[str(k) for k in range(n_items)],
        images=(bytes([k % 256]) * n_bytes for k in range(n_items)),
    )
    # In a process of its own, because the heap of this one has been used before; anonymous memory,
    # because pages of the map count as resident once they are read.
    script = (
        "import re, sys; from pathlib import Path\n"
        "from bench.datasets.store import open_dataset\n"
        "def anonymous():\n"
        "    status = Path('/proc/self/status').read_text()\n"
        "    return 1024 * int(re.search(r'RssAnon:\\s+(\\d+)', status)[1])\n"
        "before = anonymous()\n"
        "images = open_dataset(Path(sys.argv[1])).training.images\n"
        "assert all(images.encoded(k)[0] == k % 256 for k in range(len(images)))\n"
        "assert anonymous() - before < 40e6, anonymous() - before\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "m")], check=True)


def test_images_are_taken_one_by_one_and_span_batches(tmp_path: Path) -> None:
    n_items = 600  # more than two batches
    contents = [f"image {k}".encode() * (k % 3) for k in range(n_items)]
    minimal(
        tmp_path / "m",
        train=Interactions.from_pairs(np.array([0]), np.array([0]), n_users=1, n_items=n_items),
        item_ids=[str(k) for k in range(n_items)],
        images=iter(contents),
    )
    images = open_dataset(tmp_path / "m").training.images
    assert images is not None
    assert [images.encoded(k) for k in range(len(images))] == contents
    with pa.memory_map(str(tmp_path / "m" / "items.arrow")) as source:
        assert pa.ipc.open_file(source).num_record_batches == 3


def test_images_travel_to_another_process_as_a_path(tmp_path: Path) -> None:
    minimal(tmp_path / "m", images=[b"x" * 100_000, b"y"])
    images = open_dataset(tmp_path / "m").training.images
    content = pickle.dumps(images)
    assert len(content) < 1000
    assert pickle.loads(content).encoded(1) == b"y"


@pytest.mark.parametrize("count", [1, 3])
def test_too_few_or_too_many_images(tmp_path: Path, count: int) -> None:
    with pytest.raises(BenchError, match="images"):
        minimal(tmp_path / "m", images=[b"x"] * count)
    assert list(tmp_path.iterdir()) == []


def test_features_from_a_file_are_copied(tmp_path: Path) -> None:
    # Fortran order and big-endian float64: stored as C-ordered float32.
    np.save(tmp_path / "f.npy", np.asfortranarray(np.arange(6.0).reshape(2, 3)).astype(">f8"))
    minimal(
        tmp_path / "m", features=tmp_path / "f.npy", feature_info=FeatureInfo("published", "CNN")
    )
    features = open_dataset(tmp_path / "m").training.need_features()
    assert features.dtype == np.float32
    assert features.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert (tmp_path / "f.npy").exists()


def test_the_hash_depends_on_content_only(tmp_path: Path) -> None:
    images = [b"one", b"two"]
    info = FeatureInfo("own", "")
    same = {"features": np.ones((2, 2), np.float32), "feature_info": info, "images": images}
    changes: dict[str, dict[str, Any]] = {
        "base": same,
        "again": same | {"title": "another title", "report": {"x": 1}},
        "features": same | {"features": np.zeros((2, 2), np.float32)},
        "dtype": same | {"features": np.ones((2, 2), np.float16)},
        "images": same | {"images": [b"onet", b"wo"]},
        "ids": same | {"item_ids": ["ab", ""]},
        "split": same | {"test": np.array([-1], np.int32)},
        "categories": same | {"categories": np.zeros(2, np.int16), "category_names": ["c"]},
    }
    hashes = {}
    for key, change in changes.items():
        minimal(tmp_path / key, **change)
        hashes[key] = read_record(tmp_path / key).data_hash
    assert hashes["base"] == hashes.pop("again")
    assert len(set(hashes.values())) == len(hashes)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"user_ids": []}, "0 user ids for 1 users"),
        ({"item_ids": ["a", "a"]}, "item ids repeat"),
        ({"test": np.array([2], np.int32)}, "test items must lie in -1..1"),
        ({"validation": np.array([], np.int32)}, "one item per user"),
        ({"categories": np.array([0], np.int16)}, "one number per item"),
        (
            {"categories": np.array([0, 1], np.int16), "category_names": ["only"]},
            "category numbers must lie in 0..0",
        ),
        ({"features": np.ones((2, 2))}, "feature_info"),
        (
            {"features": np.ones((3, 2)), "feature_info": FeatureInfo("own", "")},
            r"shape \(3, 2\) for 2 items",
        ),
        (
            {"features": np.array([[1.0], [np.nan]]), "feature_info": FeatureInfo("own", "")},
            r"item 'b' \(row 1\) are not finite",
        ),
        (
            {"features": np.array([["a"], ["b"]]), "feature_info": FeatureInfo("own", "")},
            "must be numbers",
        ),
    ],
)
def test_parts_that_do_not_fit(tmp_path: Path, change: dict[str, Any], match: str) -> None:
    with pytest.raises(BenchError, match=match):
        minimal(tmp_path / "m", **change)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_data_set(tmp_path: Path) -> None:
    minimal(tmp_path / "m")
    before = read_record(tmp_path / "m")
    with pytest.raises(BenchError):
        minimal(tmp_path / "m", images=[b"too few"])
    assert read_record(tmp_path / "m") == before
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_disk_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("bench.datasets.store.pq.write_table", fail)
    with pytest.raises(BenchError, match="the disk is full; free some space"):
        minimal(tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(BenchError, match=r"cannot write at .*data"):
        minimal(tmp_path / "data" / "m")


def test_no_data_set(tmp_path: Path, stored: Stored) -> None:
    with pytest.raises(BenchError, match=r"no data set at .*absent: no such folder"):
        open_dataset(tmp_path / "absent")
    folder = stored()
    (folder / "dataset.json").unlink()
    with pytest.raises(BenchError, match=r"it has no dataset\.json"):
        open_dataset(folder)


@pytest.mark.parametrize(
    "file", ["interactions.parquet", "users.arrow", "items.arrow", "features.npy", "oracle.npz"]
)
class TestDamage:
    def test_missing(self, stored: Stored, file: str) -> None:
        folder = stored()
        (folder / file).unlink()
        with pytest.raises(BenchError, match=f"{file} is missing; remove the folder and make"):
            open_dataset(folder)
        with pytest.raises(BenchError, match=f"{file} is missing"):
            verify(folder)

    def test_truncated(self, stored: Stored, file: str) -> None:
        folder = stored()
        content = (folder / file).read_bytes()
        (folder / file).write_bytes(content[:-1])
        with pytest.raises(BenchError, match=f"{file} has .* bytes, recorded are {len(content)}"):
            open_dataset(folder)

    def test_one_bit_flipped_is_found_by_verify(self, stored: Stored, file: str) -> None:
        folder = stored()
        verify(folder)
        content = bytearray((folder / file).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / file).write_bytes(content)
        with pytest.raises(BenchError, match=f"{file} was altered"):
            verify(folder)

    def test_noise_of_the_same_size_is_one_clear_line(self, stored: Stored, file: str) -> None:
        folder = stored()
        size = (folder / file).stat().st_size
        (folder / file).write_bytes(np.random.default_rng(1).bytes(size))
        with pytest.raises(BenchError, match=file) as caught:
            open_dataset(folder)
        assert "\n" not in str(caught.value)


def test_a_wild_offset_is_refused_before_it_crashes_the_process(tmp_path: Path) -> None:
    minimal(tmp_path / "m", images=[b"x" * 1111, b"y" * 2222])
    path = tmp_path / "m" / "items.arrow"
    offsets, wild = (np.array([0, k, 3333], np.int32).tobytes() for k in (1111, 2**30))
    content = path.read_bytes()
    assert content.count(offsets) == 1
    path.write_bytes(content.replace(offsets, wild))
    with pytest.raises(BenchError, match=r"items\.arrow cannot be read"):
        open_dataset(tmp_path / "m")


def alter_json(folder: Path, **changes: Any) -> None:
    path = folder / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"schema_version": 99}, "schema version 99, this suite reads 1 and 2"),
        ({"schema_version": None}, "schema version None"),
        ({"n_users": "3"}, "'n_users' should be int, is str"),
        ({"n_users": True}, "'n_users' should be int, is bool"),
        ({"surprise": 1}, "not a data-set record"),
        ({"feature_info": {"kind": "own"}}, "not a data-set record"),
        ({"category_names": None}, "not a data-set record"),
        ({"file_sizes": []}, "'file_sizes' should be an object"),
        ({"n_users": 4}, "it holds 3 users and 5 items, recorded are 4 and 5"),
        ({"split_hash": "0" * 64}, "does not match the recorded split hash"),
        ({"feature_dims": 3}, r"features\.npy has shape \(5, 2\)"),
    ],
)
def test_an_altered_record(stored: Stored, changes: dict[str, Any], match: str) -> None:
    folder = stored()
    alter_json(folder, **changes)
    with pytest.raises(BenchError, match=match):
        open_dataset(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"a": NaN', b"\xff\xfe"])
def test_a_broken_record(stored: Stored, content: bytes) -> None:
    folder = stored()
    (folder / "dataset.json").write_bytes(content)
    with pytest.raises(BenchError, match=r"dataset\.json .*remove the folder") as caught:
        open_dataset(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("columns", "match"),
    [
        ({"user": [0], "item": [9], "split": [0]}, r"item outside 0\.\.4"),
        ({"user": [-1], "item": [0], "split": [0]}, r"user outside 0\.\.2"),
        ({"user": [0], "item": [0], "split": [3]}, r"split outside 0\.\.2"),
        ({"user": [0, 0], "item": [1, 2], "split": [2, 2]}, "a user has two test items"),
        ({"user": [0.5], "item": [0], "split": [0]}, "user holds float64, not integers"),
        ({"user": [None, 1], "item": [0, 1], "split": [0, 0]}, "user holds float64, not integers"),
        ({"user": [0], "item": [0]}, r"interactions\.parquet cannot be read"),
        ({"user": [0], "item": [0], "split": [0]}, "does not match the recorded split hash"),
    ],
)
def test_foreign_interactions(stored: Stored, columns: dict[str, Any], match: str) -> None:
    folder = stored()
    path = folder / "interactions.parquet"
    pq.write_table(pa.table(columns), path)
    sizes = dict(read_record(folder).file_sizes) | {path.name: path.stat().st_size}
    alter_json(folder, file_sizes=sizes)
    with pytest.raises(BenchError, match=match):
        open_dataset(folder)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_data_set_comes_back(tmp_path: Path, data: st.DataObject) -> None:
    n_users, n_items = data.draw(st.integers(0, 6)), data.draw(st.integers(1, 6))
    users = st.integers(0, max(0, n_users - 1))
    pair = st.tuples(users, st.integers(0, n_items - 1))
    pairs = data.draw(st.lists(pair, max_size=20)) if n_users else []
    held_out = st.lists(st.integers(-1, n_items - 1), min_size=n_users, max_size=n_users)
    validation, test = (np.array(data.draw(held_out), np.int32) for _ in range(2))
    text = st.text(st.characters(exclude_categories=["Cs"]))
    ids = st.lists(text, min_size=n_items, max_size=n_items, unique=True)
    item_ids = data.draw(ids)
    images = data.draw(st.none() | st.lists(st.binary(), min_size=n_items, max_size=n_items))
    rows = np.array(pairs, np.int64).reshape(-1, 2)
    train = Interactions.from_pairs(rows[:, 0], rows[:, 1], n_users=n_users, n_items=n_items)
    folder = tmp_path / "any"
    minimal(
        folder,
        train=train,
        validation=validation,
        test=test,
        user_ids=[str(u) for u in range(n_users)],
        item_ids=item_ids,
        images=images,
    )
    dataset = open_dataset(folder)
    assert dataset.training.train.indptr.tolist() == train.indptr.tolist()
    assert dataset.training.train.indices.tolist() == train.indices.tolist()
    assert dataset.validation.tolist() == validation.tolist()
    assert dataset.test.tolist() == test.tolist()
    assert list(dataset.item_ids) == item_ids
    if images is None:
        assert dataset.training.images is None
    else:
        assert dataset.training.images is not None
        assert [dataset.training.images.encoded(k) for k in range(n_items)] == images
    verify(folder)


def test_a_store_of_version_1_is_read_without_its_time_of_writing(stored: Stored) -> None:
    folder = stored()
    alter_json(folder, schema_version=1, created="2025-11-25T09:00:00+00:00")
    assert open_dataset(folder).n_items == 5
    assert read_record(folder).schema_version == 1
    assert "created" not in read_record(folder).to_json()


def test_what_is_written_does_not_depend_on_the_time(stored: Stored) -> None:
    contents = []
    for _ in range(2):
        folder = stored()
        contents.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert contents[0] == contents[1]
    assert len(contents[0]) == 6
