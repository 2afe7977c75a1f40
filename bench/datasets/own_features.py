"""The features of one's own data: `features.npy` or `features.parquet`, checked item by item."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from bench.datasets.feature_file import check_not_all_zero, first_non_finite, open_features
from bench.datasets.tables import check_ids, check_unique, read_parquet_schema, read_table
from bench.errors import BenchError, one_line

__all__ = ["read_features"]

_BATCH_ROWS = 4096


def read_features(
    source: Path, item_ids: Sequence[str], *, items_path: Path | None, known_ids: Collection[str]
) -> tuple[npt.NDArray[Any] | None, str]:
    """Read the features of a folder of one's own data.

    Parameters
    ----------
    source
        The folder.
    item_ids
        The catalogue, in row order.
    items_path
        The items file, if there is one; `features.npy` needs it.
    known_ids
        Ids that `features.parquet` may have although the catalogue lacks them: items of users
        who were left out. Ignored where there is an items file.

    Returns
    -------
    (n_items, d), memory-mapped from `features.npy`, and a description; None without features.

    Raises
    ------
    BenchError
        Not a finite number per item and dimension, or items that do not match the catalogue.
    """
    npy, parquet = source / "features.npy", source / "features.parquet"
    if npy.exists() and parquet.exists():
        raise BenchError(
            f"{source} has both {npy.name} and {parquet.name}; remove one, "
            "so that it is clear which counts"
        )
    if npy.exists():
        path, features = npy, _from_npy(npy, len(item_ids), items_path)
    elif parquet.exists():
        allowed = set(item_ids) if items_path is not None else {*item_ids, *known_ids}
        path, features = parquet, _from_parquet(parquet, item_ids, allowed)
    else:
        return None, ""
    if found := first_non_finite(features):
        row, count = found
        raise BenchError(
            f"{path}: {count} of {len(item_ids)} items have a NaN or infinite feature, the first "
            f"is item {item_ids[row]!r}; give every item finite numbers"
        )
    check_not_all_zero(features, item_ids, str(path))
    return features, f"own features, {features.shape[1]}-d, given as {path.name}"


def _from_npy(path: Path, n_items: int, items_path: Path | None) -> npt.NDArray[Any]:
    if items_path is None:
        raise BenchError(
            f"{path} needs an items.csv beside it that says which item each row is; "
            "or give features.parquet with an 'item' column"
        )
    features = open_features(path)
    if features.shape[0] != n_items:
        raise BenchError(
            f"{path} has {features.shape[0]} rows, {items_path.name} has {n_items}; "
            f"row k must belong to the k-th item of {items_path.name}"
        )
    return features


def _from_parquet(path: Path, item_ids: Sequence[str], allowed: set[str]) -> npt.NDArray[Any]:
    """Read a Parquet file batch by batch into one matrix in catalogue order."""
    ids = check_ids(path, read_table(path, required=("item",)), "item").to_pylist()
    check_unique(path, ids)
    unknown = [k for k, item in enumerate(ids) if item not in allowed]
    if unknown:
        raise BenchError(
            f"{path}: {len(unknown)} items are not in the catalogue, the first is "
            f"{ids[unknown[0]]!r} in row {unknown[0] + 1}; remove them or add them to the items"
        )
    row_of = {item: row for row, item in enumerate(item_ids)}
    rows = np.array([row_of.get(item, -1) for item in ids], dtype=np.int64)
    if lacking := set(item_ids).difference(ids):
        first = next(item for item in item_ids if item in lacking)
        raise BenchError(
            f"{path}: {len(lacking)} of {len(item_ids)} items have no features, the first is "
            f"{first!r}; add their rows"
        )
    columns = _feature_columns(path)
    features: npt.NDArray[Any] | None = None
    start = 0
    try:
        for batch in pq.ParquetFile(path).iter_batches(_BATCH_ROWS, columns=columns):
            block = _matrix(path, batch, start)
            if features is None:
                # Every row is filled: ids cover the catalogue, as was seen above.
                features = np.empty((len(item_ids), block.shape[1]), block.dtype)
            if block.shape[1] != features.shape[1]:
                raise _ragged(path, start)
            here = rows[start : start + len(block)]
            features[here[here >= 0]] = block[here >= 0]
            start += len(block)
    except (OSError, pa.ArrowException) as error:
        raise BenchError(f"{path} cannot be read ({one_line(error)}); export it again") from None
    if features is None or not features.shape[1]:
        raise BenchError(f"{path}: the features are empty; give at least one number per item")
    return features


def _feature_columns(path: Path) -> list[str]:
    """Find the one list column, or all number columns."""
    fields = [field for field in read_parquet_schema(path) if field.name != "item"]
    lists = [field for field in fields if _is_list(field.type)]
    if len(lists) == 1 and len(fields) == 1 and _is_number(lists[0].type.value_type):
        return [lists[0].name]
    if fields and all(_is_number(field.type) for field in fields):
        return [field.name for field in fields]
    wrong = next((f"{f.name!r} holds {f.type}" for f in fields if not _is_number(f.type)), "none")
    raise BenchError(
        f"{path}: beside 'item' there must be one column of number lists, or number columns only "
        f"(found: {wrong}); features must be numbers"
    )


def _matrix(path: Path, batch: pa.RecordBatch, start: int) -> npt.NDArray[Any]:
    """Give a batch as float16 or float32, (rows, d); gaps become NaN, which is refused later."""
    if _is_list(batch.schema.types[0]):
        column = batch.column(0)
        lengths = column.value_lengths().to_numpy(zero_copy_only=False)
        width = lengths[0]
        if column.null_count or (lengths != width).any():
            bad = int(np.flatnonzero(~(lengths == width))[0])
            raise _ragged(path, start + bad)
        values = column.flatten()
        return _floats(values).reshape(len(batch), int(width))
    return np.stack([_floats(column) for column in batch.columns], axis=1)


def _floats(values: pa.Array) -> npt.NDArray[Any]:
    dtype = np.float16 if pa.types.is_float16(values.type) else np.float32
    with np.errstate(over="ignore"):  # an overflow becomes infinite, and that is refused later
        floats: npt.NDArray[Any] = values.to_numpy(zero_copy_only=False).astype(dtype)
    return floats


def _ragged(path: Path, row: int) -> BenchError:
    return BenchError(
        f"{path}: row {row + 1} has another number of features than the rows before it, or none; "
        "every item needs the same number"
    )


def _is_list(kind: Any) -> bool:
    return bool(
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def _is_number(kind: Any) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))
