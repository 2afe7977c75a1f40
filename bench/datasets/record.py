"""What dataset.json says about a stored data set, as a typed record."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from bench.datasets.dataset import FeatureInfo
from bench.errors import BenchError

__all__ = [
    "FEATURES_FILE",
    "INTERACTIONS_FILE",
    "ITEMS_FILE",
    "ORACLE_FILE",
    "RECORD_FILE",
    "SCHEMA_VERSION",
    "USERS_FILE",
    "DatasetRecord",
    "damaged",
    "read_record",
]

SCHEMA_VERSION = 2
_READABLE = (1, 2)
# Version 1 held the time of writing, too. It is no property of the data, and kept two stores of the
# same data from being the same bytes; it is read over.
_DROPPED = frozenset({"created"})

RECORD_FILE = "dataset.json"
INTERACTIONS_FILE = "interactions.parquet"
USERS_FILE = "users.arrow"
ITEMS_FILE = "items.arrow"
FEATURES_FILE = "features.npy"
ORACLE_FILE = "oracle.npz"


@dataclass(frozen=True, kw_only=True)
class DatasetRecord:
    """What dataset.json says (typed mirror of the file).

    Attributes
    ----------
    schema_version
        Layout of the folder; one that this suite does not know is refused.
    name, title
        Name on the command line; name in tables.
    source, licence
        Where the data come from and what may be done with them, in words.
    n_users, n_items, n_interactions, n_categories
        Counts as Table II has them; interactions are unique (user, item) pairs over all parts.
    category_names
        Names of the categories, in the order of their numbers; empty without categories.
    split_rule, split_seed, split_hash
        How the split was made, with which seed, and its SHA-256.
    data_hash
        SHA-256 over the split, item ids, categories, features and images.
    feature_info, feature_dims, feature_dtype
        What the features are; all None without features.
    has_images, has_oracle
        Whether product images and true utilities are stored.
    report
        Counts of the preparation: pairs read, repeats merged, users discarded and the like.
    file_hashes, file_sizes
        SHA-256 and bytes of every other file in the folder.
    suite_version
        Version of the suite that wrote it.
    """

    schema_version: int = SCHEMA_VERSION
    name: str
    title: str
    source: str
    licence: str
    n_users: int
    n_items: int
    n_interactions: int
    n_categories: int | None
    category_names: tuple[str, ...]
    split_rule: str
    split_seed: int | None
    split_hash: str
    data_hash: str
    feature_info: FeatureInfo | None
    feature_dims: int | None
    feature_dtype: str | None
    has_images: bool
    has_oracle: bool
    report: Mapping[str, Any]
    file_hashes: Mapping[str, str]
    file_sizes: Mapping[str, int]
    suite_version: str

    @property
    def density(self) -> float:
        """Share of the (user, item) matrix that is filled; 0 for an empty one."""
        cells = self.n_users * self.n_items
        return self.n_interactions / cells if cells else 0.0

    def to_json(self) -> dict[str, Any]:
        """Give the record as plain containers."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: object, *, folder: Path) -> Self:
        """Read what `to_json` gave.

        Raises
        ------
        BenchError
            Another schema version, or not such a record.
        """
        if not isinstance(value, dict):
            raise damaged(folder, f"{RECORD_FILE} is not a data-set record")
        version = value.get("schema_version")
        if version not in _READABLE:
            raise BenchError(
                f"{folder / RECORD_FILE}: schema version {version!r}, this suite reads "
                f"{' and '.join(map(str, _READABLE))}; use the suite version that wrote it or make "
                "the data set again"
            )
        content = {key: field for key, field in value.items() if key not in _DROPPED}
        try:
            content["category_names"] = tuple(content["category_names"])
            if content["feature_info"] is not None:
                content["feature_info"] = FeatureInfo(**content["feature_info"])
            record = cls(**content)
        except (KeyError, TypeError) as error:
            raise damaged(folder, f"{RECORD_FILE} is not a data-set record ({error})") from None
        for field in fields(record):
            # A bool is an int to isinstance, and would pass for a count.
            if field.type in (int, str, bool):
                found = type(getattr(record, field.name))
                if found is not field.type:
                    raise damaged(
                        folder,
                        f"{RECORD_FILE}: {field.name!r} should be {field.type.__name__}, "
                        f"is {found.__name__}",
                    )
        for name in ("report", "file_hashes", "file_sizes"):
            if not isinstance(getattr(record, name), dict):
                raise damaged(folder, f"{RECORD_FILE}: {name!r} should be an object")
        return record


def damaged(folder: Path, what: str) -> BenchError:
    """Say what is wrong with a stored data set, and the remedy."""
    return BenchError(f"data set {folder}: {what}; remove the folder and make or import it again")


def read_record(folder: Path) -> DatasetRecord:
    """Read dataset.json.

    Raises
    ------
    BenchError
        The folder or the file is missing, is no JSON, or has another schema version.
    """
    path = folder / RECORD_FILE
    if not path.is_file():
        what = f"it has no {RECORD_FILE}" if folder.is_dir() else "no such folder"
        raise BenchError(f"no data set at {folder}: {what}; `bench datasets list` shows all")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise damaged(folder, f"{RECORD_FILE} cannot be read ({error})") from None
    return DatasetRecord.from_json(value, folder=folder)
