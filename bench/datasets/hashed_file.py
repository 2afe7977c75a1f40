"""Writing a large file and knowing its SHA-256 at the end, without reading it again."""

import hashlib
import os
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["HashedFile"]

_WRITE_OUT_BYTES = 64 << 20


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
