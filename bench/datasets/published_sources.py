"""Amazon Fashion, Women, Men and Tradesy as data sets the suite knows by name."""

from pathlib import Path
from typing import ClassVar

from bench.datasets.disk import bytes_text
from bench.datasets.download import fetch_file
from bench.datasets.hosts import ARCHIVES
from bench.datasets.licence import show_licence_once
from bench.datasets.own import check_name
from bench.datasets.published import FeatureDtype, import_archive
from bench.datasets.record import DatasetRecord
from bench.datasets.source import DatasetSource

__all__ = ["AmazonFashion", "AmazonMen", "AmazonWomen", "Tradesy", "fetch_archive"]

DOWNLOADS = "downloads"
"""The folder among the data sets that archives are downloaded to."""


def fetch_archive(
    name: str,
    data_dir: Path,
    *,
    url: str | None = None,
    features: Path | None = None,
    feature_dtype: FeatureDtype = "float32",
    category_level: int | None = None,
    force: bool = False,
) -> DatasetRecord:
    """Download a published archive, or go on with a download, and convert it.

    Parameters
    ----------
    name
        amazon_fashion, amazon_women, amazon_men or tradesy.
    data_dir
        Folder of the stored data sets; the archive stays in `downloads` there.
    url
        A mirror, see `bench.datasets.hosts.url_of`.
    features, feature_dtype, category_level, force
        As for `import_archive`.

    Raises
    ------
    BenchError
        The archive cannot be had, is not the published one, or cannot be converted. What has
        arrived of a download is kept.
    """
    check_name(name, data_dir, force=force, source=name)
    published = ARCHIVES[name]
    show_licence_once(data_dir, published.licence)
    download = fetch_file(published, data_dir / DOWNLOADS, url=url)
    return import_archive(
        download.path,
        name,
        data_dir,
        as_name=name,
        features=features,
        feature_dtype=feature_dtype,
        category_level=category_level,
        force=force,
    )


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
