import errno
import gzip
import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from published_files import feature_file

from bench.datasets import published_features
from bench.datasets.feature_file import open_features
from bench.datasets.published_features import check_feature_file, read_feature_rows
from bench.errors import BenchError, StorageError


def rows_by_struct(path: Path, dims: int) -> list[tuple[str, np.ndarray]]:
    """The records, cut out of the whole content one by one."""
    content = path.read_bytes()
    width = 10 + 4 * dims
    return [
        (content[k : k + 10].decode().strip(), np.frombuffer(content[k + 10 : k + width], "<f4"))
        for k in range(0, len(content), width)
    ]


def refused(path: Path, match: str, ids: list[str] | None = None, **options: object) -> str:
    """See that reading fails with one line and leaves no target behind."""
    target = path.parent / "target.npy"
    with pytest.raises(BenchError, match=match) as caught:
        read_feature_rows(path, ids or ["1", "22"], target, **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert not target.exists()
    return str(caught.value)


RECORDS = [("1", [1.0, 2.0]), ("B000000022", [3.0, 4.0]), ("22", [0.5, 0.0]), ("1", [9.0, 9.0])]


@pytest.mark.parametrize("name", ["f.b", "f.b.gz"])
def test_rows_in_catalogue_order(tmp_path: Path, name: str) -> None:
    path = feature_file(tmp_path / name, RECORDS)
    target = tmp_path / "target.npy"
    result = read_feature_rows(path, ["22", "none", "1", "é", "a" * 11], target, dims=2)
    assert result.path == target
    assert result.missing == ("none", "é", "a" * 11)
    assert result.repeated == 1  # the first row of "1" counts
    assert result.n_records == 4
    plain = feature_file(tmp_path / "plain.b", RECORDS).read_bytes()
    assert result.sha256 == hashlib.sha256(plain).hexdigest()
    matrix = open_features(target)
    assert matrix.dtype == np.dtype("<f4")
    assert matrix.tolist() == [[0.5, 0.0], [0.0, 0.0], [1.0, 2.0], [0.0, 0.0], [0.0, 0.0]]


@settings(max_examples=60, deadline=None)
@given(data=st.data(), dims=st.integers(1, 5), block=st.integers(1, 120))
def test_any_file_in_any_block_size(
    data: st.DataObject, dims: int, block: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    ids = st.sampled_from(["1", "11", "111", "a", "ab", "B000000001", "B000000002", "x y"])
    # Exact in half precision.
    row = st.lists(st.integers(-2000, 2000).map(lambda k: k / 8), min_size=dims, max_size=dims)
    records = data.draw(st.lists(st.tuples(ids, row), min_size=1, max_size=12))
    wanted = [*data.draw(st.lists(ids, unique=True, max_size=8)), "zzzz"]
    dtype = data.draw(st.sampled_from(["float32", "float16"]))
    folder = tmp_path_factory.mktemp("features")
    path = feature_file(folder / "f.b", records)
    first: dict[str, list[float]] = {}
    for item, numbers in records:
        first.setdefault(item, numbers)
    if not set(wanted) & set(first):
        wanted = [records[0][0], *wanted]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(published_features, "_BLOCK_BYTES", block)
        result = read_feature_rows(path, wanted, folder / "t.npy", dims=dims, dtype=dtype)
    matrix = np.load(folder / "t.npy")
    assert matrix.dtype == dtype
    assert matrix.tolist() == [first.get(item, [0.0] * dims) for item in wanted]
    assert result.missing == tuple(item for item in wanted if item not in first)
    assert result.repeated == sum(i in wanted for i, _ in records) - sum(i in first for i in wanted)


def test_published_files(shared_data: Path, tmp_path: Path) -> None:
    for name in ("image_features_tradesy.b", "image_features_Clothing_Shoes_and_Jewelry.b"):
        path = shared_data / "published" / name
        expected = rows_by_struct(path, 4096)
        wanted = [item for item, _ in expected[::-2]]
        result = read_feature_rows(path, wanted, tmp_path / "t.npy", dtype="float32")
        assert result.n_records == len(expected)
        assert result.missing == ()
        matrix = open_features(tmp_path / "t.npy")
        assert matrix.shape == (len(wanted), 4096)
        for row, (_, numbers) in zip(matrix, expected[::-2], strict=True):
            assert np.array_equal(row, numbers)


def test_text_is_of_no_dimensions(tmp_path: Path) -> None:
    path = tmp_path / "f.b"
    with gzip.open(path, "wb") as file:
        file.write(b"{'asin': 'B000000001', 'title': 'Dress'}\n" * 5_000)
    with pytest.raises(BenchError, match=r"begin with an ASCII id, .* this is no feature file"):
        check_feature_file(path)


def test_truncated_and_other_dimensions(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    records = [(f"B{k:09d}", rng.random(300, np.float32).tolist()) for k in range(7)]
    whole = feature_file(tmp_path / "f.b", records)
    content = whole.read_bytes()
    width = 10 + 4 * 300
    refused(whole, "ids stand 300 numbers apart; read it with 300 dimensions", dims=4096)
    refused(whole, "read it with 300 dimensions", dims=299)
    # Seven records of 1210 bytes are also 605 of 14: the size alone does not tell.
    refused(whole, "record 2 .byte 14. does not begin .* 300 dimensions", dims=1)
    whole.write_bytes(content[:-1])
    refused(whole, r"ends within record 7 \(6 whole records", dims=300)
    refused(whole, "read it with 300 dimensions", dims=4096)
    whole.write_bytes(content[: 2 * width + 5])
    refused(whole, r"ends within record 3 \(2 whole records", dims=300)
    whole.write_bytes(content[:500])
    refused(whole, r"ends within record 1 \(0 whole records", dims=300)
    whole.write_bytes(gzip.compress(content[: 3 * width + 20]))
    refused(whole, r"ends within record 4 \(3 whole records", dims=300)
    refused(whole, "ids stand 300 numbers apart", dims=100)
    whole.write_bytes(gzip.compress(content)[:-9])
    refused(whole, "gzip file is cut off", dims=300)
    refused(whole, "at least one dimension", dims=0)


def test_not_a_feature_file(tmp_path: Path) -> None:
    path = tmp_path / "f.b"
    path.write_bytes(b"\x93NUMPY\x01\x00" + bytes(10_000))
    refused(path, "this is no feature file", dims=4)
    path.write_bytes(bytes(26 * 50))
    refused(path, "record 1 .byte 0. does not begin with an ASCII id", dims=4)
    records = [(f"B{k:09d}", [0.0] * 4) for k in range(50)]
    content = bytearray(feature_file(path, records).read_bytes())
    content[26 * 33] = 0xE9  # é in Latin-1
    path.write_bytes(content)
    refused(path, r"record 34 \(byte 858\) does not begin with an ASCII id, .*damaged", dims=4)
    path.write_bytes(b"")
    refused(path, "is empty")
    path.unlink()
    refused(path, "no such file")


def test_the_check_before_long_work(tmp_path: Path) -> None:
    path = feature_file(tmp_path / "f.b", RECORDS)
    check_feature_file(path, dims=2)
    check_feature_file(feature_file(tmp_path / "f.b.gz", RECORDS), dims=2)
    with pytest.raises(BenchError, match="with 2 dimensions"):
        check_feature_file(path, dims=4096)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BenchError, match="within record 4"):
        check_feature_file(path, dims=2)


def test_no_wanted_item(tmp_path: Path) -> None:
    path = feature_file(tmp_path / "f.b", RECORDS)
    message = refused(path, "a row for none of the 2 items", ids=["x", "y"], dims=2)
    assert "first id is '1'" in message
    assert "first wanted is 'x'" in message


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_are_not_finite(tmp_path: Path, bad: float) -> None:
    path = feature_file(tmp_path / "f.b", [*RECORDS[:2], ("22", [1.0, bad])])
    refused(path, "record 3, of item '22', is not finite", dims=2)
    # A row that nobody wants is nobody's trouble.
    assert read_feature_rows(path, ["1"], tmp_path / "t.npy", dims=2).missing == ()


def test_numbers_beyond_float16(tmp_path: Path) -> None:
    path = feature_file(tmp_path / "f.b", [("1", [7e4, 0.0])])
    refused(path, "not finite as float16", ids=["1"], dims=2, dtype="float16")
    read_feature_rows(path, ["1"], tmp_path / "t.npy", dims=2)


def test_storage_failures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = feature_file(tmp_path / "f.b", RECORDS)
    with pytest.raises(StorageError, match="no such file or folder"):
        read_feature_rows(path, ["1"], tmp_path / "nowhere" / "t.npy", dims=2)

    def full(self: object, places: object, rows: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(published_features.RowFile, "write", full)
        refused(path, "the disk is full", dims=2)
    usage = shutil.disk_usage(tmp_path)._replace(free=15)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    refused(path, "free some space", ids=["1", "2"], dims=2)  # 16 bytes are needed


def test_an_interrupt_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = feature_file(tmp_path / "f.b", RECORDS)

    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(published_features, "_rows", interrupt)
    with pytest.raises(KeyboardInterrupt):
        read_feature_rows(path, ["1"], tmp_path / "t.npy", dims=2)
    assert not (tmp_path / "t.npy").exists()
