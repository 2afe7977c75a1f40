"""What the six objects of a published archive mean, checked entry by entry.

user_train, user_validation and user_test map a user's number to a list of mappings, in which
`productid` is the item's number; `reviewerID`, `asin` and `unixReviewTime` may be there too. Item
maps an item's number to a mapping with `imgs` (the encoded image), `asin`, and `c` (one-hot
category, Fashion only) or `categories` (taxonomy paths, Women and Men only). The numbers run from 0
without gaps, and 0 is a user and an item like others. Field names are bytes or text.
"""

import math
from array import array
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import NO_ITEM
from bench.datasets.pickle_file import Encoding, PickleFile, Span
from bench.datasets.pickle_numpy import MalformedError, PickledArray
from bench.datasets.preprocess import NO_TIME
from bench.errors import BenchError

__all__ = [
    "FIELDS",
    "Catalogue",
    "HeldOut",
    "TrainPairs",
    "read_catalogue",
    "read_held_out",
    "read_train",
    "read_user_ids",
]

_NAMES = ("productid", "reviewerID", "unixReviewTime", "imgs", "asin", "c", "categories")

FIELDS: Final[Mapping[str | bytes, str]] = {
    key: name for name in _NAMES for key in (name, name.encode())
}
"""The fields that are read, by both forms of their names."""

N_CATEGORIES = 6
_LONGEST_TEXT = 1024

Paths = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class TrainPairs:
    """Training pairs in the order of the archive.

    Attributes
    ----------
    users, items
        int32 (n,).
    seconds
        int64 (n,), `NO_TIME` where unknown; None if no time is known.
    users_without
        How many users have no pair.
    other_asins
        How many pairs name an `asin` that is not their item's.
    """

    users: npt.NDArray[np.int32]
    items: npt.NDArray[np.int32]
    seconds: npt.NDArray[np.int64] | None
    users_without: int
    other_asins: int


@dataclass(frozen=True)
class HeldOut:
    """One held-out item per user.

    Attributes
    ----------
    items
        int32 (n_users,), `NO_ITEM` where the user has none.
    users_without
        How many users have none.
    further
        How many entries came after a user's first, which is the one that counts.
    """

    items: npt.NDArray[np.int32]
    users_without: int
    further: int


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """The items.

    Attributes
    ----------
    asins
        As given; None where an item has none.
    ids
        Unique: the asin, or the item's number; with "#2" and so on if it came before.
    image_offsets, image_lengths
        int64 (n_items,): where images lie in the file; -1 and 0 without one.
    categories
        int16 (n_items,) or None.
    category_paths
        Taxonomy paths per item, or None.
    without_asin, repeated_asins
        How many items have no asin, or one that came before.
    """

    asins: Sequence[str | None]
    ids: tuple[str, ...]
    image_offsets: npt.NDArray[np.int64]
    image_lengths: npt.NDArray[np.int64]
    categories: npt.NDArray[np.int16] | None
    category_paths: tuple[Paths, ...] | None
    without_asin: int
    repeated_asins: int


def read_train(
    file: PickleFile, container: Any, n_users: int, asins: Sequence[str | None]
) -> TrainPairs:
    """Read user_train.

    Parameters
    ----------
    file
        Where long strings lie.
    container
        The object.
    n_users
        What usernum says.
    asins
        Of the catalogue.

    Raises
    ------
    BenchError
        A user is missing, or an entry names no item of the catalogue.
    """
    n_items = len(asins)
    users, items, seconds = array("i"), array("i"), array("q")
    users_without = other_asins = 0
    for user, entries in enumerate(_numbered(file, container, "user_train", "usernum", n_users)):
        entries = _entries(file, entries, "user_train", user)
        users_without += not entries
        for k, entry in enumerate(entries):
            item = _item_of(file, entry, "user_train", user, k, n_items)
            users.append(user)
            items.append(item)
            seconds.append(_seconds(entry.get("unixReviewTime")))
            asin = entry.get("asin")
            other_asins += asin is not None and _text(file, asin) != asins[item]
    if not users:
        _refuse(file, "user_train has no entry for any user")
    times = np.array(seconds, dtype=np.int64)
    return TrainPairs(
        users=np.array(users, dtype=np.int32),
        items=np.array(items, dtype=np.int32),
        seconds=times if (times != NO_TIME).any() else None,
        users_without=users_without,
        other_asins=other_asins,
    )


