"""Feedback read from the original files, line by line, kept as numbers."""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.datasets.literals import bad_line
from bench.errors import BenchError

__all__ = ["Log", "LogBuilder", "find_file", "id_text"]


@dataclass(frozen=True)
class Log:
    """Feedback as it was read: pairs in any order, repeats included.

    Attributes
    ----------
    user_ids, item_ids
        Each id once, ascending, so that numbers do not depend on the order of the lines.
    users, items
        int64 (n,): into them.
    seconds
        int64 (n,): when; None if no time is known.
    """

    user_ids: tuple[str, ...]
    item_ids: tuple[str, ...]
    users: npt.NDArray[np.int64]
    items: npt.NDArray[np.int64]
    seconds: npt.NDArray[np.int64] | None


class LogBuilder:
    """Takes feedback line by line and keeps sixteen bytes of each, beside every id once."""

    def __init__(self) -> None:
        self._users: dict[str, int] = {}
        self._items: dict[str, int] = {}
        self._user_codes = array("i")
        self._item_codes = array("i")
        self._seconds = array("q")

    def add(self, user: str, item: str, seconds: int | None = None) -> None:
        """Count one piece of feedback; either all have a time or none."""
        users, items = self._users, self._items
        self._user_codes.append(users.setdefault(user, len(users)))
        self._item_codes.append(items.setdefault(item, len(items)))
        if seconds is not None:
            self._seconds.append(seconds)

    def finish(self) -> Log:
        """Give what was taken, with ids numbered in text order."""
        user_ids, users = _in_text_order(self._users, self._user_codes)
        item_ids, items = _in_text_order(self._items, self._item_codes)
        seconds = np.array(self._seconds, dtype=np.int64) if self._seconds else None
        return Log(user_ids, item_ids, users, items, seconds)


def _in_text_order(
    code_of: Mapping[str, int], codes: "array[int]"
) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    ids = sorted(code_of)
    rank = np.empty(len(ids), dtype=np.int64)
    rank[[code_of[text] for text in ids]] = np.arange(len(ids))
    return tuple(ids), rank[np.array(codes, dtype=np.int64)]


def find_file(folder: Path, name: str, *, origin: str) -> Path:
    """Find an original file in `folder`, unpacked or gzipped.

    Parameters
    ----------
    folder
        Where to look.
    name
        Its name without `.gz`.
    origin
        Where it is published, for the message.

    Raises
    ------
    BenchError
        It is not there, or twice.
    """
    if not folder.is_dir():
        raise BenchError(f"{folder}: no such folder; name the one with {name} in it")
    found = [path for end in ("", ".gz") if (path := folder / f"{name}{end}").is_file()]
    if not found:
        raise BenchError(f"{folder} has no {name} or {name}.gz; it is published at {origin}")
    if len(found) == 2:
        raise BenchError(
            f"{folder} has both {name} and {name}.gz; remove one, so that it is clear which counts"
        )
    return found[0]


def id_text(path: Path, number: int, value: object, what: str) -> str:
    """See that a value read in line `number` can be the id of a user or an item.

    Raises
    ------
    BenchError
        It is no text, blank, or has characters that no id has.
    """
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise bad_line(path, number, f"{str(value)[:40]!r} is no id of {what}")
    return value
