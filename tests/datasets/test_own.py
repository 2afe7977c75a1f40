import errno
import io
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from bench.datasets.own import import_folder
from bench.datasets.store import open_dataset, read_record
from bench.errors import BenchError

HEADER = "user,item,timestamp\n"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


def imported(
    source: Path, data_dir: Path, **options: object
) -> dict[str, tuple[set[str], str, str]]:
    """Import, and give training, validation and test items per user by their outside names."""
    import_folder(source, "mine", data_dir, **options)  # type: ignore[arg-type]
    dataset = open_dataset(data_dir / "mine")
    return {
        user: (
            {dataset.item_ids[i] for i in dataset.training.train.of(row)},
            dataset.item_ids[dataset.validation[row]],
            dataset.item_ids[dataset.test[row]],
        )
        for row, user in enumerate(dataset.user_ids)
    }


def refused(source: Path, data_dir: Path, match: str, **options: object) -> None:
    """See that an import fails with one line that says `match`, and leaves nothing behind."""
    before = sorted(data_dir.rglob("*"))
    with pytest.raises(BenchError, match=match) as caught:
        import_folder(source, "mine", data_dir, **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert sorted(data_dir.rglob("*")) == before


def edit(path: Path, change: Callable[[str], str]) -> None:
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")


def read_csv_as_parquet(path: Path) -> None:
    """Replace a CSV file by a Parquet file of text columns."""
    import pandas as pd

    frame = pd.read_csv(path, dtype=str)
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path.with_suffix(".parquet"))
    path.unlink()


# --- what works ---------------------------------------------------------------------------------


def test_a_whole_folder(own_folder: Path, data_dir: Path) -> None:
    split = imported(own_folder, data_dir, title="Mine")
    ids = ["00,1", "01", "02", "03", "04", "05", "06", "07"]
    assert set(split) == {"u0", "u1", "u2", "u3"}
    for user, (train, validation, test) in split.items():
        row = int(user[1])
        assert train | {validation, test} == {ids[(row + k) % 7] for k in range(5)}
        assert len(train) == 3
    dataset, record = open_dataset(data_dir / "mine"), read_record(data_dir / "mine")
    assert list(dataset.item_ids) == ids
    assert record.title == "Mine"
    assert record.n_interactions == 20
    counts = record.report["preprocessing"]
    assert (counts["pairs_read"], counts["repeated_pairs_merged"]) == (25, 1)
    assert (counts["users_read"], counts["users_discarded"]) == (5, 1)
    assert "at least 5 distinct items; seed 0" in record.split_rule
    training = dataset.training
    assert training.category_names == ("coat", "hat")
    assert training.categories is not None
    assert training.categories.tolist() == [0, 1] * 4
    assert training.need_features().tolist() == np.arange(24).reshape(8, 3).tolist()
    assert training.images is not None
    for k in range(8):  # verbatim
        assert training.images.encoded(k) == (own_folder / "images" / f"{k}.jpg").read_bytes()


def test_the_earliest_time_is_stored(own_folder: Path, data_dir: Path) -> None:
    imported(own_folder, data_dir)
    table = pq.read_table(data_dir / "mine" / "interactions.parquet").to_pydict()
    times = dict(
        zip(zip(table["user"], table["item"], strict=True), table["timestamp"], strict=True)
    )
    assert times[1, 1] == 7  # bought at 1010 and, in the last line, at 7
    assert times[0, 0] == 1000


def test_interactions_alone(own_folder: Path, data_dir: Path) -> None:
    for name in ("items.csv", "features.npy"):
        (own_folder / name).unlink()
    shutil.rmtree(own_folder / "images")
    imported(own_folder, data_dir)
    dataset = open_dataset(data_dir / "mine")
    # The catalogue is the items that were bought; '07' never was.
    assert list(dataset.item_ids) == ["00,1", "01", "02", "03", "04", "05", "06"]
    assert dataset.training.offers == frozenset()


def test_parquet_equals_csv(own_folder: Path, data_dir: Path) -> None:
    split = imported(own_folder, data_dir)
    hashes = read_record(data_dir / "mine").data_hash
    for stem in ("interactions", "items"):
        read_csv_as_parquet(own_folder / f"{stem}.csv")
    assert imported(own_folder, data_dir, force=True) == split
    assert read_record(data_dir / "mine").data_hash == hashes


