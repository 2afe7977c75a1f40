"""The published archives, converted once into the suite's store.

The archive's own partition is kept: no user is left out, nothing is drawn. Images are copied from
where they lie in the archive to the store, a few at a time, and checked on the way; the archive is
hashed while its pickle is read.
"""

import logging
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bench.datasets.archive import Archive, read_archive
from bench.datasets.dataset import NO_ITEM, FeatureInfo, Interactions, repeats_training
from bench.datasets.decoding import decode_all
from bench.datasets.disk import need_disk_space
from bench.datasets.hashed_file import BackgroundHash, PieceReader
from bench.datasets.own import check_name
from bench.datasets.preprocess import NO_TIME, merge_repeats
from bench.datasets.published_features import (
    PUBLISHED_DIMS,
    FeatureRows,
    check_feature_file,
    read_feature_rows,
)
from bench.datasets.published_sets import ARCHIVE_PARTITION, published_set
from bench.datasets.record import DatasetRecord
from bench.datasets.row_file import select_rows
from bench.datasets.store import Timestamps, write_dataset
from bench.errors import printable, user_io_errors
from bench.files import remove_leftovers, temporary_prefix
from bench.progress import Progress

__all__ = ["FALLBACK_IMAGE", "FeatureDtype", "import_archive"]

_log = logging.getLogger(__name__)

FeatureDtype = Literal["float32", "float16"]


def import_archive(
    path: Path,
    name: str,
    data_dir: Path,
    *,
    as_name: str,
    features: Path | None = None,
    feature_dtype: FeatureDtype = "float32",
    category_level: int | None = None,
    title: str | None = None,
    force: bool = False,
) -> DatasetRecord:
    """Convert a published archive into the store `data_dir / name`.

    Parameters
    ----------
    path
        The `.npy` archive.
    name
        What the data set is called from now on: `as_name`, or a name of one's own.
    data_dir
        Folder of the stored data sets.
    as_name
        Which published data set it is: amazon_fashion, amazon_women, amazon_men or tradesy.
    features
        The `image_features_*.b` file to take the items' features from.
    feature_dtype
        How they are stored.
    category_level
        Level of the taxonomy path that is the category of Amazon Women and Men; None for the one
        that is argued for in `bench.datasets.taxonomy`.
    title
        Name in tables; by default the paper's for `as_name` itself, else `name`.
    force
        Replace a data set of that name.

    Raises
    ------
    BenchError
        No such archive, a flaw in it, not enough room, or the result cannot be written; nothing is
        left behind.
    """
    kind = published_set(as_name)
    check_name(name, data_dir, force=force, source=as_name)
    kind.check_category_level(category_level)
    remove_leftovers(data_dir)
    if features is not None:
        check_feature_file(features)
    with ExitStack() as stack:
        archive_hash = stack.enter_context(BackgroundHash(path))
        archive = read_archive(path)
        with_features = features is not None
        _check_space(archive, data_dir, name, with_features=with_features, dtype=feature_dtype)
        categories = kind.categories_of(archive, level=category_level)
        partition = _Partition.of(archive)
        rows = None
        if features is not None:
            rows = _read_features(features, archive, _scratch(stack, data_dir), feature_dtype)
        with user_io_errors("read the archive", path):
            reader = stack.enter_context(PieceReader(path))
        images = _ArchiveImages(archive, reader)
        record = write_dataset(
            data_dir / name,
            name=name,
            title=title or (kind.title if name == as_name else name),
            source=lambda: (
                f"published archive {path.name}, {archive.size:,} bytes, "
                f"SHA-256 {archive_hash.sha256()}"
            ),
            licence=kind.licence,
            train=partition.train,
            validation=archive.validation,
            test=archive.test,
            user_ids=archive.user_ids,
            item_ids=archive.item_ids,
            split_rule=ARCHIVE_PARTITION,
            split_seed=None,
            timestamps=partition.timestamps,
            category_names=() if categories is None else categories.names,
            categories=None if categories is None else categories.numbers,
            images=images,
            features=None if rows is None else rows.path,
            feature_info=None if rows is None else _feature_info(rows, features),
            report=lambda: {
                "archive": {
                    "published_as": as_name,
                    "file": path.name,
                    "bytes": archive.size,
                    "sha256": archive_hash.sha256(),
                    **archive.report,
                },
                "partition": partition.report,
                **({} if categories is None else {"categories": categories.report}),
                "images": images.report(),
                **({} if rows is None else {"features": _feature_report(rows)}),
            },
        )
    _log.info("%s: %d images copied from %s", name, len(archive.item_ids), path.name)
    return record


@dataclass(frozen=True)
class _Partition:
    """The archive's interactions, as they are stored, and what was odd about them."""

    train: Interactions
    timestamps: Timestamps | None
    report: Mapping[str, Any]

    @classmethod
    def of(cls, archive: Archive) -> "_Partition":
        n_users, n_items = len(archive.user_ids), len(archive.item_ids)
        train = Interactions.from_pairs(
            archive.train_users, archive.train_items, n_users=n_users, n_items=n_items
        )
        repeats = {
            part: repeats_training(train, items)
            for part, items in (("validation", archive.validation), ("test", archive.test))
        }
        both = (archive.validation != NO_ITEM) & (archive.validation == archive.test)
        report = {
            "training_pairs_listed": len(archive.train_users),
            "repeated_training_pairs_merged": len(archive.train_users) - train.n_pairs,
            "validation_items_that_repeat_training": int(repeats["validation"].sum()),
            "test_items_that_repeat_training": int(repeats["test"].sum()),
            "users_with_a_held_out_repeat": int((repeats["validation"] | repeats["test"]).sum()),
            "validation_items_that_are_the_test_item": int(both.sum()),
            "items_never_in_training": int(np.count_nonzero(train.item_counts == 0)),
        }
        return cls(train, _timestamps(archive), report)


