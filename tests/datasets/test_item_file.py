import errno
import hashlib
import threading
from pathlib import Path

import pyarrow as pa
import pytest

from bench.datasets import item_file
from bench.datasets.content_hash import ContentHashes
from bench.datasets.hashed_file import HashedFile
from bench.datasets.item_file import write_items
from bench.errors import BenchError

IDS = [f"B{k}" for k in range(10)]
IMAGES = [bytes([k]) * 1000 * (k + 1) for k in range(10)]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_file, "_BATCH_ITEMS", 3)


def written(path: Path) -> tuple[str, str]:
    hashes = ContentHashes(split="s", item_ids=IDS)
    return write_items(path, IDS, None, iter(IMAGES), hashes), hashes.data_hash()


def test_batches_come_in_order_with_the_hash_of_the_file(tmp_path: Path) -> None:
    file_hash, data_hash = written(tmp_path / "f")
    assert file_hash == hashlib.sha256((tmp_path / "f").read_bytes()).hexdigest()
    with pa.OSFile(str(tmp_path / "f")) as source, pa.ipc.open_file(source) as reader:
        assert reader.num_record_batches == 4
        assert reader.read_all().column("image").to_pylist() == IMAGES
    one_by_one = ContentHashes(split="s", item_ids=IDS)
    for image in IMAGES:
        one_by_one.add_images([image])
    assert one_by_one.data_hash() == data_hash


@pytest.mark.parametrize("full_at", [0, 2_000, 20_000, 50_000])
def test_the_disk_is_full_in_whichever_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full_at: int
) -> None:
    original = HashedFile.write

    def write(self: HashedFile, content: bytes | memoryview) -> int:
        if self.size + memoryview(content).nbytes > full_at:
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(self, content)

    monkeypatch.setattr(HashedFile, "write", write)
    assert sum(map(len, IMAGES[:9])) < 50_000  # so that the last one is the last batch's
    before = threading.active_count()
    with pytest.raises(OSError, match="No space left") as caught:
        written(tmp_path / "f")
    assert caught.value.errno == errno.ENOSPC
    assert threading.active_count() == before


@pytest.mark.parametrize("count", [9, 11])
def test_images_and_items_that_do_not_match(tmp_path: Path, count: int) -> None:
    images = (b"x" for _ in range(count))
    with pytest.raises(BenchError, match="images"):
        write_items(tmp_path / "f", IDS, None, images, ContentHashes(split="s", item_ids=IDS))
