"""Small files in the original layouts, written by hand, and what an archive's images are."""

import gzip
import json
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from bench.datasets.archive import Archive

ROOT = "Clothing, Shoes & Jewelry"


def feature_file(path: Path, records: Iterable[tuple[str, Sequence[float]]]) -> Path:
    """Write records by `struct`, one by one: an id padded with blanks, then its numbers."""
    content = b"".join(
        item.ljust(10).encode() + struct.pack(f"<{len(row)}f", *row) for item, row in records
    )
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def literal_file(path: Path, records: Iterable[object]) -> Path:
    """Write one `repr` a line, gzipped."""
    path.write_bytes(gzip.compress("".join(f"{record!r}\n" for record in records).encode()))
    return path


def amazon_folder(
    folder: Path,
    reviews: Iterable[tuple[str, str, int]],
    categories: Mapping[str, Sequence[Sequence[str]]],
    features: Iterable[tuple[str, Sequence[float]]],
) -> Path:
    """Write the three Amazon files: reviews are (user, item, time)."""
    folder.mkdir(exist_ok=True)
    subject = "Clothing_Shoes_and_Jewelry"
    lines = "".join(
        json.dumps({"reviewerID": u, "asin": i, "overall": 1.0 + k % 5, "unixReviewTime": t}) + "\n"
        for k, (u, i, t) in enumerate(reviews)
    )
    (folder / f"reviews_{subject}.json.gz").write_bytes(gzip.compress(lines.encode()))
    literal_file(
        folder / f"meta_{subject}.json.gz",
        [
            {"asin": item, "title": 'Women\'s "best"', "categories": paths}
            for item, paths in categories.items()
        ],
    )
    feature_file(folder / f"image_features_{subject}.b", features)
    return folder


def archive_images(archive: Archive) -> Iterator[bytes]:
    """Read an archive's encoded images from where it says they lie; nothing without one."""
    spans = zip(archive.image_offsets.tolist(), archive.image_lengths.tolist(), strict=True)
    with archive.path.open("rb") as file:
        for offset, length in spans:
            file.seek(max(offset, 0))
            yield file.read(length)
