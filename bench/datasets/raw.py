"""What the raw routes share: a log of feedback, joined with published features, split and stored.

The rule of the VBPR code, which the paper follows: feedback counts only if its item has a feature
row, whatever the rating; users need five items, items no minimum. The features are read after the
users have been counted once without them, so that the rows of items nobody needs are not written.
"""

import logging
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import FeatureInfo
from bench.datasets.hosts import REVIEWS_LICENCE
from bench.datasets.preprocess import NO_TIME, Pairs, Preprocessed, preprocess
from bench.datasets.published_features import PUBLISHED_DIMS, FeatureRows, read_feature_rows
from bench.datasets.raw_log import Log
from bench.datasets.record import DatasetRecord
from bench.datasets.row_file import select_rows
from bench.datasets.store import Timestamps, write_dataset
from bench.datasets.taxonomy import Paths, categories_at, category_counts
from bench.errors import BenchError, user_io_errors
from bench.files import temporary_prefix

__all__ = ["RawOptions", "Taxonomy", "store_log"]

_log = logging.getLogger(__name__)

# A record lists ids so that they can be looked up; more than so many are only counted.
_MOST_LISTED = 1000


@dataclass(frozen=True, kw_only=True)
class RawOptions:
    """How a log becomes a data set.

    Attributes
    ----------
    min_interactions
        Users with fewer are left out.
    count_repeats
        Count a user's feedback before repeated pairs are merged, as the VBPR code does; such a user
        then needs three distinct items only, one for each part of the split. By default distinct
        items count.
    seed
        Root seed of the split.
    feature_dtype, feature_dims
        How features are stored; numbers per record of the feature file.
    """

    min_interactions: int = 5
    count_repeats: bool = False
    seed: int = 0
    feature_dtype: Literal["float32", "float16"] = "float32"
    feature_dims: int = PUBLISHED_DIMS

    def __post_init__(self) -> None:
        if self.min_interactions < 3:  # told here, not after an hour of reading
            raise BenchError(
                "at least 3 interactions per user are needed (training, validation, test), "
                f"got {self.min_interactions}"
            )

    @property
    def split_rule(self) -> str:
        """How the split is made, in words."""
        counted = (
            "pieces of feedback, repeats included, and 3 distinct items"
            if self.count_repeats
            else "distinct items"
        )
        return (
            "one random item per user for validation, another for test, the rest for training; "
            f"users with at least {self.min_interactions} {counted}, counting items with features; "
            f"seed {self.seed}"
        )


@dataclass(frozen=True)
class Taxonomy:
    """Where the categories of a catalogue come from.

    Attributes
    ----------
    paths
        Taxonomy paths per item id.
    root, second, level
        See `categories_at`.
    """

    paths: Mapping[str, Paths]
    root: str
    second: str
    level: int


