import copy
import pickle
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from published_files import archive_images
from python2_pickle import header, python2_archive, python2_pickle

from bench.datasets.archive import Archive, read_archive
from bench.datasets.dataset import NO_ITEM
from bench.datasets.preprocess import NO_TIME
from bench.errors import BenchError

PUBLISHED = [
    "AmazonFashion6ImgPartitioned.npy",
    "AmazonWomenWithImgPartitioned.npy",
    "AmazonMenWithImgPartitioned.npy",
    "TradesyImgPartitioned.npy",
]
CANARY = Path("/tmp/hostile_pickle_ran")


def image(item: int) -> bytes:
    """Long enough to be an image; nobody decodes it here."""
    return bytes([item]) * (80 + 60 * item)


def small() -> list[Any]:
    """Three users and five items, as Python 2 has them: fields by bytes and by text."""

    def bought(user: int, item: int) -> dict[str | bytes, Any]:
        return {
            "reviewerID": f"A{user}",
            "asin": f"B{item}",
            "unixReviewTime": 1000 + 10 * user + item,
            "overall": 5.0,
            b"productid": item,
        }

    train = {0: [bought(0, 0), bought(0, 1), bought(0, 0)], 1: [bought(1, 4)], 2: [bought(2, 2)]}
    validation = {user: [bought(user, 3)] for user in range(3)}
    test = {user: [bought(user, 4 - user)] for user in range(3)}
    items = {
        item: {b"imgs": image(item), b"asin": f"B{item}".encode(), b"c": np.eye(6)[item]}
        for item in range(5)
    }
    return [train, validation, test, items, 3, 5]


def python3_archive(path: Path, elements: list[Any]) -> Path:
    array = np.empty(len(elements), dtype=object)
    array[:] = elements
    np.save(path, array)
    return path


