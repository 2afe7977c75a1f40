"""Tradesy from the original files: the lists of every user, and features.

    tradesy.json.gz              a Python literal per line and user: uid, and lists of item ids
                                 named bought, selling, want and sold
    image_features_tradesy.b     see `bench.datasets.published_features`

Tradesy is a shop for second-hand clothes: a user buys, wants, offers and has sold. There are no
times and no categories.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from bench.datasets.hosts import TRADESY_FEATURES, TRADESY_LISTS
from bench.datasets.literals import bad_line, read_records
from bench.datasets.own import check_name
from bench.datasets.published_features import check_feature_file
from bench.datasets.raw import RawOptions, store_log
from bench.datasets.raw_log import Log, LogBuilder, find_file, id_text
from bench.datasets.record import DatasetRecord
from bench.errors import BenchError

__all__ = ["LISTS", "PRESETS", "TRADESY_ORIGIN", "import_raw_tradesy", "read_lists"]

TRADESY_ORIGIN = "http://jmcauley.ucsd.edu/data/tradesy"
"""Where the files were published."""

LISTS = ("bought", "selling", "want", "sold")
"""The lists of a user."""

PRESETS: dict[str, tuple[str, ...]] = {"vbpr": ("bought", "want"), "dvbpr": LISTS}
"""Which lists are positive feedback: in the VBPR paper purchases and thumbs-up; in DVBPR all four,
as its counts of users and items, beyond what two lists can give, suggest."""


def import_raw_tradesy(
    folder: Path,
    name: str,
    data_dir: Path,
    *,
    lists: Literal["vbpr", "dvbpr"] | Sequence[str] = "dvbpr",
    options: RawOptions | None = None,
    title: str | None = None,
    force: bool = False,
) -> DatasetRecord:
    """Make Tradesy from the original files and store it as `data_dir / name`.

    Parameters
    ----------
    folder
        Where the two files lie, each gzipped or not.
    name
        Name on the command line.
    data_dir
        Folder of the stored data sets.
    lists
        Which lists are positive feedback: a preset, or names from `LISTS`.
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
    chosen = _chosen(lists)
    check_name(name, data_dir, force=force)
    purchases, features = (
        find_file(folder, published.name.removesuffix(".gz"), origin=published.url)
        for published in (TRADESY_LISTS, TRADESY_FEATURES)
    )
    options = options or RawOptions()
    check_feature_file(features, dims=options.feature_dims)
    log, report = read_lists(purchases, chosen)
    return store_log(
        log,
        features,
        data_dir / name,
        name=name,
        title=title or "Tradesy.com",
        source=(
            f"{purchases.name} and {features.name} ({TRADESY_ORIGIN}), "
            f"positive: {', '.join(chosen)}"
        ),
        options=options,
        report={"lists": report},
    )


def read_lists(path: Path, lists: Sequence[str]) -> tuple[Log, dict[str, int]]:
    """Read the users' lists.

    Parameters
    ----------
    path
        `tradesy.json.gz`.
    lists
        Which lists are positive feedback.

    Returns
    -------
    The log, without times, and counts for the report: entries per list, chosen or not, and users
    with several lines, whose lists are put together.

    Raises
    ------
    BenchError
        The file or a line is broken, or the chosen lists are all empty.
    """
    log = LogBuilder()
    users: set[str] = set()
    n_lines = 0
    entries = dict.fromkeys(LISTS, 0)
    for number, record in read_records(path, {"uid": str, "lists": dict}):
        n_lines += 1
        user = record["uid"]
        users.add(id_text(path, number, user, "a user"))
        for name in LISTS:
            if name not in record["lists"]:
                raise bad_line(path, number, f"its 'lists' have no {name!r}")
            items = record["lists"][name]
            if not isinstance(items, list):
                raise bad_line(path, number, f"{name!r} is {type(items).__name__}, not list")
            entries[name] += len(items)
            if name in lists:
                for item in items:
                    log.add(user, id_text(path, number, item, "an item"))
    if not any(entries[name] for name in lists):
        raise BenchError(f"{path}: the lists {', '.join(lists)} of {n_lines} users are all empty")
    report = {"lines_read": n_lines, "repeated_users": n_lines - len(users)}
    return log.finish(), report | {f"entries_{name}": count for name, count in entries.items()}


def _chosen(lists: str | Sequence[str]) -> tuple[str, ...]:
    if isinstance(lists, str):
        if lists not in PRESETS:
            raise BenchError(
                f"unknown choice of lists {lists!r}: choose {' or '.join(sorted(PRESETS))}"
            )
        return PRESETS[lists]
    unknown = [name for name in lists if name not in LISTS]
    if unknown or not lists:
        what = f"unknown list {unknown[0]!r}" if unknown else "no list is chosen"
        raise BenchError(
            f"{what}: choose {' or '.join(sorted(PRESETS))}, or from {', '.join(LISTS)}"
        )
    return tuple(name for name in LISTS if name in lists)
