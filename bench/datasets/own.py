"""One's own data: a folder with interactions, and optionally items, images and features.

    interactions.csv | .parquet   user, item, optionally timestamp
    items.csv | .parquet          item, optionally category, image (a path in the folder)
    images/                       where items name no image: images/<item id>.jpg, .png or the like
    features.npy                  row k belongs to the k-th row of the items file
    features.parquet              item, and one list column or a number column per dimension

Everything is checked before or while it is written, and a flaw leaves nothing behind.
"""

import logging
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import FeatureInfo
from bench.datasets.own_features import read_features
from bench.datasets.own_images import checked_images, image_paths
from bench.datasets.preprocess import NO_TIME, Preprocessed, preprocess
from bench.datasets.record import RECORD_FILE, DatasetRecord
from bench.datasets.store import Timestamps, write_dataset
from bench.datasets.tables import (
    EncodedIds,
    check_ids,
    check_unique,
    encode_ids,
    find_table,
    parse_times,
    read_table,
)
from bench.errors import BenchError
from bench.registry import Registry

__all__ = ["check_name", "import_folder"]

_log = logging.getLogger(__name__)


def import_folder(
    source: Path,
    name: str,
    data_dir: Path,
    *,
    seed: int = 0,
    min_interactions: int = 5,
    title: str | None = None,
    force: bool = False,
) -> DatasetRecord:
    """Check, preprocess and store a folder of one's own data as `data_dir / name`.

    Parameters
    ----------
    source
        The folder, laid out as this module says.
    name
        Name on the command line: lower-case letters, digits, `_` and `-`.
    data_dir
        Folder of the stored data sets.
    seed
        Root seed of the split.
    min_interactions
        Users with fewer distinct items are left out.
    title
        Name in tables; `name` by default.
    force
        Replace a data set of that name.

    Raises
    ------
    BenchError
        A flaw in the data, or the result cannot be written; nothing is left behind.
    """
    check_name(name, data_dir, force=force)
    if not source.is_dir():
        raise BenchError(f"{source}: no such folder; name the one with interactions.csv in it")
    purchases = _read_interactions(source)
    catalogue = _read_items(source)
    items = purchases.items.codes
    if catalogue is not None:
        items = _rows_in_catalogue(purchases, catalogue)[items]
    split = preprocess(
        purchases.users.codes,
        items,
        purchases.seconds,
        n_items=None if catalogue is None else len(catalogue.ids),
        min_interactions=min_interactions,
        seed=seed,
    )
    _check_users_left(purchases, split, min_interactions)
    item_ids = (
        tuple(purchases.items.ids[k] for k in split.items) if catalogue is None else catalogue.ids
    )
    named_images = None if catalogue is None else catalogue.images
    paths = image_paths(source, item_ids, named_images)
    features, description = read_features(
        source,
        item_ids,
        items_path=None if catalogue is None else catalogue.path,
        known_ids=purchases.items.ids,
    )
    record = write_dataset(
        data_dir / name,
        name=name,
        title=title or name,
        source=f"own data, imported from {source.resolve()}",
        licence="not stated (own data)",
        train=split.train,
        validation=split.validation,
        test=split.test,
        user_ids=[purchases.users.ids[k] for k in split.users],
        item_ids=item_ids,
        split_rule=(
            "one random item per user for validation, another for test, the rest for training; "
            f"users with at least {min_interactions} distinct items; seed {seed}"
        ),
        split_seed=seed,
        timestamps=_times(split),
        category_names=() if catalogue is None else catalogue.category_names,
        categories=None if catalogue is None else catalogue.categories,
        images=None if paths is None else checked_images(paths, item_ids),
        features=features,
        feature_info=None if features is None else FeatureInfo("own", description),
        report={"preprocessing": split.counts.to_json()},
    )
    _log.info(
        "%s: %d users, %d items, %d interactions; %d repeated pairs merged, "
        "%d of %d users had fewer than %d items",
        name,
        record.n_users,
        record.n_items,
        record.n_interactions,
        split.counts.repeated_pairs_merged,
        split.counts.users_discarded,
        split.counts.users_read,
        min_interactions,
    )
    return record


