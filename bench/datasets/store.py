"""A data set on disk: one folder, written atomically, read through memory maps.

dataset.json          schema version, counts, hashes, source, licence note, split, report
interactions.parquet  user int32, item int32, split int8 (0 train, 1 validation, 2 test),
                      timestamp int64 (seconds; null where unknown)
users.arrow           Arrow IPC: id
items.arrow           Arrow IPC: id, category (int16, null without), image (binary, null without)
features.npy          float16 or float32 (n_items, d), if there are features
oracle.npz            true user and item factors, if purchases are simulated
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from bench.datasets.content_hash import ContentHashes
from bench.datasets.dataset import (
    NO_ITEM,
    FeatureInfo,
    Interactions,
    split_hash,
)
from bench.datasets.feature_file import WrittenFeatures, open_features, write_features
from bench.datasets.item_file import write_items
from bench.datasets.reader import ImageColumn, open_dataset, verify
from bench.datasets.record import (
    FEATURES_FILE,
    INTERACTIONS_FILE,
    ITEMS_FILE,
    ORACLE_FILE,
    RECORD_FILE,
    SCHEMA_VERSION,
    USERS_FILE,
    DatasetRecord,
    read_record,
)
from bench.errors import BenchError
from bench.files import atomic_folder, atomic_write_json, sha256_of_file
from bench.recommender import Factors

__all__ = [
    "SCHEMA_VERSION",
    "DatasetRecord",
    "ImageColumn",
    "Timestamps",
    "open_dataset",
    "read_record",
    "verify",
    "write_dataset",
]


@dataclass(frozen=True)
class Timestamps:
    """When pairs happened.

    Attributes
    ----------
    users, items
        integer (n,): the pairs, each at most once, in any order; pairs of the data set that are
        not here have no time.
    seconds
        int64 (n,): seconds since 1970-01-01 UTC.
    """

    users: npt.NDArray[np.integer[Any]]
    items: npt.NDArray[np.integer[Any]]
    seconds: npt.NDArray[np.int64]


def write_dataset(
    folder: Path,
    *,
    name: str,
    title: str,
    source: str | Callable[[], str],
    licence: str,
    train: Interactions,
    validation: npt.NDArray[np.int32],
    test: npt.NDArray[np.int32],
    user_ids: Sequence[str],
    item_ids: Sequence[str],
    split_rule: str,
    split_seed: int | None,
    timestamps: Timestamps | None = None,
    category_names: Sequence[str] = (),
    categories: npt.NDArray[np.int16] | None = None,
    images: Iterable[bytes] | None = None,
    features: npt.NDArray[Any] | Path | None = None,
    feature_info: FeatureInfo | None = None,
    report: Mapping[str, Any] | Callable[[], Mapping[str, Any]] | None = None,
    oracle: Factors | None = None,
) -> DatasetRecord:
    """Write a data set; whatever stood at `folder` before is replaced.

    Images and features are streamed, so that memory does not grow with them. Nothing that is
    written depends on when or where: the same parts give the same bytes.

    Parameters
    ----------
    folder
        Where to; it exists with all its files afterwards, or not at all.
    name, title, source, licence, split_rule, split_seed, report
        What the record says, see `DatasetRecord`. `source` and `report` may be functions, which are
        called once images and features are written, for what is only known by then.
    train
        Training interactions.
    validation, test
        int32 (n_users,): the held-out items, `NO_ITEM` where there is none.
    user_ids, item_ids
        Outside names in row order, each once.
    timestamps
        When the pairs happened, as far as known.
    category_names, categories
        Names, and int16 (n_items,) into them.
    images
        One encoded image per item, in item order; taken one by one.
    features
        (n_items, d), or the `.npy` file they are copied from: float16 stays float16, other
        numbers become float32.
    feature_info
        What the features are; needed with `features`.
    oracle
        True utilities of simulated purchases.

    Raises
    ------
    BenchError
        Parts do not fit together, a feature is not finite, or the folder cannot be written.
    """
    n_users, n_items = train.n_users, train.n_items
    _check_parts(n_users, n_items, validation, test, user_ids, item_ids, categories, category_names)
    if (features is None) != (feature_info is None):
        raise BenchError(f"{name}: features and feature_info come together or not at all")
    users = np.arange(n_users)
    known = train.with_pairs(users, validation).with_pairs(users, test)
    the_split_hash = split_hash(train, validation, test)
    hashes = ContentHashes(split=the_split_hash, item_ids=item_ids)
    # Of the large files, which are hashed as they are written; the others are quickly read again.
    file_hashes: dict[str, str] = {}
    written: WrittenFeatures | None = None
    with atomic_folder(folder) as temporary:
        pq.write_table(
            _interactions_table(train, validation, test, timestamps),
            temporary / INTERACTIONS_FILE,
            compression="zstd",
        )
        _write_ids(temporary / USERS_FILE, user_ids)
        if categories is not None:
            hashes.add_categories(categories, category_names)
        file_hashes[ITEMS_FILE] = write_items(
            temporary / ITEMS_FILE, item_ids, categories, images, hashes
        )
        if features is not None:
            array = open_features(features) if isinstance(features, Path) else features
            written = write_features(temporary / FEATURES_FILE, array, item_ids)
            hashes.add_features(written.content_hash)
            file_hashes[FEATURES_FILE] = written.file_hash
        if oracle is not None:
            np.savez(
                temporary / ORACLE_FILE,
                user_factors=oracle.user_factors,
                item_factors=oracle.item_factors,
                item_bias=oracle.item_bias,
            )
        files = sorted(temporary.iterdir())
        record = DatasetRecord(
            name=name,
            title=title,
            source=source() if callable(source) else source,
            licence=licence,
            n_users=n_users,
            n_items=n_items,
            n_interactions=known.n_pairs,
            n_categories=None if categories is None else len(category_names),
            category_names=() if categories is None else tuple(category_names),
            split_rule=split_rule,
            split_seed=split_seed,
            split_hash=the_split_hash,
            data_hash=hashes.data_hash(),
            feature_info=feature_info,
            feature_dims=None if written is None else written.shape[1],
            feature_dtype=None if written is None else written.dtype.name,
            has_images=images is not None,
            has_oracle=oracle is not None,
            report=dict((report() if callable(report) else report) or {}),
            file_hashes={
                path.name: file_hashes.get(path.name) or sha256_of_file(path) for path in files
            },
            file_sizes={path.name: path.stat().st_size for path in files},
            suite_version=_suite_version(),
        )
        atomic_write_json(temporary / RECORD_FILE, record.to_json())
    return record


def _check_parts(
    n_users: int,
    n_items: int,
    validation: npt.NDArray[np.int32],
    test: npt.NDArray[np.int32],
    user_ids: Sequence[str],
    item_ids: Sequence[str],
    categories: npt.NDArray[np.int16] | None,
    category_names: Sequence[str],
) -> None:
    for what, ids, count in (("user", user_ids, n_users), ("item", item_ids, n_items)):
        if len(ids) != count:
            raise BenchError(f"{len(ids)} {what} ids for {count} {what}s")
        if len(set(ids)) != count:
            raise BenchError(f"{what} ids repeat; each {what} needs an id of its own")
    for part, items in (("validation", validation), ("test", test)):
        if items.shape != (n_users,):
            raise BenchError(f"{part} must hold one item per user")
        if len(items) and not NO_ITEM <= int(items.min()) <= int(items.max()) < n_items:
            raise BenchError(f"{part} items must lie in -1..{n_items - 1}")
    if categories is not None:
        if categories.shape != (n_items,):
            raise BenchError("categories must hold one number per item")
        if n_items and not 0 <= categories.min() <= categories.max() < len(category_names):
            raise BenchError(f"category numbers must lie in 0..{len(category_names) - 1}")


def _interactions_table(
    train: Interactions,
    validation: npt.NDArray[np.int32],
    test: npt.NDArray[np.int32],
    timestamps: Timestamps | None,
) -> pa.Table:
    parts = [(train.users, train.indices)]
    for held_out in (validation, test):
        users = np.flatnonzero(held_out != NO_ITEM)
        parts.append((users.astype(np.int32), held_out[users].astype(np.int32)))
    users = np.concatenate([part[0] for part in parts])
    items = np.concatenate([part[1] for part in parts])
    split = np.repeat(np.arange(3, dtype=np.int8), [len(part[0]) for part in parts])
    if timestamps is None or not len(timestamps.seconds):
        times = pa.nulls(len(users), pa.int64())
    else:
        keys = timestamps.users.astype(np.int64) * train.n_items + timestamps.items.astype(np.int64)
        order = np.argsort(keys)
        wanted = users.astype(np.int64) * train.n_items + items
        places = order[np.searchsorted(keys, wanted, sorter=order).clip(max=len(keys) - 1)]
        times = pa.array(timestamps.seconds[places], pa.int64(), mask=keys[places] != wanted)
    return pa.table({"user": users, "item": items, "split": split, "timestamp": times})


def _write_ids(path: Path, ids: Sequence[str]) -> None:
    table = pa.table({"id": pa.array(ids, pa.string())})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def _suite_version() -> str:
    try:
        return version("dvbpr-bench")
    except PackageNotFoundError:
        return "not installed"
