"""What is published where: hosts, file names, sizes, licence notes, hashes.

No host publishes exact sizes or hashes, and none was reached when this was written: sizes are what
others' download logs and documentation say, rounded, and serve to tell a user what is coming.
Whoever downloads a file first finds its exact size and SHA-256 in the data set's record; they
belong here then.
"""

from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, urlsplit, urlunsplit

from bench.errors import BenchError

__all__ = [
    "AMAZON_FEATURES",
    "AMAZON_METADATA",
    "AMAZON_REVIEWS",
    "ARCHIVES",
    "FEATURES",
    "IMAGES_LICENCE",
    "ORIGINAL_FILES",
    "REVIEWS_LICENCE",
    "TRADESY_FEATURES",
    "TRADESY_LISTS",
    "PublishedFile",
    "check_mirror",
    "check_url",
    "public_url",
    "url_of",
]

IMAGES_LICENCE = (
    "The product images belong to their owners and are for academic use only; do not pass them on. "
    "Who uses the data cites Kang, Fang, Wang, McAuley, ICDM 2017."
)
"""After the README of github.com/kang205/DVBPR, which publishes the archives."""

REVIEWS_LICENCE = (
    "Reviews, metadata and image features are published for academic research only; do not pass "
    "them on. Who uses them cites McAuley, Targett, Shi, van den Hengel, SIGIR 2015 (Amazon) and "
    "He, McAuley, AAAI 2016 (features, Tradesy)."
)
"""After jmcauley.ucsd.edu/data/amazon and jmcauley.ucsd.edu/data/tradesy."""


@dataclass(frozen=True, kw_only=True)
class PublishedFile:
    """One file on a host.

    Attributes
    ----------
    name
        Its name there, and the one it keeps here.
    folder_url
        The folder it is in; ends with a slash.
    approximate_bytes
        Its size as others report it, None where nobody does.
    licence
        What its publishers allow.
    size, sha256
        Exact bytes and hash, None until somebody has downloaded it and recorded them here.
    """

    name: str
    folder_url: str
    approximate_bytes: int | None
    licence: str
    size: int | None = None
    sha256: str | None = None

    @property
    def url(self) -> str:
        """The published address."""
        return self.folder_url + self.name


_DVBPR = "https://cseweb.ucsd.edu/~wckang/DVBPR/"
"""download_dataset.sh of github.com/kang205/DVBPR names it with http; the loader of
github.com/lucas-couto/prism-vrec (2026) with https."""

_SNAP = "https://snap.stanford.edu/data/amazon/productGraph/"
"""Where the links of jmcauley.ucsd.edu/data/amazon for the data of 2014 lead."""

_TRADESY = "http://jmcauley.ucsd.edu/data/tradesy/"
"""The VBPR data; the Cornac tutorials and github.com/Silleellie/VBPR-Reproducibility use this
address. tradesy.json.gz is also at datarepo.eng.ucsd.edu/mcauley_group/data/tradesy/."""

_GIB = 1 << 30


def _archive(name: str, approximate_bytes: float) -> PublishedFile:
    return PublishedFile(
        name=name,
        folder_url=_DVBPR,
        approximate_bytes=round(approximate_bytes),
        licence=IMAGES_LICENCE,
    )


ARCHIVES = {
    # 3.26, 2.12 and 3.40 GiB: logs of reports/exp2_terminal_output.txt in Silleellie's repository
    # named above; 6.2 GB: the authors' README.
    "amazon_fashion": _archive("AmazonFashion6ImgPartitioned.npy", 3.26 * _GIB),
    "amazon_women": _archive("AmazonWomenWithImgPartitioned.npy", 6.2e9),
    "amazon_men": _archive("AmazonMenWithImgPartitioned.npy", 2.12 * _GIB),
    "tradesy": _archive("TradesyImgPartitioned.npy", 3.40 * _GIB),
}
"""Data set to its partitioned archive with images."""

