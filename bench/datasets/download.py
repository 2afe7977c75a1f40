"""Files from the web: whole, checked and hashed, or not there at all.

Beside a target `x.npy` stand, while it is fetched, `x.npy.partial` (what has come so far),
`x.npy.partial.json` (which version of the remote file that is) and `x.npy.lock`; afterwards
`x.npy.download.json`, which records size, hash and origin. A download that was cut off anywhere,
by kill -9 too, goes on from there at the next call.
"""

import datetime
import hashlib
import json
import logging
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.datasets.disk import bytes_text, need_disk_space
from bench.datasets.hosts import PublishedFile, check_url, public_url, url_of
from bench.datasets.lock import only_process
from bench.datasets.remote import Changed, Dropped, Reply, Version, open_at
from bench.errors import BenchError, user_io_errors
from bench.files import atomic_write_json
from bench.progress import Progress

__all__ = ["Download", "Patience", "download", "fetch_file"]

_log = logging.getLogger(__name__)

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Download:
    """A file that is here, whole.

    Attributes
    ----------
    path, size, sha256
        Where it lies, its bytes, and their hash in hexadecimal.
    url
        Where it came from, without user name, password and query; None: it lay there already when
        it was first asked for.
    downloaded
        When, in UTC (ISO 8601); None as above.
    """

    path: Path
    size: int
    sha256: str
    url: str | None
    downloaded: str | None


@dataclass(frozen=True)
class Patience:
    """How long a server is waited for.

    Attributes
    ----------
    timeout
        Seconds without a sign of the server until the connection counts as lost.
    retries
        How often it is tried again without a single new byte in between.
    backoff
        Seconds before the first new try; they double with each further one.
    """

    timeout: float = 30.0
    retries: int = 5
    backoff: float = 1.0


def fetch_file(
    published: PublishedFile, folder: Path, *, url: str | None = None, **options: Any
) -> Download:
    """Download a published file into `folder`, under its published name.

    Parameters
    ----------
    published
        The file.
    folder
        Where to; it is made.
    url
        Another address, see `bench.datasets.hosts.url_of`.
    options
        `patience` and `sleep` of `download`.

    Raises
    ------
    BenchError
        As `download`.
    """
    return download(
        url_of(published, url),
        folder / published.name,
        expected_size=published.size,
        expected_sha256=published.sha256,
        **options,
    )


def download(
    url: str,
    target: Path,
    *,
    expected_size: int | None = None,
    expected_sha256: str | None = None,
    patience: Patience = Patience(),
    sleep: Callable[[float], None] = time.sleep,
) -> Download:
    """Download a file, or go on with a download that was cut off; one that is here stays.

    Parameters
    ----------
    url
        An http or https address.
    target
        The file to be; its folder is made. It exists afterwards, whole, or not at all.
    expected_size, expected_sha256
        What is known of the file; None: nothing.
    patience
        Time-outs and new tries.
    sleep
        Waits between tries; tests pass their own.

    Raises
    ------
    StorageError
        No room, or the folder cannot be written.
    BenchError
        The file cannot be had, or it is not the expected one (then it is set aside); or another
        process downloads it. What has arrived is kept.
    """
    check_url(url)
    if target.is_dir():
        raise BenchError(f"{target} is a folder, a file is to be downloaded there")
    expected = _Expected(target.name, expected_size, expected_sha256)
    here = _recorded(target)
    if here is None:
        with only_process(_beside(target, "lock"), f"download {target.name}"):
            # Another process may have finished it before we held the lock.
            here = _recorded(target)
            if here is None and target.exists():
                here = _adopted(target)
            if here is None:
                return _downloaded(url, target, expected, patience, sleep)
    trouble = expected.trouble(here.size, here.sha256)
    if trouble:
        raise BenchError(f"{target} is not the published file: {trouble}; remove or rename it")
    return here


@dataclass(frozen=True)
class _Expected:
    """What is known of a file before it is here."""

    name: str
    size: int | None
    sha256: str | None

    def trouble(self, size: int, sha256: str | None) -> str | None:
        """Say what is wrong with a file of this size and hash (None: not known yet)."""
        if self.size is not None and size != self.size:
            return f"{self.name} has {size:,} bytes, {self.size:,} are expected"
        if None not in (self.sha256, sha256) and sha256 != str(self.sha256).lower():
            return f"{self.name} has SHA-256 {sha256}, {self.sha256} is expected"
        return None


def _beside(target: Path, suffix: str) -> Path:
    return target.with_name(f"{target.name}.{suffix}")


