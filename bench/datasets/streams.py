"""Big input files read from front to back: plain or gzipped, with a progress bar by bytes."""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from bench.errors import BenchError, user_io_errors
from bench.progress import Progress

__all__ = ["InputStream", "open_stream"]

_GZIP_MARK = b"\x1f\x8b"
_BUFFER_BYTES = 1 << 20
_PROGRESS_BYTES = 1_000_000


class InputStream:
    """A file that is read once, from front to back.

    Parameters
    ----------
    path
        The file; that it is gzipped is told by its first bytes, whatever its name.
    label
        What the progress bar says.

    Attributes
    ----------
    path
        The file.
    gzipped
        Whether it is.
    size
        Bytes on disk.
    """

    def __init__(self, path: Path, label: str) -> None:
        self.path = path
        self._file: BinaryIO = path.open("rb", buffering=0)
        self.gzipped = self._file.read(2) == _GZIP_MARK
        self._file.seek(0)
        self.size = path.stat().st_size
        # GzipFile closes the file it is given only where it opened it itself: __exit__ does.
        self._content: BinaryIO = (
            io.BufferedReader(gzip.GzipFile(fileobj=self._file), _BUFFER_BYTES)
            if self.gzipped
            else io.BufferedReader(self._file, _BUFFER_BYTES)
        )
        self._progress = Progress(label, self.size // _PROGRESS_BYTES, unit="MB")
        self._shown = 0

    def __enter__(self) -> Self:
        self._progress.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.__exit__(kind, error, trace)
        self._content.close()
        self._file.close()

    def fill(self, buffer: memoryview) -> int:
        """Fill `buffer` from the content; fewer bytes than it holds come only at the end."""
        done = 0
        while done < len(buffer):
            count = self._content.readinto(buffer[done:])  # type: ignore[attr-defined]
            if not count:
                break
            done += count
        self.show_progress()
        return done

    def read_line(self, limit: int) -> bytes:
        """Give the next line with its end, or its first `limit` bytes; nothing at the end."""
        return self._content.readline(limit)

    def show_progress(self) -> None:
        """Move the bar to where reading stands; buffers ahead of the reader included."""
        megabytes = self._file.tell() // _PROGRESS_BYTES
        self._progress.advance(megabytes - self._shown)
        self._shown = megabytes


@contextmanager
def open_stream(path: Path, label: str) -> Iterator[InputStream]:
    """Open a file for one pass.

    Raises
    ------
    BenchError
        It cannot be opened or read, is empty, or its gzip stream is cut off or damaged.
    """
    with user_io_errors("read the file", path):
        if path.is_file() and path.stat().st_size == 0:
            raise BenchError(f"{path} is empty; download it again")
        try:
            with InputStream(path, label) as stream:
                yield stream
        except EOFError:
            raise BenchError(
                f"{path}: the gzip file is cut off (it ends before its content does); "
                "download it again"
            ) from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise BenchError(
                f"{path}: the gzip file is damaged ({error}); download it again"
            ) from None
