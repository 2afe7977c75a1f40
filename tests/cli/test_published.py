"""The published data sets through the real command: fetch, import, verify, run."""

import dataclasses
import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from http_host import HttpHost, http_host

from bench.datasets import hosts
from bench.datasets.store import open_dataset

Bench = Callable[..., Any]

ARCHIVES = {
    "amazon_fashion": "AmazonFashion6ImgPartitioned.npy",
    "amazon_women": "AmazonWomenWithImgPartitioned.npy",
    "amazon_men": "AmazonMenWithImgPartitioned.npy",
    "tradesy": "TradesyImgPartitioned.npy",
}
HOSTILE_TRACE = Path("/tmp/hostile_pickle_ran")


@pytest.fixture
def published(shared_data: Path) -> Path:
    return shared_data / "published"


def files_of(data_dir: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(data_dir.iterdir()) if path.is_file()}


@pytest.mark.parametrize("name", ARCHIVES)
def test_import_and_verify(bench: Bench, published: Path, tmp_path: Path, name: str) -> None:
    outcome = bench(
        "datasets", "import", published / ARCHIVES[name], "--as", name, "--data", tmp_path
    )
    assert outcome.code == 0, outcome.err
    first, *notes = outcome.out.splitlines()
    assert first.startswith(f"imported {name}: ")
    assert "other item set" in notes[0]
    assert any("never in training" in line for line in notes)
    assert any("--drop-repeats" in line for line in notes) == (name == "tradesy")
    assert ("45,184 users, 166,270 items, 358,003" in outcome.out) == (name == "amazon_fashion")
    checked = bench("verify", name, "--data", tmp_path)
    assert checked.code == 0, checked.err
    assert "all can be decoded" in checked.out
    info = bench("datasets", "info", name, "--data", tmp_path)
    assert info.code == 0
    assert "archive: sha256" in info.out
    assert "own partition" in info.out


def test_fashion_end_to_end_with_features(bench: Bench, published: Path, tmp_path: Path) -> None:
    data, results = tmp_path / "data", tmp_path / "results"
    features = published / "image_features_Clothing_Shoes_and_Jewelry.b"
    archive = published / ARCHIVES["amazon_fashion"]
    words = ("--as", "amazon_fashion", "--features", features, "--data", data)
    assert bench("datasets", "import", archive, *words).code == 0
    outcome = bench(
        *("run", "--dataset", "amazon_fashion", "--recommenders", "poprank,bpr-mf,visrank,vbpr"),
        *("--set", "vbpr.epochs=3", "--set", "bpr-mf.epochs=3"),
        *("--data", data, "--results", results),
    )
    assert outcome.code == 0, outcome.err
    flat = " ".join(outcome.out.split())
    assert "paper (other item set)" in flat
    assert "64,583" in flat
    assert "the paper's Table III (other item set) has All: PopRank 0.5849" in flat
    assert "VBPR 0.7479" in flat
    assert "authors' log for the published archive has DVBPR (K=100, 100 sampled items)" in flat
    table = bench("table", 3, "--format", "json", "--results", results)
    rows = {(row["recommender"], row["setting"]): row for row in json.loads(table.out)["rows"]}
    assert rows["vbpr", "all"]["n_users"] == 220
    assert rows["vbpr", "all"]["paper"] == 0.7479
    assert rows["vbpr", "all"]["paper_note"] == "other item set"


def test_drop_repeats_on_tradesy(bench: Bench, published: Path, tmp_path: Path) -> None:
    data, results = tmp_path / "data", tmp_path / "results"
    archive = published / ARCHIVES["tradesy"]
    assert bench("datasets", "import", archive, "--as", "tradesy", "--data", data).code == 0
    run = ("run", "--dataset", "tradesy", "--recommenders", "poprank", "--data", data)
    run = (*run, "--results", results)
    assert bench(*run).code == 0
    dropped = bench(*run, "--drop-repeats")
    assert "1 made" in dropped.err  # another cell, not the one that is there
    again = bench(*run, "--drop-repeats")
    assert "skipped 1 finished cell" in again.err
    table = bench("table", 3, "--format", "json", "--results", results)
    content = json.loads(table.out)
    rows = {row["drop_repeats"]: row for row in content["rows"] if row["setting"] == "all"}
    assert rows[False]["n_users"] == 120
    assert rows[True]["n_users"] == 108
    foot = " ".join(content["foot"])
    assert "12 users are left out whose validation or test item is one of their own" in foot
    assert "12 users are counted whose validation or test item is one of their own" in foot

    # By hand: the users who are left, and the same negatives as before.
    dataset = open_dataset(data / "tradesy")
    train, popularity = dataset.training.train, dataset.training.train.item_counts
    shares = {}
    for user in range(dataset.n_users):
        own = {*train.of(user).tolist(), int(dataset.validation[user]), int(dataset.test[user])}
        others = [popularity[item] for item in range(dataset.n_items) if item not in own]
        mine = popularity[dataset.test[user]]
        shares[user] = sum(count < mine for count in others) / len(others)
    kept = [
        user
        for user in shares
        if not {int(dataset.validation[user]), int(dataset.test[user])}
        & set(train.of(user).tolist())
    ]
    assert rows[False]["value"] == pytest.approx(sum(shares.values()) / 120)
    assert rows[True]["value"] == pytest.approx(sum(shares[user] for user in kept) / 108)
    assert rows[True]["value"] < rows[False]["value"]