def _read_json(path: Path) -> dict[str, Any]:
    """Read a small JSON object; nothing, if it is not there or no longer one."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _recorded(target: Path) -> Download | None:
    """Find a target that is as it was when it was downloaded; None: not there, or touched since."""
    record = _read_json(_beside(target, "download.json"))
    try:
        state = target.stat()
        if (record["size"], record["mtime_ns"]) != (state.st_size, state.st_mtime_ns):
            return None
        return Download(
            target, state.st_size, str(record["sha256"]), record["url"], record["downloaded"]
        )
    except (OSError, KeyError):
        return None


def _record(target: Path, content: Path, download: Download) -> None:
    value = {**asdict(download), "path": target.name, "mtime_ns": content.stat().st_mtime_ns}
    atomic_write_json(_beside(target, "download.json"), value)


def _adopted(target: Path) -> Download:
    """Hash a target that the user put there, or that was touched since it was downloaded."""
    record = _read_json(_beside(target, "download.json"))
    digest, size = _hashed(target)
    sha256 = digest.hexdigest()
    if record and (record.get("size"), record.get("sha256")) != (size, sha256):
        raise BenchError(
            f"{target} has changed since it was downloaded (it has {size:,} bytes now); remove it "
            "to download it anew"
        )
    here = Download(target, size, sha256, record.get("url"), record.get("downloaded"))
    _record(target, target, here)
    return here


def _hashed(path: Path) -> "tuple[hashlib._Hash, int]":
    """Hash a file's content as far as it goes; give the hash, which can be continued, and size."""
    digest, size = hashlib.sha256(), 0
    with (
        user_io_errors("read", path),
        path.open("rb") as file,
        Progress(f"hash {path.name}", path.stat().st_size, unit="B", scaled=True) as progress,
    ):
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
            progress.advance(len(chunk))
    return digest, size


class _Partial:
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
        self.path = _beside(target, "partial")
        self._note = _beside(target, "partial.json")
        self._url = public_url(url)
        self.version = Version()
        self.total: int | None = None
        self.size = 0
        self.digest = hashlib.sha256()
        with user_io_errors("read", self.path):
            if self.path.exists() and self.path.stat().st_size:
                self._take_up()

    def _take_up(self) -> None:
        note = _read_json(self._note)
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
            self.digest, self.size = _hashed(self.path)

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


def _downloaded(
    url: str,
    target: Path,
    expected: _Expected,
    patience: Patience,
    sleep: Callable[[float], None],
) -> Download:
    partial = _Partial(target, url)
    if partial.size:
        _log.info("%s: going on after %s", target.name, partial.progress_text())
    _fetch_rest(url, partial, expected, patience, sleep)
    with user_io_errors("read", partial.path), partial.path.open("rb") as file:
        head = file.read(512)
    if _is_page(head) and target.suffix.lower() not in (".html", ".htm"):
        partial.remove()
        raise BenchError(
            f"cannot download {public_url(url)}: the server sends a web page and not the file; "
            "open the address in a browser to see what it says, or name a mirror with --url"
        )
    sha256 = partial.digest.hexdigest()
    trouble = expected.trouble(partial.size, sha256)
    if trouble:
        aside = _beside(target, "unexpected")
        partial.become(aside)
        raise BenchError(
            f"{public_url(url)} is not the published file: {trouble}; what came was set aside as "
            f"{aside}"
        )
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    download = Download(target, partial.size, sha256, public_url(url), now)
    # The record first: it says nothing while the target is missing.
    _record(target, partial.path, download)
    partial.become(target)
    return download


def _fetch_rest(
    url: str,
    partial: _Partial,
    expected: _Expected,
    patience: Patience,
    sleep: Callable[[float], None],
) -> None:
    """Ask the server until everything is here; failures count only while nothing new comes."""
    failures, furthest, reached = 0, partial.size, False
    while partial.total is None or partial.size < partial.total:
        # Without a condition the rest could be of another version.
        if partial.size and partial.version.condition is None:
            partial.forget()
        try:
            with open_at(url, partial.size, partial.version, timeout=patience.timeout) as reply:
                reached = True
                _take(reply, partial, expected)
        except Changed as change:
            _log.info("%s: %s: starting again", expected.name, change)
            partial.forget()
        except Dropped as drop:
            reached = reached or not drop.unreachable
            if partial.size > furthest:
                failures, furthest = 0, partial.size
            failures += 1
            if failures > patience.retries or not reached:
                kept = f"; {partial.progress_text()} are kept: repeat the command to go on"
                raise BenchError(
                    f"cannot download {public_url(url)}: {drop}{kept if partial.size else ''}"
                ) from drop
            wait = patience.backoff * 2 ** (failures - 1)
            _log.info("%s: %s: trying again in %g s", expected.name, drop, wait)
            sleep(wait)


def _take(reply: Reply, partial: _Partial, expected: _Expected) -> None:
    """Add a reply to what is here, or start with it."""
    trouble = None if reply.total is None else expected.trouble(reply.total, None)
    if trouble:
        raise BenchError(f"the server's file is not the published one: {trouble}")
    if reply.start == 0:
        if partial.size:
            _log.info("%s: the server sends it from the start", expected.name)
        partial.begin(reply.version, reply.total)
    elif reply.version.differs_from(partial.version):
        raise Changed("the file on the server has changed")
    elif None not in (reply.total, partial.total) and reply.total != partial.total:
        raise Changed("the file on the server has another size")
    partial.total = reply.total
    if partial.total is None:
        _log.warning("%s: the server does not say how large it is", expected.name)
    else:
        need_disk_space(
            partial.path.parent, partial.total - partial.size, f"download {expected.name}"
        )
    partial.append(reply, expected.name)
    # The reply has come to its end: whatever the server did not say, this is all.
    partial.total = partial.size


def _is_page(head: bytes) -> bool:
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype html", b"<html"))