def check_name(
    name: str, data_dir: Path, *, force: bool = False, source: str | None = None
) -> None:
    """See that a new data set may be called `name`.

    Parameters
    ----------
    name
        The name.
    data_dir
        Folder of the stored data sets.
    force
        One of that name is to be replaced.
    source
        The source that the data set comes from, whose name it may bear; None for own data.

    Raises
    ------
    BenchError
        It has other characters than allowed, belongs to a source, or is taken (unless `force`).
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
        raise BenchError(
            f"data set name {name!r}: only lower-case letters, digits, '_' and '-' are allowed, "
            "and a letter or digit first"
        )
    if name != source and name in Registry().source_names():
        raise BenchError(
            f"data set name {name!r} belongs to a data set the suite makes or fetches itself; "
            "choose another"
        )
    target = data_dir / name
    if not target.exists():
        return
    if not (target / RECORD_FILE).is_file():  # never replace what is not ours
        raise BenchError(f"{target} exists and is no data set; choose another name or remove it")
    if not force:
        raise BenchError(f"data set {name!r} exists in {data_dir}; --force replaces it")


@dataclass(frozen=True)
class _Purchases:
    """What the interactions file holds."""

    path: Path
    users: EncodedIds
    items: EncodedIds
    seconds: npt.NDArray[np.int64] | None


@dataclass(frozen=True)
class _Catalogue:
    """What the items file holds; row k is item k of the data set."""

    path: Path
    ids: tuple[str, ...]
    categories: npt.NDArray[np.int16] | None
    category_names: tuple[str, ...]
    images: tuple[str, ...] | None


def _read_interactions(source: Path) -> _Purchases:
    path = find_table(source, "interactions")
    if path is None:
        raise BenchError(
            f"{source} has no interactions.csv or interactions.parquet; it needs the columns "
            "user, item and optionally timestamp"
        )
    table = read_table(path, required=("user", "item"), optional=("timestamp",))
    has_times = "timestamp" in table.column_names
    return _Purchases(
        path,
        encode_ids(check_ids(path, table, "user")),
        encode_ids(check_ids(path, table, "item")),
        parse_times(path, table, "timestamp") if has_times else None,
    )


def _read_items(source: Path) -> _Catalogue | None:
    path = find_table(source, "items")
    if path is None:
        return None
    table = read_table(path, required=("item",), optional=("category", "image"))
    texts = check_ids(path, table, "item")
    ids = tuple(texts.to_pylist())
    check_unique(path, ids)
    categories: npt.NDArray[np.int16] | None = None
    names: tuple[str, ...] = ()
    if "category" in table.column_names:
        encoded = encode_ids(check_ids(path, table, "category"))
        names = encoded.ids
        if len(names) > np.iinfo(np.int16).max:
            raise BenchError(f"{path}: {len(names)} categories are too many; group them")
        categories = encoded.codes.astype(np.int16)
    images = None
    if "image" in table.column_names:
        images = tuple(check_ids(path, table, "image").to_pylist())
    return _Catalogue(path, ids, categories, names, images)


def _rows_in_catalogue(purchases: _Purchases, catalogue: _Catalogue) -> npt.NDArray[np.int64]:
    """Give the catalogue row of each item id of the interactions."""
    row_of = {item: row for row, item in enumerate(catalogue.ids)}
    rows = np.array([row_of.get(item, -1) for item in purchases.items.ids], dtype=np.int64)
    unknown = np.flatnonzero(rows < 0)
    if len(unknown):
        where = np.isin(purchases.items.codes, unknown)
        first = int(where.argmax())
        item = purchases.items.ids[purchases.items.codes[first]]
        plain = {known.strip().lstrip("0") for known in catalogue.ids}
        remedy = f"add them to {catalogue.path.name} or remove those rows"
        if item.strip().lstrip("0") in plain:
            remedy = "ids are compared as text, with leading zeros and spaces: write them alike"
        raise BenchError(
            f"{purchases.path}: {len(unknown)} items are not in {catalogue.path.name} "
            f"({int(where.sum())} rows), the first is {item!r} in row {first + 1}; {remedy}"
        )
    return rows


def _check_users_left(purchases: _Purchases, split: Preprocessed, min_interactions: int) -> None:
    if len(split.users):
        return
    pairs = np.unique(np.stack([purchases.users.codes, purchases.items.codes]), axis=1)
    most = int(np.bincount(pairs[0]).max())
    raise BenchError(
        f"{purchases.path}: too few users left: none of {split.counts.users_read} has "
        f"{min_interactions} distinct items (the most active has {most}); "
        "give more data or lower --min-interactions"
    )


def _times(split: Preprocessed) -> Timestamps | None:
    known = split.pairs.seconds != NO_TIME
    if not known.any():
        return None
    pairs = split.pairs
    return Timestamps(pairs.users[known], pairs.items[known], pairs.seconds[known])
