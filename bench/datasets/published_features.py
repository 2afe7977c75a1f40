"""The original CNN features: `image_features_*.b`, read in one pass.

The file is a row of records without any header: 10 bytes of ASCII id (an asin, or a Tradesy item
number), padded with blanks on the right, then `dims` little-endian float32. The published ones
have 4096 numbers, the FC7 activations of the Caffe reference network after its rectifier:
non-negative, sparse, the largest 58.388599. They are stored raw. What the VBPR code does with them,
dividing all by that largest value, is a matter of the model: `feature_scaling=vbpr`.
"""

import hashlib
import shutil
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from bench.datasets.row_file import RowFile
from bench.datasets.streams import InputStream, open_stream
from bench.errors import BenchError, user_io_errors

__all__ = [
    "ID_BYTES",
    "PUBLISHED_DIMS",
    "FeatureRows",
    "check_feature_file",
    "read_feature_rows",
]

PUBLISHED_DIMS = 4096
"""Numbers per record in the published files."""

ID_BYTES = 10
"""Bytes of an id, blanks included."""

_BLOCK_BYTES = 16 << 20
# Other widths are looked for only to say which one fits.
_MOST_DIMS = 16384
_IDS_TO_SEE = 4


@dataclass(frozen=True, kw_only=True)
class FeatureRows:
    """What reading a feature file gave.

    Attributes
    ----------
    path
        The `.npy` file: (n_items, dims) in the order of the ids asked for.
    missing
        Ids without a record, in the order asked for; their rows are all zeros.
    repeated
        Records passed over because their id had one before.
    n_records
        Records in the file, wanted or not.
    sha256
        Hash of the feature file's content, unzipped.
    """

    path: Path
    missing: tuple[str, ...]
    repeated: int
    n_records: int
    sha256: str


def check_feature_file(path: Path, *, dims: int = PUBLISHED_DIMS) -> None:
    """See from its size and its beginning whether a feature file can be one, before long work.

    Parameters
    ----------
    path
        `image_features_*.b`, plain or gzipped.
    dims
        Numbers per record.

    Raises
    ------
    BenchError
        Not such a file, cut off, or of other dimensions.
    """
    if dims < 1:
        raise BenchError(f"features need at least one dimension, got {dims}")
    with open_stream(path, f"checking {path.name}") as stream:
        _check_size(stream, dims)
        record_bytes = ID_BYTES + 4 * dims
        head = np.empty(_IDS_TO_SEE * record_bytes, dtype=np.uint8)
        count = stream.fill(head.data)
        n_whole = count // record_bytes
        _check_ids(path, head[: n_whole * record_bytes].reshape(-1, record_bytes), 0)
        if count % record_bytes:
            raise _not_whole(path, head[:count], n_whole, dims)


