"""Files from the web: whole, checked and hashed, or not there at all.

Beside a target `x.npy` stand, while it is fetched, `x.npy.partial` (what has come so far),
`x.npy.partial.json` (which version of the remote file that is) and `x.npy.lock`; afterwards
`x.npy.download.json`, which records size, hash and origin. A download that was cut off anywhere,
by kill -9 too, goes on from there at the next call.
"""

import datetime
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.datasets.disk import need_disk_space
from bench.datasets.hosts import PublishedFile, check_url, public_url, url_of
from bench.datasets.lock import only_process
from bench.datasets.partial import Partial, beside, hashed, read_json
from bench.datasets.remote import Changed, Dropped, Reply, open_at
from bench.errors import BenchError, user_io_errors
from bench.files import atomic_write_json

__all__ = ["Download", "Patience", "download", "fetch_file"]

_log = logging.getLogger(__name__)


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


_PATIENCE = Patience()


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
    patience: Patience = _PATIENCE,
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
        with only_process(beside(target, "lock"), f"download {target.name}"):
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


def _recorded(target: Path) -> Download | None:
    """Find a target that is as it was when it was downloaded; None: not there, or touched since."""
    record = read_json(beside(target, "download.json"))
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
    atomic_write_json(beside(target, "download.json"), value)


def _adopted(target: Path) -> Download:
    """Hash a target that the user put there, or that was touched since it was downloaded."""
    record = read_json(beside(target, "download.json"))
    digest, size = hashed(target)
    sha256 = digest.hexdigest()
    if record and (record.get("size"), record.get("sha256")) != (size, sha256):
        raise BenchError(
            f"{target} has changed since it was downloaded (it has {size:,} bytes now); remove it "
            "to download it anew"
        )
    here = Download(target, size, sha256, record.get("url"), record.get("downloaded"))
    _record(target, target, here)
    return here


def _downloaded(
    url: str,
    target: Path,
    expected: _Expected,
    patience: Patience,
    sleep: Callable[[float], None],
) -> Download:
    partial = Partial(target, url)
    if partial.size:
        _log.info("%s: going on after %s", target.name, partial.progress_text())
    _fetch_rest(url, partial, expected, patience, sleep)
    with user_io_errors("read the file", partial.path), partial.path.open("rb") as file:
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
        aside = beside(target, "unexpected")
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
    partial: Partial,
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


def _take(reply: Reply, partial: Partial, expected: _Expected) -> None:
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
