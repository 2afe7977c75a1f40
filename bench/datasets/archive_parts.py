"""What the six objects of a published archive say.

user_train, user_validation and user_test map a user's number to a list of mappings, in which
`productid` is the item's number; `reviewerID`, `asin` and `unixReviewTime` may be there too. Item
maps an item's number to a mapping with `imgs` (the encoded image), `asin`, and `c` (one-hot
category, Fashion only) or `categories` (taxonomy paths, Women and Men only). The numbers run from 0
without gaps, and 0 is a user and an item like others.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.datasets.archive_fields import FieldReader, Paths, seconds
from bench.datasets.dataset import NO_ITEM
from bench.datasets.preprocess import NO_TIME

__all__ = [
    "Catalogue",
    "HeldOut",
    "TrainPairs",
    "read_catalogue",
    "read_held_out",
    "read_train",
    "read_user_ids",
]


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
    fields: FieldReader, container: Any, n_users: int, asins: Sequence[str | None]
) -> TrainPairs:
    """Read user_train.

    Parameters
    ----------
    fields
        Reads the fields.
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
    users, items, times = array("i"), array("i"), array("q")
    users_without = other_asins = 0
    for user, entries in enumerate(fields.numbered(container, "user_train", "usernum", n_users)):
        entries = fields.elements(entries, f"user_train of user {user}")
        users_without += not entries
        for k, entry in enumerate(entries):
            item = fields.item_of(entry, "user_train", user, k, n_items)
            users.append(user)
            items.append(item)
            times.append(seconds(entry.get("unixReviewTime")))
            asin = entry.get("asin")
            other_asins += asin is not None and fields.text(asin) != asins[item]
    if not users:
        fields.refuse("user_train has no entry for any user")
    known = np.array(times, dtype=np.int64)
    return TrainPairs(
        users=np.array(users, dtype=np.int32),
        items=np.array(items, dtype=np.int32),
        seconds=known if (known != NO_TIME).any() else None,
        users_without=users_without,
        other_asins=other_asins,
    )


def read_held_out(
    fields: FieldReader, container: Any, name: str, n_users: int, n_items: int
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
    lists = fields.numbered(container, name, "usernum", n_users, gaps=True)
    for user, entries in enumerate(lists):
        entries = fields.elements(entries, f"{name} of user {user}") if entries is not None else ()
        for k, entry in enumerate(entries):
            item = fields.item_of(entry, name, user, k, n_items)
            if k == 0:
                found[user] = item
        further += max(0, len(entries) - 1)
    users_without = int(np.count_nonzero(found == NO_ITEM))
    if users_without == n_users:
        fields.refuse(f"{name} has no item for any of the {n_users} users")
    return HeldOut(found, users_without, further)


def read_user_ids(
    fields: FieldReader, containers: Sequence[Any], n_users: int
) -> tuple[tuple[str, ...], bool]:
    """Name the users, from the first entry of each that says `reviewerID`.

    Returns
    -------
    One name per user, and whether it is the reviewerID: every user has one, and no two the same.
    """
    ids: list[str] = []
    parts = [
        fields.numbered(container, "users", "usernum", n_users, gaps=True)
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
        name = fields.text(found)
        if not name:
            break
        ids.append(name)
    if len(ids) == n_users and len(set(ids)) == n_users:
        return tuple(ids), True
    return tuple(map(str, range(n_users))), False


def read_catalogue(fields: FieldReader, container: Any, n_items: int) -> Catalogue:
    """Read Item.

    Parameters
    ----------
    fields
        Reads the fields.
    container
        The object.
    n_items
        What itemnum says.

    Raises
    ------
    BenchError
        An item is missing or its fields cannot be what they should.
    """
    items = fields.numbered(container, "Item", "itemnum", n_items)
    offsets = np.full(n_items, -1, dtype=np.int64)
    lengths = np.zeros(n_items, dtype=np.int64)
    asins: list[str | None] = []
    categories: list[int | None] = []
    all_paths: list[Paths | None] = []
    # Some thousand different ones for all items.
    shared: dict[Paths, Paths] = {}
    for item, given in enumerate(items):
        if type(given) is not dict:
            fields.refuse(f"item {item} of Item is no mapping of fields")
        image = fields.image(given.get("imgs"), item)
        if image is not None:
            offsets[item], lengths[item] = image.offset, image.length
        asins.append(fields.text(given.get("asin")) or None)
        categories.append(fields.category(given.get("c"), item))
        paths = fields.paths(given.get("categories"), item)
        all_paths.append(None if paths is None else shared.setdefault(paths, paths))
    if None in categories and any(category is not None for category in categories):
        fields.refuse(f"item {categories.index(None)} has no category 'c', though others have")
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


def _unique_ids(asins: Sequence[str | None]) -> tuple[tuple[str, ...], int]:
    """Make ids of asins, each once, and count the asins that came before."""
    ids: dict[str, None] = {}
    times: dict[str, int] = {}
    for item, asin in enumerate(asins):
        stem = name = asin or str(item)
        while name in ids:
            # Counted on from the last one, for a thousand items may have the same.
            times[stem] = times.get(stem, 1) + 1
            name = f"{stem}#{times[stem]}"
        ids[name] = None
    given = [asin for asin in asins if asin is not None]
    return tuple(ids), len(given) - len(set(given))
