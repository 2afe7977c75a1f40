"""Large files that are hashed beside the reading or writing, on a processor core of its own."""

import hashlib
import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.errors import BenchError, user_io_errors

__all__ = ["BackgroundHash", "HashedFile", "PieceReader", "ThreadedHash"]

_WRITE_OUT_BYTES = 64 << 20
_READ_BYTES = 4 << 20
# Hashing so many bytes takes several times as long as handing them to a thread.
_BYTES_FOR_A_THREAD = 1 << 18


class ThreadedHash:
    """SHA-256 of a stream, computed while its giver goes on."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._pool = ThreadPoolExecutor(1)
        self._pending: Future[None] | None = None

    def update(self, content: bytes | memoryview) -> None:
        """Take in the next bytes, which must stay as they are until `wait` or the next call."""
        self.wait()
        if len(content) < _BYTES_FOR_A_THREAD:
            self._digest.update(content)
        else:  # without the interpreter's lock
            self._pending = self._pool.submit(self._digest.update, content)

    def wait(self) -> None:
        """Return when all that was given is taken in."""
        if self._pending is not None:
            self._pending.result()
            self._pending = None

    def hexdigest(self) -> str:
        """Give the hash of what was given so far."""
        self.wait()
        return self._digest.hexdigest()


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
        self._hash = ThreadedHash()
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
        self._hash.update(view)
        try:
            done = 0
            while done < len(view):
                done += self._file.write(view[done:]) or 0
        finally:  # from here on the memory is the caller's again
            self._hash.wait()
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
        return self._hash.hexdigest()

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


class BackgroundHash:
    """Reads a file from front to back and hashes it, in a thread that starts at once.

    Whoever else reads the file meanwhile finds it in the system's cache, without waiting for the
    disk. As a context manager it gives up when the block ends.

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
        self._path = path
        with user_io_errors("read the file", path):
            self._state = self._state_now()
            self._file = path.open("rb", buffering=0)
        self._digest = hashlib.sha256()
        self._error: OSError | None = None
        self._stopped = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopped = True
        self._thread.join()
        self._file.close()

    def sha256(self) -> str:
        """Wait for the end and give the hash.

        Raises
        ------
        BenchError
            The file cannot be read, or was changed since the hashing began.
        """
        self._thread.join()
        with user_io_errors("read the file", self._path):
            if self._error is not None:
                raise self._error
            if self._state_now() != self._state:
                raise BenchError(f"{self._path}: has changed since it was read; start again")
        return self._digest.hexdigest()

    def _state_now(self) -> tuple[int, int, int]:
        state = self._path.stat()
        return state.st_ino, state.st_size, state.st_mtime_ns

    def _run(self) -> None:
        block = memoryview(bytearray(_READ_BYTES))
        try:
            while not self._stopped and (n_read := self._file.readinto(block)):
                self._digest.update(block[:n_read])
        except OSError as error:
            self._error = error


class PieceReader:
    """Reads pieces of a file by offset, many at a time where one lies soon behind the other.

    Parameters
    ----------
    path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("rb", buffering=0)
        self._block = memoryview(bytearray(_READ_BYTES))
        self._start = self._end = 0

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
            if 0 <= offset - self._end < _READ_BYTES:
                self._fill(offset)
            part = self._in_block(offset, length)
            if not part:  # elsewhere
                self._file.seek(offset)
                part = self._file.read(length)
                self._start = self._end = offset + len(part)
            if not part:
                raise BenchError(f"{self._path}: ends early; it was changed while it was read")
            parts.append(part)
            offset += len(part)
            length -= len(part)
        return b"".join(parts)

    def _fill(self, offset: int) -> None:
        self._file.seek(offset)
        self._start = offset
        self._end = offset + (self._file.readinto(self._block) or 0)

    def _in_block(self, offset: int, length: int) -> bytes:
        if not self._start <= offset < self._end:
            return b""
        at = offset - self._start
        return bytes(self._block[at : min(at + length, self._end - self._start)])