def test_row_order_does_not_matter_and_the_seed_does(own_folder: Path, data_dir: Path) -> None:
    split = imported(own_folder, data_dir)

    def backwards(text: str) -> str:
        header, *rows = text.splitlines()
        return "\n".join([header, *reversed(rows)])

    edit(own_folder / "interactions.csv", backwards)
    assert imported(own_folder, data_dir, force=True) == split
    assert any(imported(own_folder, data_dir, force=True, seed=k) != split for k in (1, 2, 3))
    assert read_record(data_dir / "mine").split_seed in (1, 2, 3)


def test_min_interactions(own_folder: Path, data_dir: Path) -> None:
    assert "few" in imported(own_folder, data_dir, min_interactions=4)


def test_a_byte_order_mark_and_windows_line_ends(own_folder: Path, data_dir: Path) -> None:
    split = imported(own_folder, data_dir)
    path = own_folder / "interactions.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert imported(own_folder, data_dir, force=True) == split


def test_integer_ids_in_parquet(tmp_path: Path, data_dir: Path) -> None:
    source = tmp_path / "numbers"
    source.mkdir()
    table = {"user": pa.array([7] * 5, pa.int64()), "item": pa.array(range(5), pa.uint8())}
    pq.write_table(pa.table(table), source / "interactions.parquet")
    assert list(imported(source, data_dir)) == ["7"]
    assert list(open_dataset(data_dir / "mine").item_ids) == ["0", "1", "2", "3", "4"]


def test_images_found_by_item_id(own_folder: Path, data_dir: Path) -> None:
    edit(own_folder / "items.csv", lambda text: re.sub(r",images/.*|,image$", "", text, flags=re.M))
    ids = ["00,1", "01", "02", "03", "04", "05", "06", "07"]
    for k, item in enumerate(ids):
        (own_folder / "images" / f"{k}.jpg").rename(own_folder / "images" / f"{item}.jpeg")
    (own_folder / "images" / "._07.jpeg").write_bytes(b"a Mac was here")
    imported(own_folder, data_dir)
    images = open_dataset(data_dir / "mine").training.images
    assert images is not None
    assert images.encoded(7) == (own_folder / "images" / "07.jpeg").read_bytes()


@pytest.mark.parametrize("layout", ["list", "fixed", "columns", "integers"])
def test_features_in_parquet_in_any_order(own_folder: Path, data_dir: Path, layout: str) -> None:
    (own_folder / "features.npy").unlink()
    ids = ["07", "06", "05", "04", "03", "02", "01", "00,1"]
    matrix = np.arange(24, dtype=np.float32).reshape(8, 3)[::-1]
    columns: dict[str, pa.Array] = {
        "list": {"vector": pa.array(matrix.tolist(), pa.list_(pa.float64()))},
        "fixed": {"vector": pa.array(matrix.tolist(), pa.list_(pa.float32(), 3))},
        "columns": {f"f{k}": pa.array(matrix[:, k]) for k in range(3)},
        "integers": {f"f{k}": pa.array(matrix[:, k].astype(np.int16)) for k in range(3)},
    }[layout]
    pq.write_table(pa.table({**columns, "item": ids}), own_folder / "features.parquet")
    imported(own_folder, data_dir)
    features = open_dataset(data_dir / "mine").training.need_features()
    assert features.dtype == np.float32
    assert features.tolist() == np.arange(24).reshape(8, 3).tolist()


def test_features_of_items_of_discarded_users_are_left_out(tmp_path: Path, data_dir: Path) -> None:
    source = tmp_path / "s"
    source.mkdir()
    rows = [f"u,{k}" for k in range(5)] + ["once,gone"]
    (source / "interactions.csv").write_text("user,item\n" + "\n".join(rows))
    ids = ["gone", *"43210"]
    table = pa.table({"item": ids, "x": pa.array([9.0, 4, 3, 2, 1, 0], pa.float16())})
    pq.write_table(table, source / "features.parquet")
    imported(source, data_dir)
    features = open_dataset(data_dir / "mine").training.need_features()
    assert features.dtype == np.float16
    assert features.tolist() == [[0], [1], [2], [3], [4]]


def test_force_replaces(own_folder: Path, data_dir: Path) -> None:
    imported(own_folder, data_dir)
    refused(own_folder, data_dir, r"data set 'mine' exists in .*; --force replaces it")
    imported(own_folder, data_dir, force=True, title="second")
    assert read_record(data_dir / "mine").title == "second"


