"""Errors a user can act on, and the nearest-name hint they carry.

Everything that is the user's to mend (input, names, disk, permissions) derives from `BenchError`;
the command line turns it into one line and exit code 2. Anything else is a bug and keeps its
traceback.
"""

import difflib
import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = [
    "BenchError",
    "DivergedError",
    "HeldOutError",
    "NonFiniteScoreError",
    "NotFittedError",
    "StorageError",
    "check_readable",
    "described",
    "did_you_mean",
    "one_line",
    "printable",
    "unknown_name",
    "user_io_errors",
]


class BenchError(Exception):
    """A problem the user can solve; the message says what, where and what to do, on one line."""


class StorageError(BenchError):
    """Something cannot be read or written where the user wants it: disk, permission, path."""


class NotFittedError(BenchError):
    """A recommender was asked for scores before `fit`."""


class HeldOutError(BenchError):
    """Training code asked for the validation or test items."""


class DivergedError(BenchError):
    """A fit left the numbers: a loss, a weight or a score is NaN or infinite.

    What the hyper-parameters do, not what is broken: a search takes it as an answer.
    """


class NonFiniteScoreError(DivergedError):
    """A recommender gave NaN or an infinity where a score belongs."""


def unknown_name(kind: str, name: str, known: Iterable[str], *, see: str) -> BenchError:
    """Say that `name` is no known `kind`, with the nearest known one and how to list all."""
    names = sorted(known)
    hint = did_you_mean(name, names)
    return BenchError(f"unknown {kind} {name!r}: {hint}`{see}` shows all ({', '.join(names)})")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Ask for the known name that is nearest to `name`, a blank behind it; "" if none is near."""
    near = difflib.get_close_matches(name.lower(), sorted(known), n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}? " if near else ""


def printable(text: str) -> str:
    """Make text of a file that may be hostile safe for a terminal: one line, no control codes."""
    return text if text.isprintable() else ascii(text)[1:-1]


def check_readable(path: Path) -> None:
    """See that a file that is there may be read, before its content is blamed.

    Raises
    ------
    BenchError
        It may not.
    """
    if path.exists() and not os.access(path, os.R_OK):
        raise BenchError(f"{path}: permission denied; make it readable for yourself (chmod u+r)")


def one_line(error: BaseException) -> str:
    """Give what an error says, its lines joined to one."""
    return " ".join(str(error).split())


def described(error: BaseException) -> str:
    """Give what an error says on one line; where it is none of ours, with its type before it."""
    text = one_line(error)
    if isinstance(error, BenchError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


@contextmanager
def user_io_errors(doing: str, path: Path) -> Iterator[None]:
    """Turn a full disk, a missing permission or a missing file into a `BenchError`.

    Parameters
    ----------
    doing
        What was attempted, as it reads in the message: "write the results".
    path
        Where it was attempted.
    """
    remedies = {
        errno.ENOSPC: "the disk is full; free some space or choose another folder",
        errno.EDQUOT: "the disk quota is used up; free some space or choose another folder",
        errno.EACCES: "permission denied; choose a folder you may write to",
        errno.EPERM: "operation not permitted; choose a folder you may write to",
        errno.EROFS: "the file system is read-only; choose another folder",
        errno.ENOENT: "no such file or folder",
        errno.ENOTDIR: "a part of the path is a file, not a folder",
        errno.EISDIR: "it is a folder, a file was expected",
        errno.EEXIST: "it exists and is not a folder",
    }
    try:
        yield
    except OSError as error:
        # pyarrow and zipfile raise plain OSErrors for bad content, without an errno: those are not
        # about the disk.
        if error.errno is None:
            raise
        remedy = remedies.get(error.errno, error.strerror or "input/output error")
        raise StorageError(f"cannot {doing} at {path}: {remedy}") from error
