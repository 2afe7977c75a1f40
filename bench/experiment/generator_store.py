"""Trained generators under the results folder: one folder each, written whole or not at all.

<root>/generators/<data set>/<generator>/seed<seed>-<key hash>/
    result.json    the record
    curve.csv      losses and images per second of each epoch
    state.npz      the weights
    samples/       a page of images of the same codes after each epoch
<root>/unfinished/<key hash>/   checkpoint and pages of a training that has not ended
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from bench.datasets.dataset import TrainingSet
from bench.errors import BenchError
from bench.experiment.store import curve_csv, key_hash, read_json
from bench.files import atomic_folder, atomic_write_json, sha256_of_arrays

__all__ = [
    "GENERATOR_SCHEMA_VERSION",
    "GeneratorKey",
    "GeneratorRecord",
    "GeneratorStore",
    "StoredGenerator",
    "images_hash",
]

_log = logging.getLogger(__name__)

GENERATOR_SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class GeneratorKey:
    """What identifies a trained generator: change any of these and it is another one.

    Attributes
    ----------
    dataset
        Name of the data set.
    images_hash
        Of its images and categories, see `images_hash`: all that a generator learns from. Neither
        interactions nor their split count.
    generator
        Its registered name.
    generator_version
        Version of the distribution it comes from and a hash of its source files.
    params
        Every hyper-parameter, defaults included.
    seed
        Root seed of the training.
    deterministic
        Whether racing libraries were given one thread.
    protocol
        Device type and threads, which move the last bits.
    """

    dataset: str
    images_hash: str
    generator: str
    generator_version: str
    params: Mapping[str, Any]
    seed: int
    deterministic: bool
    protocol: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class GeneratorRecord:
    """One trained generator, as result.json holds it.

    Attributes
    ----------
    key
        What it is.
    label
        Its name in tables.
    dataset_title
        The data set's name in tables.
    n_images
        Images it was trained on.
    category_names
        Its categories, in the order of their numbers.
    pixels
        Side of the images it makes.
    epochs
        Epochs run.
    history
        Per epoch: epoch, loss and what else the generator tells (`Generator.figures`), `rate`, the
        real images trained on per second, and `seconds`, the training's time until then.
    fit_seconds
        Wall time of the training, of which the pages of samples are no part; of one that was
        resumed, all of it.
    peak_memory_bytes, peak_memory_scope
        As a cell's.
    provenance
        As a cell's, and the `data_hash`.
    """

    schema_version: int = GENERATOR_SCHEMA_VERSION
    key: GeneratorKey
    label: str
    dataset_title: str
    n_images: int
    category_names: tuple[str, ...]
    pixels: int
    epochs: int
    history: tuple[Mapping[str, Any], ...]
    fit_seconds: float
    peak_memory_bytes: int
    peak_memory_scope: str
    provenance: Mapping[str, Any]

    @classmethod
    def from_json(cls, value: Any, *, where: str) -> Self:
        """Read what `dataclasses.asdict` gave.

        Raises
        ------
        BenchError
            Another schema version, or not a record at all.
        """
        version = value.get("schema_version") if isinstance(value, dict) else None
        if version != GENERATOR_SCHEMA_VERSION:
            raise BenchError(
                f"{where}: generator schema version {version!r}, this suite reads "
                f"{GENERATOR_SCHEMA_VERSION}; remove the folder or use the matching version"
            )
        try:
            fields = dict(value)
            fields["key"] = GeneratorKey(**fields["key"])
            for name in ("category_names", "history"):
                fields[name] = tuple(fields[name])
            return cls(**fields)
        except (TypeError, KeyError) as error:
            raise BenchError(
                f"{where}: no generator's record ({error}); remove the folder"
            ) from None


@dataclass(frozen=True)
class StoredGenerator:
    """A trained generator on disk."""

    folder: Path
    record: GeneratorRecord


class GeneratorStore:
    """All trained generators under one results folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, key: GeneratorKey) -> Path:
        """Say where a trained generator lies."""
        name = f"seed{key.seed}-{key_hash(key)}"
        return self.root / "generators" / key.dataset / key.generator / name

    def unfinished(self, key: GeneratorKey) -> Path:
        """Say where the checkpoint of a training that has not ended lies."""
        return self.root / "unfinished" / key_hash(key)

    def find(self, key: GeneratorKey) -> StoredGenerator | None:
        """Give the stored generator of this key, or None."""
        folder = self.folder(key)
        return _read(folder) if (folder / "result.json").is_file() else None

    def all(self, dataset: str) -> Iterator[StoredGenerator]:
        """Go through the generators of a data set; one that cannot be read is told and skipped."""
        for path in sorted((self.root / "generators").glob(f"{dataset}/*/seed*/result.json")):
            try:
                yield _read(path.parent)
            except BenchError as error:
                _log.warning("skipped: %s", error)

    def write(self, record: GeneratorRecord, save_into: Callable[[Path], None]) -> StoredGenerator:
        """Store a trained generator in place of what was there.

        Parameters
        ----------
        record
            `record.key` says where it goes.
        save_into
            Called with a folder to write weights and pages into.
        """
        folder = self.folder(record.key)
        with atomic_folder(folder) as temporary:
            save_into(temporary)
            (temporary / "curve.csv").write_text(curve_csv(record.history), encoding="utf-8")
            atomic_write_json(temporary / "result.json", asdict(record))
        return StoredGenerator(folder, record)


def images_hash(dataset: TrainingSet) -> str:
    """Hash all that a generator learns from: every item's image and category.

    A data set that is stored has a hash of its items and their images already.

    Raises
    ------
    BenchError
        There are no images or no categories.
    """
    if dataset.images is None or dataset.categories is None:
        raise BenchError(f"{dataset.name} lacks images or categories")
    digest = hashlib.sha256(json.dumps(dataset.category_names).encode())
    digest.update(sha256_of_arrays(dataset.categories).encode())
    if dataset.images.cache is not None:
        digest.update(dataset.images.cache.name.encode())
    else:
        for item in range(len(dataset.images)):
            digest.update(hashlib.sha256(dataset.images.encoded(item)).digest())
    return digest.hexdigest()


def _read(folder: Path) -> StoredGenerator:
    path = folder / "result.json"
    return StoredGenerator(folder, GeneratorRecord.from_json(read_json(path), where=str(path)))
