"""Feature matrices on disk: `.npy` files, memory-mapped to read, written block by block."""

import hashlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.datasets.hashed_file import HashedFile
from bench.errors import BenchError, check_readable, one_line

__all__ = [
    "WrittenFeatures",
    "check_not_all_zero",
    "first_non_finite",
    "hash_of_features",
    "open_features",
    "stored_dtype",
    "write_features",
]

_log = logging.getLogger(__name__)

_BLOCK_BYTES = 32 << 20


def stored_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Say how features of `dtype` are stored: float16 as it is, other real numbers as float32.

    Raises
    ------
    BenchError
        They are no real numbers.
    """
    if dtype.kind not in "fiu":
        raise BenchError(f"features must be numbers, got {dtype}")
    return np.dtype("<f2") if dtype == np.float16 else np.dtype("<f4")


def open_features(path: Path) -> npt.NDArray[Any]:
    """Map an `.npy` file that holds a matrix of numbers.

    Raises
    ------
    BenchError
        No `.npy` file, pickled objects, truncated, not a matrix, or not numbers.
    """
    if not path.is_file():
        raise BenchError(f"{path}: no such file")
    check_readable(path)
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        # NumPy takes whatever it does not know for a pickle, and advises to allow it: rather not.
        if "pickle" in str(error) or "objects" in str(error):
            raise BenchError(
                f"{path}: not a plain numeric .npy file (pickled objects are refused); "
                "save a float32 matrix with numpy.save"
            ) from None
        raise BenchError(
            f"{path}: cannot be read as .npy ({one_line(error)}); "
            "it may be truncated, save it again with numpy.save"
        ) from None
    if isinstance(array, np.lib.npyio.NpzFile):  # numpy.load opens these archives as well
        array.close()
        raise BenchError(f"{path}: an .npz archive; save one matrix with numpy.save")
    if array.ndim != 2 or array.shape[1] == 0:
        raise BenchError(
            f"{path}: shape {array.shape}; features must be a matrix with a row per item"
        )
    if array.dtype.kind not in "fiu":
        raise BenchError(f"{path}: features must be numbers, got {array.dtype}")
    matrix: npt.NDArray[Any] = array
    return matrix


def first_non_finite(features: npt.NDArray[Any]) -> tuple[int, int] | None:
    """Find NaN and infinities, as they would be stored.

    Returns
    -------
    The first row that has one and the number of such rows; None if all is finite.
    """
    first, count = -1, 0
    for start, block in _blocks(features):
        # NaN and infinities survive a sum: one cheap pass, and a close look only where it fails.
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(block.sum(dtype=np.float64)):
                continue
        bad = ~np.isfinite(block).all(axis=1)
        if bad.any() and first < 0:
            first = start + int(bad.argmax())
        count += int(bad.sum())
    return (first, count) if count else None


@dataclass(frozen=True)
class WrittenFeatures:
    """What `write_features` wrote.

    Attributes
    ----------
    content_hash
        SHA-256 over dtype, shape and values.
    file_hash
        SHA-256 of the file.
    shape, dtype
        As stored.
    """

    content_hash: str
    file_hash: str
    shape: tuple[int, int]
    dtype: np.dtype[Any]


def check_not_all_zero(features: npt.NDArray[Any], item_ids: Sequence[str], where: str) -> None:
    """See that features tell items apart; warn of items whose features are all zero.

    Raises
    ------
    BenchError
        Those of every item are.
    """
    # As stored, so that what is too small for float16 or float32 counts as zero.
    zero = np.concatenate([~block.any(axis=1) for _, block in _blocks(features)])
    count = int(zero.sum())
    if count and count == len(item_ids):
        raise BenchError(
            f"{where}: the features of all {count} items are zero, so they tell no item from "
            "another; compute them again, or leave the file out"
        )
    if count:
        _log.warning(
            "%s: the features of %d of %d items are all zero, the first is item %r: visual models "
            "cannot tell these apart",
            where,
            count,
            len(item_ids),
            item_ids[int(zero.argmax())],
        )


def write_features(
    path: Path, features: npt.NDArray[Any], item_ids: Sequence[str]
) -> WrittenFeatures:
    """Write features as C-ordered little-endian `.npy`, a block of rows at a time.

    Parameters
    ----------
    path
        The file to write.
    features
        (n_items, d), may be memory-mapped.
    item_ids
        For messages.

    Raises
    ------
    BenchError
        Wrong shape, no numbers, or a value that is NaN or infinite as stored.
    """
    if features.ndim != 2 or features.shape[0] != len(item_ids) or not features.shape[1]:
        raise BenchError(f"features of shape {features.shape} for {len(item_ids)} items")
    dtype = stored_dtype(features.dtype)
    shape = (int(features.shape[0]), int(features.shape[1]))
    if found := first_non_finite(features):
        row, count = found
        raise BenchError(
            f"the features of item {item_ids[row]!r} (row {row}) are not finite "
            f"({count} such items); NaN and infinities are not allowed"
        )
    digest = _content_digest(dtype, shape)
    # Not numpy.save: on a full disk its error carries no errno, so that it would read as a bug.
    with HashedFile(path) as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": dtype.str, "fortran_order": False, "shape": shape}
        )
        for _, block in _blocks(features):
            content = np.ascontiguousarray(block, dtype=dtype).data.cast("B")
            digest.update(content)
            file.write(content)
    return WrittenFeatures(digest.hexdigest(), file.sha256(), shape, dtype)


def hash_of_features(features: npt.NDArray[Any]) -> str:
    """Hash stored features as `write_features` did: SHA-256 over dtype, shape and values."""
    dtype = stored_dtype(features.dtype)
    digest = _content_digest(dtype, (int(features.shape[0]), int(features.shape[1])))
    for _, block in _blocks(features):
        digest.update(np.ascontiguousarray(block, dtype=dtype).data.cast("B"))
    return digest.hexdigest()


def _content_digest(dtype: np.dtype[Any], shape: tuple[int, int]) -> "hashlib._Hash":
    return hashlib.sha256(f"{dtype.str}{shape}".encode())


def _blocks(features: npt.NDArray[Any]) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    """Go through the rows in blocks of the stored dtype."""
    dtype = stored_dtype(features.dtype)
    rows = max(1, _BLOCK_BYTES // max(1, features.shape[1] * 4))
    for start in range(0, features.shape[0], rows):
        with np.errstate(over="ignore"):  # what overflows becomes infinite, and is then reported
            yield start, np.asarray(features[start : start + rows]).astype(dtype, copy=False)