def read_held_out(
    file: PickleFile, container: Any, name: str, n_users: int, n_items: int
) -> HeldOut:
    """Read user_validation or user_test.

    The first entry of a user counts, as in the authors' evaluation; a user may have none.

    Raises
    ------
    BenchError
        An entry names no item or no user, or no user has any.
    """
    found = np.full(n_users, NO_ITEM, dtype=np.int32)
    further = 0
    lists = _numbered(file, container, name, "usernum", n_users, gaps=True)
    for user, entries in enumerate(lists):
        entries = _entries(file, entries, name, user) if entries is not None else ()
        for k, entry in enumerate(entries):
            item = _item_of(file, entry, name, user, k, n_items)
            if k == 0:
                found[user] = item
        further += max(0, len(entries) - 1)
    users_without = int(np.count_nonzero(found == NO_ITEM))
    if users_without == n_users:
        _refuse(file, f"{name} has no item for any of the {n_users} users")
    return HeldOut(found, users_without, further)


def read_user_ids(
    file: PickleFile, containers: Sequence[Any], n_users: int
) -> tuple[tuple[str, ...], bool]:
    """Name the users, from the first entry of each that says `reviewerID`.

    Returns
    -------
    One name per user, and whether it is the reviewerID: every user has one, and no two the same.
    """
    ids: list[str] = []
    parts = [
        _numbered(file, container, "users", "usernum", n_users, gaps=True)
        for container in containers
    ]
    for lists in zip(*parts, strict=True):
        found = None
        for entries in lists:
            for entry in entries or ():
                found = entry.get("reviewerID")
                if found is not None:
                    break
            if found is not None:
                break
        name = _text(file, found)
        if not name:
            break
        ids.append(name)
    if len(ids) == n_users and len(set(ids)) == n_users:
        return tuple(ids), True
    return tuple(map(str, range(n_users))), False


def read_catalogue(file: PickleFile, container: Any, n_items: int) -> Catalogue:
    """Read Item.

    Parameters
    ----------
    file
        Where images and long strings lie.
    container
        The object.
    n_items
        What itemnum says.

    Raises
    ------
    BenchError
        An item is missing or its fields cannot be what they should.
    """
    items = _numbered(file, container, "Item", "itemnum", n_items)
    offsets = np.full(n_items, -1, dtype=np.int64)
    lengths = np.zeros(n_items, dtype=np.int64)
    asins: list[str | None] = []
    categories: list[int | None] = []
    all_paths: list[Paths | None] = []
    # Some thousand different ones for all items.
    shared: dict[Paths, Paths] = {}
    for item, fields in enumerate(items):
        if type(fields) is not dict:
            _refuse(file, f"item {item} of Item is no mapping of fields")
        image = _image(file, fields.get("imgs"), item)
        if image is not None:
            offsets[item], lengths[item] = image.offset, image.length
        asins.append(_text(file, fields.get("asin")) or None)
        categories.append(_category(file, fields.get("c"), item))
        paths = _paths(file, fields.get("categories"), item)
        all_paths.append(None if paths is None else shared.setdefault(paths, paths))
    if None in categories and any(category is not None for category in categories):
        _refuse(file, f"item {categories.index(None)} has no category 'c', though others have")
    ids, repeated = _unique_ids(asins)
    return Catalogue(
        asins=asins,
        ids=ids,
        image_offsets=offsets,
        image_lengths=lengths,
        categories=None if None in categories else np.array(categories, dtype=np.int16),
        category_paths=(
            tuple(paths or () for paths in all_paths)
            if any(paths is not None for paths in all_paths)
            else None
        ),
        without_asin=asins.count(None),
        repeated_asins=repeated,
    )


def _numbered(
    file: PickleFile, container: Any, name: str, count_name: str, count: int, *, gaps: bool = False
) -> Sequence[Any]:
    """Give what a mapping or list has under 0, 1, ..., count - 1; None for a gap, if allowed."""
    numbers: Collection[Any]
    if type(container) is dict:
        numbers = container.keys()
        if any(type(number) is not int for number in numbers):
            _refuse(file, f"{name} has a key that is no number")
    elif type(container) in (list, tuple):
        numbers = range(len(container))
    else:
        _refuse(file, f"{name} is neither a mapping nor a list")
    if len(numbers) > count or (len(numbers) < count and not gaps):
        _refuse(file, f"{name} has {len(numbers)} entries, but {count_name} says {count}")
    # As many as there should be, or fewer: either all are in the range or one is outside.
    for number in numbers:
        if not 0 <= number < count:
            _refuse(file, f"{name} has an entry {number}, but {count_name} says {count}")
    if type(container) is dict:
        return [container.get(number) for number in range(count)]
    return [*container, *[None] * (count - len(container))]


