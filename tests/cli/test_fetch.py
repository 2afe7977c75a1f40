"""`bench datasets fetch` with several files: features beside an archive, and the original files."""

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from http_host import HttpHost, http_host
from published_files import ROOT as CLOTHING
from published_files import amazon_folder, feature_file, literal_file
from python2_pickle import python2_archive

from bench.datasets import download as downloading
from bench.datasets.published import FALLBACK_IMAGE
from bench.datasets.store import open_dataset
from bench.errors import StorageError

Bench = Callable[..., Any]

N_ITEMS, N_USERS = 20, 12
ITEMS = [f"B{k:09d}" for k in range(N_ITEMS)]
ROWS = np.random.default_rng(3).random((N_ITEMS, 4096), dtype=np.float32)
WOMEN_ARCHIVE, TRADESY_ARCHIVE = "AmazonWomenWithImgPartitioned.npy", "TradesyImgPartitioned.npy"
REVIEWS = "reviews_Clothing_Shoes_and_Jewelry.json.gz"
METADATA = "meta_Clothing_Shoes_and_Jewelry.json.gz"
AMAZON_FEATURES = "image_features_Clothing_Shoes_and_Jewelry.b"
AMAZON_FILES = (REVIEWS, METADATA, AMAZON_FEATURES)
TRADESY_FILES = ("tradesy.json.gz", "image_features_tradesy.b")