AMAZON_REVIEWS = PublishedFile(
    name="reviews_Clothing_Shoes_and_Jewelry.json.gz",
    folder_url=f"{_SNAP}categoryFiles/",
    approximate_bytes=None,
    licence=REVIEWS_LICENCE,
)
AMAZON_METADATA = PublishedFile(
    name="meta_Clothing_Shoes_and_Jewelry.json.gz",
    folder_url=f"{_SNAP}categoryFiles/",
    approximate_bytes=None,
    licence=REVIEWS_LICENCE,
)
AMAZON_FEATURES = PublishedFile(
    name="image_features_Clothing_Shoes_and_Jewelry.b",
    folder_url=f"{_SNAP}image_features/categoryFiles/",
    approximate_bytes=None,
    licence=REVIEWS_LICENCE,
)
# 3.94 MB and 5.47 GiB: download logs in Silleellie's repository.
TRADESY_LISTS = PublishedFile(
    name="tradesy.json.gz",
    folder_url=_TRADESY,
    approximate_bytes=3_940_000,
    licence=REVIEWS_LICENCE,
)
TRADESY_FEATURES = PublishedFile(
    name="image_features_tradesy.b",
    folder_url=_TRADESY,
    approximate_bytes=round(5.47 * _GIB),
    licence=REVIEWS_LICENCE,
)

FEATURES = {
    "amazon_fashion": AMAZON_FEATURES,
    "amazon_women": AMAZON_FEATURES,
    "amazon_men": AMAZON_FEATURES,
    "tradesy": TRADESY_FEATURES,
}
"""Data set to the file with the features of its items, which are joined by id."""

ORIGINAL_FILES = {
    "amazon_women": (AMAZON_REVIEWS, AMAZON_METADATA, AMAZON_FEATURES),
    "amazon_men": (AMAZON_REVIEWS, AMAZON_METADATA, AMAZON_FEATURES),
    "tradesy": (TRADESY_LISTS, TRADESY_FEATURES),
}
"""Data set to the original files that make it; Amazon Fashion cannot be made from any."""


def url_of(published: PublishedFile, url: str | None = None) -> str:
    """Say where a file is fetched from.

    Parameters
    ----------
    published
        The file.
    url
        The user's own address: of the file itself, or, if its path ends with a slash, of a folder
        that holds it under its published name. None: the published address.

    Raises
    ------
    BenchError
        `url` is no http or https address.
    """
    if url is None:
        return published.url
    check_url(url)
    parts = urlsplit(url)
    if not _is_folder(parts):
        return url
    return urlunsplit(parts._replace(path=(parts.path or "/") + quote(published.name)))


def check_mirror(files: Collection[PublishedFile], url: str | None) -> None:
    """See that all of `files` can be fetched from `url`, before the first one is.

    Parameters
    ----------
    files
        What is to be fetched.
    url
        As for `url_of`.

    Raises
    ------
    BenchError
        It is no http or https address, or that of one file where several are to be fetched.
    """
    if url is None:
        return
    check_url(url)
    if len(files) > 1 and not _is_folder(urlsplit(url)):
        raise BenchError(
            f"{public_url(url)!r} is the address of one file, and {len(files)} are to be "
            "downloaded; name the folder that holds them all, with a slash behind"
        )


def check_url(url: str) -> None:
    """Accept `http://` and `https://` addresses with a host.

    Raises
    ------
    BenchError
        It is something else.
    """
    try:
        parts = urlsplit(url)
        # The port is read on demand and may be nonsense.
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise BenchError(f"{public_url(url)!r} is not an address: {error}") from None
    if parts.scheme not in ("http", "https"):
        hint = "; a file at hand is read by `bench datasets import`" if parts.scheme else ""
        raise BenchError(
            f"cannot download from {public_url(url)!r}: the address must start with http:// or "
            f"https://{hint}"
        )
    if not host:
        raise BenchError(f"{public_url(url)!r} names no host")
    if any(ord(char) <= 32 or ord(char) == 127 for char in url):
        raise BenchError(
            f"{public_url(url)!r} contains blanks or control characters; write %20 for a blank"
        )


def public_url(url: str) -> str:
    """Leave out what may be secret, so that an address can stand in messages and records.

    User name, password, query and fragment go: addresses with a limited life carry keys in them.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        # Not to be taken apart: only what cannot hold a password is kept.
        return url.partition("://")[0] + "://..." if "://" in url else "..."
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _is_folder(parts: SplitResult) -> bool:
    # http://mirror is the folder http://mirror/.
    return not parts.path or parts.path.endswith("/")