def test_run_starts_no_download_unasked(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*args: object, **kwargs: object) -> None:
        raise AssertionError("a download was started")

    monkeypatch.setattr("bench.datasets.fetch.fetch_file", never)
    for words in (
        ("run", "--dataset", "amazon_fashion", "--results", tmp_path / "r"),
        ("datasets", "info", "amazon_fashion"),
        ("datasets", "make", "amazon_fashion"),
        ("verify", "amazon_fashion"),
    ):
        outcome = bench(*words, "--data", tmp_path / "data")
        assert outcome.code == 2
        assert len(outcome.err.splitlines()) == 1
        assert "`bench datasets fetch amazon_fashion` downloads it (3.50 GB" in outcome.err
        assert "academic use only" in outcome.err
        assert "`bench datasets import FILE.npy --as amazon_fashion`" in outcome.err
    assert not (tmp_path / "data").exists()


@pytest.fixture
def host() -> Any:
    with http_host() as found:
        yield found


def test_fetch_from_a_mirror(bench: Bench, published: Path, tmp_path: Path, host: HttpHost) -> None:
    content = (published / ARCHIVES["tradesy"]).read_bytes()
    # The connection breaks twice; what has arrived is not asked for again.
    host.put(f"/m/{ARCHIVES['tradesy']}", content, cuts=[10_000, 2_000_000])
    words = ("datasets", "fetch", "tradesy", "--url", f"{host.root}/m/", "--data", tmp_path)
    outcome = bench(*words)
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith("imported tradesy: 120 users, 484 items")
    assert "academic use only" in outcome.err
    assert [seen is not None for seen in host.ranges][-2:] == [True, True]
    assert (tmp_path / "downloads" / ARCHIVES["tradesy"]).read_bytes() == content
    assert "--force replaces it" in bench(*words).err
    forced = bench(*words, "--force")
    assert forced.code == 0
    assert "academic use only" not in forced.err  # it was shown
    listed = bench("datasets", "list", "--json", "--data", tmp_path)
    assert {row["name"]: row["stored"] for row in json.loads(listed.out)}["tradesy"] == "yes"


