"""Product images decoded once: a memory-mapped cache of bytes.

<cache folder of the data set>/images-<pixels>-<filter>.npy    uint8 (n_items, pixels, pixels, 3)
                              /images-<pixels>-<filter>.json   what it was made of, and its hash

The aspect ratio is not kept, as in the paper. A cache counts only while its JSON matches the
images, this layout and the decoder's version, and its bytes match the hash in the JSON; anything
else is made anew. Two processes that want the same cache make it one after the other: the second
finds it done.
"""

import hashlib
import json
import logging
import math
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import Images, TrainingSet
from bench.datasets.pixels import decode_into
from bench.datasets.resizing import resized
from bench.device import available_threads
from bench.errors import BenchError, StorageError, one_line, user_io_errors
from bench.files import atomic_file, atomic_write_json, one_at_a_time
from bench.progress import Progress
from dvbpr.device_images import DeviceImages, normalise

__all__ = [
    "CACHE_VERSION",
    "FILTER",
    "DeviceImages",
    "decode_into",
    "normalise",
    "open_images",
    "resized",
]

_log = logging.getLogger(__name__)

CACHE_VERSION = 1
"""Layout of the cache; another one is made anew."""

FILTER = "bilinear"
"""How images are brought to size: Pillow's triangle filter, which widens with the reduction, so
that a smaller image is an average and not a sample. No reduction while decoding."""

# So many decoded bytes lie in memory while a cache is written.
_CHUNK_BYTES = 64 << 20
# What a thread decodes before it takes the next lot.
_LOT = 16
# Hashed in blocks, so that a large cache is checked on all cores.
_HASH_BLOCK = 64 << 20
# Left free on the disk beside a new cache.
_SPARE_BYTES = 64 << 20

# Caches this process has checked: path -> (size, time of change, hash).
_checked: dict[Path, tuple[int, int, str]] = {}


@dataclass(frozen=True, kw_only=True)
class _Key:
    """What decides about the bytes of a cache."""

    cache_version: int
    content_hash: str
    n_items: int
    pixels: int
    filter: str
    pillow: str


def open_images(
    dataset: TrainingSet, pixels: int, *, threads: int | None = None
) -> npt.NDArray[np.uint8]:
    """Give all images of a data set, decoded and resized; on first use they are made so.

    Parameters
    ----------
    dataset
        A data set with images. Where its images have no cache folder (`Images.cache`), nothing is
        written and the array lies in memory.
    pixels
        Side of the square every image becomes.
    threads
        Threads that decode; all cores by default.

    Returns
    -------
    uint8 (n_items, pixels, pixels, 3), C-contiguous and read-only: a memory map of the cache.

    Raises
    ------
    BenchError
        No images; an image that cannot be decoded (the item is named); no room on the disk or in
        memory; a place that cannot be written.
    """
    images = dataset.images
    if images is None:
        raise BenchError(f"{dataset.name} has no images")
    if pixels < 1:
        raise BenchError(f"images cannot be resized to {pixels} pixels; give at least 1")
    threads = threads or available_threads()
    if images.cache is None:
        return _in_memory(dataset.name, images, pixels, threads)
    path = images.cache / f"images-{pixels}-{FILTER}.npy"
    key = _Key(
        cache_version=CACHE_VERSION,
        content_hash=images.cache.name,
        n_items=len(images),
        pixels=pixels,
        filter=FILTER,
        pillow=_pillow_version(),
    )
    found = _valid(path, key, threads)
    if found is not None:
        return found
    with user_io_errors("write decoded images", images.cache):
        images.cache.mkdir(parents=True, exist_ok=True)
    with one_at_a_time(path.with_suffix(".lock"), "the images are being decoded"):
        # Another process may have made it while this one waited.
        found = _valid(path, key, threads, say=True)
        if found is not None:
            return found
        _build(path, key, dataset.name, images, threads)
    found = _valid(path, key, threads, say=True)
    if found is None:
        raise StorageError(f"{path}: what was written reads differently; check the disk")
    return found


def _in_memory(name: str, images: Images, pixels: int, threads: int) -> npt.NDArray[np.uint8]:
    import psutil

    shape = (len(images), pixels, pixels, 3)
    n_bytes, free = math.prod(shape), psutil.virtual_memory().available
    if n_bytes > free:
        raise BenchError(
            f"the decoded images of {name} take {n_bytes / 1e9:.1f} GB, {free / 1e9:.1f} GB of "
            "memory are free; open the data set from a stored folder, which maps them from disk"
        )
    array = np.empty(shape, dtype=np.uint8)
    for start, chunk in _decoded_chunks(name, images, pixels, threads):
        array[start : start + len(chunk)] = chunk
    array.flags.writeable = False
    return array