def test_the_real_photographs(shared_data: Path, data_dir: Path) -> None:
    record = import_folder(shared_data / "clothing", "clothing", data_dir)
    assert (record.n_users, record.n_items, record.n_interactions) == (1500, 3781, 11225)
    assert record.n_categories == 10
    dataset = open_dataset(data_dir / "clothing")
    assert dataset.item_ids[7] == "00007"
    assert dataset.training.need_features().shape == (3781, 1024)
    assert dataset.training.images is not None
    photograph = (shared_data / "clothing" / "images" / "00007.jpg").read_bytes()
    assert dataset.training.images.encoded(7) == photograph
    assert max(dataset.training.images.decoded(7).size) <= 224


# --- names and places ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "Mine", "a b", "../up", "ä", "-x", "_x", ".hidden", "a\n"])
def test_names_that_are_not_allowed(own_folder: Path, data_dir: Path, name: str) -> None:
    with pytest.raises(BenchError, match="only lower-case letters, digits, '_' and '-'"):
        import_folder(own_folder, name, data_dir)
    assert not data_dir.exists()


@pytest.mark.parametrize("force", [False, True])
def test_a_name_of_the_suites_own(own_folder: Path, data_dir: Path, force: bool) -> None:
    with pytest.raises(BenchError, match="'synthetic_fashion' belongs to a data set the suite"):
        import_folder(own_folder, "synthetic_fashion", data_dir, force=force)


def test_a_folder_that_is_no_data_set_is_never_replaced(own_folder: Path, data_dir: Path) -> None:
    (data_dir / "mine").mkdir(parents=True)
    (data_dir / "mine" / "thesis.tex").write_text("years of work")
    refused(own_folder, data_dir, "exists and is no data set", force=True)


def test_no_such_folder(tmp_path: Path, data_dir: Path) -> None:
    refused(tmp_path / "absent", data_dir, "absent: no such folder")


def test_no_interactions(tmp_path: Path, data_dir: Path) -> None:
    refused(tmp_path, data_dir, r"has no interactions\.csv or interactions\.parquet; it needs")


@pytest.mark.parametrize("stem", ["interactions", "items", "features"])
def test_two_files_for_one_thing(own_folder: Path, data_dir: Path, stem: str) -> None:
    (own_folder / f"{stem}.parquet").write_bytes(b"")
    refused(own_folder, data_dir, rf"has both {stem}\.\w+ and {stem}\.parquet; remove one")


