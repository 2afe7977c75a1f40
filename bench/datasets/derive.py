"""A stored data set again, with other features: a data set of its own, with its own hashes.

Nothing has to know that features can be exchanged: results, tables and their feet go by the new
data set's name, hash and feature description. Split, items and images are the source's files, hard
links to them where the file system has such.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import FeatureInfo
from bench.datasets.feature_file import write_features
from bench.datasets.reader import open_dataset
from bench.datasets.record import (
    FEATURES_FILE,
    RECORD_FILE,
    DatasetRecord,
    read_record,
)
from bench.files import atomic_folder, atomic_write_json

__all__ = ["derive_with_features"]


def derive_with_features(
    source: Path,
    target: Path,
    *,
    title: str,
    features: npt.NDArray[np.floating[Any]],
    feature_info: FeatureInfo,
    how: Mapping[str, Any],
) -> DatasetRecord:
    """Store the data set at `source` once more at `target`, with these features.

    Parameters
    ----------
    source, target
        Folders of the stored and of the new data set; an existing target is replaced.
    title
        The new name in tables.
    features
        (n_items, d), rows in item order.
    feature_info
        What they are.
    how
        How they were made; it becomes part of the record.

    Raises
    ------
    BenchError
        Not a finite number per item and dimension, a damaged source, or no room.
    """
    record = read_record(source)
    item_ids = open_dataset(source).item_ids
    with atomic_folder(target) as temporary:
        for name in record.file_hashes:
            if name != FEATURES_FILE:
                _link(source / name, temporary / name)
        written = write_features(temporary / FEATURES_FILE, features, item_ids)
        kept = {name: h for name, h in record.file_hashes.items() if name != FEATURES_FILE}
        files = {**kept, FEATURES_FILE: written.file_hash}
        # The source's hash stands for all that was taken over.
        parts = {"source": record.data_hash, "features": written.content_hash}
        made = replace(
            record,
            name=target.name,
            title=title,
            data_hash=hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest(),
            feature_info=feature_info,
            feature_dims=written.shape[1],
            feature_dtype=written.dtype.name,
            report={
                **record.report,
                "features": {"of_data_set": record.name, "of_data_hash": record.data_hash, **how},
            },
            file_hashes=files,
            file_sizes={name: (temporary / name).stat().st_size for name in files},
        )
        atomic_write_json(temporary / RECORD_FILE, made.to_json())
    return made


def _link(source: Path, target: Path) -> None:
    """Give a file a second name; stored files are never written to, so none sees the other."""
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copyfile(source, target)
