"""Small reads from a large file of pickled data: a window that slides over it, and spans in it."""

import os
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NoReturn, Self

from bench.errors import BenchError, user_io_errors

__all__ = ["GUARD", "Encoding", "PickleFile", "Span"]

GUARD = 16
"""So many bytes more than asked for can be indexed at the end of a window: what an opcode with its
fixed-size argument takes, and a `PUT` behind it."""

# An archive is a chain of small objects and images of some 20 kB that are stepped over: a small
# window keeps what is read and thrown away small.
_WINDOW = 8192
# NumPy names, numbers as text and the strings of text pickles end with their line.
_LONGEST_LINE = 1 << 16


class Encoding(Enum):
    """What the bytes of a span stand for."""

    RAW = "bytes as they are"
    TEXT = "text in UTF-8"
    LATIN_1 = "bytes, each written as one character in UTF-8"


@dataclass(frozen=True, slots=True)
class Span:
    """A string that stayed in the file.

    Attributes
    ----------
    offset
        Where it begins, counted from the beginning of the file.
    length
        Its bytes there.
    encoding
        What they stand for.
    """

    offset: int
    length: int
    encoding: Encoding = Encoding.RAW


class PickleFile:
    """A file open for reading; a context manager.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    StorageError
        It is not there or cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with user_io_errors("read the file", path):
            self._handle: BinaryIO = path.open("rb", buffering=0)
            self.size = path.stat().st_size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._handle.close()

    def fail(self, position: int, text: str) -> NoReturn:
        """Say what is wrong at a byte of the file."""
        raise BenchError(f"{self.path}: byte {position}: {text}")

    def window(self, position: int) -> bytes:
        """Read what comes next; the last window is followed by `GUARD` zeros, which are no opcode.

        Raises
        ------
        BenchError
            The file ends here.
        """
        if position >= self.size:
            self._cut_off(position, "the next opcode")
        content = self._read(position, min(_WINDOW, self.size - position))
        return content if position + _WINDOW < self.size else content + bytes(GUARD + 1)

    def read(self, position: int, length: int) -> bytes:
        """Read `length` bytes.

        Raises
        ------
        BenchError
            The file ends before.
        """
        self.check(position, length)
        return self._read(position, length)

    def check(self, position: int, length: int) -> None:
        """See that a declared size is in the file, before anything is reserved for it.

        Raises
        ------
        BenchError
            It is not.
        """
        if length > self.size - position:
            self._cut_off(position, f"{length} bytes that are declared there")

    def line(self, position: int) -> tuple[bytes, int]:
        """Read up to the next end of a line.

        Returns
        -------
        The line without its end, and the position behind it.

        Raises
        ------
        BenchError
            The file ends before, or the line is longer than 64 KiB.
        """
        found, end = b"", -1
        while end < 0:
            if len(found) > _LONGEST_LINE:
                self.fail(position, "a line longer than 64 KiB; this is no such archive")
            at = position + len(found)
            if at >= self.size:
                self._cut_off(position, "the end of a line")
            part = self._read(at, min(256 + len(found), self.size - at))
            end = part.find(b"\n")
            found += part if end < 0 else part[:end]
        return found, position + len(found) + 1

    def load(self, span: Span) -> str | bytes:
        """Fetch the string of a span.

        Raises
        ------
        BenchError
            It is not what it says: no UTF-8, no Latin-1.
        """
        content = self.read(span.offset, span.length)
        if span.encoding is Encoding.RAW:
            return content
        try:
            text = content.decode("utf-8", "surrogatepass")
            return text if span.encoding is Encoding.TEXT else text.encode("latin-1")
        except UnicodeError:
            self.fail(span.offset, "a string that is not in the encoding it claims")

    def _read(self, position: int, length: int) -> bytes:
        try:
            content = self._read_at(position, length)
        except OSError:
            with user_io_errors("read the file", self.path):
                raise
        if len(content) < length:
            self._cut_off(position + len(content), "more: it became shorter while it was read")
        return content

    def _read_at(self, position: int, length: int) -> bytes:
        # In one call: between two, another thread may want the interpreter.
        if hasattr(os, "pread"):
            return os.pread(self._handle.fileno(), length, position)
        self._handle.seek(position)
        return self._handle.read(length)

    def _cut_off(self, position: int, what: str) -> NoReturn:
        raise BenchError(
            f"{self.path}: ends at byte {self.size}, but at byte {position} it needs {what}; "
            "the file is not whole: remove it and download it again"
        )