def _build(path: Path, key: _Key, name: str, images: Images, threads: int) -> None:
    """Write cache and JSON through temporary names; what a kill leaves is found out by the hash."""
    shape = (key.n_items, key.pixels, key.pixels, 3)
    n_bytes = math.prod(shape)
    # What is there is worth nothing: its room is needed first.
    with user_io_errors("write decoded images", path):
        path.unlink(missing_ok=True)
        path.with_suffix(".json").unlink(missing_ok=True)
        free = shutil.disk_usage(path.parent).free
    if n_bytes + _SPARE_BYTES > free:
        raise StorageError(
            f"cannot write decoded images at {path}: they take {n_bytes / 1e9:.1f} GB, "
            f"{free / 1e9:.1f} GB are free; free some space or choose another --data folder"
        )
    _log.info(
        "decoding the images of %s once, %d x %d pixels, %.1f GB",
        name,
        key.pixels,
        key.pixels,
        n_bytes / 1e9,
    )
    hashing = _BlockHash()
    with atomic_file(path) as temporary, temporary.open("wb") as out:
        np.lib.format.write_array_header_1_0(
            out, {"descr": "|u1", "fortran_order": False, "shape": shape}
        )
        for _, chunk in _decoded_chunks(name, images, key.pixels, threads):
            content = chunk.reshape(-1).data
            hashing.update(content)
            out.write(content)
    atomic_write_json(path.with_suffix(".json"), {**asdict(key), "sha256": hashing.hexdigest()})


def _decoded_chunks(
    name: str, images: Images, pixels: int, threads: int
) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
    """Decode in item order; the array given is used again for the next chunk.

    Threads, because Pillow decodes and resizes without the interpreter's lock and processes would
    have to send the pixels back.
    """
    from joblib import Parallel, delayed

    rows = max(_LOT, _CHUNK_BYTES // (pixels * pixels * 3))
    buffer = np.empty((min(rows, max(len(images), 1)), pixels, pixels, 3), dtype=np.uint8)
    with (
        Progress("decoding images", len(images), unit="image") as progress,
        Parallel(n_jobs=threads, backend="threading") as parallel,
    ):
        for start in range(0, len(images), rows):
            chunk = buffer[: min(rows, len(images) - start)]
            items = np.arange(start, start + len(chunk))
            lots = range(0, len(chunk), _LOT)
            for first in range(0, len(lots), 8 * threads):
                # A few lots at a time, so that the bar moves.
                part = lots[first : first + 8 * threads]
                parallel(
                    delayed(decode_into)(name, images, items[at : at + _LOT], chunk[at : at + _LOT])
                    for at in part
                )
                progress.advance(min(part[-1] + _LOT, len(chunk)) - part[0])
            yield start, chunk


def _valid(
    path: Path, key: _Key, threads: int, *, say: bool = False
) -> npt.NDArray[np.uint8] | None:
    """Map the cache if it is what `key` says, to the last byte; with `say` tell why it is not."""
    flaw: str
    try:
        stored = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        if not isinstance(stored, dict):
            raise ValueError("no object")
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        if say and path.exists():
            _log.info("%s: left by a run that was cut off; decoding the images again", path)
        return None
    except (OSError, ValueError, EOFError) as error:
        flaw = one_line(error)
    else:
        if flaw := _difference(path, array, stored, key, threads):
            pass
        else:
            valid: npt.NDArray[np.uint8] = array
            return valid
    if say:
        _log.warning("%s: %s; decoding the images again", path, flaw)
    return None


def _difference(path: Path, array: Any, stored: dict[str, Any], key: _Key, threads: int) -> str:
    """Say what about a cache is not as it should be; nothing if all is."""
    for name, value in asdict(key).items():
        if stored.get(name) != value:
            return f"made with {name} {stored.get(name)!r}, now {value!r}"
    shape = (key.n_items, key.pixels, key.pixels, 3)
    if not isinstance(array, np.memmap) or array.shape != shape or array.dtype != np.uint8:
        return "damaged (another shape or type)"
    if not array.flags.c_contiguous:
        return "damaged (not in C order)"
    status = path.stat()
    seen = (status.st_size, status.st_mtime_ns, str(stored.get("sha256")))
    if _checked.get(path) == seen:
        return ""
    if _hash_of(array, threads) != stored.get("sha256"):
        return "damaged (its bytes do not match their hash)"
    _checked[path] = seen
    return ""


class _BlockHash:
    """SHA-256 over the SHA-256 of each block of `_HASH_BLOCK` bytes."""

    def __init__(self) -> None:
        self._blocks = hashlib.sha256()
        self._block = hashlib.sha256()
        self._room = _HASH_BLOCK

    def update(self, content: memoryview) -> None:
        while len(content):
            taken = content[: self._room]
            self._block.update(taken)
            self._room -= len(taken)
            content = content[len(taken) :]
            if not self._room:
                self._close()

    def _close(self) -> None:
        self._blocks.update(self._block.digest())
        self._block = hashlib.sha256()
        self._room = _HASH_BLOCK

    def hexdigest(self) -> str:
        if self._room < _HASH_BLOCK:
            self._close()
        return self._blocks.hexdigest()


def _hash_of(array: npt.NDArray[np.uint8], threads: int) -> str:
    """Hash as `_BlockHash` does, on several cores."""
    from joblib import Parallel, delayed

    content = array.reshape(-1).data

    def block(start: int) -> bytes:
        return hashlib.sha256(content[start : start + _HASH_BLOCK]).digest()

    parallel = Parallel(n_jobs=threads, backend="threading")
    digests = parallel(delayed(block)(at) for at in range(0, len(content), _HASH_BLOCK))
    return hashlib.sha256(b"".join(digests)).hexdigest()


def _pillow_version() -> str:
    import PIL

    return PIL.__version__
