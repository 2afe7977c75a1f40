"""Writing items.arrow: ids, categories and encoded images, a batch of bounded size at a time."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bench.datasets.batches import batches_of
from bench.datasets.content_hash import ContentHashes
from bench.datasets.hashed_file import HashedFile
from bench.errors import BenchError

__all__ = ["write_items"]

# A batch is what lies in memory while images are written: so many items or so many bytes.
_BATCH_ITEMS = 256
_BATCH_BYTES = 32 << 20

_ITEM_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("category", pa.int16()),
        pa.field("image", pa.binary()),
    ]
)


def write_items(
    path: Path,
    item_ids: Sequence[str],
    categories: npt.NDArray[np.int16] | None,
    images: Iterable[bytes] | None,
    hashes: ContentHashes,
) -> str:
    """Write the items.

    Parameters
    ----------
    path
        The file to write.
    item_ids
        Outside names in row order.
    categories
        int16 (n_items,), or None.
    images
        One encoded image per item, taken one by one, or None.
    hashes
        Takes in the images.

    Returns
    -------
    SHA-256 of the file.

    Raises
    ------
    BenchError
        More or fewer images than items.
    """
    n_items = len(item_ids)
    start = 0
    batches: Iterator[Sequence[bytes | None]] = _empty_batches(n_items)
    if images is not None:
        hashes.has_images()
        batches = batches_of(images, most_items=_BATCH_ITEMS, enough_bytes=_BATCH_BYTES)
    with (
        HashedFile(path) as file,
        pa.PythonFile(file, mode="w") as sink,
        pa.ipc.new_file(sink, _ITEM_SCHEMA) as writer,
        # One batch is written while the next is read.
        ThreadPoolExecutor(1) as pool,
    ):
        written: Future[None] | None = None
        for batch in batches:
            stop = start + len(batch)
            if stop > n_items:
                raise BenchError(f"more images than items: {n_items} items")
            if images is not None:
                hashes.add_images([image or b"" for image in batch])
            part = None if categories is None else categories[start:stop].astype(np.int16)
            columns = [
                pa.array(item_ids[start:stop], pa.string()),
                pa.nulls(len(batch), pa.int16()) if part is None else pa.array(part, pa.int16()),
                pa.array(batch, pa.binary()),
            ]
            record_batch = pa.record_batch(columns, schema=_ITEM_SCHEMA)
            if written is not None:
                written.result()
            written = pool.submit(writer.write_batch, record_batch)
            start = stop
        if written is not None:
            written.result()
    if start != n_items:
        raise BenchError(f"{start} images for {n_items} items; every item needs one")
    return file.sha256()


def _empty_batches(n_items: int) -> Iterator[Sequence[bytes | None]]:
    nothing = iter([None] * n_items)
    while batch := list(islice(nothing, 1 << 16)):
        yield batch
