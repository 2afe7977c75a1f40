"""The archives published with the paper: six pickled objects in an `.npy` file, made typed arrays.

The six are user_train, user_validation, user_test, Item, usernum and itemnum; `archive_parts`
tells what is in them. Nothing of the file is executed (see `pickle_stream`), and images stay in it.
Source: the loading code of github.com/kang205/DVBPR (DVBPR/main.py) and of those who use its
archives.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from bench.datasets.archive_fields import FIELDS, FieldReader
from bench.datasets.archive_parts import (
    read_catalogue,
    read_held_out,
    read_train,
    read_user_ids,
)
from bench.datasets.pickle_file import PickleFile
from bench.datasets.pickle_numpy import PickledArray
from bench.datasets.pickle_stream import read_pickle
from bench.errors import BenchError, one_line

__all__ = ["Archive", "read_archive"]

_ELEMENTS = ("user_train", "user_validation", "user_test", "Item", "usernum", "itemnum")

_SPAN_FROM = 64
"""Strings of so many bytes stay in the file; no photograph is smaller."""

_AGAIN = "the file is damaged or no such archive"


@dataclass(frozen=True, kw_only=True)
class Archive:
    """What a published archive says. Its images stay in the file.

    Attributes
    ----------
    path, size
        The file and its bytes.
    user_ids
        `reviewerID` where every user has one and no two the same, else the user's number.
    train_users, train_items
        int32 (n,): training pairs by user in the order of the archive, repeats kept.
    train_seconds
        int64 (n,): `unixReviewTime`, `NO_TIME` where unknown; None where no pair has one.
    validation, test
        int32 (n_users,): held-out items, `NO_ITEM` where the user has none.
    item_ids
        `asin`; the item's number where it has none. An id that came before gets "#2", "#3" and so
        on, so that ids are unique.
    image_offsets, image_lengths
        int64 (n_items,): where in the file each encoded image lies; offset -1 and length 0 for an
        item without one.
    categories
        int16 (n_items,): which element of the one-hot `c` is 1; None without `c`.
    category_paths
        Taxonomy paths per item; None without `categories`.
    report
        Counts of what was odd.
    """

    path: Path
    size: int
    user_ids: tuple[str, ...]
    train_users: npt.NDArray[np.int32]
    train_items: npt.NDArray[np.int32]
    train_seconds: npt.NDArray[np.int64] | None
    validation: npt.NDArray[np.int32]
    test: npt.NDArray[np.int32]
    item_ids: tuple[str, ...]
    image_offsets: npt.NDArray[np.int64]
    image_lengths: npt.NDArray[np.int64]
    categories: npt.NDArray[np.int16] | None
    category_paths: tuple[tuple[tuple[str, ...], ...], ...] | None
    report: Mapping[str, Any]


def read_archive(path: Path) -> Archive:
    """Read a published archive without running anything of it, and without its images.

    Parameters
    ----------
    path
        The `.npy` file, as published or written anew with `numpy.save`.

    Raises
    ------
    BenchError
        No such archive, hostile, cut off, or its parts contradict each other; the message says
        where.
    """
    with PickleFile(path) as file:
        if not file.size:
            raise BenchError(f"{path}: the file is empty; remove it and download it again")
        start = _read_header(file)
        value, end = read_pickle(file, start, span_from=_SPAN_FROM, names=FIELDS)
        if type(value) is not PickledArray or value.objects is None:
            _refuse(path, "the pickled object is no array of objects")
        if len(value.objects) != len(_ELEMENTS):
            _refuse_elements(path, len(value.objects))
        train, validation, test, items, n_users, n_items = value.objects
        for name, count in (("usernum", n_users), ("itemnum", n_items)):
            if type(count) is not int or count < 1:
                _refuse(path, f"{name} is no number above 0")
        fields = FieldReader(file)
        catalogue = read_catalogue(fields, items, n_items)
        pairs = read_train(fields, train, n_users, catalogue.asins)
        held_out = {
            name: read_held_out(fields, container, name, n_users, n_items)
            for name, container in (("user_validation", validation), ("user_test", test))
        }
        user_ids, named = read_user_ids(fields, (train, validation, test), n_users)
    return Archive(
        path=path,
        size=file.size,
        user_ids=user_ids,
        train_users=pairs.users,
        train_items=pairs.items,
        train_seconds=pairs.seconds,
        validation=held_out["user_validation"].items,
        test=held_out["user_test"].items,
        item_ids=catalogue.ids,
        image_offsets=catalogue.image_offsets,
        image_lengths=catalogue.image_lengths,
        categories=catalogue.categories,
        category_paths=catalogue.category_paths,
        report={
            "users_named_by": "reviewerID" if named else "number",
            "users_without_training_item": pairs.users_without,
            "users_without_validation_item": held_out["user_validation"].users_without,
            "users_without_test_item": held_out["user_test"].users_without,
            "further_held_out_entries_ignored": sum(part.further for part in held_out.values()),
            "training_pairs_whose_asin_is_another": pairs.other_asins,
            "items_without_image": int(np.count_nonzero(catalogue.image_offsets < 0)),
            "items_without_asin": catalogue.without_asin,
            "items_with_repeated_asin": catalogue.repeated_asins,
            "bytes_behind_the_pickle": file.size - end,
        },
    )


def _read_header(file: PickleFile) -> int:
    """Check what the `.npy` header says, and give the position behind it."""
    path = file.path
    first = file.read(0, min(6, file.size))
    if first.startswith(b"PK"):
        raise BenchError(f"{path}: a .npz or other zip archive; give the .npy file inside")
    if first != np.lib.format.MAGIC_PREFIX:
        raise BenchError(
            f"{path}: no .npy file (it begins with {ascii(first)[1:]}); "
            "perhaps the server's error page was saved: remove it and download it again"
        )
    with path.open("rb") as handle, warnings.catch_warnings():
        # A header of Python 2 has lengths such as 6L, and NumPy would advise to save it anew.
        warnings.simplefilter("ignore")
        try:
            version = np.lib.format.read_magic(handle)
            # Version 3 is version 2 with UTF-8 instead of Latin-1, which tells field names apart.
            read = (
                np.lib.format.read_array_header_1_0
                if version == (1, 0)
                else np.lib.format.read_array_header_2_0
            )
            shape, _, dtype = read(handle)
        # The header is a Python literal of anybody's making; its parsers raise what they please.
        except Exception as error:
            reason = ascii(one_line(error))[1:-1][:120]
            raise BenchError(f"{path}: a broken .npy header ({reason}); {_AGAIN}") from None
        position = handle.tell()
    if dtype != np.dtype(object):
        raise BenchError(f"{path}: holds plain numbers ({dtype}, shape {shape}), no such archive")
    if len(shape) != 1:
        _refuse(path, f"an array of shape {shape}, six elements belong there")
    if shape != (len(_ELEMENTS),):
        _refuse_elements(path, shape[0])
    return position


def _refuse_elements(path: Path, count: int) -> NoReturn:
    _refuse(path, f"{count} elements, {len(_ELEMENTS)} belong there ({', '.join(_ELEMENTS)})")


def _refuse(path: Path, text: str) -> NoReturn:
    raise BenchError(f"{path}: {text}; {_AGAIN}")