def _entries(file: PickleFile, entries: Any, name: str, user: int) -> Sequence[Any]:
    if type(entries) not in (list, tuple):
        _refuse(file, f"{name} of user {user} is no list")
    found: Sequence[Any] = entries
    return found


def _item_of(file: PickleFile, entry: Any, name: str, user: int, k: int, n_items: int) -> int:
    """Give the item that an entry names."""
    if type(entry) is not dict:
        _refuse(file, f"{name} of user {user}, entry {k}, is no mapping of fields")
    item = entry.get("productid")
    if item is None:
        _refuse(file, f"{name} of user {user}, entry {k}, has no 'productid'")
    if type(item) is not int:
        _refuse(file, f"{name} of user {user}, entry {k}: 'productid' is no number")
    if not 0 <= item < n_items:
        _refuse(file, f"{name} of user {user} names item {item}, but itemnum says {n_items}")
    return item


def _seconds(value: Any) -> int:
    if type(value) is float and math.isfinite(value):
        value = int(value)
    # The largest number stands for unknown.
    return value if type(value) is int and -(2**63) <= value < NO_TIME else NO_TIME


def _text(file: PickleFile, value: Any) -> str:
    """Read an id or a category's name; nothing where there is none."""
    if value is None:
        return ""
    if type(value) is Span:
        if value.length > _LONGEST_TEXT:
            file.fail(value.offset, f"{value.length} bytes where an id or a name belongs")
        value = file.load(value)
    if type(value) is bytes:
        try:
            value = value.decode("utf-8")
        except UnicodeDecodeError:
            value = value.decode("latin-1")
    elif type(value) is int:
        value = str(value)
    if type(value) is not str:
        _refuse(file, "an id or a category's name is neither text nor a number")
    return value.strip()


def _image(file: PickleFile, value: Any, item: int) -> Span | None:
    if type(value) is Span:
        if value.encoding is Encoding.RAW:
            return value
        raise BenchError(
            f"{file.path}: the image of item {item} was saved as text; read the published archive, "
            "or save with a pickle protocol of at least 3"
        )
    if value is not None and type(value) not in (bytes, str):
        _refuse(file, f"the image of item {item} is no byte string")
    # None, or too short for a photograph: an empty one, say.
    return None


def _category(file: PickleFile, value: Any, item: int) -> int | None:
    """Find the one in the one-hot vector."""
    if value is None:
        return None
    try:
        numbers = value.numpy().tolist() if type(value) is PickledArray else value
    except MalformedError:
        numbers = None
    if type(numbers) not in (list, tuple) or len(numbers) != N_CATEGORIES:
        _refuse(file, f"the category 'c' of item {item} is no vector of {N_CATEGORIES} numbers")
    ones = [k for k, number in enumerate(numbers) if number == 1]
    if len(ones) != 1 or any(number != 0 for k, number in enumerate(numbers) if k != ones[0]):
        _refuse(file, f"the category 'c' of item {item} is not one 1 among zeros")
    return ones[0]


def _paths(file: PickleFile, value: Any, item: int) -> Paths | None:
    """Read taxonomy paths; a single path is one of them."""
    if value is None:
        return None
    if type(value) not in (list, tuple):
        _refuse(file, f"the categories of item {item} are no list of paths")
    if any(type(part) in (list, tuple) for part in value):
        if not all(type(part) in (list, tuple) for part in value):
            _refuse(file, f"the categories of item {item} mix paths and names")
        return tuple(tuple(_text(file, name) for name in path) for path in value)
    return (tuple(_text(file, name) for name in value),) if value else ()


def _unique_ids(asins: Sequence[str | None]) -> tuple[tuple[str, ...], int]:
    """Make ids of asins, each once, and count the asins that came before."""
    ids: dict[str, None] = {}
    repeated = 0
    for item, asin in enumerate(asins):
        stem = name = asin or str(item)
        repeated += asin is not None and name in ids
        time = 1
        while name in ids:
            time += 1
            name = f"{stem}#{time}"
        ids[name] = None
    return tuple(ids), repeated


def _refuse(file: PickleFile, text: str) -> NoReturn:
    raise BenchError(f"{file.path}: {text}; the file is damaged or no such archive")