def wanted(user: int) -> list[str]:
    return [ITEMS[(user + 3 * k) % N_ITEMS] for k in range(6)]


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every file that is published, small."""
    folder = tmp_path_factory.mktemp("origin")
    # Not in the catalogue's order.
    records = [(ITEMS[k], ROWS[k].tolist()) for k in reversed(range(N_ITEMS))]
    reviews = [
        (f"u{u}", item, 1000 + k) for u in range(N_USERS) for k, item in enumerate(wanted(u))
    ]
    paths = {
        item: [[CLOTHING, who, "Clothing", f"Kind {k % 3}"] for who in ("Women", "Men")]
        for k, item in enumerate(ITEMS)
    }
    amazon_folder(folder, reviews, paths, records)
    feature_file(folder / "image_features_tradesy.b", records)
    users = [
        {"uid": f"u{u}", "lists": {"bought": wanted(u), "selling": [], "want": [], "sold": []}}
        for u in range(N_USERS)
    ]
    literal_file(folder / "tradesy.json.gz", users)
    # Photographs of their own, each: what pickles share is read once.
    items = {
        k: {
            b"asin": item.encode(),
            b"imgs": bytes(bytearray(FALLBACK_IMAGE)),
            b"categories": paths[item],
        }
        for k, item in enumerate(ITEMS)
    }
    parts: list[dict[int, list[dict[bytes, int]]]] = [{}, {}, {}]
    for user in range(N_USERS):
        bought = [{b"productid": ITEMS.index(item)} for item in wanted(user)]
        for part, entries in zip(parts, (bought[:4], bought[4:5], bought[5:]), strict=True):
            part[user] = entries
    for name in (WOMEN_ARCHIVE, TRADESY_ARCHIVE):
        python2_archive(folder / name, [*parts, items, N_USERS, N_ITEMS])
    return folder


@pytest.fixture
def host(origin: Path) -> Iterator[HttpHost]:
    with http_host() as found:
        for path in origin.iterdir():
            found.put(f"/m/{path.name}", path.read_bytes())
        yield found


def asked(host: HttpHost) -> list[str]:
    """Give the names that were asked for, and forget them."""
    names = [seen.path.rpartition("/")[2] for seen in host.seen]
    host.seen.clear()
    return names


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("amazon_women", (WOMEN_ARCHIVE, AMAZON_FEATURES)),
        ("tradesy", (TRADESY_ARCHIVE, "image_features_tradesy.b")),
    ],
)
def test_an_archive_with_features(
    bench: Bench, tmp_path: Path, host: HttpHost, origin: Path, name: str, files: tuple[str, ...]
) -> None:
    words = ("datasets", "fetch", name, "--with-features", "--data", tmp_path)
    outcome = bench(*words, "--url", f"{host.root}/m/")
    assert outcome.code == 0, outcome.err
    assert asked(host) == list(files)
    for file in files:
        assert (tmp_path / "downloads" / file).read_bytes() == (origin / file).read_bytes()
    dataset = open_dataset(tmp_path / name)
    assert list(dataset.item_ids) == ITEMS
    np.testing.assert_array_equal(dataset.training.need_features(), ROWS)
    assert outcome.err.count("cites Kang") == outcome.err.count("cites McAuley") == 1
    # As with the file at hand.
    by_hand = tmp_path / "by_hand"
    features = ("--features", origin / files[1])
    made = bench(
        "datasets", "import", origin / files[0], "--as", name, *features, "--data", by_hand
    )
    assert made.code == 0, made.err
    assert files_of(tmp_path / name) == files_of(by_hand / name)


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("amazon_women", AMAZON_FILES),
        ("amazon_men", AMAZON_FILES),
        ("tradesy", TRADESY_FILES),
    ],
)
def test_original_files(
    bench: Bench, tmp_path: Path, host: HttpHost, origin: Path, name: str, files: tuple[str, ...]
) -> None:
    words = ("datasets", "fetch", name, "--raw", "--url", f"{host.root}/m/", "--data", tmp_path)
    outcome = bench(*words)
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith(f"imported {name}-raw: {N_USERS} users, {N_ITEMS} items")
    assert asked(host) == list(files)
    assert outcome.err.count("academic") == 1
    made = bench("datasets", "import", origin, "--as", name, "--data", tmp_path / "by_hand")
    assert made.code == 0, made.err
    stored = files_of(tmp_path / f"{name}-raw")
    assert stored == files_of(tmp_path / "by_hand" / f"{name}-raw")
    assert bench("verify", f"{name}-raw", "--data", tmp_path).code == 0

    taken = bench(*words)
    assert taken.code == 2
    assert "--force replaces it" in taken.err
    forced = bench(*words, "--force", "--feature-dtype", "float16")
    assert forced.code == 0, forced.err
    assert "academic" not in forced.err  # it was shown
    assert asked(host) == []  # all is here
    assert open_dataset(tmp_path / f"{name}-raw").training.need_features().dtype == np.float16


def test_women_and_men_share_their_files(bench: Bench, tmp_path: Path, host: HttpHost) -> None:
    for name, files in (("amazon_women", list(AMAZON_FILES)), ("amazon_men", [])):
        words = ("datasets", "fetch", name, "--raw", "--url", f"{host.root}/m/")
        outcome = bench(*words, "--data", tmp_path)
        assert outcome.code == 0, outcome.err
        assert asked(host) == files


def test_what_was_cut_off_goes_on_when_the_command_is_repeated(
    bench: Bench, tmp_path: Path, host: HttpHost, origin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = host.pages[f"/m/{AMAZON_FEATURES}"]
    page.cuts = [100_000]
    page.before = lambda _: page.statuses.extend([404] if len(page.cuts) == 0 else [])
    words = ("datasets", "fetch", "amazon_men", "--raw", "--data", tmp_path)
    words = (*words, "--url", f"{host.root}/m/")
    failed = bench(*words)
    assert failed.code == 2
    assert AMAZON_FEATURES in failed.err
    assert asked(host) == [*AMAZON_FILES, AMAZON_FEATURES]
    assert not (tmp_path / "amazon_men-raw").exists()

    page.before = None
    done = bench(*words)
    assert done.code == 0, done.err
    assert host.ranges == ["bytes=100000-"]
    assert (tmp_path / "downloads" / AMAZON_FEATURES).read_bytes() == page.content


def test_files_that_lie_there_are_taken_packed_or_not(
    bench: Bench, tmp_path: Path, host: HttpHost, origin: Path
) -> None:
    here = tmp_path / "downloads"
    here.mkdir()
    (here / REVIEWS).write_bytes((origin / REVIEWS).read_bytes())
    unpacked = gzip.decompress((origin / METADATA).read_bytes())
    (here / METADATA.removesuffix(".gz")).write_bytes(unpacked)
    words = ("datasets", "fetch", "amazon_women", "--raw", "--data", tmp_path)
    outcome = bench(*words, "--url", f"{host.root}/m/")
    assert outcome.code == 0, outcome.err
    assert asked(host) == [AMAZON_FEATURES]


def test_a_file_that_was_removed_is_downloaded_anew(
    bench: Bench, tmp_path: Path, host: HttpHost
) -> None:
    """What the help of --force says."""
    words = ("datasets", "fetch", "tradesy", "--url", f"{host.root}/m/", "--data", tmp_path)
    assert bench(*words).code == 0
    assert bench(*words, "--force").code == 0
    assert asked(host) == [TRADESY_ARCHIVE]
    (tmp_path / "downloads" / TRADESY_ARCHIVE).unlink()
    assert bench(*words, "--force").code == 0
    assert asked(host) == [TRADESY_ARCHIVE]
    assert "remove one there" in " ".join(bench("datasets", "fetch", "--help").out.split())


def test_room_is_asked_for_before_each_download(
    bench: Bench, tmp_path: Path, host: HttpHost, origin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = {file: (origin / file).stat().st_size for file in AMAZON_FILES}

    def small_disk(folder: Path, n_bytes: int, doing: str) -> None:
        (name,) = [file for file in AMAZON_FILES if doing == f"download {file}"]
        assert n_bytes == sizes[name]
        if name == AMAZON_FEATURES:
            raise StorageError("no room")

    monkeypatch.setattr(downloading, "need_disk_space", small_disk)
    words = ("datasets", "fetch", "amazon_men", "--raw", "--data", tmp_path)
    outcome = bench(*words, "--url", f"{host.root}/m/")
    assert outcome.code != 0
    assert "no room" in outcome.err
    here = {path.name for path in (tmp_path / "downloads").iterdir()}
    assert {REVIEWS, METADATA} <= here
    assert AMAZON_FEATURES not in here


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (("amazon_fashion", "--raw"), "cannot be made from the original files: fetch or import"),
        (("tradesy", "--raw", "--url", "{}/m/tradesy.json.gz"), "address of one file, and 2 are"),
        (
            ("amazon_men", "--raw", "--url", "{}/m/x.gz?key=secret"),
            "address of one file, and 3 are",
        ),
        (("tradesy", "--with-features", "--url", "{}/m/x.npy"), "address of one file, and 2 are"),
        (("tradesy", "--raw", "--url", "ftp://host/"), "http:// or https://"),
        (("tradesy", "--raw", "--with-features"), "--with-features does not go with --raw"),
        (("tradesy", "--raw", "--features", "x.b"), "--features does not go with --raw"),
        (("tradesy", "--with-features", "--features", "x.b"), "leave one of them out"),
        (("tradesy", "--features", "none.b"), "none.b"),
        (("tradesy", "--category-level", "4"), "leave it out for tradesy"),
        (("tradesy", "--raw", "--category-level", "4"), "leave it out for tradesy"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_downloaded(
    bench: Bench, tmp_path: Path, host: HttpHost, words: tuple[str, ...], match: str
) -> None:
    given = [word.replace("{}", host.root) for word in words]
    mirror = [] if "--url" in words else ["--url", f"{host.root}/m/"]
    outcome = bench("datasets", "fetch", *given, *mirror, "--data", tmp_path / "data")
    assert outcome.code == 2
    (line,) = outcome.err.splitlines()
    assert match in line
    assert "secret" not in line
    assert asked(host) == []
    assert not (tmp_path / "data").exists()


def test_the_record_names_what_it_was_made_of(bench: Bench, tmp_path: Path, host: HttpHost) -> None:
    words = ("datasets", "fetch", "tradesy", "--raw", "--url", f"{host.root}/m/")
    assert bench(*words, "--data", tmp_path).code == 0
    record = json.loads((tmp_path / "tradesy-raw" / "dataset.json").read_text())
    assert all(file in record["source"] for file in TRADESY_FILES)
    assert "McAuley" in record["licence"]
