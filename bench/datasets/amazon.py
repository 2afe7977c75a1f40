"""Amazon Women and Men from the original files of 2014: reviews, metadata and features.

    reviews_Clothing_Shoes_and_Jewelry.json.gz       a JSON object per line: reviewerID, asin,
                                                     overall, unixReviewTime and more
    meta_Clothing_Shoes_and_Jewelry.json.gz          a Python literal per line: asin, categories
    image_features_Clothing_Shoes_and_Jewelry.b      see `bench.datasets.published_features`

An item is in Women or Men (or both) by the second node of a taxonomy path. Every rating is
positive feedback. The rules that made the six categories of Amazon Fashion are not published: that
set exists as an archive only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bench.datasets.hosts import AMAZON_FEATURES, AMAZON_METADATA, AMAZON_REVIEWS
from bench.datasets.literals import bad_line, read_records
from bench.datasets.own import check_name
from bench.datasets.published_features import check_feature_file
from bench.datasets.raw import RawOptions, Taxonomy, store_log
from bench.datasets.raw_log import Log, LogBuilder, find_file, id_text
from bench.datasets.record import DatasetRecord
from bench.datasets.taxonomy import CLOTHING_ROOT, DEFAULT_LEVEL, Paths, check_level, is_under
from bench.errors import BenchError

__all__ = ["AMAZON_ORIGIN", "import_raw_amazon", "read_metadata", "read_reviews"]

AMAZON_ORIGIN = "http://jmcauley.ucsd.edu/data/amazon"
"""The page that describes the files."""

_SECOND = {"women": "Women", "men": "Men"}


@dataclass(frozen=True)
class _Metadata:
    """The items of one part, and what reading them gave.

    Attributes
    ----------
    paths
        Taxonomy paths per asin; those outside the part left out.
    report
        Counts.
    """

    paths: Mapping[str, Paths]
    report: Mapping[str, int] = field(default_factory=dict)


def import_raw_amazon(
    folder: Path,
    name: str,
    data_dir: Path,
    *,
    part: Literal["women", "men"],
    category_level: int = DEFAULT_LEVEL,
    options: RawOptions | None = None,
    title: str | None = None,
    force: bool = False,
) -> DatasetRecord:
    """Make Amazon Women or Men from the original files and store it as `data_dir / name`.

    Parameters
    ----------
    folder
        Where the three files lie, each gzipped or not.
    name
        Name on the command line.
    data_dir
        Folder of the stored data sets.
    part
        Second node of the taxonomy paths that count.
    category_level
        Level of the taxonomy that gives the categories, see `bench.datasets.taxonomy`.
    options
        Filter, split and features; by default the paper's.
    title
        Name in tables.
    force
        Replace a data set of that name.

    Raises
    ------
    BenchError
        A file is missing or broken, or the result cannot be written; nothing is left behind.
    """
    if part not in _SECOND:
        raise BenchError(f"unknown part {part!r} of Amazon: choose women or men")
    check_level(category_level)
    check_name(name, data_dir, force=force)
    reviews, metadata, features = (
        find_file(folder, published.name.removesuffix(".gz"), origin=published.url)
        for published in (AMAZON_REVIEWS, AMAZON_METADATA, AMAZON_FEATURES)
    )
    second, options = _SECOND[part], options or RawOptions()
    check_feature_file(features, dims=options.feature_dims)
    items = read_metadata(metadata, second)
    log, review_report = read_reviews(reviews, items.paths)
    return store_log(
        log,
        features,
        data_dir / name,
        name=name,
        title=title or f"Amazon {second}",
        source=f"{reviews.name}, {metadata.name} and {features.name} ({AMAZON_ORIGIN}), {second}",
        options=options,
        report={"metadata": dict(items.report), "reviews": review_report},
        taxonomy=Taxonomy(items.paths, CLOTHING_ROOT, second, category_level),
    )


def read_metadata(path: Path, second: str, root: str = CLOTHING_ROOT) -> _Metadata:
    """Read which items belong to a part, and their taxonomy paths.

    Parameters
    ----------
    path
        `meta_*.json.gz`.
    second, root
        Second and first node of a path that counts.

    Raises
    ------
    BenchError
        The file or a line is broken, or no item belongs to the part.
    """
    paths: dict[str, Paths] = {}
    seen: set[str] = set()
    # Few paths, many items: each one is kept once.
    known: dict[Paths, Paths] = {}
    n_lines = repeated = without = 0
    for number, record in read_records(path, {"asin": str}):
        n_lines += 1
        asin = id_text(path, number, record["asin"], "an item")
        if asin in seen:
            repeated += 1
            continue
        seen.add(asin)
        its_paths = _paths(path, number, record.get("categories", []))
        if not its_paths:
            without += 1
        elif is_under(its_paths, root, second):
            paths[asin] = known.setdefault(its_paths, its_paths)
    if not paths:
        raise BenchError(
            f"{path}: none of {n_lines} items has a category path that starts with {root!r}, "
            f"{second!r}; this is not the metadata file of the clothes"
        )
    return _Metadata(
        paths,
        {
            "lines_read": n_lines,
            "repeated_items": repeated,
            "items_without_any_path": without,
            "items_of_other_parts": len(seen) - without - len(paths),
            "items_of_this_part": len(paths),
        },
    )


def read_reviews(path: Path, items: Mapping[str, object]) -> tuple[Log, dict[str, int]]:
    """Read who reviewed which of `items` and when; whatever the rating, it is positive feedback.

    Parameters
    ----------
    path
        `reviews_*.json.gz`.
    items
        Asins that count.

    Returns
    -------
    The log, and counts for the report.

    Raises
    ------
    BenchError
        The file or a line is broken, or no review is of one of `items`.
    """
    log = LogBuilder()
    required = {"reviewerID": str, "asin": str, "unixReviewTime": int}
    n_lines = kept = 0
    for number, record in read_records(path, required):
        n_lines += 1
        if record["asin"] in items:
            kept += 1
            user = id_text(path, number, record["reviewerID"], "a user")
            seconds = record["unixReviewTime"]
            if not -(2**62) < seconds < 2**62:
                raise bad_line(path, number, "'unixReviewTime' is no time in seconds")
            log.add(user, record["asin"], seconds)
    if not kept:
        raise BenchError(
            f"{path}: none of {n_lines} reviews is of an item of this part; "
            "reviews and metadata belong to different data"
        )
    return log.finish(), {"lines_read": n_lines, "of_items_outside_this_part": n_lines - kept}


def _paths(path: Path, number: int, value: object) -> tuple[tuple[str, ...], ...]:
    if not isinstance(value, list) or not all(
        isinstance(names, list) and all(isinstance(name, str) for name in names) for names in value
    ):
        raise bad_line(path, number, "'categories' is not a list of lists of names")
    return tuple(tuple(names) for names in value)