def test_a_data_folder_that_is_a_file(own_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(BenchError, match=r"cannot write at .*taken"):
        import_folder(own_folder, "mine", tmp_path / "taken")


def test_a_data_folder_one_may_not_write_to(
    own_folder: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> str:
        raise PermissionError(errno.EACCES, "Permission denied")

    # Not by the file's mode: whoever runs the tests as root may write anywhere.
    monkeypatch.setattr("bench.files.tempfile.mkdtemp", fail)
    with pytest.raises(BenchError, match="permission denied; choose a folder you may write to"):
        import_folder(own_folder, "mine", data_dir)


@pytest.mark.parametrize("step", ["store.pq.write_table", "store.write_features"])
def test_disk_full(
    own_folder: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(f"bench.datasets.{step}", fail)
    data_dir.mkdir()
    refused(own_folder, data_dir, r"cannot write at .*mine: the disk is full; free some space")


# --- interactions -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", r"interactions\.csv is empty; it needs the columns user, item"),
        (b"user,item,timestamp\n", "is empty: it names its columns but has no rows"),
        (b"user,itme\nu,i\n", r"no column 'item' \(found: user, itme\); did you mean 'itme'\? "),
        (b"user_id,item\nu,i\n", r"did you mean 'user_id'\? rename it to 'user'"),
        (b"u0,i0\nu1,i1\n", "no column 'user' .*the first line must name the columns"),
        (b"user;item\nu;i\n", "columns are separated by ';'; export it with commas"),
        (b"user\titem\nu\ti\n", r"columns are separated by '\\t'"),
        (b"user,item,user\nu,i,u\n", "column 'user' appears twice"),
        (b"user,item\nu,i\n,i\nu,\n ,i\n", "2 of 4 rows have no user, the first is row 2"),
        (b"user,item\nu,i\nu,\n", "1 of 2 rows have no item, the first is row 2"),
        (b"user,item\nu,i\nu,i,9\n", r"broken CSV \(.*Row #3.*\); mend the line"),
        (b'user,item\nu,"i\nv,j\n', "the item in row 1 spans several lines; a quote may not"),
        (b"user,item\nu,i\nu,\xe4\n", "line 3 is not UTF-8; save the file with UTF-8"),
        (b"us\xe4r,item\nu,i\n", "line 1 is not UTF-8"),
        ("user,item\nu,i\n".encode("utf-16"), "line 1 is not UTF-8"),
        (b"\x00\x01\x02\xff", "is not UTF-8"),
        (
            b"user,item,timestamp\nu,01,5\nu,02,yesterday\nu,03,never\n",
            "2 of 3 rows have an unreadable timestamp, the first is 'yesterday' in row 2",
        ),
        (b"user,item,timestamp\nu,01,inf\n", "unreadable timestamp, the first is 'inf'"),
        (b"user,item,timestamp\nu,01,1e300\n", "unreadable timestamp, the first is '1e300'"),
    ],
)
def test_bad_interactions(own_folder: Path, data_dir: Path, content: bytes, match: str) -> None:
    (own_folder / "interactions.csv").write_bytes(content)
    refused(own_folder, data_dir, match)


def test_interactions_that_are_a_folder(own_folder: Path, data_dir: Path) -> None:
    (own_folder / "interactions.csv").unlink()
    (own_folder / "interactions.csv").mkdir()
    refused(own_folder, data_dir, r"interactions\.csv cannot be read")


@pytest.mark.parametrize("content", [b"not parquet at all", b"PAR1" + b"\x00" * 40 + b"PAR1"])
def test_broken_parquet(own_folder: Path, data_dir: Path, content: bytes) -> None:
    (own_folder / "interactions.csv").unlink()
    (own_folder / "interactions.parquet").write_bytes(content)
    refused(own_folder, data_dir, r"interactions\.parquet cannot be read as Parquet")


def test_a_truncated_parquet_file(own_folder: Path, data_dir: Path) -> None:
    read_csv_as_parquet(own_folder / "interactions.csv")
    path = own_folder / "interactions.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    refused(own_folder, data_dir, r"interactions\.parquet cannot be read as Parquet")


@pytest.mark.parametrize(
    ("users", "match"),
    [
        (pa.array([1.5, 2.0]), "column 'user' holds double values; ids must be text or integers"),
        (pa.array([1, None]), "1 of 2 rows have no user, the first is row 2"),
        (pa.array([[1], [2]]), "ids must be text or integers"),
    ],
)
def test_bad_parquet_ids(own_folder: Path, data_dir: Path, users: pa.Array, match: str) -> None:
    (own_folder / "interactions.csv").unlink()
    table = pa.table({"user": users, "item": ["01", "02"]})
    pq.write_table(table, own_folder / "interactions.parquet")
    refused(own_folder, data_dir, match)


def test_items_that_the_items_file_lacks(own_folder: Path, data_dir: Path) -> None:
    edit(own_folder / "interactions.csv", lambda text: text + "u0,alien,1\nu1,alien,1\nu1,ufo,1\n")
    match = r"2 items are not in items\.csv \(3 rows\), the first is 'alien' in row 26; add them"
    refused(own_folder, data_dir, match)


def test_leading_zeros_that_a_spreadsheet_ate(own_folder: Path, data_dir: Path) -> None:
    edit(own_folder / "interactions.csv", lambda text: text.replace('"02"', '"2"'))
    refused(own_folder, data_dir, "'2' in row 3; ids are compared as text, with leading zeros")


def test_too_few_users_left(own_folder: Path, data_dir: Path) -> None:
    match = (
        "too few users left: none of 5 has 6 distinct items "
        r"\(the most active has 5\); give more data or lower --min-interactions"
    )
    refused(own_folder, data_dir, match, min_interactions=6)


def test_a_limit_that_leaves_nothing_to_train_on(own_folder: Path, data_dir: Path) -> None:
    refused(own_folder, data_dir, "at least 3 interactions", min_interactions=2)


# --- items --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("", r"items\.csv is empty"),
        ("item\n", "has no rows"),
        ("id,category\n01,hat\n", "no column 'item'"),
        ("item\n01\n02\n01\n02\n", "2 rows repeat an item id, the first is '01' in rows 1 and 3"),
        ("item,category\n01,hat\n02,\n", "1 of 2 rows have no category, the first is row 2"),
        ("item,image\n01,\n", "1 of 1 rows have no image, the first is row 1"),
        ('item\n01\n""\n', "have no item, the first is row 2"),
    ],
)
def test_bad_items(own_folder: Path, data_dir: Path, content: str, match: str) -> None:
    (own_folder / "items.csv").write_text(content)
    refused(own_folder, data_dir, match)


