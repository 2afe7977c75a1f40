"""Where designs lie: one folder per experiment, written whole or not at all.

<root>/designs/<data set>/seed<seed>-<key hash>/
    designs.json            the record
    trials.npz              users, categories, real and random generated images, scores
    designed.npz            the images of delta-hat, with scores, objective and codes
    eta-<eta>.npz           the same for the other weights of Figure 3, over its trials
    samples.npz             samples per category and their nearest neighbours (Figure 4)
    picks.npz               the best images for six users (Figure 5)
    tailored.npz            the way of two items for three users each (Figure 6)
    judged-<judge>.json     the numbers by one judge; added whenever a judge has judged
<root>/unfinished/<key hash>/   parts of an experiment that has not ended
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from bench.experiment.generation.parts import Arrays, Parts, load_arrays, save_arrays
from bench.experiment.generation.record import DesignsRecord, GenerationKey, Judged
from bench.experiment.store import key_hash, read_json
from bench.files import atomic_folder, atomic_write_json

__all__ = ["GenerationStore", "StoredDesigns"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StoredDesigns:
    """A set of designs on disk; arrays are read when asked for."""

    folder: Path
    record: DesignsRecord

    def arrays(self, part: str) -> Arrays:
        """Read one of the parts: "trials", "designed", "eta-0.1", "samples", ...

        Raises
        ------
        BenchError
            The file is missing or damaged.
        """
        try:
            return load_arrays(self.folder / f"{part}.npz")
        except BenchError as error:
            raise BenchError(f"{error}; `bench run --force` makes it anew") from None

    def judged(self) -> dict[str, Judged]:
        """Read the numbers by judge; one that cannot be read is skipped with a warning."""
        found = {}
        for path in sorted(self.folder.glob("judged-*.json")):
            try:
                judged = Judged.from_json(read_json(path), where=str(path))
            except BenchError as error:
                _log.warning("skipped: %s", error)
            else:
                found[judged.judge] = judged
        return found

    def add(self, judged: Judged) -> None:
        """Store the numbers by one judge, in place of its earlier ones."""
        atomic_write_json(self.folder / f"judged-{judged.judge}.json", judged.to_json())


class GenerationStore:
    """All sets of designs under one results folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, key: GenerationKey) -> Path:
        """Say where a set of designs lies."""
        return self.root / "designs" / key.dataset / f"seed{key.seed}-{key_hash(key)}"

    def parts(self, key: GenerationKey) -> Parts:
        """Give what is made already of an unfinished one."""
        return Parts(self.root / "unfinished" / key_hash(key))

    def find(self, key: GenerationKey) -> StoredDesigns | None:
        """Give the stored set, or None."""
        path = self.folder(key) / "designs.json"
        if not path.is_file():
            return None
        return StoredDesigns(path.parent, DesignsRecord.from_json(read_json(path), where=str(path)))

    def all(self, dataset: str | None = None) -> Iterator[StoredDesigns]:
        """Go through all sets, of one data set or of all; what cannot be read is skipped."""
        for path in sorted((self.root / "designs").glob(f"{dataset or '*'}/seed*/designs.json")):
            try:
                record = DesignsRecord.from_json(read_json(path), where=str(path))
            except BenchError as error:
                _log.warning("skipped: %s", error)
            else:
                yield StoredDesigns(path.parent, record)

    def write(self, record: DesignsRecord, parts: Mapping[str, Arrays]) -> StoredDesigns:
        """Store a finished set in place of what was there, and forget its unfinished parts."""
        folder = self.folder(record.key)
        with atomic_folder(folder) as temporary:
            for name, arrays in parts.items():
                save_arrays(temporary / f"{name}.npz", arrays, compressed=True)
            atomic_write_json(temporary / "designs.json", record.to_json())
        self.parts(record.key).forget()
        return StoredDesigns(folder, record)
