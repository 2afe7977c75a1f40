import errno
import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.datasets import hashed_file
from bench.datasets.hashed_file import HashedFile, HashingReader
from bench.errors import BenchError


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


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    spans=st.lists(st.tuples(st.integers(0, 999), st.integers(0, 300)), max_size=12),
    block=st.integers(1, 1200),
)
def test_pieces_in_any_order_and_one_hash(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    spans: list[tuple[int, int]],
    block: int,
) -> None:
    monkeypatch.setattr(hashed_file, "_READ_BYTES", block)
    path = tmp_path_factory.getbasetemp() / "pieces"
    path.write_bytes(CONTENT)
    with HashingReader(path) as reader:
        for offset, length in spans:
            length = min(length, len(CONTENT) - offset)
            assert reader.read(offset, length) == CONTENT[offset : offset + length]
        assert reader.sha256() == hashlib.sha256(CONTENT).hexdigest()
        assert reader.sha256() == hashlib.sha256(CONTENT).hexdigest()


def test_front_to_back_the_file_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashed_file, "_READ_BYTES", 64)
    (tmp_path / "f").write_bytes(CONTENT)
    with HashingReader(tmp_path / "f") as reader:
        n_read = 0
        original = reader._file.read

        def count(size: int) -> bytes:
            nonlocal n_read
            content = original(size) or b""
            n_read += len(content)
            return content

        monkeypatch.setattr(reader, "_file", _Counting(reader._file, count))
        for offset in range(0, 900, 90):
            reader.read(offset, 70)
        reader.sha256()
    assert n_read == len(CONTENT)


class _Counting:
    def __init__(self, file: object, read: object) -> None:
        self.seek = file.seek  # type: ignore[attr-defined]
        self.close = file.close  # type: ignore[attr-defined]
        self.read = read


def test_a_file_that_became_shorter(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"short")
    with (
        HashingReader(tmp_path / "f") as reader,
        pytest.raises(BenchError, match="ends early; it was changed"),
    ):
        reader.read(3, 10)