# --- images -------------------------------------------------------------------------------------


def test_images_missing(own_folder: Path, data_dir: Path) -> None:
    for k in (2, 5):
        (own_folder / "images" / f"{k}.jpg").unlink()
    match = r"image missing for 2 of 8 items, the first is 'images/2\.jpg' of item '02'; mend"
    refused(own_folder, data_dir, match)


def test_images_missing_by_id(own_folder: Path, data_dir: Path) -> None:
    (own_folder / "items.csv").unlink()
    (own_folder / "features.npy").unlink()
    refused(own_folder, data_dir, r"image missing for 7 of 7 items.*'image' column of the items")


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"\xff\xd8\xff"])
def test_images_that_are_none(own_folder: Path, data_dir: Path, content: bytes) -> None:
    data_dir.mkdir()
    for k in (3, 4):
        (own_folder / "images" / f"{k}.jpg").write_bytes(content)
    match = r"images/3\.jpg: image broken for 2 of 8 items, the first is item '03' \(.*\); replace"
    refused(own_folder, data_dir, match)


def test_a_truncated_photograph(own_folder: Path, data_dir: Path, shared_data: Path) -> None:
    data_dir.mkdir()
    photograph = (shared_data / "clothing" / "images" / "00000.jpg").read_bytes()
    (own_folder / "images" / "6.jpg").write_bytes(photograph[: len(photograph) // 2])
    match = r"images/6\.jpg: image broken for 1 of 8 items, .*item '06' \(.*truncated.*\)"
    refused(own_folder, data_dir, match)


def test_a_decompression_bomb(own_folder: Path, data_dir: Path) -> None:
    data_dir.mkdir()
    buffer = io.BytesIO()
    Image.new("1", (20_000, 10_000)).save(buffer, "PNG")
    (own_folder / "images" / "1.jpg").write_bytes(buffer.getvalue())
    refused(own_folder, data_dir, "image broken for 1 of 8 items, .*exceeds limit")


# --- features -----------------------------------------------------------------------------------

GOOD = np.ones((8, 3), np.float32)


def with_value(value: float) -> np.ndarray:
    features = GOOD.astype(np.float64)
    features[2, 1] = features[5, 0] = value
    return features


@pytest.mark.parametrize(
    ("features", "match"),
    [
        (GOOD[:7], r"features\.npy has 7 rows, items\.csv has 8; row k must belong"),
        (with_value(np.nan), "2 of 8 items have a NaN or infinite feature, the first is item '02'"),
        (with_value(-np.inf), "2 of 8 items have a NaN or infinite feature"),
        (with_value(1e300), "2 of 8 items have a NaN or infinite feature"),  # not as float32
        (GOOD.astype(str), r"features\.npy: features must be numbers, got <U"),
        (GOOD.astype(complex), "features must be numbers, got complex128"),
        (GOOD > 0, "features must be numbers, got bool"),
        (GOOD[0], r"shape \(3,\); features must be a matrix"),
        (GOOD[:, :0], r"shape \(8, 0\); features must be a matrix"),
        (GOOD.astype(object), r"features\.npy: not a plain numeric \.npy file \(pickled objects"),
    ],
)
def test_bad_features(own_folder: Path, data_dir: Path, features: np.ndarray, match: str) -> None:
    np.save(own_folder / "features.npy", features, allow_pickle=True)
    refused(own_folder, data_dir, match)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", r"features\.npy: cannot be read as \.npy"),
        (b"\x80\x02]q\x00.", r"not a plain numeric \.npy file"),
        (b"hello", r"not a plain numeric \.npy file"),
        (b"\x93NUMPY\x01\x00", r"cannot be read as \.npy"),
    ],
)
def test_features_that_are_no_npy(
    own_folder: Path, data_dir: Path, content: bytes, match: str
) -> None:
    (own_folder / "features.npy").write_bytes(content)
    refused(own_folder, data_dir, match)


def test_truncated_features(own_folder: Path, data_dir: Path) -> None:
    path = own_folder / "features.npy"
    path.write_bytes(path.read_bytes()[:-5])
    refused(own_folder, data_dir, "it may be truncated")


def test_an_archive_of_arrays(own_folder: Path, data_dir: Path) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, GOOD)
    (own_folder / "features.npy").write_bytes(buffer.getvalue())
    refused(own_folder, data_dir, r"an \.npz archive; save one matrix")


