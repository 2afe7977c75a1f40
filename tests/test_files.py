import errno
import hashlib
import os
import socket
import subprocess
from pathlib import Path

import numpy as np
import pytest

from bench.errors import BenchError
from bench.files import (
    atomic_folder,
    atomic_write_bytes,
    atomic_write_json,
    remove_leftovers,
    sha256_of_arrays,
    sha256_of_file,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "target"
    with atomic_folder(target) as temporary:
        (temporary / "file").write_text("content")
        assert not target.exists()
    assert (target / "file").read_text() == "content"
    assert names(target.parent) == ["target"]
    assert target.stat().st_mode & 0o777 == 0o755


def test_a_folder_replaces_the_old_one_with_all_its_files(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "old").write_text("")
    with atomic_folder(target) as temporary:
        (temporary / "new").write_text("")
    assert names(target) == ["new"]
    assert names(tmp_path) == ["target"]


@pytest.mark.parametrize("error", [ValueError("bug"), KeyboardInterrupt()])
def test_a_block_that_fails_leaves_what_was_there(tmp_path: Path, error: BaseException) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "old").write_text("kept")

    def fail() -> None:
        with atomic_folder(target) as temporary:
            (temporary / "new").write_text("")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert (target / "old").read_text() == "kept"
    assert names(tmp_path) == ["target"]


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with atomic_folder(tmp_path / "target") as temporary:
            (temporary / "part").write_text("")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(BenchError, match=r"cannot write at .*target: the disk is full"):
        fail()
    assert names(tmp_path) == []


def test_bytes_and_json(tmp_path: Path) -> None:
    atomic_write_bytes(tmp_path / "a" / "bytes", b"\x00\xff")
    assert (tmp_path / "a" / "bytes").read_bytes() == b"\x00\xff"
    atomic_write_json(tmp_path / "a" / "json", {"name": "Größe", "n": 1})
    assert (tmp_path / "a" / "json").read_text("utf-8") == '{\n  "name": "Größe",\n  "n": 1\n}\n'
    assert names(tmp_path / "a") == ["bytes", "json"]


def test_json_has_no_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        atomic_write_json(tmp_path / "json", {"auc": float("nan")})
    assert names(tmp_path) == []


def test_a_write_that_fails_keeps_the_old_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "file"
    target.write_text("old")

    def fail(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("bench.files.os.fsync", fail)
    with pytest.raises(BenchError, match="the disk is full"):
        atomic_write_bytes(target, b"new")
    assert target.read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_a_parent_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BenchError, match=r"cannot write at .*: (it exists|a part of the path)"):
        atomic_write_bytes(tmp_path / "file" / "inner", b"")


def test_hash_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    # FIPS 180-2, appendix B.1.
    assert sha256_of_file(tmp_path / "f") == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


def test_hash_of_arrays_sees_dtype_shape_order_and_content_but_not_layout() -> None:
    a = np.arange(6, dtype=np.int32).reshape(2, 3)
    base = sha256_of_arrays(a)
    assert base == hashlib.sha256(b"<i4(2, 3)" + a.tobytes()).hexdigest()
    assert base == sha256_of_arrays(np.asfortranarray(a))
    others = [
        sha256_of_arrays(a.astype(np.int64)),
        sha256_of_arrays(a.reshape(3, 2)),
        sha256_of_arrays(a + 1),
        sha256_of_arrays(a, a),
        sha256_of_arrays(),
    ]
    assert len({base, *others}) == 6


def dead_pid() -> int:
    """A process number that nobody has: that of a child that has ended."""
    return int(subprocess.run(["sh", "-c", "echo $$"], capture_output=True, check=True).stdout)


def test_leftovers_of_the_dead_go_and_those_of_the_living_stay(tmp_path: Path) -> None:
    host = socket.gethostname()
    dead = tmp_path / "runs" / f".tmp-{host}-{dead_pid()}-abc"
    dead.mkdir(parents=True)
    (dead / "half.json").write_text("{")
    file = tmp_path / f".tmp-{host}-{dead_pid()}-def"
    file.write_text("half")
    living = tmp_path / f".tmp-{host}-{os.getpid()}-abc"
    elsewhere = tmp_path / f".tmp-other{host}-1-abc"
    for folder in (living, elsewhere):
        folder.mkdir()
    assert remove_leftovers(tmp_path) == 2
    assert not dead.exists()
    assert not file.exists()
    assert living.exists()
    assert elsewhere.exists()


def test_a_folder_set_aside_by_a_killed_process_comes_back(tmp_path: Path) -> None:
    old = tmp_path / f".old-{socket.gethostname()}-{dead_pid()}-abc"
    (old / "cell").mkdir(parents=True)
    (old / "cell" / "result.json").write_text("{}")
    remove_leftovers(tmp_path)
    assert (tmp_path / "cell" / "result.json").read_text() == "{}"
    assert names(tmp_path) == ["cell"]


def test_a_replaced_folder_leaves_nothing_aside(tmp_path: Path) -> None:
    for text in ("one", "two"):
        with atomic_folder(tmp_path / "cell") as folder:
            (folder / "a").write_text(text)
    assert (tmp_path / "cell" / "a").read_text() == "two"
    assert names(tmp_path) == ["cell"]
