"""The four data sets of Table II, as far as converting their archives differs."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from bench.datasets.hosts import ARCHIVES
from bench.datasets.taxonomy import DEFAULT_LEVEL, categories_at, category_counts, check_level
from bench.errors import BenchError, unknown_name

if TYPE_CHECKING:
    from bench.datasets.archive import Archive

__all__ = [
    "ARCHIVE_PARTITION",
    "FASHION_CATEGORIES",
    "PUBLISHED_SETS",
    "Categories",
    "PublishedSet",
    "published_set",
]

ARCHIVE_PARTITION = "as published: the archive's own partition"
"""How a data set says that its validation and test items are the authors' own."""

FASHION_CATEGORIES = (
    "men's tops",
    "women's tops",
    "men's bottoms",
    "women's bottoms",
    "men's shoes",
    "women's shoes",
)
"""What the positions of `c` stand for; read off the images that the authors' code drew per class
(kang205/DVBPR, GAN/samples/test_arange_0.png to test_arange_5.png)."""


@dataclass(frozen=True)
class Categories:
    """The categories of a catalogue.

    Attributes
    ----------
    numbers
        int16 (n_items,): into `names`.
    names
        In the order of their numbers.
    report
        How they came about, for the data set's record.
    """

    numbers: npt.NDArray[np.int16]
    names: tuple[str, ...]
    report: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class PublishedSet:
    """One published data set.

    Attributes
    ----------
    name
        The name on the command line.
    title
        Its name in Table II.
    categories
        Where an item's category is found: the one-hot vector `c`, the taxonomy paths, or nowhere.
    second
        Second node of the taxonomy paths that count.
    """

    name: str
    title: str
    categories: Literal["one-hot", "taxonomy", "none"]
    second: str = ""

    @property
    def licence(self) -> str:
        """What may be done with the archive."""
        return ARCHIVES[self.name].licence

    def check_category_level(self, level: int | None) -> None:
        """See that the categories can be taken from `level` of the taxonomy (None: the default).

        Raises
        ------
        BenchError
            They come from elsewhere, or all items share that level.
        """
        if level is None:
            return
        if self.categories != "taxonomy":
            raise BenchError(
                f"--category-level is for Amazon Women and Men; leave it out for {self.name}"
            )
        check_level(level)

    def categories_of(self, archive: "Archive", *, level: int | None = None) -> Categories | None:
        """Give the items' categories; None for a data set that has none.

        Parameters
        ----------
        archive
            The archive that was read.
        level
            Level of the taxonomy path; None for the default.

        Raises
        ------
        BenchError
            The archive lacks what the categories are read from.
        """
        if self.categories == "one-hot":
            return self._from_one_hot(archive)
        if self.categories == "taxonomy":
            return self._from_taxonomy(archive, level)
        return None

    def _from_one_hot(self, archive: "Archive") -> Categories:
        if archive.categories is None:
            raise BenchError(
                f"{archive.path}: its items have no category vector `c`, which {self.name} needs; "
                "name the data set it is with --as"
            )
        return Categories(archive.categories, FASHION_CATEGORIES, {"read_from": "c"})

    def _from_taxonomy(self, archive: "Archive", level: int | None) -> Categories:
        if archive.category_paths is None:
            raise BenchError(
                f"{archive.path}: its items have no taxonomy paths (`categories`), which "
                f"{self.name} needs; name the data set it is with --as"
            )
        level = DEFAULT_LEVEL if level is None else level
        names, numbers = categories_at(archive.category_paths, second=self.second, level=level)
        counts = category_counts(archive.category_paths, second=self.second, level=level)
        return Categories(numbers, names, {"read_from": "taxonomy paths", **counts})


PUBLISHED_SETS = {
    published.name: published
    for published in (
        PublishedSet(name="amazon_fashion", title="Amazon Fashion", categories="one-hot"),
        PublishedSet(
            name="amazon_women", title="Amazon Women", categories="taxonomy", second="Women"
        ),
        PublishedSet(name="amazon_men", title="Amazon Men", categories="taxonomy", second="Men"),
        PublishedSet(name="tradesy", title="Tradesy.com", categories="none"),
    )
}
"""In the order of Table II."""


def published_set(name: str) -> PublishedSet:
    """Look up one of the four.

    Raises
    ------
    BenchError
        No such data set is published; the nearest name is given.
    """
    if name not in PUBLISHED_SETS:
        raise unknown_name("published data set", name, PUBLISHED_SETS, see="bench datasets list")
    return PUBLISHED_SETS[name]
