"""Going over a stored data set as a suspicious reader would: every byte, image and promise."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.datasets.content_hash import ContentHashes
from bench.datasets.dataset import NO_ITEM, Dataset, Images, repeats_training
from bench.datasets.decoding import decode_all
from bench.datasets.feature_file import first_non_finite, hash_of_features
from bench.datasets.reader import open_dataset, verify
from bench.datasets.record import DatasetRecord, damaged, read_record
from bench.progress import Progress

__all__ = ["Check", "check_dataset"]


@dataclass(frozen=True)
class Check:
    """One thing that was checked and found in order."""

    name: str
    detail: str


def check_dataset(folder: Path) -> Iterator[Check]:
    """Check a stored data set, one thing after the other; reads all of it.

    Yields
    ------
    What was checked and is in order.

    Raises
    ------
    BenchError
        The first flaw.
    """
    record = read_record(folder)
    verify(folder)
    n_bytes = sum(record.file_sizes.values())
    yield Check("files", f"{len(record.file_hashes)} files, {n_bytes:,} bytes match their SHA-256")
    dataset = open_dataset(folder)
    checks: tuple[Callable[[Path, DatasetRecord, Dataset], Check], ...] = (
        _check_ids,
        _check_counts,
        _check_parts,
        _check_categories,
    )
    for check in checks:
        yield check(folder, record, dataset)
    yield from _check_contents(folder, record, dataset)


def _check_ids(folder: Path, record: DatasetRecord, dataset: Dataset) -> Check:
    for what, ids in (("user", dataset.user_ids), ("item", dataset.item_ids)):
        if repeated := len(ids) - len(set(ids)):
            raise damaged(folder, f"{repeated} {what} ids repeat another one")
    return Check("ids", f"{record.n_users:,} users and {record.n_items:,} items, each id once")


def _check_counts(folder: Path, record: DatasetRecord, dataset: Dataset) -> Check:
    # Users and items were compared when the data set was opened.
    if dataset.n_interactions != record.n_interactions:
        raise damaged(
            folder,
            f"it holds {dataset.n_interactions} interactions, recorded are {record.n_interactions}",
        )
    return Check("interactions", f"{record.n_interactions:,} different pairs, as recorded")


def _check_parts(folder: Path, record: DatasetRecord, dataset: Dataset) -> Check:
    """See that held-out items are not trained on, but for repeats that the record counts."""
    train = dataset.training.train
    found = {
        "validation_items_that_repeat_training": repeats_training(train, dataset.validation).sum(),
        "test_items_that_repeat_training": repeats_training(train, dataset.test).sum(),
        "validation_items_that_are_the_test_item": np.count_nonzero(
            (dataset.validation != NO_ITEM) & (dataset.validation == dataset.test)
        ),
    }
    partition = record.report.get("partition")
    counted: Mapping[str, Any] = partition if isinstance(partition, Mapping) else {}
    for name, count in found.items():
        if count != counted.get(name, 0):
            what = name.replace("_", " ")
            raise damaged(folder, f"{count} {what}, recorded are {counted.get(name, 0)}")
    repeats = int(np.count_nonzero(dataset.repeats))
    known = f", but for {repeats:,} users with repeats, which the record counts" if repeats else ""
    return Check("parts", f"training, validation and test items are disjoint{known}")


def _check_categories(folder: Path, record: DatasetRecord, dataset: Dataset) -> Check:
    categories = dataset.training.categories
    if categories is None:
        return Check("categories", "none")
    if record.n_categories != len(record.category_names):
        raise damaged(
            folder,
            f"{len(record.category_names)} category names, recorded are {record.n_categories}",
        )
    if len(categories) and not 0 <= categories.min() <= categories.max() < record.n_categories:
        raise damaged(folder, f"category numbers outside 0..{record.n_categories - 1}")
    return Check("categories", f"{record.n_categories}, each item has one")


def _check_contents(folder: Path, record: DatasetRecord, dataset: Dataset) -> Iterator[Check]:
    """Decode the images, go over the features, and hash all contents again."""
    training = dataset.training
    hashes = ContentHashes(split=dataset.split_hash, item_ids=dataset.item_ids)
    if training.categories is not None:
        hashes.add_categories(training.categories, training.category_names)
    if training.images is not None:
        yield _check_images(folder, dataset, training.images, hashes)
    if training.features is not None:
        if found := first_non_finite(training.features):
            row, count = found
            raise damaged(
                folder,
                f"the features of {count} items are not finite, first {dataset.item_ids[row]!r}",
            )
        hashes.add_features(hash_of_features(training.features))
        yield Check(
            "features", f"{record.feature_dims}-d {record.feature_dtype}, all numbers finite"
        )
    if hashes.data_hash() != record.data_hash:
        raise damaged(folder, "its contents do not match the recorded data hash")
    yield Check("data hash", record.data_hash)


def _check_images(folder: Path, dataset: Dataset, images: Images, hashes: ContentHashes) -> Check:
    hashes.has_images()
    flaws: list[tuple[str, str]] = []
    encoded = (images.encoded(item) for item in range(len(images)))
    with Progress("images", len(images), unit="image") as progress:
        for item, (content, found) in enumerate(decode_all(encoded)):
            hashes.add_images([content])
            if found.flaw is not None:
                flaws.append((dataset.item_ids[item], found.flaw))
            progress.advance()
    if flaws:
        item_id, flaw = flaws[0]
        raise damaged(
            folder,
            f"{len(flaws)} of {len(images)} images cannot be decoded, the first is of item "
            f"{item_id!r} ({flaw})",
        )
    return Check("images", f"{len(images):,}, all can be decoded")