def store_log(
    log: Log,
    features: Path,
    folder: Path,
    *,
    name: str,
    title: str,
    source: str,
    options: RawOptions,
    report: Mapping[str, Any],
    taxonomy: Taxonomy | None = None,
) -> DatasetRecord:
    """Join feedback with features, split it and write the data set to `folder`.

    Parameters
    ----------
    log
        All feedback that may count.
    features
        `image_features_*.b`.
    folder
        Where the data set goes; what stood there is replaced.
    name, title, source
        For the record.
    options
        How it is filtered, split and stored.
    report
        What reading the log gave; counts of this step are added.
    taxonomy
        Categories; None without.

    Raises
    ------
    BenchError
        No user has enough items, the features cannot be read, or the result cannot be written;
        nothing is left behind.
    """
    active = _active_users(log.users, log.items, options)
    if not active.any():
        raise _too_few_users(log, options, "")
    # Leaving items out only takes from a user: who is not active now never will be.
    users, items = log.users[active], log.items[active]
    seconds = None if log.seconds is None else log.seconds[active]
    candidates = np.flatnonzero(np.bincount(items, minlength=len(log.item_ids)))
    with user_io_errors("write the data set", folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(prefix=temporary_prefix(), dir=folder.parent)
    with scratch as scratch_name:
        rows = read_feature_rows(
            features,
            [log.item_ids[k] for k in candidates.tolist()],
            Path(scratch_name) / "candidates.npy",
            dims=options.feature_dims,
            dtype=options.feature_dtype,
        )
        missing = set(rows.missing)
        lacking = np.array([item in missing for item in log.item_ids], dtype=np.bool_)[items]
        users, items = users[~lacking], items[~lacking]
        seconds = None if seconds is None else seconds[~lacking]
        split = _split(users, items, seconds, options)
        if not len(split.users):
            raise _too_few_users(log, options, f" whose features are in {features.name}")
        matrix = rows.path
        catalogue = np.searchsorted(candidates, split.items)
        if len(catalogue) < len(candidates):
            matrix = Path(scratch_name) / "features.npy"
            select_rows(rows.path, catalogue, matrix)
            rows.path.unlink()
        item_ids = [log.item_ids[k] for k in split.items.tolist()]
        names, categories, category_report = _categories(item_ids, taxonomy)
        record = write_dataset(
            folder,
            name=name,
            title=title,
            source=source,
            licence=REVIEWS_LICENCE,
            train=split.train,
            validation=split.validation,
            test=split.test,
            user_ids=[log.user_ids[k] for k in split.users.tolist()],
            item_ids=item_ids,
            split_rule=options.split_rule,
            split_seed=options.seed,
            timestamps=_times(split.pairs),
            category_names=names,
            categories=categories,
            features=matrix,
            feature_info=FeatureInfo(
                "published",
                f"{features.name}: {options.feature_dims} numbers per item, as published, unscaled",
            ),
            report={
                **report,
                "preprocessing": {
                    "pairs_read": len(log.users),
                    "pairs_discarded_before_features": int(np.count_nonzero(~active)),
                    "pairs_without_features": int(np.count_nonzero(lacking)),
                    "repeated_pairs_merged": split.counts.repeated_pairs_merged,
                    "users_read": len(log.user_ids),
                    "users_discarded": len(log.user_ids) - len(split.users),
                    "items_read": len(log.item_ids),
                    "items_discarded": len(log.item_ids) - len(split.items),
                    "items_without_training": split.counts.items_without_training,
                    "min_interactions": options.min_interactions,
                    "count_repeats": options.count_repeats,
                },
                "features": _feature_report(rows),
                **category_report,
            },
        )
    _log.info(
        "%s: %d users, %d items, %d interactions; %d of %d users had too few items, "
        "%d items had no features",
        name,
        record.n_users,
        record.n_items,
        record.n_interactions,
        len(log.user_ids) - record.n_users,
        len(log.user_ids),
        len(rows.missing),
    )
    return record


def _active_users(
    users: npt.NDArray[np.int64], items: npt.NDArray[np.int64], options: RawOptions
) -> npt.NDArray[np.bool_]:
    """Say for each pair whether its user has enough feedback."""
    if not len(users):
        return np.zeros(0, dtype=np.bool_)
    if options.count_repeats:
        enough = np.bincount(users) >= options.min_interactions
    else:
        width = int(items.max()) + 1
        keys = np.sort(users * width + items)
        distinct = keys[np.diff(keys, prepend=-1) != 0]
        enough = np.bincount(distinct // width) >= options.min_interactions
    active: npt.NDArray[np.bool_] = enough[users]
    return active


def _split(
    users: npt.NDArray[np.int64],
    items: npt.NDArray[np.int64],
    seconds: npt.NDArray[np.int64] | None,
    options: RawOptions,
) -> Preprocessed:
    if not options.count_repeats:
        return preprocess(
            users, items, seconds, min_interactions=options.min_interactions, seed=options.seed
        )
    active = _active_users(users, items, options)
    return preprocess(
        users[active],
        items[active],
        None if seconds is None else seconds[active],
        min_interactions=3,
        seed=options.seed,
    )


def _categories(
    item_ids: list[str], taxonomy: Taxonomy | None
) -> tuple[tuple[str, ...], npt.NDArray[np.int16] | None, dict[str, Any]]:
    if taxonomy is None:
        return (), None, {}
    paths = [taxonomy.paths[item] for item in item_ids]
    rule = (taxonomy.root, taxonomy.second, taxonomy.level)
    names, codes = categories_at(paths, *rule)
    return names, codes, {"categories": category_counts(paths, *rule)}


def _feature_report(rows: FeatureRows) -> dict[str, Any]:
    return {
        "records": rows.n_records,
        "repeated_records": rows.repeated,
        "sha256": rows.sha256,
        "items_without_features": len(rows.missing),
        "items_without_features_ids": list(rows.missing[:_MOST_LISTED]),
    }


def _times(pairs: Pairs) -> Timestamps | None:
    known = pairs.seconds != NO_TIME
    if not known.any():
        return None
    return Timestamps(pairs.users[known], pairs.items[known], pairs.seconds[known])


def _too_few_users(log: Log, options: RawOptions, which: str) -> BenchError:
    return BenchError(
        f"too few users left: none of {len(log.user_ids)} has {options.min_interactions} items"
        f"{which}; give more data or lower --min-interactions"
    )
