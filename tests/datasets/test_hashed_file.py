import errno
import gc
import hashlib
import os
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.datasets import hashed_file
from bench.datasets.hashed_file import BackgroundHash, HashedFile, PieceReader, ThreadedHash
from bench.errors import BenchError, StorageError


def test_what_is_written_is_hashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashed_file, "_WRITE_OUT_BYTES", 100)  # several times in this test
    numbers = np.arange(50, dtype="<f4").reshape(5, 10)
    with HashedFile(tmp_path / "f") as file:
        assert file.write(b"head") == 4
        assert file.write(numbers.data) == 200  # a matrix counts in bytes, not rows
        assert file.tell() == file.size == 204
        file.flush()
    content = (tmp_path / "f").read_bytes()
    assert content == b"head" + numbers.tobytes()
    assert file.sha256() == hashlib.sha256(content).hexdigest()
    assert file.closed


def test_a_full_disk_is_the_system_s_own_error(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with HashedFile(Path("/dev/full")) as file, pytest.raises(OSError, match="space") as caught:
        file.write(b"x")
    assert caught.value.errno == errno.ENOSPC


CONTENT = bytes(np.random.default_rng(3).integers(0, 256, 1000, dtype=np.uint8))


def test_many_bytes_are_hashed_in_a_thread_and_few_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashed_file, "_BYTES_FOR_A_THREAD", 100)
    digest = ThreadedHash()
    threads = []

    class Recorded:
        def __init__(self, inner: Any) -> None:
            self.inner, self.hexdigest = inner, inner.hexdigest

        def update(self, content: bytes) -> None:
            threads.append(threading.current_thread() is threading.main_thread())
            self.inner.update(content)

    monkeypatch.setattr(digest, "_digest", Recorded(digest._digest))
    sizes = (10, 300, 99, 100, 800, 1000)
    for size in sizes:
        digest.update(memoryview(CONTENT)[:size])
    expected = hashlib.sha256(b"".join(CONTENT[:size] for size in sizes))
    assert digest.hexdigest() == digest.hexdigest() == expected.hexdigest()
    assert threads == [size < 100 for size in sizes]
    # It can go on after that.
    digest.update(CONTENT)
    expected.update(CONTENT)
    assert digest.hexdigest() == expected.hexdigest()


def test_the_thread_of_a_hash_ends_with_it() -> None:
    before = set(threading.enumerate())
    digest = ThreadedHash()
    digest.update(bytes(1 << 20))
    assert digest.hexdigest() == hashlib.sha256(bytes(1 << 20)).hexdigest()
    # Others, of tests before this one, may end meanwhile.
    (own,) = set(threading.enumerate()) - before
    del digest
    gc.collect()
    own.join(timeout=5)
    assert not own.is_alive()


def test_memory_given_to_a_file_is_free_afterwards(tmp_path: Path) -> None:
    content = bytearray(1 << 20)
    with HashedFile(tmp_path / "f") as file:
        for value in (b"a", b"b"):
            content[:] = value * len(content)
            file.write(memoryview(content))
    assert file.sha256() == hashlib.sha256((tmp_path / "f").read_bytes()).hexdigest()
    assert (tmp_path / "f").read_bytes() == b"a" * len(content) + b"b" * len(content)


@pytest.mark.parametrize("block", [1, 64, 1000, 4096])
def test_a_file_hashed_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(hashed_file, "_READ_BYTES", block)
    (tmp_path / "f").write_bytes(CONTENT)
    with BackgroundHash(tmp_path / "f") as found:
        assert found.sha256() == found.sha256() == hashlib.sha256(CONTENT).hexdigest()


@pytest.mark.parametrize("change", ["longer", "touched", "another", "gone"])
def test_a_file_that_was_changed_meanwhile(tmp_path: Path, change: str) -> None:
    path = tmp_path / "f"
    path.write_bytes(CONTENT)
    state = path.stat()
    with BackgroundHash(path) as found:
        if change == "longer":
            path.write_bytes(CONTENT + b"x")
            os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
        elif change == "touched":
            os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + 1_000_000_000))
        else:
            path.rename(tmp_path / "g")
            if change == "another":
                path.write_bytes(CONTENT)
                os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
        with pytest.raises(BenchError, match=r"has changed since|no such file"):
            found.sha256()


def test_an_error_of_the_reading_thread_arrives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        close = staticmethod(lambda: None)

        def readinto(self, block: memoryview) -> int:
            raise OSError(errno.EIO, "Input/output error")

    (tmp_path / "f").write_bytes(CONTENT)
    monkeypatch.setattr(Path, "open", lambda *args, **kwargs: Broken())
    with (
        BackgroundHash(tmp_path / "f") as found,
        pytest.raises(StorageError, match=r"cannot read the file .*Input/output error"),
    ):
        found.sha256()


def test_hashing_ends_with_its_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashed_file, "_READ_BYTES", 1)
    (tmp_path / "f").write_bytes(bytes(10_000_000))
    before = threading.active_count()
    started = time.monotonic()
    with pytest.raises(ZeroDivisionError), BackgroundHash(tmp_path / "f"):
        raise ZeroDivisionError
    assert threading.active_count() == before
    assert time.monotonic() - started < 2


def test_there_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"cannot read the file .*no such file"):
        BackgroundHash(tmp_path / "f")


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    spans=st.lists(st.tuples(st.integers(0, 999), st.integers(0, 300)), max_size=12),
    block=st.integers(1, 1200),
)
def test_pieces_in_any_order(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    spans: list[tuple[int, int]],
    block: int,
) -> None:
    monkeypatch.setattr(hashed_file, "_READ_BYTES", block)
    path = tmp_path_factory.getbasetemp() / "pieces"
    path.write_bytes(CONTENT)
    with PieceReader(path) as reader:
        for offset, length in spans:
            length = min(length, len(CONTENT) - offset)
            assert reader.read(offset, length) == CONTENT[offset : offset + length]


@pytest.mark.parametrize(
    ("offsets", "n_reads", "most_bytes"),
    [
        # The first piece on its own, then whole blocks, one of which a piece reaches beyond.
        (list(range(200, 900, 70)), 13, 800),
        ([0, 900, 300, 700, 100], 5, 320),  # here and there: no more than what is asked for
    ],
)
def test_how_much_is_read(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    offsets: list[int],
    n_reads: int,
    most_bytes: int,
) -> None:
    monkeypatch.setattr(hashed_file, "_READ_BYTES", 64)
    (tmp_path / "f").write_bytes(CONTENT)
    with PieceReader(tmp_path / "f") as reader:
        counting = _Counting(reader._file)
        monkeypatch.setattr(reader, "_file", counting)
        for offset in offsets:
            assert reader.read(offset, 50) == CONTENT[offset : offset + 50]
    assert counting.n_reads <= n_reads
    assert counting.n_bytes <= most_bytes


class _Counting:
    def __init__(self, file: Any) -> None:
        self._file = file
        self.n_reads = self.n_bytes = 0
        self.seek, self.close = file.seek, file.close

    def read(self, size: int) -> bytes:
        content: bytes = self._file.read(size)
        return content[: self._counted(len(content))]

    def readinto(self, block: memoryview) -> int:
        return self._counted(self._file.readinto(block))

    def _counted(self, n_bytes: int) -> int:
        self.n_reads += 1
        self.n_bytes += n_bytes
        return n_bytes


def test_a_file_that_became_shorter(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"short")
    with (
        PieceReader(tmp_path / "f") as reader,
        pytest.raises(BenchError, match="ends early; it was changed"),
    ):
        reader.read(3, 10)
