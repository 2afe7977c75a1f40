"""One process at a time: a lock that the system itself lifts when its holder dies."""

import errno
import json
import logging
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from bench.errors import BenchError, user_io_errors

__all__ = ["BusyError", "only_process"]

_log = logging.getLogger(__name__)

_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL)
"""What file systems without locks answer (some network and cluster ones)."""

_POLL_SECONDS = 0.1


class BusyError(BenchError):
    """Another process holds the lock."""


if sys.platform == "win32":
    import msvcrt

    # Far behind the text: Windows keeps others from reading the bytes that are locked.
    _LOCKED_BYTE = 1 << 20

    def _take(file: BinaryIO) -> None:
        file.seek(_LOCKED_BYTE)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError(error.errno, "locked") from error
        finally:
            file.seek(0)
else:
    import fcntl

    def _take(file: BinaryIO) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def only_process(path: Path, doing: str, *, wait: bool = False) -> Iterator[None]:
    """Hold the lock file `path` while the block runs; it is gone afterwards.

    The file says who holds it, but what counts is the system's lock on it: that of a process that
    was killed is lifted at once, so a file that stays behind stops nobody. On NFS locks of this
    kind hold between machines where the server supports them (version 4, or 3 with its lock
    service); a server that does not is told in a warning, and nothing is locked then.

    Parameters
    ----------
    path
        The lock file; its folder is made.
    doing
        What the lock is for, as it reads in the message: "download tradesy.json.gz".
    wait
        Wait until it is free, and say so once.

    Raises
    ------
    BusyError
        Another process holds it (the message says which), unless it is waited for.
    StorageError
        The file cannot be written.
    """
    waited = False
    while True:
        try:
            with user_io_errors(doing, path):
                path.parent.mkdir(parents=True, exist_ok=True)
                file = _open_locked(path, doing)
            break
        except BusyError as error:
            if not wait:
                raise
            if not waited:
                _log.info("waiting: %s", error)
            waited = True
            time.sleep(_POLL_SECONDS)
    with file:
        try:
            yield
        finally:
            # While it is still held, so that it is certainly our own. Windows keeps open files.
            try:
                path.unlink()
            except OSError:
                _log.debug("the lock file %s stays", path)


def _open_locked(path: Path, doing: str) -> BinaryIO:
    while True:
        # "a+b" makes it if need be, and leaves the holder's text alone.
        file = path.open("a+b")
        try:
            _take(file)
        except BlockingIOError:
            holder = _holder(file)
            file.close()
            raise BusyError(
                f"cannot {doing}: {holder} is at it already ({path}); wait until it is done"
            ) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                file.close()
                raise
            _log.warning("%s: no locks on this file system; start one process at a time", path)
            return file
        # Its last holder may have removed it between our opening and locking it.
        try:
            same = os.path.samestat(os.fstat(file.fileno()), path.stat())
        except FileNotFoundError:
            same = False
        if same:
            file.truncate(0)
            owner = {"pid": os.getpid(), "host": socket.gethostname()}
            file.write(json.dumps(owner).encode())
            file.flush()
            return file
        file.close()


def _holder(file: BinaryIO) -> str:
    try:
        file.seek(0)
        owner = json.loads(file.read())
        return f"process {int(owner['pid'])} on {owner['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        # It has locked the file and not written its name yet.
        return "another process"
