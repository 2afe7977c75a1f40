"""What has arrived of a download, on disk: its bytes, their hash, and which version they are of."""

import hashlib
import json
import logging
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.datasets.disk import bytes_text
from bench.datasets.hosts import public_url
from bench.datasets.remote import Reply, Version
from bench.errors import user_io_errors
from bench.files import atomic_write_json
from bench.progress import Progress

__all__ = ["Partial", "beside", "hashed", "read_json"]

_log = logging.getLogger(__name__)

_CHUNK_BYTES = 1 << 20


def beside(target: Path, suffix: str) -> Path:
    """Name a file that belongs to `target`."""
    return target.with_name(f"{target.name}.{suffix}")


def read_json(path: Path) -> dict[str, Any]:
    """Read a small JSON object; nothing, if it is not there or no longer one."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def hashed(path: Path) -> "tuple[hashlib._Hash, int]":
    """Hash a file's content as far as it goes; give the hash, which can be continued, and size."""
    digest, size = hashlib.sha256(), 0
    with (
        user_io_errors("read the file", path),
        path.open("rb") as file,
        Progress(f"hash {path.name}", path.stat().st_size, unit="B", scaled=True) as progress,
    ):
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
            progress.advance(len(chunk))
    return digest, size


class Partial:
    """What has arrived of a file, on disk, and which version of the file it is of.

    Attributes
    ----------
    path
        The bytes.
    size, digest
        How many there are, and their SHA-256 so far.
    version, total
        Version and size of the file on the server; the size is None where it is not known.
    """

    def __init__(self, target: Path, url: str) -> None:
        self.path = beside(target, "partial")
        self._note = beside(target, "partial.json")
        self._url = public_url(url)
        self.version = Version()
        self.total: int | None = None
        self.size = 0
        self.digest = hashlib.sha256()
        with user_io_errors("read the file", self.path):
            if self.path.exists() and self.path.stat().st_size:
                self._take_up()

    def _take_up(self) -> None:
        note = read_json(self._note)
        version = Version(note.get("etag"), note.get("last_modified"))
        total, size = note.get("total"), self.path.stat().st_size
        if _place(note.get("url", "")) != _place(self._url):
            _log.info("%s is of another address: starting again", self.path)
        elif total is not None and size > total:
            _log.info("%s is larger than the file: starting again", self.path)
        elif version.condition is None and size != total:
            _log.info("nothing tells which version %s is of: starting again", self.path)
        else:
            self.version, self.total = version, total
            self.digest, self.size = hashed(self.path)

    def forget(self) -> None:
        """Count as nothing what is here; the file itself goes when new content comes."""
        self.version, self.total, self.size, self.digest = Version(), None, 0, hashlib.sha256()

    def begin(self, version: Version, total: int | None) -> None:
        """Start with an empty file of a certain version."""
        self.forget()
        # Emptied first: the note below must never stand beside older content.
        with user_io_errors("write", self.path):
            self.path.open("wb").close()
        self.version, self.total = version, total
        atomic_write_json(self._note, {"url": self._url, **asdict(version), "total": total})

    def append(self, reply: Reply, label: str) -> None:
        """Add what a reply brings.

        Raises
        ------
        Dropped
            It ended too early; what came is here.
        StorageError
            It cannot be written.
        """
        with (
            user_io_errors("write", self.path),
            self.path.open("ab") as out,
            Progress(label, self.total, unit="B", scaled=True, initial=self.size) as progress,
        ):
            for piece in reply.pieces():
                out.write(piece)
                self.digest.update(piece)
                self.size += len(piece)
                progress.advance(len(piece))
            out.flush()
            os.fsync(out.fileno())

    def become(self, target: Path) -> None:
        """Take the place of `target`, or of where it is set aside."""
        with user_io_errors("write", target):
            self.path.replace(target)
            self._note.unlink(missing_ok=True)

    def remove(self) -> None:
        """Leave nothing."""
        with user_io_errors("remove", self.path):
            self.path.unlink(missing_ok=True)
            self._note.unlink(missing_ok=True)

    def progress_text(self) -> str:
        """Say how much is here."""
        of = f" of {bytes_text(self.total)}" if self.total is not None else ""
        return f"{bytes_text(self.size)}{of}"


def _place(url: object) -> tuple[str, str]:
    """Host and path: http and https of one host serve the same file."""
    parts = urlsplit(str(url))
    return parts.netloc, parts.path
