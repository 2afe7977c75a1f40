import io
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.datasets.dataset import Interactions, TrainingSet
from bench.datasets.library import stored_names
from bench.datasets.reader import open_dataset
from bench.datasets.record import read_record
from bench.errors import BenchError, StorageError
from bench.files import one_at_a_time
from dvbpr import images as module
from dvbpr.images import open_images

Make = Callable[..., TrainingSet]


def by_hand(encoded: bytes, pixels: int) -> np.ndarray:
    """Decode and resize one image by Pillow's plain calls."""
    image = Image.open(io.BytesIO(encoded)).convert("RGB")
    return np.array(image.resize((pixels, pixels), resample=Image.Resampling.BILINEAR))


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several chunks and hash blocks even for a few small images, and nothing remembered."""
    monkeypatch.setattr(module, "_CHUNK_BYTES", 16 * 12 * 12 * 3)
    monkeypatch.setattr(module, "_HASH_BLOCK", 1000)
    monkeypatch.setattr(module, "_checked", {})


def files(dataset: TrainingSet) -> tuple[Path, Path]:
    assert dataset.images is not None
    assert dataset.images.cache is not None
    (array,) = dataset.images.cache.glob("*.npy")
    return array, array.with_suffix(".json")


@pytest.mark.parametrize("cached", [True, False])
def test_every_image_is_decoded_and_resized_in_item_order(
    with_images: Make, photographs: list[bytes], cached: bool
) -> None:
    array = open_images(with_images(photographs, cached=cached), 12, threads=3)
    assert array.shape == (40, 12, 12, 3)
    assert array.dtype == np.uint8
    assert array.flags.c_contiguous
    assert not array.flags.writeable
    assert isinstance(array, np.memmap) == cached
    for item, encoded in enumerate(photographs):
        np.testing.assert_array_equal(array[item], by_hand(encoded, 12))


def test_a_reduced_image_is_an_average_of_all_its_pixels(with_images: Make) -> None:
    """The filter widens with the reduction: a fine check pattern becomes grey."""
    check = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(check).save(buffer, "PNG")
    (small,) = open_images(with_images([buffer.getvalue()]), 8)
    assert np.abs(small.astype(int) - 127).max() <= 2


def test_the_aspect_ratio_is_not_kept(with_images: Make) -> None:
    halves = np.zeros((10, 80), np.uint8)
    halves[:, 40:] = 255
    buffer = io.BytesIO()
    Image.fromarray(halves).save(buffer, "PNG")
    (square,) = open_images(with_images([buffer.getvalue()]), 8)
    assert (square[:, :3] == 0).all()
    assert (square[:, 5:] == 255).all()


def test_the_second_time_nothing_is_decoded(
    with_images: Make, photographs: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = with_images(photographs)
    first = open_images(dataset, 12)
    broken = with_images([b"no image"] * 40)  # the same hash: it must not be looked at
    np.testing.assert_array_equal(open_images(broken, 12), first)
    monkeypatch.setattr(module, "_checked", {})  # as in another process
    np.testing.assert_array_equal(open_images(broken, 12), first)


def test_the_record_beside_it_says_what_it_is(with_images: Make, photographs: list[bytes]) -> None:
    import PIL

    dataset = with_images(photographs)
    open_images(dataset, 12)
    path, record = files(dataset)
    assert path.name == "images-12-bilinear.npy"
    value = json.loads(record.read_text())
    assert len(value.pop("sha256")) == 64
    assert value == {
        "cache_version": 1,
        "content_hash": "d" * 64,
        "n_items": 40,
        "pixels": 12,
        "filter": "bilinear",
        "pillow": PIL.__version__,
    }


def test_sizes_and_data_sets_have_caches_of_their_own(
    with_images: Make, photographs: list[bytes]
) -> None:
    assert open_images(with_images(photographs), 12).shape[1] == 12
    assert open_images(with_images(photographs), 9).shape[1] == 9
    other = open_images(with_images(photographs[::-1], content_hash="e" * 64), 12)
    np.testing.assert_array_equal(other[0], by_hand(photographs[-1], 12))


def flip_a_byte(path: Path, record: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def cut_off(path: Path, record: Path) -> None:
    path.write_bytes(path.read_bytes()[:-500])


def empty(path: Path, record: Path) -> None:
    path.write_bytes(b"")


def lose_the_record(path: Path, record: Path) -> None:
    record.unlink()


def lose_the_array(path: Path, record: Path) -> None:
    path.unlink()


def spoil_the_record(path: Path, record: Path) -> None:
    record.write_text("{")


def replace_the_record(path: Path, record: Path) -> None:
    record.write_text("[]")


def other_pillow(path: Path, record: Path) -> None:
    record.write_text(json.dumps(json.loads(record.read_text()) | {"pillow": "1.0"}))


def other_shape(path: Path, record: Path) -> None:
    np.save(path, np.load(path).reshape(40, 144, 3))


def other_order(path: Path, record: Path) -> None:
    np.save(path, np.asfortranarray(np.load(path)))


def pickled(path: Path, record: Path) -> None:
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (flip_a_byte, "its bytes do not match their hash"),
        (cut_off, "decoding the images again"),
        (empty, "decoding the images again"),
        (lose_the_record, "left by a run that was cut off"),
        (lose_the_array, "decoding the images of photos once"),
        (spoil_the_record, "decoding the images again"),
        (replace_the_record, "decoding the images again"),
        (other_pillow, "made with pillow '1.0', now"),
        (other_shape, "another shape or type"),
        (other_order, "not in C order"),
        (pickled, "decoding the images again"),
    ],
)
def test_a_cache_that_is_not_whole_is_made_anew_and_said_so(
    with_images: Make,
    photographs: list[bytes],
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[Path, Path], None],
    line: str,
) -> None:
    dataset = with_images(photographs)
    expected = np.array(open_images(dataset, 12))
    damage(*files(dataset))
    with caplog.at_level(logging.INFO):
        again = open_images(dataset, 12)
    assert line in caplog.text
    np.testing.assert_array_equal(again, expected)
    caplog.clear()
    open_images(dataset, 12)
    assert not caplog.text


def test_damage_is_noticed_in_the_process_that_made_the_cache(
    with_images: Make, photographs: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    """What was checked is remembered, and forgotten when the file changes."""
    dataset = with_images(photographs)
    expected = np.array(open_images(dataset, 12))
    path, _ = files(dataset)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(path, ns=(1, 1))
    np.testing.assert_array_equal(open_images(dataset, 12), expected)
    assert "do not match their hash" in caplog.text


@pytest.mark.parametrize("cached", [True, False])
def test_an_image_that_does_not_decode_is_named(
    with_images: Make, photographs: list[bytes], cached: bool
) -> None:
    whole = photographs[22]
    for flawed in (b"no image", b"", whole[: len(whole) // 2]):
        dataset = with_images([*photographs[:22], flawed, *photographs[23:]], cached=cached)
        with pytest.raises(BenchError, match=r"photos: the image of item 22 .*cannot be decoded"):
            open_images(dataset, 12)
        if cached:
            assert dataset.images is not None
            assert dataset.images.cache is not None
            assert [p.suffix for p in dataset.images.cache.iterdir()] == [".lock"]


def test_no_images_and_no_pixels(with_images: Make, photographs: list[bytes]) -> None:
    train = Interactions.from_pairs(np.array([0]), np.array([0]), n_users=1, n_items=1)
    with pytest.raises(BenchError, match="bare has no images"):
        open_images(TrainingSet(name="bare", train=train), 12)
    with pytest.raises(BenchError, match="at least 1"):
        open_images(with_images(photographs), 0)


def test_a_disk_without_room_is_told_before_decoding(
    with_images: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(100, 90, 10))
    with pytest.raises(StorageError, match=r"they take 0.0 GB, 0.0 GB are free; free some space"):
        open_images(with_images([b"not looked at"]), 12)


def test_a_disk_that_fills_up_leaves_nothing(
    with_images: Make, photographs: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    dataset = with_images(photographs)
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match="the disk is full"):
        open_images(dataset, 12)
    assert dataset.images is not None
    assert dataset.images.cache is not None
    assert [p.suffix for p in dataset.images.cache.iterdir()] == [".lock"]


def test_memory_without_room_is_told(with_images: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = namedtuple("memory", "available")
    monkeypatch.setattr("psutil.virtual_memory", lambda: memory(10))
    with pytest.raises(BenchError, match="of memory are free"):
        open_images(with_images([b"not looked at"], cached=False), 12)


def test_memory_does_not_grow_with_the_catalogue(
    with_images: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is decoded at a time is a chunk, whatever the number of images."""
    import tracemalloc

    monkeypatch.setattr(module, "_CHUNK_BYTES", 1 << 20)
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(buffer, "PNG")
    dataset = with_images([buffer.getvalue()] * 1500)
    tracemalloc.start()
    array = open_images(dataset, 64, threads=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert array.nbytes > 18e6
    assert peak < 6e6


MAKE = """
import sys, time, numpy as np
from pathlib import Path
from bench.progress import Progress
from bench.datasets.dataset import Images, Interactions, TrainingSet
from dvbpr.images import open_images
folder = Path(sys.argv[1])
encoded = [(folder / f"{k}").read_bytes() for k in range(40)] * 20
images = Images(encoded, cache=folder / ".cache" / "d")
train = Interactions.from_pairs(np.array([0]), np.array([0]), n_users=1, n_items=800)
if len(sys.argv) > 2:  # as if decoding took long, so that there is time to stop it
    Progress.advance = lambda self, steps=1, note="": time.sleep(float(sys.argv[2]))
sys.stderr.write("ready\\n"); sys.stderr.flush()
array = open_images(TrainingSet(name="photos", train=train, images=images), 48)
sys.stdout.write(str(int(array.sum(dtype=np.int64))))
"""


@pytest.fixture
def call(photographs: list[bytes], tmp_path: Path) -> list[str]:
    """A process that makes the cache of 800 images."""
    for k, encoded in enumerate(photographs):
        (tmp_path / f"{k}").write_bytes(encoded)
    return [sys.executable, "-c", MAKE, str(tmp_path)]


def test_processes_that_make_it_at_once_all_get_it_whole(
    call: list[str], tmp_path: Path, photographs: list[bytes]
) -> None:
    processes = [
        subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(3)
    ]
    sums = {process.communicate(timeout=60)[0] for process in processes}
    assert [process.returncode for process in processes] == [0, 0, 0]
    expected = 20 * sum(int(by_hand(encoded, 48).sum(dtype=np.int64)) for encoded in photographs)
    assert sums == {str(expected).encode()}
    kept = sorted(path.suffix for path in (tmp_path / ".cache" / "d").iterdir())
    assert kept == [".json", ".lock", ".npy"]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_process_that_is_stopped_leaves_nothing_to_trust(
    call: list[str], tmp_path: Path, how: signal.Signals
) -> None:
    cache = tmp_path / ".cache" / "d"
    process = subprocess.Popen([*call, "30"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 240
    while not list(cache.glob(".tmp-*")) and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(how)
    process.communicate(timeout=60)
    assert process.returncode != 0
    assert not list(cache.glob("*.json"))
    if how == signal.SIGINT:
        assert [path.suffix for path in cache.iterdir()] == [".lock"]
    done = subprocess.run(call, capture_output=True, check=True, timeout=60)
    assert int(done.stdout) > 0


def test_a_second_thread_of_work_waits_and_finds_it_done(
    with_images: Make, photographs: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    dataset = with_images(photographs)
    assert dataset.images is not None
    assert dataset.images.cache is not None
    dataset.images.cache.mkdir(parents=True)
    path = dataset.images.cache / "images-12-bilinear.lock"
    found: list[np.ndarray] = []
    with caplog.at_level(logging.INFO), one_at_a_time(path, "the work is being done"):
        waiting = threading.Thread(target=lambda: found.append(open_images(dataset, 12)))
        waiting.start()
        deadline = time.monotonic() + 30
        while "waiting for it" not in caplog.text and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not found
    waiting.join(timeout=30)
    np.testing.assert_array_equal(found[0][3], by_hand(photographs[3], 12))
    assert "waiting for it" in caplog.text


def test_a_stored_data_set_has_its_cache_beside_it(toy_data_dir: Path) -> None:
    dataset = open_dataset(toy_data_dir / "toy")
    images = dataset.training.images
    assert images is not None
    items_hash = read_record(toy_data_dir / "toy").file_hashes["items.arrow"]
    assert images.cache == toy_data_dir / ".cache" / items_hash
    array = open_images(dataset.training, 8)
    np.testing.assert_array_equal(array[7], by_hand(images.encoded(7), 8))
    assert stored_names(toy_data_dir) == ["toy"]


def test_real_photographs(shared_data: Path, with_images: Make) -> None:
    paths = sorted((shared_data / "clothing" / "images").iterdir())[:64]
    encoded = [path.read_bytes() for path in paths]
    array = open_images(with_images(encoded), 64)
    for item in (0, 31, 63):
        np.testing.assert_array_equal(array[item], by_hand(encoded[item], 64))
