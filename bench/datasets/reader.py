"""Reading a stored data set through memory maps; `bench.datasets.store` has the layout."""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from bench.datasets.dataset import (
    NO_ITEM,
    Dataset,
    Images,
    Interactions,
    TrainingSet,
    split_hash,
)
from bench.datasets.feature_file import open_features
from bench.datasets.record import (
    FEATURES_FILE,
    INTERACTIONS_FILE,
    ITEMS_FILE,
    ORACLE_FILE,
    USERS_FILE,
    DatasetRecord,
    damaged,
    read_record,
)
from bench.errors import one_line
from bench.files import sha256_of_file
from bench.recommender import Factors

__all__ = ["CACHE_FOLDER", "ImageColumn", "open_dataset", "verify"]

CACHE_FOLDER = ".cache"
"""Beside the data sets: what is made of them on the way and can be deleted at any time."""


def open_dataset(folder: Path, *, name: str | None = None) -> Dataset:
    """Open a stored data set; features and images stay on disk until they are used.

    Parameters
    ----------
    folder
        What `write_dataset` wrote.
    name
        The name to go by, if it is not to be the recorded one (a copied or renamed folder).

    Raises
    ------
    BenchError
        It is missing, truncated, altered, or of another schema version.
    """
    record = read_record(folder)
    for file, size in record.file_sizes.items():
        path = folder / file
        if not path.is_file():
            raise damaged(folder, f"{file} is missing")
        if path.stat().st_size != size:
            raise damaged(folder, f"{file} has {path.stat().st_size} bytes, recorded are {size}")
    user_ids = _read_arrow(folder, USERS_FILE).column("id").to_pylist()
    items = _read_arrow(folder, ITEMS_FILE)
    item_ids = items.column("id").to_pylist()
    if len(user_ids) != record.n_users or len(item_ids) != record.n_items:
        raise damaged(
            folder,
            f"it holds {len(user_ids)} users and {len(item_ids)} items, recorded are "
            f"{record.n_users} and {record.n_items}",
        )
    train, validation, test = _read_interactions(folder, record)
    if split_hash(train, validation, test) != record.split_hash:
        raise damaged(folder, f"{INTERACTIONS_FILE} does not match the recorded split hash")
    features = None
    if record.feature_info is not None:
        features = open_features(folder / FEATURES_FILE)
        if features.shape != (record.n_items, record.feature_dims):
            raise damaged(folder, f"{FEATURES_FILE} has shape {features.shape}")
    categories = None
    if record.n_categories is not None:
        categories = items.column("category").to_numpy().astype(np.int16)
    images = None
    if record.has_images:
        # Beside the store and named by content: a store stays as it was written, and data sets that
        # differ in interactions or features only share what is made of the images.
        cache = folder.parent / CACHE_FOLDER / record.file_hashes[ITEMS_FILE]
        images = Images(ImageColumn(folder / ITEMS_FILE), cache=cache)
    oracle = None
    if record.has_oracle:
        oracle = _read_oracle(folder)
    return Dataset(
        training=TrainingSet(
            name=name or record.name,
            train=train,
            features=features,
            feature_info=record.feature_info,
            images=images,
            categories=categories,
            category_names=record.category_names,
        ),
        validation=validation,
        test=test,
        user_ids=user_ids,
        item_ids=item_ids,
        data_hash=record.data_hash,
        split_hash=record.split_hash,
        split_rule=record.split_rule,
        oracle=oracle,
    )


def verify(folder: Path) -> None:
    """Hash every file again and compare with the record; reads the whole data set.

    Raises
    ------
    BenchError
        A file is missing or differs; all such files are named.
    """
    record = read_record(folder)
    wrong = []
    for file, recorded in record.file_hashes.items():
        path = folder / file
        if not path.is_file():
            wrong.append(f"{file} is missing")
        elif sha256_of_file(path) != recorded:
            wrong.append(f"{file} was altered")
    if wrong:
        raise damaged(folder, ", ".join(wrong))


class ImageColumn(Sequence[bytes]):
    """The images of a stored data set: a memory map that gives one encoded image at a time.

    A copy in another process (a loader's worker) maps the file anew instead of carrying it along.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._column = _map_arrow(path).column("image")

    def __len__(self) -> int:
        return len(self._column)

    # Arrow finds the chunk of an item by bisection and copies this one image out of the map.
    def __getitem__(self, item: Any) -> Any:
        if isinstance(item, slice):
            return [self[k] for k in range(*item.indices(len(self)))]
        return self._column[int(item)].as_py()

    def __reduce__(self) -> tuple[type["ImageColumn"], tuple[Path]]:
        return ImageColumn, (self._path,)


def _read_oracle(folder: Path) -> Factors:
    try:
        with np.load(folder / ORACLE_FILE, allow_pickle=False) as stored:
            return Factors(**stored)
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise damaged(folder, f"{ORACLE_FILE} cannot be read ({one_line(error)})") from None


def _map_arrow(path: Path) -> pa.Table:
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


def _read_arrow(folder: Path, file: str) -> pa.Table:
    try:
        table = _map_arrow(folder / file)
        # Reads offsets and ids, not the images: a wild offset would crash the process later.
        table.validate(full=True)
    except (OSError, pa.ArrowException, KeyError) as error:
        raise damaged(folder, f"{file} cannot be read ({one_line(error)})") from None
    return table


def _read_interactions(
    folder: Path, record: DatasetRecord
) -> tuple[Interactions, npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    try:
        table = pq.read_table(folder / INTERACTIONS_FILE, columns=["user", "item", "split"])
        users, items, split = (table.column(k).to_numpy() for k in ("user", "item", "split"))
    except (OSError, pa.ArrowException, KeyError) as error:
        raise damaged(folder, f"{INTERACTIONS_FILE} cannot be read ({one_line(error)})") from None
    for what, numbers, count in (
        ("user", users, record.n_users),
        ("item", items, record.n_items),
        ("split", split, 3),
    ):
        if numbers.dtype.kind != "i":
            raise damaged(
                folder, f"{INTERACTIONS_FILE}: {what} holds {numbers.dtype}, not integers"
            )
        if len(numbers) and not 0 <= numbers.min() <= numbers.max() < count:
            raise damaged(folder, f"{INTERACTIONS_FILE}: {what} outside 0..{count - 1}")
    is_train = split == 0
    train = Interactions.from_pairs(
        users[is_train], items[is_train], n_users=record.n_users, n_items=record.n_items
    )
    held_out = []
    for part, part_name in ((1, "validation"), (2, "test")):
        rows = split == part
        column = np.full(record.n_users, NO_ITEM, dtype=np.int32)
        column[users[rows]] = items[rows]
        if np.count_nonzero(column != NO_ITEM) != np.count_nonzero(rows):
            raise damaged(folder, f"{INTERACTIONS_FILE}: a user has two {part_name} items")
        held_out.append(column)
    return train, held_out[0], held_out[1]
