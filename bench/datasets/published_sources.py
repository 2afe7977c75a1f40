"""Amazon Fashion, Women, Men and Tradesy as data sets the suite knows by name."""

from pathlib import Path
from typing import ClassVar

from bench.datasets.disk import bytes_text
from bench.datasets.fetch import fetch_archive
from bench.datasets.hosts import ARCHIVES
from bench.datasets.source import DatasetSource

__all__ = ["AmazonFashion", "AmazonMen", "AmazonWomen", "Tradesy"]


class _PublishedSource(DatasetSource):
    """One of the four archives; fetched on request only."""

    def prepare(self, folder: Path) -> None:
        """Download the archive, convert it, and write the store.

        Raises
        ------
        BenchError
            As `fetch_archive`.
        """
        fetch_archive(self.name, folder.parent, force=True)


def _on_request(name: str) -> str:
    size = ARCHIVES[name].approximate_bytes
    about = "" if size is None else f"{bytes_text(size)}, "
    return (
        f"`bench datasets fetch {name}` downloads it ({about}for academic use only), "
        f"`bench datasets import FILE.npy --as {name}` takes the archive you have"
    )


class AmazonFashion(_PublishedSource):
    """Amazon Fashion: tops, bottoms and shoes of women and men."""

    name: ClassVar[str] = "amazon_fashion"
    description: ClassVar[str] = (
        "published archive, six categories, images; another item set than the paper's"
    )
    on_request: ClassVar[str | None] = _on_request("amazon_fashion")


class AmazonWomen(_PublishedSource):
    """Amazon Women: all of women's clothing, shoes and jewellery."""

    name: ClassVar[str] = "amazon_women"
    description: ClassVar[str] = "published archive, categories from the taxonomy, images"
    on_request: ClassVar[str | None] = _on_request("amazon_women")


class AmazonMen(_PublishedSource):
    """Amazon Men: all of men's clothing, shoes and jewellery."""

    name: ClassVar[str] = "amazon_men"
    description: ClassVar[str] = "published archive, categories from the taxonomy, images"
    on_request: ClassVar[str | None] = _on_request("amazon_men")


class Tradesy(_PublishedSource):
    """Tradesy.com: second-hand clothes, each sold once."""

    name: ClassVar[str] = "tradesy"
    description: ClassVar[str] = "published archive, no categories, images"
    on_request: ClassVar[str | None] = _on_request("tradesy")