def refused(path: Path, match: str) -> None:
    with pytest.raises(BenchError, match=match) as caught:
        read_archive(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")


# --- what is read -------------------------------------------------------------------------------


@pytest.mark.parametrize("write", [python2_archive, python3_archive])
def test_a_small_archive(tmp_path: Path, write: Callable[[Path, list[Any]], Path]) -> None:
    path = write(tmp_path / "a.npy", small())
    archive = read_archive(path)
    assert archive.path == path
    assert archive.size == path.stat().st_size
    assert archive.user_ids == ("A0", "A1", "A2")
    assert archive.train_users.tolist() == [0, 0, 0, 1, 2]
    assert archive.train_items.tolist() == [0, 1, 0, 4, 2]
    assert archive.train_seconds is not None
    assert archive.train_seconds.tolist() == [1000, 1001, 1000, 1014, 1022]
    assert archive.validation.tolist() == [3, 3, 3]
    assert archive.test.tolist() == [4, 3, 2]
    assert archive.item_ids == ("B0", "B1", "B2", "B3", "B4")
    assert archive.categories is not None
    assert archive.categories.tolist() == [0, 1, 2, 3, 4]
    assert archive.category_paths is None
    assert list(archive_images(archive)) == [image(item) for item in range(5)]
    assert archive.image_lengths.tolist() == [80 + 60 * item for item in range(5)]
    dtypes = {
        "train_users": np.int32,
        "train_items": np.int32,
        "train_seconds": np.int64,
        "validation": np.int32,
        "test": np.int32,
        "image_offsets": np.int64,
        "image_lengths": np.int64,
        "categories": np.int16,
    }
    for name, dtype in dtypes.items():
        assert getattr(archive, name).dtype == dtype, name
    assert archive.report["users_named_by"] == "reviewerID"
    assert not any(value for name, value in archive.report.items() if name != "users_named_by")


def text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def field(mapping: dict[Any, Any], name: str) -> Any:
    """Look a field up as bytes or text."""
    return mapping.get(name, mapping.get(name.encode()))


def compare(archive: Archive, elements: Any) -> None:
    """Compare an archive with what Python's own unpickler made of the same file."""
    train, validation, test, items, n_users, n_items = elements
    pairs = [(user, entry) for user in range(n_users) for entry in train[user]]
    assert archive.train_users.tolist() == [user for user, _ in pairs]
    assert archive.train_items.tolist() == [field(entry, "productid") for _, entry in pairs]
    times = [field(entry, "unixReviewTime") for _, entry in pairs]
    if times[0] is None:
        assert archive.train_seconds is None
    else:
        assert archive.train_seconds is not None
        assert archive.train_seconds.tolist() == times
    for found, given in ((archive.validation, validation), (archive.test, test)):
        assert found.tolist() == [field(given[user][0], "productid") for user in range(n_users)]
    reviewers = [field(train[user][0], "reviewerID") for user in range(n_users)]
    numbers = list(map(str, range(n_users)))
    assert list(archive.user_ids) == (numbers if reviewers[0] is None else reviewers)
    assert list(archive.item_ids) == [text(field(items[k], "asin")) for k in range(n_items)]
    images = list(archive_images(archive))
    assert images == [field(items[k], "imgs") for k in range(n_items)]
    hot = [field(items[k], "c") for k in range(n_items)]
    if hot[0] is None:
        assert archive.categories is None
    else:
        assert archive.categories is not None
        assert archive.categories.tolist() == [int(np.argmax(vector)) for vector in hot]
    paths = [field(items[k], "categories") for k in range(n_items)]
    if paths[0] is None:
        assert archive.category_paths is None
    else:
        assert archive.category_paths == tuple(
            tuple(tuple(map(text, path)) for path in given) for given in paths
        )


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_archives_equal_what_python_reads(shared_data: Path, name: str) -> None:
    path = shared_data / "published" / name
    # The standard unpickler, on files known to be harmless: in tests only.
    elements = pickle.loads(path.read_bytes()[128:], encoding="bytes")
    archive = read_archive(path)
    compare(archive, elements)
    assert archive.report["bytes_behind_the_pickle"] == 0
    assert archive.size > 3_000_000


def test_a_published_archive_that_python_3_saved_again(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "published" / PUBLISHED[0]
    elements = pickle.loads(path.read_bytes()[128:], encoding="bytes")
    compare(read_archive(python3_archive(tmp_path / "again.npy", list(elements))), elements)
    content = header(6) + pickle.dumps(elements, 3)
    (tmp_path / "again.npy").write_bytes(content)
    compare(read_archive(tmp_path / "again.npy"), elements)
    (tmp_path / "again.npy").write_bytes(header(6) + pickle.dumps(elements, 2))
    refused(tmp_path / "again.npy", "image of item 0 was saved as text; .* protocol of at least 3")


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_all_versions_of_the_header(tmp_path: Path, version: tuple[int, int]) -> None:
    path = python2_archive(tmp_path / "a.npy", small())
    content = path.read_bytes()
    length = int.from_bytes(content[8:10], "little")
    size = length.to_bytes(2 if version == (1, 0) else 4, "little")
    path.write_bytes(content[:6] + bytes(version) + size + content[10:])
    assert read_archive(path).item_ids[0] == "B0"


def test_the_header_of_python_2(tmp_path: Path) -> None:
    """Lengths are written as Python 2 writes a long."""
    path = python2_archive(tmp_path / "a.npy", small())
    path.write_bytes(path.read_bytes().replace(b"(6,), } ", b"(6L,), }", 1))
    assert read_archive(path).item_ids[0] == "B0"


# --- forms that fields may have -----------------------------------------------------------------


def changed(tmp_path: Path, change: Callable[[list[Any]], None]) -> Path:
    elements = copy.deepcopy(small())
    change(elements)
    return python2_archive(tmp_path / "a.npy", elements)


def read_changed(tmp_path: Path, change: Callable[[list[Any]], None]) -> Archive:
    return read_archive(changed(tmp_path, change))


def test_containers_may_be_lists(tmp_path: Path) -> None:
    elements = small()
    lists = [*(list(part.values()) for part in elements[:4]), *elements[4:]]
    archive = read_archive(python2_archive(tmp_path / "lists.npy", lists))
    mappings = read_archive(python2_archive(tmp_path / "mappings.npy", elements))
    assert archive.train_items.tolist() == mappings.train_items.tolist()
    assert archive.item_ids == mappings.item_ids
    assert list(archive_images(archive)) == list(archive_images(mappings))


def test_fields_may_be_named_by_bytes_or_text(tmp_path: Path) -> None:
    def swap(elements: list[Any]) -> None:
        for part in elements[:3]:
            for entries in part.values():
                for entry in entries:
                    entry["productid"] = entry.pop(b"productid")
                    entry[b"reviewerID"] = entry.pop("reviewerID").encode()
        for item in elements[3].values():
            item["imgs"], item["asin"] = item.pop(b"imgs"), item.pop(b"asin").decode()
            item["c"] = item.pop(b"c")

    archive = read_changed(tmp_path, swap)
    assert archive.user_ids == ("A0", "A1", "A2")
    assert archive.item_ids == ("B0", "B1", "B2", "B3", "B4")
    assert archive.train_items.tolist() == [0, 1, 0, 4, 2]
    assert len(list(archive_images(archive))[4]) == 320


def test_fields_that_are_not_there(tmp_path: Path) -> None:
    def strip(elements: list[Any]) -> None:
        for part in elements[:3]:
            for entries in part.values():
                entries[:] = [{b"productid": entry[b"productid"]} for entry in entries]
        for item in elements[3].values():
            for name in (b"asin", b"c"):
                del item[name]

    archive = read_changed(tmp_path, strip)
    assert archive.user_ids == ("0", "1", "2")
    assert archive.item_ids == ("0", "1", "2", "3", "4")
    assert archive.train_seconds is None
    assert archive.categories is None
    assert archive.report["users_named_by"] == "number"
    assert archive.report["items_without_asin"] == 5


def test_times_that_are_missing_or_odd(tmp_path: Path) -> None:
    def odd(elements: list[Any]) -> None:
        first, second, third = elements[0][0]
        del first["unixReviewTime"]
        second["unixReviewTime"] = 1500.0
        third["unixReviewTime"] = "yesterday"
        elements[0][1][0]["unixReviewTime"] = 2**63

    archive = read_changed(tmp_path, odd)
    assert archive.train_seconds is not None
    assert archive.train_seconds.tolist() == [NO_TIME, 1500, NO_TIME, NO_TIME, 1022]


def test_users_named_twice_are_numbered(tmp_path: Path) -> None:
    def twin(elements: list[Any]) -> None:
        for part in elements[:3]:
            for entry in part[1]:
                entry["reviewerID"] = "A0"

    assert read_changed(tmp_path, twin).user_ids == ("0", "1", "2")


def test_a_user_may_be_named_by_a_held_out_entry_only(tmp_path: Path) -> None:
    def move(elements: list[Any]) -> None:
        elements[0][1] = []
        del elements[1][1]

    archive = read_changed(tmp_path, move)
    assert archive.user_ids == ("A0", "A1", "A2")
    assert archive.train_users.tolist() == [0, 0, 0, 2]
    assert archive.report["users_without_training_item"] == 1


@pytest.mark.parametrize("asin", [7, "7", b"7", " 7 ", b"7  "])
def test_asins_are_text_bytes_or_numbers(tmp_path: Path, asin: Any) -> None:
    archive = read_changed(tmp_path, lambda elements: elements[3][2].update({b"asin": asin}))
    assert archive.item_ids[2] == "7"
    assert archive.report["training_pairs_whose_asin_is_another"] == 1


def test_long_ids_are_read_from_the_file(tmp_path: Path) -> None:
    def lengthen(elements: list[Any]) -> None:
        elements[3][2][b"asin"] = b"B" * 200
        elements[3][3][b"asin"] = ("é" * 100).encode("latin-1")
        elements[0][1][0]["reviewerID"] = "ü" * 100

    archive = read_changed(tmp_path, lengthen)
    assert archive.item_ids[2:4] == ("B" * 200, "é" * 100)
    assert archive.user_ids[1] == "ü" * 100


def test_repeated_asins_are_told_apart(tmp_path: Path) -> None:
    def repeat(elements: list[Any]) -> None:
        for item, asin in enumerate([b"B", b"B#2", b"B", b"B", b""]):
            elements[3][item][b"asin"] = asin

    archive = read_changed(tmp_path, repeat)
    assert archive.item_ids == ("B", "B#2", "B#3", "B#4", "4")
    assert archive.report["items_with_repeated_asin"] == 2
    assert archive.report["items_without_asin"] == 1


def test_held_out_lists_of_other_lengths(tmp_path: Path) -> None:
    def lengths(elements: list[Any]) -> None:
        elements[1][0] = []
        del elements[1][1]
        elements[2][0] = [{b"productid": 0}, {b"productid": 1}, {b"productid": 2}]

    archive = read_changed(tmp_path, lengths)
    assert archive.validation.tolist() == [NO_ITEM, NO_ITEM, 3]
    assert archive.test.tolist() == [0, 3, 2]
    assert archive.report["users_without_validation_item"] == 2
    assert archive.report["users_without_test_item"] == 0
    assert archive.report["further_held_out_entries_ignored"] == 2


@pytest.mark.parametrize("value", [None, b"", b"too short"])
def test_an_item_without_image(tmp_path: Path, value: Any) -> None:
    archive = read_changed(tmp_path, lambda elements: elements[3][2].update({b"imgs": value}))
    assert archive.image_offsets[2] == -1
    assert archive.image_lengths[2] == 0
    assert archive.report["items_without_image"] == 1
    assert list(archive_images(archive))[1:4] == [image(1), b"", image(3)]


def test_taxonomy_paths(tmp_path: Path) -> None:
    given = [
        [[b"Clothing", b"Men", b"N" * 70], ["Clothing", "Women"]],
        [b"Clothing", "Men"],
        [],
        [[]],
        None,
    ]

    def add(elements: list[Any]) -> None:
        for item, paths in enumerate(given):
            elements[3][item][b"categories"] = paths

    assert read_changed(tmp_path, add).category_paths == (
        (("Clothing", "Men", "N" * 70), ("Clothing", "Women")),
        (("Clothing", "Men"),),
        (),
        ((),),
        (),
    )


@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<i8", "|u1", "|b1"])
def test_one_hot_vectors_of_any_dtype(tmp_path: Path, dtype: str) -> None:
    def change(elements: list[Any]) -> None:
        for item in range(5):
            elements[3][item][b"c"] = np.eye(6)[5 - item].astype(dtype)

    archive = read_changed(tmp_path, change)
    assert archive.categories is not None
    assert archive.categories.tolist() == [5, 4, 3, 2, 1]


# --- what is refused ----------------------------------------------------------------------------


def put(*where: Any) -> Callable[[Any], Callable[[list[Any]], None]]:
    """Make a change that sets what lies at a path of keys."""

    def to(value: Any) -> Callable[[list[Any]], None]:
        def change(elements: list[Any]) -> None:
            target: Any = elements
            for key in where[:-1]:
                target = target[key]
            target[where[-1]] = value

        return change

    return to


WRONG = {
    "unknown item": (put(0, 1, 0, b"productid")(5), "user_train of user 1 names item 5, .* says 5"),
    "negative item": (put(0, 1, 0, b"productid")(-1), "user 1 names item -1"),
    "huge item": (put(0, 1, 0, b"productid")(2**80), "user 1 names item 1208"),
    "item in words": (put(0, 1, 0, b"productid")("4"), "entry 0: 'productid' is no number"),
    "item true": (put(0, 1, 0, b"productid")(True), "entry 0: 'productid' is no number"),
    "held-out item unknown": (put(2, 2, 0, b"productid")(9), "user_test of user 2 names item 9"),
    "no productid": (put(1, 0, 0)({}), "user_validation of user 0, entry 0, has no 'productid'"),
    "entry is a number": (put(0, 0, 1)(7), "user_train of user 0, entry 1, is no mapping"),
    "entries are a number": (put(0, 0)(7), "user_train of user 0 is no list"),
    "train is a number": (put(0)(7), "user_train is neither a mapping nor a list"),
    "users by name": (put(0, None)([]), "user_train has a key that is no number"),
    "more users": (put(4)(2), "usernum says 2, but user_train has entries for 3"),
    "fewer users": (put(4)(4), "usernum says 4, but user_train has entries for 3"),
    "no users": (put(4)(0), "usernum is no number above 0"),
    "users in words": (put(4)("3"), "usernum is no number above 0"),
    "more items": (put(5)(4), "itemnum says 4, but Item has entries for 5"),
    "fewer items": (put(5)(6), "itemnum says 6, but Item has entries for 5"),
    "swapped counts": (lambda e: e.__setitem__(slice(4, 6), [5, 3]), "itemnum says 3"),
    "numbers from 1": (
        lambda e: e.__setitem__(0, {user + 1: e[0][user] for user in range(3)}),
        "usernum says 3, but user_train has an entry 3",
    ),
    "a held-out user unknown": (
        lambda e: e.__setitem__(2, {user + 1: e[2][user] for user in range(3)}),
        "user_test has an entry 3",
    ),
    "nobody trains": (put(0)({0: [], 1: [], 2: []}), "user_train has no entry for any user"),
    "nobody is tested": (put(2)({}), "user_test has no item for any of the 3 users"),
    "nobody validates": (put(1)({0: []}), "user_validation has no item for any"),
    "item is a number": (put(3, 4)(7), "item 4 of Item is no mapping"),
    "image is a number": (put(3, 4, b"imgs")(7), "image of item 4 is no byte string"),
    "image is an array": (put(3, 4, b"imgs")(np.zeros(99, np.uint8)), "image of item 4 is no byte"),
    "image is text": (put(3, 4, b"imgs")("x" * 99), "image of item 4 was saved as text"),
    "asin is a list": (put(3, 4, b"asin")([]), "id or a name is neither text nor a number"),
    "asin is endless": (put(3, 4, b"asin")(b"B" * 2000), "2000 bytes at byte .* for an id"),
    "no category": (put(3, 4, b"c")(None), "item 4 has no category 'c', though others have"),
    "two categories": (put(3, 4, b"c")(np.array([1.0, 1, 0, 0, 0, 0])), "item 4 is not one 1"),
    "category 0": (put(3, 4, b"c")(np.zeros(6)), "item 4 is not one 1 among zeros"),
    "category 2": (put(3, 4, b"c")(np.eye(6)[1] * 2), "item 4 is not one 1 among zeros"),
    "category NaN": (put(3, 4, b"c")(np.eye(6)[1] * np.nan), "item 4 is not one 1 among zeros"),
    "seven categories": (put(3, 4, b"c")(np.eye(7)[1]), "no vector of 6 numbers"),
    "category in words": (put(3, 4, b"c")(b"men"), "no vector of 6 numbers"),
    "category of words": (put(3, 4, b"c")(["a", 0, 0, 0, 0, 1]), "an element that is no number"),
    "paths are a number": (put(3, 4, b"categories")(7), "categories of item 4 is no list"),
    "paths and names": (
        put(3, 4, b"categories")([b"a", [b"b"]]),
        "categories of item 4 is no list",
    ),
    "names are numbers": (put(3, 4, b"categories")([[None, {}]]), "neither text nor a number"),
}


@pytest.mark.parametrize("case", WRONG)
def test_contradictions_are_refused(tmp_path: Path, case: str) -> None:
    change, match = WRONG[case]
    refused(changed(tmp_path, change), match)


def test_other_numbers_of_elements(tmp_path: Path) -> None:
    for elements in (small()[:5], [*small(), 1], []):
        path = python2_archive(tmp_path / "a.npy", elements)
        refused(path, f"{len(elements)} elements, 6 belong there .user_train, ")
    # Where header and pickle say different things.
    array = np.empty(5, dtype=object)
    path.write_bytes(header(6) + python2_pickle(array))
    refused(path, "5 elements, 6 belong")
    path.write_bytes(header(6) + python2_pickle(small()))
    refused(path, "no array of objects")
    path.write_bytes(header(6) + python2_pickle(np.zeros(6)))
    refused(path, "no array of objects")


def test_files_that_are_something_else(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    with pytest.raises(BenchError, match=r"cannot read the file at .*a\.npy: no such file"):
        read_archive(path)
    path.write_bytes(b"")
    refused(path, "the file is empty")
    path.write_bytes(b"\x93NUM")
    refused(path, "no .npy file")
    path.write_text("<html>404</html>")
    refused(path, r"it begins with '<html>'.*error page")
    path.write_bytes(pickle.dumps(small(), 2))
    refused(path, r"no .npy file .it begins with '\\x80")
    np.save(path, np.zeros((2, 3)))
    refused(path, r"holds plain numbers .float64, shape \(2, 3\)")
    np.savez(tmp_path / "a.npz", a=np.zeros(3))
    refused(tmp_path / "a.npz", "zip archive")
    np.save(path, np.empty((6, 1), dtype=object))
    refused(path, r"shape \(6, 1\)")
    path.write_bytes(header(6)[:100])
    refused(path, "broken .npy header")
    path.write_bytes(header(6).replace(b"(6,)", b"(6,(", 1))
    refused(path, "broken .npy header")
    path.write_bytes(header(6).replace(b"{'descr'", b"[[[[[[[[", 1))
    refused(path, "broken .npy header")
    path.write_bytes(b"\x93NUMPY\x09\x00" + header(6)[8:])
    refused(path, "broken .npy header")
    with pytest.raises(BenchError, match="it is a folder, a file was expected"):
        read_archive(tmp_path)


def test_what_is_behind_the_pickle_is_counted(tmp_path: Path) -> None:
    path = python2_archive(tmp_path / "a.npy", small())
    path.write_bytes(path.read_bytes() + b"more")
    assert read_archive(path).report["bytes_behind_the_pickle"] == 4


BAD = {
    "not_numpy.npy": "no .npy file",
    "five_elements.npy": "5 elements, 6 belong there",
    "counts_lie.npy": "usernum says 7, but user_train has entries for 1",
    "no_productid.npy": "user_train of user 0, entry 0, has no 'productid'",
    "no_test.npy": "user_test has no item for any of the 1 users",
    "unknown_item.npy": "user_train of user 0 names item 99, but itemnum says 6",
    "truncated.npy": "ends at byte 2650685, .* download it again",
    "hostile.npy": "byte 270: the file asks for posix.system; .* nothing of it was executed",
}


def test_bad_archives(shared_data: Path) -> None:
    folder = shared_data / "published" / "bad"
    for name, match in BAD.items():
        refused(folder / name, match)
    assert not CANARY.exists()
    assert {path.name for path in folder.glob("*.npy")} == {*BAD, "broken_jpeg.npy"}
    # Whether an image decodes shows when it is converted: the archive around it is whole.
    assert len(read_archive(folder / "broken_jpeg.npy").item_ids) == 6


# --- files that unfold --------------------------------------------------------------------------


def test_one_list_for_all_users(tmp_path: Path) -> None:
    """A few references to one list would be millions of pairs."""

    def share(elements: list[Any]) -> None:
        entry = {b"productid": 0}
        entries = [entry] * 3000
        elements[0] = dict.fromkeys(range(3000), entries)
        elements[4] = 3000

    refused(changed(tmp_path, share), "unfolds to more elements than the file has bytes for")


def test_one_image_for_all_items(tmp_path: Path) -> None:
    def share(elements: list[Any]) -> None:
        fields = {b"imgs": bytes(200_000)}
        elements[3] = dict.fromkeys(range(3000), fields)
        elements[5] = 3000

    refused(changed(tmp_path, share), "share images")


def test_one_asin_for_all_items(tmp_path: Path) -> None:
    """Looking for a free name from the first one each time would take minutes."""

    def share(elements: list[Any]) -> None:
        elements[3] = {item: {b"asin": b"B"} for item in range(30_000)}
        elements[5] = 30_000

    ids = read_changed(tmp_path, share).item_ids
    assert ids[-1] == "B#30000"
    assert len(set(ids)) == 30_000


def test_images_are_not_in_memory(tmp_path: Path) -> None:
    def enlarge(elements: list[Any]) -> None:
        elements[3] = {item: {b"imgs": bytes([item % 256]) * 40_000} for item in range(1000)}
        elements[5] = 1000

    path = changed(tmp_path, enlarge)
    assert path.stat().st_size > 40_000_000
    tracemalloc.start()
    try:
        archive = read_archive(path)
        total = sum(len(encoded) for encoded in archive_images(archive))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total == 40_000_000
    assert peak < 2_000_000