def read_feature_rows(
    path: Path,
    item_ids: Sequence[str],
    target: Path,
    *,
    dims: int = PUBLISHED_DIMS,
    dtype: Literal["float32", "float16"] = "float32",
) -> FeatureRows:
    """Copy the wanted rows of a feature file into an `.npy` file, in catalogue order.

    One sequential pass; memory holds a few blocks of the file and the ids.

    Parameters
    ----------
    path
        `image_features_*.b`, plain or gzipped.
    item_ids
        Ids in the order of the rows to write, each once.
    target
        The `.npy` file to write, to be put where leftovers are cleaned up; removed on failure.
    dims
        Numbers per record.
    dtype
        How to store them; float16 halves the file at three significant digits.

    Raises
    ------
    BenchError
        Not such a file, cut off, of other dimensions, a wanted row with NaN or an infinity (as
        stored), no wanted id in it at all, or no space for the result.
    """
    if dims < 1:
        raise BenchError(f"features need at least one dimension, got {dims}")
    stored = np.dtype(dtype).newbyteorder("<")
    shape = (len(item_ids), dims)
    try:
        with open_stream(path, f"reading {path.name}") as stream:
            _check_size(stream, dims)
            with user_io_errors("write the features", target):
                _check_space(target.parent, shape[0] * dims * stored.itemsize)
                handle = target.open("wb", buffering=0)
            with handle:
                return _copy(stream, item_ids, RowFile(handle, target, shape, stored))
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _copy(stream: InputStream, item_ids: Sequence[str], out: RowFile) -> FeatureRows:
    """Go through the records and write those that are wanted."""
    row_of = _padded_ids(item_ids)
    found = np.zeros(len(item_ids), dtype=np.bool_)
    record_bytes = ID_BYTES + 4 * out.shape[1]
    per_block = max(1, _BLOCK_BYTES // record_bytes)
    # While one block is hashed in a thread of its own the next one is read into the other buffer.
    buffers = [np.empty(per_block * record_bytes, dtype=np.uint8) for _ in range(2)]
    digest = hashlib.sha256()
    n_records = repeated = 0
    first_id = b""
    with ThreadPoolExecutor(1) as hasher:
        hashed: Future[None] | None = None
        while True:
            buffer = buffers[0]
            count = stream.fill(buffer.data)
            if hashed is not None:
                hashed.result()
            if count == 0:
                break
            hashed = hasher.submit(digest.update, buffer[:count].data)
            buffers.reverse()
            n_whole = count // record_bytes
            records = buffer[: n_whole * record_bytes].reshape(-1, record_bytes)
            _check_ids(stream.path, records, n_records)
            if count % record_bytes:  # of a gzipped file the size is not known before
                raise _not_whole(stream.path, buffer[:count], n_records + n_whole, out.shape[1])
            keys = np.ascontiguousarray(records[:, :ID_BYTES]).view(f"S{ID_BYTES}")[:, 0].tolist()
            first_id = first_id or keys[0]
            taken, places = [], []
            for number, key in enumerate(keys):
                place = row_of.get(key)
                if place is None:
                    continue
                if found[place]:
                    repeated += 1
                    continue
                found[place] = True
                taken.append(number)
                places.append(place)
            if taken:
                rows = _rows(stream.path, records, taken, out.dtype, n_records)
                out.write(np.array(places), rows)
            n_records += len(records)
    if len(item_ids) and not found.any():
        raise BenchError(
            f"{stream.path} has a row for none of the {len(item_ids)} items (its first id is "
            f"{first_id.decode().strip()!r}, the first wanted is {item_ids[0]!r}); it belongs to "
            "another data set"
        )
    return FeatureRows(
        path=out.path,
        missing=tuple(item_ids[row] for row in np.flatnonzero(~found).tolist()),
        repeated=repeated,
        n_records=n_records,
        sha256=digest.hexdigest(),
    )


def _padded_ids(item_ids: Sequence[str]) -> dict[bytes, int]:
    """Give the row of each id as the file writes ids; those it cannot write are left out."""
    return {
        item.encode().ljust(ID_BYTES): row
        for row, item in enumerate(item_ids)
        if item.isascii() and len(item) <= ID_BYTES
    }


def _rows(
    path: Path,
    records: npt.NDArray[np.uint8],
    taken: list[int],
    dtype: np.dtype[Any],
    n_before: int,
) -> npt.NDArray[Any]:
    """Give the numbers of some records, (n, dims), as they are stored."""
    rows = np.ascontiguousarray(records[taken, ID_BYTES:]).view("<f4")
    if dtype.itemsize != rows.itemsize:
        with np.errstate(over="ignore"):  # what overflows is infinite, and refused right below
            rows = rows.astype(dtype)
    if not np.isfinite(rows).all():
        bad = int((~np.isfinite(rows)).any(axis=1).argmax())
        item = records[taken[bad], :ID_BYTES].tobytes().decode().strip()
        raise BenchError(
            f"{path}: record {n_before + taken[bad] + 1}, of item {item!r}, is not finite as "
            f"{dtype.name}; NaN and infinities are not allowed, get the file again"
        )
    return rows


def _check_ids(path: Path, records: npt.NDArray[np.uint8], n_before: int) -> None:
    bad = ~_are_ids(records[:, :ID_BYTES])
    if not bad.any():
        return
    number = n_before + int(bad.argmax())
    dims = (records.shape[1] - ID_BYTES) // 4
    hint = "this is no feature file, or a damaged one"
    # The first block begins where the file does: there, other widths can be tried.
    if n_before == 0 and (better := _guess_dims(records.reshape(-1))) not in (None, dims):
        hint = f"its ids stand {better} numbers apart: read it with {better} dimensions"
    raise BenchError(
        f"{path}: record {number + 1} (byte {number * records.shape[1]:,}) does not begin with an "
        f"ASCII id, read with {dims} dimensions; {hint}"
    )


def _check_size(stream: InputStream, dims: int) -> None:
    """See that a plain file is a whole number of records, before an hour is spent on it."""
    record_bytes = ID_BYTES + 4 * dims
    if stream.gzipped or stream.size % record_bytes == 0:
        return
    with stream.path.open("rb") as handle:
        head = np.frombuffer(handle.read(_IDS_TO_SEE * (ID_BYTES + 4 * _MOST_DIMS)), np.uint8)
    raise _not_whole(stream.path, head, stream.size // record_bytes, dims)


def _not_whole(path: Path, head: npt.NDArray[np.uint8], n_whole: int, dims: int) -> BenchError:
    """Say why a file that begins with `head` is no whole number of records."""
    better = _guess_dims(head)
    if better is not None and better != dims:
        return BenchError(
            f"{path} does not consist of records of {dims} dimensions: its ids stand {better} "
            f"numbers apart; read it with {better} dimensions"
        )
    if len(head) >= ID_BYTES and not _are_ids(head[None, :ID_BYTES]).all():
        return BenchError(
            f"{path} does not begin with an ASCII id of {ID_BYTES} bytes; "
            "this is no feature file, or a damaged one"
        )
    return BenchError(
        f"{path}: ends within record {n_whole + 1} ({n_whole:,} whole records of {dims} "
        "dimensions); the file is cut off, download it again"
    )


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise BenchError(
            f"{folder}: {needed / 1e9:.1f} GB are needed for the features, {free / 1e9:.1f} GB "
            "are free; free some space, choose another folder or store them as float16"
        )


def _are_ids(ids: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Say which rows of bytes (n, 10) are printable ASCII."""
    printable: npt.NDArray[np.bool_] = np.all((ids >= 0x20) & (ids < 0x7F), axis=1)
    return printable


def _guess_dims(head: npt.NDArray[np.uint8]) -> int | None:
    """Find the smallest width at which the first few records all begin with an id.

    Numbers rarely look like ten printable characters, so that a false width dies at its first or
    second record. None if no width has at least one further id, or if the file is text.
    """
    # Numbers have bytes that text has not, zeros mostly; in text any width finds characters.
    if not (head < ord("\t")).any():
        return None
    widths = ID_BYTES + 4 * np.arange(1, _MOST_DIMS + 1)
    fits = np.zeros(len(widths), dtype=np.int64)
    alive = np.ones(len(widths), dtype=np.bool_)
    for number in range(1, _IDS_TO_SEE):
        starts = number * widths
        alive &= starts + ID_BYTES <= len(head)
        inside = np.flatnonzero(alive)
        good = _are_ids(head[starts[inside, None] + np.arange(ID_BYTES)])
        fits[inside[good]] += 1
        # A width that some record contradicts is out, whatever the others say.
        fits[inside[~good]] = 0
        alive[inside[~good]] = False
    likely = np.flatnonzero(fits)
    return int(likely[0]) + 1 if len(likely) else None
