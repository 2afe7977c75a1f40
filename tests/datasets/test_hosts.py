"""Addresses: the published ones, mirrors, and what must not be shown of them."""

import dataclasses
from urllib.parse import urlsplit

import pytest

from bench.datasets import hosts
from bench.datasets.hosts import (
    ARCHIVES,
    FEATURES,
    ORIGINAL_FILES,
    PublishedFile,
    check_mirror,
    check_url,
    public_url,
    url_of,
)
from bench.errors import BenchError

FILE = PublishedFile(
    name="a b.npy", folder_url="http://host/f/", approximate_bytes=None, licence="none"
)


def published() -> list[PublishedFile]:
    single = [value for value in vars(hosts).values() if isinstance(value, PublishedFile)]
    return [*ARCHIVES.values(), *single]


def test_every_published_address_is_one_and_their_names_differ() -> None:
    files = published()
    assert len(files) == 9
    assert len({file.name for file in files}) == 9
    for file in files:
        check_url(file.url)
        assert urlsplit(file.folder_url).path.endswith("/")
        assert file.url.endswith("/" + file.name)
        assert "academic" in file.licence


def test_features_and_original_files_of_every_data_set() -> None:
    assert set(FEATURES) == set(ARCHIVES)
    assert set(ORIGINAL_FILES) == set(ARCHIVES) - {"amazon_fashion"}
    for name, files in ORIGINAL_FILES.items():
        subject = "tradesy" if name == "tradesy" else "Clothing_Shoes_and_Jewelry"
        assert all(subject in file.name for file in (*files, FEATURES[name]))
        assert FEATURES[name] == files[-1]


def test_sizes_are_those_of_the_download_logs() -> None:
    """3.26, 6.2/1.074, 2.12 and 3.40 GiB, to the digits given."""
    gib = {name: (file.approximate_bytes or 0) / 2**30 for name, file in ARCHIVES.items()}
    assert {name: round(size, 2) for name, size in gib.items()} == {
        "amazon_fashion": 3.26,
        "amazon_women": 5.77,
        "amazon_men": 2.12,
        "tradesy": 3.4,
    }


@pytest.mark.parametrize(
    ("given", "used"),
    [
        (None, "http://host/f/a b.npy"),
        ("https://mirror/x.npy", "https://mirror/x.npy"),
        ("https://mirror/data/", "https://mirror/data/a%20b.npy"),
        ("https://mirror", "https://mirror/a%20b.npy"),
        ("http://mirror:8000/", "http://mirror:8000/a%20b.npy"),
        ("http://me:pw@mirror/d/?key=1", "http://me:pw@mirror/d/a%20b.npy?key=1"),
        ("http://mirror/get?file=x/", "http://mirror/get?file=x/"),
        ("http://[::1]:80/d/", "http://[::1]:80/d/a%20b.npy"),
    ],
)
def test_a_mirror_is_the_file_or_its_folder(given: str | None, used: str) -> None:
    assert url_of(FILE, given) == used


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("file:///etc/passwd", "must start with http:// or https://; a file at hand"),
        ("ftp://host/x", "must start with http:// or https://"),
        ("data:text/plain,x", "must start with http"),
        ("host/x.npy", "must start with http:// or https://$"),
        ("", "must start with http"),
        ("http://", "names no host"),
        ("http:///x", "names no host"),
        ("http://host:port/x", "is not an address"),
        ("http://host:99999/x", "is not an address"),
        ("http://[::1/x", "is not an address"),
        ("http://host/a b", "blanks or control characters"),
        ("http://host/x\x7f", "blanks or control characters"),
    ],
)
def test_other_addresses_are_refused(url: str, why: str) -> None:
    with pytest.raises(BenchError, match=why):
        url_of(FILE, url)


@pytest.mark.parametrize(
    "url",
    [
        "http://me:geheim@host/x",
        "ftp://me:geheim@host/x",
        "http://me:geheim@host:port/x",
        "http://me:geheim@[::1/x",
        "http://host/x y?key=geheim",
        "http://host/x y#geheim",
    ],
)
def test_no_message_shows_a_secret(url: str) -> None:
    shown = public_url(url)
    assert "geheim" not in shown
    try:
        check_url(url)
    except BenchError as error:
        assert "geheim" not in str(error)  # noqa: PT017  # most of them raise, not all


def test_what_is_shown_still_says_where() -> None:
    assert public_url("https://me:pw@host:81/a/b?c#d") == "https://host:81/a/b"


def test_facts_do_not_change_by_accident() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        ARCHIVES["tradesy"].name = "other"  # type: ignore[misc]


@pytest.mark.parametrize("url", [None, "http://host", "http://host/d/", "https://host/d/?key=x"])
def test_a_folder_is_a_mirror_of_several_files(url: str | None) -> None:
    check_mirror([FILE, FILE], url)


@pytest.mark.parametrize("url", ["http://me:pw@host/x.npy", "http://me:pw@host/get?file=x/"])
def test_the_address_of_one_file_is_no_mirror_of_several(url: str) -> None:
    check_mirror([FILE], url)
    with pytest.raises(BenchError, match="address of one file, and 2 are to be") as caught:
        check_mirror([FILE, FILE], url)
    assert "pw" not in str(caught.value)
    with pytest.raises(BenchError, match="http:// or https://"):
        check_mirror([FILE], "ftp://host/")