def _timestamps(archive: Archive) -> Timestamps | None:
    if archive.train_seconds is None:
        return None
    pairs = merge_repeats(archive.train_users, archive.train_items, archive.train_seconds)
    known = pairs.seconds != NO_TIME
    if not known.any():
        return None
    return Timestamps(pairs.users[known], pairs.items[known], pairs.seconds[known])


def _png(pixels: int, level: int) -> bytes:
    """Draw a plain grey square, in bytes that depend on no image library."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content)
        return len(content).to_bytes(4, "big") + kind + content + checksum.to_bytes(4, "big")

    side = pixels.to_bytes(4, "big")
    line = b"\0" + bytes([level, level, level]) * pixels  # filter 0, then red, green, blue
    # Level 0: stored, not compressed, which every version of zlib writes alike.
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", side + side + bytes([8, 2, 0, 0, 0]))  # 8 bits of red, green and blue
        + chunk(b"IDAT", zlib.compress(line * pixels, 0))
        + chunk(b"IEND", b"")
    )


FALLBACK_IMAGE = _png(16, 128)
"""What an item gets whose own image is missing or cannot be decoded: 16 x 16 pixels of mid-grey."""


@dataclass
class _ArchiveImages:
    """The images of an archive in item order, each one checked before it is handed on.

    Attributes
    ----------
    archive, reader
        What they are read from.
    formats, modes
        How many items have an image of each, fallbacks left out.
    replaced, missing
        Ids of the items that got the fallback: theirs does not decode, or they have none.
    """

    archive: Archive
    reader: PieceReader
    formats: Counter[str] = field(default_factory=Counter)
    modes: Counter[str] = field(default_factory=Counter)
    replaced: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[bytes]:
        ids, lengths = self.archive.item_ids, self.archive.image_lengths
        with Progress("images", len(ids), unit="image") as progress:
            for item, (content, found) in enumerate(decode_all(self._encoded())):
                if not lengths[item]:
                    self.missing.append(ids[item])
                elif found.flaw is not None:
                    self.replaced.append(ids[item])
                    _log.info("item %s: image replaced (%s)", printable(ids[item]), found.flaw)
                else:
                    self.formats[found.format] += 1
                    self.modes[found.mode] += 1
                yield content if found.flaw is None else FALLBACK_IMAGE
                progress.advance()

    def _encoded(self) -> Iterator[bytes]:
        spans = zip(
            self.archive.image_offsets.tolist(), self.archive.image_lengths.tolist(), strict=True
        )
        for offset, length in spans:
            yield self.reader.read(offset, length) if offset >= 0 else b""

    def report(self) -> dict[str, Any]:
        """Say what was found, once all are read."""
        n_grey = sum(
            count for mode, count in self.modes.items() if mode in ("1", "L", "LA", "I;16")
        )
        return {
            "grey": n_grey,
            "png": self.formats["PNG"],
            "formats": dict(sorted(self.formats.items())),
            "modes": dict(sorted(self.modes.items())),
            "replaced_because_broken": self.replaced,
            "replaced_because_missing": self.missing,
        }


def _check_space(
    archive: Archive, data_dir: Path, name: str, *, with_features: bool, dtype: FeatureDtype
) -> None:
    """See before the long work that the store fits on the disk."""
    needed = int(archive.image_lengths[archive.image_offsets >= 0].sum())
    needed += 16 * len(archive.train_users) + 64 * (len(archive.user_ids) + len(archive.item_ids))
    if with_features:
        # Twice: put in the catalogue's order first, then written and hashed with the store.
        needed += 2 * len(archive.item_ids) * PUBLISHED_DIMS * np.dtype(dtype).itemsize
    need_disk_space(data_dir, needed, f"convert {name}")


def _scratch(stack: ExitStack, data_dir: Path) -> Path:
    """Make a folder for the features in the catalogue's order, that goes when `stack` ends."""
    with user_io_errors("write the features", data_dir):
        data_dir.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix=temporary_prefix(), dir=data_dir)
    return Path(stack.enter_context(folder))


def _read_features(
    features: Path, archive: Archive, scratch: Path, dtype: FeatureDtype
) -> FeatureRows:
    """Read the items' rows; items that share an asin (B0 and B0#2) share its row."""
    asins = [item.partition("#")[0] for item in archive.item_ids]
    place_of = {asin: place for place, asin in enumerate(dict.fromkeys(asins))}
    rows = read_feature_rows(features, list(place_of), scratch / "read.npy", dtype=dtype)
    if len(place_of) == len(asins):
        return rows
    target = scratch / "features.npy"
    places = np.array([place_of[asin] for asin in asins], dtype=np.int64)
    select_rows(rows.path, places, target)
    rows.path.unlink()
    missing = set(rows.missing)
    lacking = (item for item, asin in zip(archive.item_ids, asins, strict=True) if asin in missing)
    return replace(rows, path=target, missing=tuple(lacking))


def _feature_info(rows: FeatureRows, path: Path | None) -> FeatureInfo:
    name = "" if path is None else path.name
    missing = f"; {len(rows.missing):,} items without a row have zeros" if rows.missing else ""
    return FeatureInfo(
        "published",
        f"{name}: {PUBLISHED_DIMS} activations of the Caffe reference network per item, as "
        f"published, unscaled{missing}",
    )


def _feature_report(rows: FeatureRows) -> dict[str, Any]:
    return {
        "sha256": rows.sha256,
        "records_in_file": rows.n_records,
        "records_repeated": rows.repeated,
        "items_without_a_row": list(rows.missing),
    }
