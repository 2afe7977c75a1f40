"""The fields of a published archive one by one: what each may be, and what it is then.

Field names and texts are bytes or text, as Python 2 left them. Whatever contradicts what the
published archives are is refused, and the message says where.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NoReturn

from bench.datasets.pickle_file import Encoding, PickleFile, Span
from bench.datasets.pickle_numpy import MalformedError, PickledArray
from bench.datasets.preprocess import NO_TIME
from bench.errors import BenchError

__all__ = ["FIELDS", "N_CATEGORIES", "FieldReader", "Paths", "seconds"]

_NAMES = ("productid", "reviewerID", "unixReviewTime", "imgs", "asin", "c", "categories")

FIELDS: Final[Mapping[str | bytes, str]] = {
    key: name for name in _NAMES for key in (name, name.encode())
}
"""The fields that are read, by both forms of their names."""

N_CATEGORIES = 6
"""Length of the one-hot vector `c`."""

_LONGEST_TEXT = 1024
_LARGEST_IMAGE = 64 << 20
_MOST_ELEMENTS = 1 << 25

Paths = tuple[tuple[str, ...], ...]
"""The taxonomy paths of one item."""


class FieldReader:
    """Reads fields, and refuses those that cannot be what they should.

    Parameters
    ----------
    file
        Where long strings lie.
    """

    def __init__(self, file: PickleFile) -> None:
        self._file = file
        self._long_texts: dict[Span, str] = {}
        # An object can be referred to any number of times: a short file of a thousand references to
        # a list of a thousand would unfold to a million. An honest one spends bytes on each.
        self._elements_left = min(file.size // 2, _MOST_ELEMENTS)
        self._image_bytes_left = 2 * file.size

    def refuse(self, text: str) -> NoReturn:
        """Say what is wrong with the file."""
        raise BenchError(f"{self._file.path}: {text}; the file is damaged or no such archive")

    def numbered(
        self, container: Any, name: str, count_name: str, count: int, *, gaps: bool = False
    ) -> Sequence[Any]:
        """Give what a mapping or list has under 0, 1, ..., count - 1.

        Parameters
        ----------
        container
            The mapping or list.
        name
            What it is called, for messages.
        count_name, count
            Which element of the archive says how many there are, and what it says.
        gaps
            Whether entries may be missing: they are None.
        """
        numbers: Collection[Any]
        if type(container) is dict:
            numbers = container.keys()
            if any(type(number) is not int for number in numbers):
                self.refuse(f"{name} has a key that is no number")
        elif type(container) in (list, tuple):
            numbers = range(len(container))
        else:
            self.refuse(f"{name} is neither a mapping nor a list")
        if len(numbers) > count or (len(numbers) < count and not gaps):
            self.refuse(f"{count_name} says {count}, but {name} has entries for {len(numbers)}")
        # As many as there should be, or fewer: either all are in the range or one is outside.
        for number in numbers:
            if not 0 <= number < count:
                self.refuse(f"{count_name} says {count}, but {name} has an entry {number}")
        if type(container) is dict:
            return [container.get(number) for number in range(count)]
        return [*container, *[None] * (count - len(container))]

    def elements(self, value: Any, what: str) -> Sequence[Any]:
        """Give a list's elements, and count them."""
        if type(value) not in (list, tuple):
            self.refuse(f"{what} is no list")
        self._elements_left -= len(value)
        if self._elements_left < 0:
            self.refuse(f"{what} unfolds to more elements than the file has bytes for")
        elements: Sequence[Any] = value
        return elements

    def item_of(self, entry: Any, name: str, user: int, k: int, n_items: int) -> int:
        """Give the item that entry `k` of a user names."""
        if type(entry) is not dict:
            self.refuse(f"{name} of user {user}, entry {k}, is no mapping of fields")
        item = entry.get("productid")
        # Not "if not item": 0 is an item.
        if item is None:
            self.refuse(f"{name} of user {user}, entry {k}, has no 'productid'")
        if type(item) is not int:
            self.refuse(f"{name} of user {user}, entry {k}: 'productid' is no number")
        if not 0 <= item < n_items:
            self.refuse(f"{name} of user {user} names item {item}, but itemnum says {n_items}")
        return item

    def text(self, value: Any) -> str:
        """Read an id or a name; nothing where there is none."""
        if value is None:
            return ""
        if type(value) is Span:
            return self._long_text(value)
        if type(value) is bytes:
            return _decoded(value).strip()
        if type(value) is int:
            return str(value)
        if type(value) is not str:
            self.refuse("an id or a name is neither text nor a number")
        return value.strip()

    def _long_text(self, span: Span) -> str:
        text = self._long_texts.get(span)
        if text is None:
            if span.length > _LONGEST_TEXT:
                self.refuse(f"{span.length} bytes at byte {span.offset} for an id or a name")
            value = self._file.load(span)
            text = (_decoded(value) if type(value) is bytes else str(value)).strip()
            self._long_texts[span] = text
        return text

    def image(self, value: Any, item: int) -> Span | None:
        """Find where an item's image lies; None without one."""
        if type(value) is Span:
            if value.encoding is not Encoding.RAW:
                raise BenchError(
                    f"{self._file.path}: the image of item {item} was saved as text; use the "
                    "published file, or save with a pickle protocol of at least 3"
                )
            if value.length > _LARGEST_IMAGE:
                self.refuse(f"the image of item {item} takes {value.length} bytes")
            self._image_bytes_left -= value.length
            if self._image_bytes_left < 0:
                self.refuse("its items share images that would take more than the file twice")
            return value
        if value is not None and type(value) not in (bytes, str):
            self.refuse(f"the image of item {item} is no byte string")
        # None, or too short for a photograph: an empty one, say.
        return None

    def category(self, value: Any, item: int) -> int | None:
        """Find the one in the one-hot vector `c`; None without it."""
        if value is None:
            return None
        try:
            numbers = value.numpy().tolist() if type(value) is PickledArray else value
        except MalformedError:
            numbers = None
        if type(numbers) not in (list, tuple) or len(numbers) != N_CATEGORIES:
            self.refuse(f"the category 'c' of item {item} is no vector of {N_CATEGORIES} numbers")
        if not all(type(number) in (int, float, bool) for number in numbers):
            self.refuse(f"the category 'c' of item {item} has an element that is no number")
        if sorted(numbers) != [0] * (N_CATEGORIES - 1) + [1]:
            self.refuse(f"the category 'c' of item {item} is not one 1 among zeros")
        return int(numbers.index(1))

    def paths(self, value: Any, item: int) -> Paths | None:
        """Read taxonomy paths, of which a single one may stand alone; None without any."""
        if value is None:
            return None
        what = f"the list of categories of item {item}"
        parts = self.elements(value, what)
        if parts and all(type(part) in (str, bytes, Span) for part in parts):
            parts = [parts]
        return tuple(tuple(map(self.text, self.elements(path, what))) for path in parts)


def seconds(value: Any) -> int:
    """Read a time; `NO_TIME` where it is unknown."""
    if type(value) is float and math.isfinite(value):
        value = int(value)
    # The largest number stands for unknown.
    return value if type(value) is int and -(2**63) <= value < NO_TIME else NO_TIME


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")
