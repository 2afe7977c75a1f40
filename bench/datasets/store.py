"""A data set on disk: one folder, written atomically, read through memory maps.

    dataset.json          schema version, counts, hashes, source, licence note, split, report
    interactions.parquet  user int32, item int32, split int8 (0 train, 1 validation, 2 test),
                          timestamp int64 (seconds; null where unknown)
    users.arrow           Arrow IPC: id
    items.arrow           Arrow IPC: id, category (int16, null without), image (binary, null without)
    features.npy          float16 or float32 (n_items, d), if there are features
    oracle.npz            true user and item factors, if purchases are simulated
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import Dataset, FeatureInfo, Interactions
from bench.recommender import Factors

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class DatasetRecord:
    """What dataset.json says (typed mirror of the file)."""

    schema_version: int
    name: str
    title: str
    source: str
    licence: str
    n_users: int
    n_items: int
    n_interactions: int
    n_categories: int | None
    split_rule: str
    split_seed: int | None
    split_hash: str
    data_hash: str
    feature_info: FeatureInfo | None
    feature_dims: int | None
    has_images: bool
    report: Mapping[str, Any]
    file_hashes: Mapping[str, str]
    created: str
    suite_version: str


def write_dataset(
    folder: Path,
    *,
    name: str,
    title: str,
    source: str,
    licence: str,
    train: Interactions,
    validation: npt.NDArray[np.int32],
    test: npt.NDArray[np.int32],
    user_ids: Sequence[str],
    item_ids: Sequence[str],
    split_rule: str,
    split_seed: int | None,
    timestamps: Mapping[tuple[int, int], int] | None = None,
    category_names: Sequence[str] = (),
    categories: npt.NDArray[np.int16] | None = None,
    images: Iterable[bytes] | None = None,
    features: npt.NDArray[np.floating[Any]] | Path | None = None,
    feature_info: FeatureInfo | None = None,
    report: Mapping[str, Any] | None = None,
    oracle: Factors | None = None,
) -> None:
    """Write a data set; images are streamed, so that memory does not grow with them."""
    raise NotImplementedError


def read_record(folder: Path) -> DatasetRecord:
    """Read dataset.json."""
    raise NotImplementedError


def open_dataset(folder: Path) -> Dataset:
    """Open a stored data set; features and images stay on disk until they are used."""
    raise NotImplementedError
