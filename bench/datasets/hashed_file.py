"""Large files that are hashed while they are written or read, so that one pass does both."""

import hashlib
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.errors import BenchError

__all__ = ["HashedFile", "HashingReader"]

_WRITE_OUT_BYTES = 64 << 20
_READ_BYTES = 4 << 20


class HashedFile:
    """A new file, written front to back and hashed on the way.

    It has what NumPy and Arrow ask of a file object they write to.

    Parameters
    ----------
    path
        The file; what stood there is lost.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)
        self._digest = hashlib.sha256()
        self._written_out = 0
        self.size = 0
        self.closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def write(self, content: bytes | memoryview) -> int:
        """Append; all of it is written, or an `OSError` raised."""
        view = memoryview(content).cast("B")
        self._digest.update(view)
        done = 0
        while done < len(view):
            done += self._file.write(view[done:]) or 0
        self.size += len(view)
        if self.size - self._written_out >= _WRITE_OUT_BYTES:
            self._begin_to_write_out()
        return len(view)

    def tell(self) -> int:
        """Say how many bytes are written."""
        return self.size

    def flush(self) -> None:
        """Do nothing: nothing is held back."""

    def close(self) -> None:
        """End the file."""
        if not self.closed:
            self._file.close()
            self.closed = True

    def sha256(self) -> str:
        """Give the hash of what is written so far."""
        return self._digest.hexdigest()

    def _begin_to_write_out(self) -> None:
        # Else the kernel collects gigabytes, and the sync that ends the write waits for all of
        # them: this way the disk is busy while the next images are read and decoded.
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(
                self._file.fileno(),
                self._written_out,
                self.size - self._written_out,
                os.POSIX_FADV_DONTNEED,
            )
        self._written_out = self.size


class HashingReader:
    """Reads pieces of a file by offset and hashes the whole of it, in one pass where it can.

    As long as pieces are asked for front to back, what lies between them is read and hashed on the
    way; a piece further back is read on its own.

    Parameters
    ----------
    path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("rb", buffering=0)
        self._digest = hashlib.sha256()
        self._hashed = 0
        self._window = memoryview(b"")
        self._window_start = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def read(self, offset: int, length: int) -> bytes:
        """Give `length` bytes from `offset` on.

        Raises
        ------
        BenchError
            The file ends before.
        """
        parts = []
        while length > 0:
            piece = self._piece(offset, length)
            if not len(piece):
                raise BenchError(f"{self._path}: ends early; it was changed while it was read")
            parts.append(bytes(piece))
            offset += len(piece)
            length -= len(piece)
        return b"".join(parts)

    def sha256(self) -> str:
        """Read what was not read yet and give the hash of the whole file."""
        while len(self._next_block()):
            pass
        return self._digest.hexdigest()

    def _piece(self, offset: int, length: int) -> memoryview:
        """Give some of the wanted bytes, nothing at the file's end."""
        while offset >= self._hashed and len(self._next_block()):
            pass
        start = offset - self._window_start
        if 0 <= start < len(self._window):
            return self._window[start : start + length]
        self._file.seek(offset)  # behind the window: not hashed again
        return memoryview(self._file.read(length))

    def _next_block(self) -> memoryview:
        self._file.seek(self._hashed)
        self._window_start = self._hashed
        self._window = memoryview(self._file.read(_READ_BYTES))
        self._digest.update(self._window)
        self._hashed += len(self._window)
        return self._window
