"""Which of the published data sets can be made from original files, and how."""

from pathlib import Path

from bench.datasets.amazon import import_raw_amazon
from bench.datasets.hosts import ORIGINAL_FILES
from bench.datasets.published_sets import published_set
from bench.datasets.raw import RawOptions
from bench.datasets.record import DatasetRecord
from bench.datasets.taxonomy import DEFAULT_LEVEL
from bench.datasets.tradesy import PRESETS, import_raw_tradesy
from bench.errors import BenchError

__all__ = ["check_raw", "import_raw", "raw_name"]


def raw_name(as_name: str) -> str:
    """Say what a data set from original files is called unless the user names it.

    Not like the published one: its users are split anew.
    """
    return f"{as_name}-raw"


def check_raw(as_name: str, *, category_level: int | None = None, lists: str | None = None) -> None:
    """See that a data set can be made from original files, and that the choices go with it.

    Parameters
    ----------
    as_name, category_level, lists
        As for `import_raw`.

    Raises
    ------
    BenchError
        It cannot, or a choice would change nothing.
    """
    kind = published_set(as_name)
    if as_name not in ORIGINAL_FILES:
        raise BenchError(
            f"which items make up {kind.title} was never published, so it cannot be made from the "
            "original files: fetch or import its archive"
        )
    kind.check_category_level(category_level)
    if lists is not None and as_name != "tradesy":
        raise BenchError(f"--lists is for tradesy; leave it out for {as_name}")


def import_raw(
    folder: Path,
    name: str,
    data_dir: Path,
    *,
    as_name: str,
    options: RawOptions | None = None,
    lists: str | None = None,
    category_level: int | None = None,
    title: str | None = None,
    force: bool = False,
) -> DatasetRecord:
    """Make a data set from its original files and store it as `data_dir / name`.

    Parameters
    ----------
    folder
        Where the files lie.
    name
        Name on the command line.
    data_dir
        Folder of the stored data sets.
    as_name
        Which published data set it is: amazon_women, amazon_men or tradesy.
    options
        Filter, split and features; by default the paper's.
    lists
        Tradesy: the lists that are positive, a preset or names with commas between; None for all.
    category_level
        Amazon: level of the taxonomy that gives the categories; None for the default.
    title
        Name in tables; by default the paper's.
    force
        Replace a data set of that name.

    Raises
    ------
    BenchError
        As `check_raw`; or a file is missing or broken, or the result cannot be written; nothing is
        left behind.
    """
    check_raw(as_name, category_level=category_level, lists=lists)
    if as_name == "tradesy":
        chosen = "dvbpr" if lists is None else lists
        return import_raw_tradesy(
            folder,
            name,
            data_dir,
            lists=PRESETS.get(chosen) or chosen.split(","),
            options=options,
            title=title,
            force=force,
        )
    return import_raw_amazon(
        folder,
        name,
        data_dir,
        part="women" if as_name == "amazon_women" else "men",
        category_level=DEFAULT_LEVEL if category_level is None else category_level,
        options=options,
        title=title,
        force=force,
    )
