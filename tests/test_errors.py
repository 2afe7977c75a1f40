import errno
from pathlib import Path

import pytest

from bench.errors import (
    BenchError,
    HeldOutError,
    NotFittedError,
    StorageError,
    unknown_name,
    user_io_errors,
)


def test_the_nearest_name_is_suggested() -> None:
    error = unknown_name("recommender", "vbrp", ["vbpr", "rand", "bpr-mf"], see="bench list")
    assert str(error) == (
        "unknown recommender 'vbrp': did you mean 'vbpr'? `bench list` shows all "
        "(bpr-mf, rand, vbpr)"
    )


def test_upper_case_is_forgiven_in_the_hint() -> None:
    assert "did you mean 'vbpr'?" in str(unknown_name("x", "VBPR", ["vbpr"], see="bench list"))


def test_nothing_near_gives_no_hint() -> None:
    error = unknown_name("data set", "zzz", ["clothing"], see="bench datasets list")
    assert "did you mean" not in str(error)
    assert "`bench datasets list` shows all (clothing)" in str(error)


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (errno.ENOSPC, "the disk is full; free some space"),
        (errno.EDQUOT, "quota"),
        (errno.EACCES, "permission denied; choose a folder you may write to"),
        (errno.EPERM, "not permitted"),
        (errno.EROFS, "read-only"),
        (errno.ENOENT, "no such file"),
        (errno.ENOTDIR, "a part of the path is a file"),
        (errno.EISDIR, "it is a folder"),
    ],
)
def test_errors_of_the_disk_are_the_users(code: int, remedy: str) -> None:
    with (
        pytest.raises(BenchError, match=rf"^cannot write the results at /r: .*{remedy}"),
        user_io_errors("write the results", Path("/r")),
    ):
        raise OSError(code, "text of the system")


def test_what_has_no_remedy_is_told_in_the_words_of_the_system() -> None:
    with (
        pytest.raises(StorageError, match=r"^cannot write at /r: File name too long$"),
        user_io_errors("write", Path("/r")),
    ):
        raise OSError(errno.ENAMETOOLONG, "File name too long")


@pytest.mark.parametrize("error", [OSError("bad content"), KeyError("k")])
def test_other_errors_keep_their_traceback(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, user_io_errors("write", Path("/r")):
        raise error
    assert caught.value is error


def test_all_user_errors_share_one_class() -> None:
    assert issubclass(HeldOutError, BenchError)
    assert issubclass(NotFittedError, BenchError)