def test_npy_features_need_an_items_file(own_folder: Path, data_dir: Path) -> None:
    (own_folder / "items.csv").unlink()
    shutil.rmtree(own_folder / "images")
    refused(own_folder, data_dir, r"features\.npy needs an items\.csv beside it")


IDS = ["00,1", "01", "02", "03", "04", "05", "06", "07"]
ONES = [1.0] * 8


@pytest.mark.parametrize(
    ("columns", "match"),
    [
        ({"item": [*IDS, "alien"], "x": [1.0] * 9}, "1 items are not in the catalogue.*'alien' in"),
        ({"item": IDS[:6], "x": [1.0] * 6}, "2 of 8 items have no features, the first is '06'"),
        ({"item": [*IDS, "02"], "x": [1.0] * 9}, "1 rows repeat an item id.*rows 3 and 9"),
        ({"id": IDS, "x": ONES}, r"features\.parquet: no column 'item'"),
        ({"item": IDS, "x": ["a"] * 8}, "'x' holds string.*must be numbers"),
        ({"item": IDS, "x": ONES, "y": ["a"] * 8}, "'y' holds string"),
        ({"item": IDS}, "beside 'item' there must be one column of number lists"),
        ({"item": IDS, "x": [["a"]] * 8}, "must be numbers"),
        ({"item": IDS, "x": [[1.0]] * 8, "y": ONES}, "'x' holds list"),
        ({"item": IDS, "x": [[1.0]] * 7 + [[1.0, 2.0]]}, "row 8 has another number of features"),
        ({"item": IDS, "x": [[1.0]] * 7 + [None]}, "row 8 has another number of features"),
        ({"item": IDS, "x": pa.array([[]] * 8, pa.list_(pa.float32()))}, "features are empty"),
        ({"item": IDS, "x": [*ONES[:7], None]}, "1 of 8 items have a NaN .* item '07'"),
        ({"item": IDS, "x": [[1.0, None]] * 8}, "8 of 8 items have a NaN"),
        ({"item": IDS, "x": [1e300, *ONES[:7]]}, "1 of 8 items have a NaN .* item '00,1'"),
        ({"item": [*IDS[:7], None], "x": ONES}, "1 of 8 rows have no item, the first is row 8"),
    ],
)
def test_bad_parquet_features(
    own_folder: Path, data_dir: Path, columns: dict[str, object], match: str
) -> None:
    (own_folder / "features.npy").unlink()
    pq.write_table(pa.table(columns), own_folder / "features.parquet")
    refused(own_folder, data_dir, match)


def test_parquet_features_that_are_no_parquet(own_folder: Path, data_dir: Path) -> None:
    (own_folder / "features.npy").unlink()
    (own_folder / "features.parquet").write_bytes(b"junk")
    refused(own_folder, data_dir, r"features\.parquet cannot be read as Parquet")


def test_features_that_are_all_zero(own_folder: Path, data_dir: Path) -> None:
    np.save(own_folder / "features.npy", np.zeros((8, 3), dtype=np.float32))
    refused(own_folder, data_dir, r"features\.npy: the features of all 8 items are zero")
    # 1e-60 is not zero as it is given, but it is as it would be stored.
    np.save(own_folder / "features.npy", np.full((8, 3), 1e-60))
    refused(own_folder, data_dir, r"the features of all 8 items are zero")


def test_items_whose_features_are_zero_are_counted(
    own_folder: Path, data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    features = np.ones((8, 3), dtype=np.float32)
    features[[2, 5]] = 0
    np.save(own_folder / "features.npy", features)
    with caplog.at_level("WARNING", logger="bench"):
        import_folder(own_folder, "mine", data_dir)
    (line,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "the features of 2 of 8 items are all zero, the first is item '02'" in line


@pytest.mark.parametrize(("file", "column"), [("interactions", "user"), ("items", "item")])
def test_ids_with_nul_bytes(own_folder: Path, data_dir: Path, file: str, column: str) -> None:
    path = own_folder / f"{file}.csv"
    old, new = {"interactions": (b"u1,", b"u\x001,"), "items": (b'"02"', b'"0\x002"')}[file]
    path.write_bytes(path.read_bytes().replace(old, new))
    row = {"interactions": 6, "items": 3}[file]
    refused(own_folder, data_dir, rf"{file}\.csv: the {column} in row {row} holds a NUL byte")