def test_a_fetch_that_fails_and_is_repeated_ends_in_the_same_bytes(
    bench: Bench,
    published: Path,
    tmp_path: Path,
    host: HttpHost,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = ARCHIVES["amazon_men"]
    content = (published / name).read_bytes()
    host.put(f"/{name}", content)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    words = ("datasets", "fetch", "amazon_men", "--url", f"{host.root}/")
    assert bench(*words, "--data", whole).code == 0

    host.put(f"/{name}", content, statuses=[404])
    failed = bench(*words, "--data", broken)
    assert failed.code == 2
    assert not (broken / "amazon_men").exists()

    def full(*args: object, **kwargs: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("bench.datasets.hashed_file.HashedFile.write", full)
        failed = bench(*words, "--data", broken)
    assert failed.code == 2
    assert "the disk is full" in failed.err
    assert sorted(p.name for p in broken.iterdir() if p.is_dir()) == ["downloads"]
    n_requests = len(host.ranges)
    assert bench(*words, "--data", broken).code == 0
    assert len(host.ranges) == n_requests  # the download was whole
    assert files_of(broken / "amazon_men") == files_of(whole / "amazon_men")


def test_the_known_hash_is_compared(
    bench: Bench,
    published: Path,
    tmp_path: Path,
    host: HttpHost,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = ARCHIVES["tradesy"]
    host.put(f"/{name}", (published / name).read_bytes())
    known = dataclasses.replace(hosts.ARCHIVES["tradesy"], sha256="0" * 64)
    monkeypatch.setitem(hosts.ARCHIVES, "tradesy", known)
    words = ("datasets", "fetch", "tradesy", "--url", f"{host.root}/", "--data", tmp_path)
    outcome = bench(*words)
    assert outcome.code == 2
    assert len([line for line in outcome.err.splitlines() if line.startswith("error")]) == 1
    assert not (tmp_path / "tradesy").exists()


FLAWS = {
    "broken_jpeg.npy": "no category vector `c`",
    "counts_lie.npy": "usernum says 7",
    "five_elements.npy": "5 elements, 6 belong there",
    "hostile.npy": "posix.system",
    "no_productid.npy": "no 'productid'",
    "no_test.npy": "user_test has no item",
    "not_numpy.npy": "no .npy file",
    "truncated.npy": "ends at byte",
    "unknown_item.npy": "names item 99",
}


class TestBadFiles:
    @pytest.fixture(autouse=True)
    def _nothing_of_it_runs(self) -> Any:
        assert not HOSTILE_TRACE.exists()
        yield
        assert not HOSTILE_TRACE.exists()

    def test_each_has_its_own_line(self, bench: Bench, published: Path, tmp_path: Path) -> None:
        lines = {}
        for path in sorted((published / "bad").iterdir()):
            words = ("--as", "amazon_fashion", "--data", tmp_path / "data")
            outcome = bench("datasets", "import", path, *words)
            assert outcome.code == 2, path.name
            assert outcome.out == ""
            (line,) = outcome.err.splitlines()
            assert line.startswith(f"error: {path}: ")
            assert FLAWS[path.name] in line
            lines[path.name] = line.removeprefix(f"error: {path}: ")
            assert not list((tmp_path / "data").rglob("*"))
        assert set(lines) == set(FLAWS)
        assert len(set(lines.values())) == len(lines)

    def test_a_broken_photograph_does_not_stop_an_import(
        self, bench: Bench, published: Path, tmp_path: Path
    ) -> None:
        path = published / "bad" / "broken_jpeg.npy"
        words = ("--as", "tradesy", "--name", "mended", "--data", tmp_path)
        outcome = bench("datasets", "import", path, *words)
        assert outcome.code == 0, outcome.err
        assert "1 image that cannot be decoded, a plain grey one instead: " in outcome.out
        record = json.loads((tmp_path / "mended" / "dataset.json").read_text())
        (item,) = record["report"]["images"]["replaced_because_broken"]
        assert item in outcome.out
        assert bench("verify", "mended", "--data", tmp_path).code == 0
        results = ("--results", tmp_path / "results")
        run = bench(
            "run", "--dataset", "mended", "--recommenders", "rand", "--data", tmp_path, *results
        )
        assert run.code == 0, run.err


class TestOriginalFiles:
    def test_women_and_men(self, bench: Bench, published: Path, tmp_path: Path) -> None:
        for name, who in (("amazon_women", "Women"), ("amazon_men", "Men")):
            words = ("--as", name, "--feature-dtype", "float16", "--data", tmp_path)
            outcome = bench("datasets", "import", published, *words)
            assert outcome.code == 0, outcome.err
            assert outcome.out.startswith(f"imported {name}-raw: ")
            dataset = open_dataset(tmp_path / f"{name}-raw")
            assert dataset.training.need_features().dtype == "float16"
            assert dataset.training.categories is not None
            assert bench("verify", f"{name}-raw", "--data", tmp_path).code == 0
            assert (
                who in json.loads((tmp_path / f"{name}-raw" / "dataset.json").read_text())["title"]
            )

    def test_tradesy_with_a_choice_of_lists(
        self, bench: Bench, published: Path, tmp_path: Path
    ) -> None:
        counts = {}
        for lists in ("vbpr", "dvbpr", "bought,want"):
            words = ("--as", "tradesy", "--name", "t", "--lists", lists, "--force")
            outcome = bench("datasets", "import", published, *words, "--data", tmp_path)
            assert outcome.code == 0, outcome.err
            counts[lists] = open_dataset(tmp_path / "t").n_interactions
        assert counts["vbpr"] == counts["bought,want"] <= counts["dvbpr"]

    @pytest.mark.parametrize(
        ("words", "match"),
        [
            (("--as", "amazon_fashion"), "import its archive"),
            (("--as", "amazon_men", "--lists", "vbpr"), "--lists is for tradesy"),
            (("--as", "tradesy", "--category-level", 4), "leave it out for tradesy"),
            (("--as", "tradesy", "--features", "x.b"), "--features does not go with"),
            (("--name", "x", "--features", "x.b"), "name the published data set with --as"),
            (("--name", "x", "--lists", "vbpr"), "name the published data set with --as"),
        ],
    )
    def test_options_that_change_nothing_are_refused(
        self, bench: Bench, published: Path, tmp_path: Path, words: Any, match: str
    ) -> None:
        outcome = bench("datasets", "import", published, *words, "--data", tmp_path)
        assert outcome.code == 2
        assert match in outcome.err
        archive = published / ARCHIVES["tradesy"]
        seeded = ("--as", "tradesy", "--seed", 1, "--data", tmp_path)
        outcome = bench("datasets", "import", archive, *seeded)
        assert outcome.code == 2
        assert "--seed does not go with a published archive, which is split already" in outcome.err
