"""Downloads against a host that cuts, stalls, lies and changes its mind."""

import errno
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from http_host import HttpHost, http_host
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.datasets.download import Download, Patience, download, fetch_file
from bench.datasets.hosts import PublishedFile
from bench.datasets.lock import only_process
from bench.errors import BenchError, StorageError

CONTENT = random.Random(1).randbytes(300_000)
OTHER = random.Random(2).randbytes(250_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
QUICK = Patience(timeout=5, retries=3, backoff=0)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpHost]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with http_host() as running:
        yield running


def get(url: str, target: Path, **options: Any) -> Download:
    return download(url, target, **{"patience": QUICK, "sleep": lambda seconds: None, **options})


def never(seconds: float) -> None:
    pytest.fail(f"waited {seconds} s for what will not mend itself")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def cut_off(host: HttpHost, target: Path, n_bytes: int, **page: Any) -> str:
    """Leave `n_bytes` of a download at `target`; the host then serves the whole."""
    url = host.put("/x.npy", CONTENT, cuts=[n_bytes], **page)
    with pytest.raises(BenchError, match="repeat the command to go on"):
        get(url, target, patience=Patience(5, retries=0))
    assert target.with_name("x.npy.partial").read_bytes() == CONTENT[:n_bytes]
    assert not target.exists()
    host.seen.clear()
    return url


def assert_whole(found: Download, target: Path, content: bytes = CONTENT) -> None:
    assert target.read_bytes() == content
    assert (found.path, found.size) == (target, len(content))
    assert found.sha256 == hashlib.sha256(content).hexdigest()
    assert names(target.parent) == [target.name, f"{target.name}.download.json"]


def test_a_whole_file(host: HttpHost, tmp_path: Path) -> None:
    target = tmp_path / "deep" / "x.npy"
    found = get(host.put("/d/x.npy", CONTENT), target)
    assert_whole(found, target)
    assert found.url == f"{host.root}/d/x.npy"
    assert found.downloaded is not None
    assert found.downloaded.endswith("+00:00")
    assert host.ranges == [None]
    assert host.seen[0].headers["accept-encoding"] == "identity"


def test_an_empty_file(host: HttpHost, tmp_path: Path) -> None:
    assert_whole(get(host.put("/x.npy", b""), tmp_path / "x.npy"), tmp_path / "x.npy", b"")


def test_what_is_here_is_not_fetched_again(host: HttpHost, tmp_path: Path) -> None:
    target = tmp_path / "x.npy"
    url = host.put("/x.npy", CONTENT)
    first = get(url, target)
    assert get(url, target) == first
    assert get("http://127.0.0.1:1/gone", target, expected_sha256=SHA256) == first
    assert len(host.seen) == 1


def test_a_file_that_was_only_touched_is_hashed_anew(host: HttpHost, tmp_path: Path) -> None:
    target = tmp_path / "x.npy"
    first = get(host.put("/x.npy", CONTENT), target)
    os.utime(target, (1, 1))
    assert get("http://127.0.0.1:1/gone", target) == first
    assert json.loads((tmp_path / "x.npy.download.json").read_text())["mtime_ns"] == 10**9


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT[:-1] + b"?"])
def test_a_file_that_changed_since_is_told(host: HttpHost, tmp_path: Path, content: bytes) -> None:
    target = tmp_path / "x.npy"
    url = host.put("/x.npy", CONTENT)
    get(url, target)
    target.write_bytes(content)
    os.utime(target, (1, 1))
    with pytest.raises(BenchError, match=r"x.npy has changed since it was downloaded .* remove it"):
        get(url, target)
    assert target.read_bytes() == content


def test_a_file_that_the_user_put_there(tmp_path: Path) -> None:
    target = tmp_path / "x.npy"
    target.write_bytes(CONTENT)
    found = get("http://127.0.0.1:1/x.npy", target)
    assert_whole(found, target)
    assert (found.url, found.downloaded) == (None, None)
    with pytest.raises(BenchError, match=r"is not the published file: .* 300,000 bytes, 5 are"):
        get("http://127.0.0.1:1/x.npy", target, expected_size=5)
    assert target.exists()


@pytest.mark.parametrize("cuts", [[1], [1000, 0, 0, 50_000, 299_999]])
def test_dropped_connections_are_resumed(host: HttpHost, tmp_path: Path, cuts: list[int]) -> None:
    url = host.put("/x.npy", CONTENT, cuts=[*cuts])
    assert_whole(get(url, tmp_path / "x.npy"), tmp_path / "x.npy")
    place, expected = 0, [None]
    for cut in cuts:
        place = min(place + cut, len(CONTENT))
        expected += [f"bytes={place}-"] if place else [None]
    # The last cut is past the end of what was left: it was whole then.
    assert host.ranges == (expected if place < len(CONTENT) else expected[:-1])
    assert all(seen.headers["if-range"] == '"v1"' for seen in host.seen if seen.range)


def test_waits_double_and_start_anew_after_progress(host: HttpHost, tmp_path: Path) -> None:
    waits: list[float] = []
    url = host.put("/x.npy", CONTENT, cuts=[0, 0, 0, 9, 0])
    patience = Patience(timeout=5, retries=3, backoff=0.5)
    get(url, tmp_path / "x.npy", patience=patience, sleep=waits.append)
    assert waits == [0.5, 1, 2, 0.5, 1]


def test_patience_ends_and_what_came_is_kept(host: HttpHost, tmp_path: Path) -> None:
    url = host.put("/x.npy", CONTENT, cuts=[100_000, 0, 0, 0, 0])
    message = r"x.npy: the server closed .* early; 100.00 kB of 300.00 kB are kept: repeat"
    with pytest.raises(BenchError, match=message):
        get(url, tmp_path / "x.npy")
    assert names(tmp_path) == ["x.npy.partial", "x.npy.partial.json"]
    host.seen.clear()
    assert_whole(get(url, tmp_path / "x.npy"), tmp_path / "x.npy")
    # The fifth cut was still to come.
    assert host.ranges[0] == "bytes=100000-"


def test_only_the_date_of_change_is_known(host: HttpHost, tmp_path: Path) -> None:
    url = cut_off(host, tmp_path / "x.npy", 70_000, etag='W/"weak"')
    assert_whole(get(url, tmp_path / "x.npy"), tmp_path / "x.npy")
    assert host.seen[0].range == "bytes=70000-"
    assert host.seen[0].headers["if-range"] == "Sat, 18 Nov 2017 12:00:00 GMT"


def test_without_a_version_it_starts_again(host: HttpHost, tmp_path: Path) -> None:
    url = cut_off(host, tmp_path / "x.npy", 70_000, etag=None, last_modified=None)
    assert_whole(get(url, tmp_path / "x.npy"), tmp_path / "x.npy")
    assert host.ranges == [None]
    host.pages["/x.npy"].cuts = [5, 5]
    get(url, tmp_path / "y.npy")
    assert host.ranges == [None] * 4


def test_a_server_without_ranges_starts_again(host: HttpHost, tmp_path: Path) -> None:
    url = cut_off(host, tmp_path / "x.npy", 70_000, ranges=False)
    assert_whole(get(url, tmp_path / "x.npy"), tmp_path / "x.npy")
    assert host.ranges == ["bytes=70000-"]


@pytest.mark.parametrize("heed", [True, False])
@pytest.mark.parametrize("content", [OTHER, CONTENT[:10], CONTENT[::-1]])
def test_a_changed_file_starts_again(
    host: HttpHost, tmp_path: Path, content: bytes, heed: bool
) -> None:
    """Whether the server compares versions itself or leaves it to us."""
    url = cut_off(host, tmp_path / "x.npy", 70_000)
    host.put("/x.npy", content, etag='"v2"', heed_if_range=heed)
    assert_whole(get(url, tmp_path / "x.npy"), tmp_path / "x.npy", content)
    assert host.ranges == ["bytes=70000-"] + ([] if heed else [None])


def test_a_file_that_changes_between_two_tries(host: HttpHost, tmp_path: Path) -> None:
    url = host.put("/x.npy", CONTENT, cuts=[70_000])
    first = host.pages["/x.npy"]

    def change(number: int) -> None:
        if number == 2:
            host.put("/x.npy", OTHER, etag='"v2"', cuts=[60_000])

    first.before = change
    assert_whole(get(url, tmp_path / "x.npy"), tmp_path / "x.npy", OTHER)
    assert host.ranges == [None, "bytes=70000-", "bytes=60000-"]


def test_same_version_but_another_size_starts_again(host: HttpHost, tmp_path: Path) -> None:
    url = cut_off(host, tmp_path / "x.npy", 70_000)
    host.put("/x.npy", OTHER)
    assert_whole(get(url, tmp_path / "x.npy"), tmp_path / "x.npy", OTHER)
    assert host.ranges == ["bytes=70000-", None]


def test_another_address_starts_again_and_another_scheme_does_not(
    host: HttpHost, tmp_path: Path
) -> None:
    cut_off(host, tmp_path / "x.npy", 70_000)
    note = tmp_path / "x.npy.partial.json"
    note.write_text(note.read_text().replace("http:", "https:"))
    shutil.copytree(tmp_path, tmp_path / "copy")
    get(f"{host.root}/x.npy?key=2", tmp_path / "x.npy")
    assert_whole(
        get(host.put("/m/x.npy", CONTENT), tmp_path / "copy" / "x.npy"), tmp_path / "copy" / "x.npy"
    )
    assert host.ranges == ["bytes=70000-", None]


def test_a_partial_that_lacks_nothing_needs_no_server(host: HttpHost, tmp_path: Path) -> None:
    url = cut_off(host, tmp_path / "x.npy", 299_999)
    with (tmp_path / "x.npy.partial").open("ab") as file:
        file.write(CONTENT[-1:])
    assert_whole(get(url, tmp_path / "x.npy"), tmp_path / "x.npy")
    assert host.seen == []


@pytest.mark.parametrize("changed", [False, True])
def test_a_whole_partial_of_unknown_size_is_answered_416(
    host: HttpHost, tmp_path: Path, changed: bool
) -> None:
    """Unless the server's file is another one of the same size."""
    url = cut_off(host, tmp_path / "x.npy", 299_999)
    note = tmp_path / "x.npy.partial.json"
    note.write_text(json.dumps({**json.loads(note.read_text()), "total": None}))
    with (tmp_path / "x.npy.partial").open("ab") as file:
        file.write(CONTENT[-1:])
    content = CONTENT[::-1] if changed else CONTENT
    if changed:
        host.put("/x.npy", content, etag='"v2"', heed_if_range=False)
    assert_whole(get(url, tmp_path / "x.npy"), tmp_path / "x.npy", content)
    assert host.ranges == ["bytes=300000-"] + ([None] if changed else [])


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", '{"total": 1}'])
def test_a_damaged_note_starts_again(host: HttpHost, tmp_path: Path, damage: str) -> None:
    url = cut_off(host, tmp_path / "x.npy", 70_000)
    (tmp_path / "x.npy.partial.json").write_text(damage)
    assert_whole(get(url, tmp_path / "x.npy"), tmp_path / "x.npy")
    assert host.ranges == [None]


def test_a_partial_larger_than_the_file_starts_again(host: HttpHost, tmp_path: Path) -> None:
    url = cut_off(host, tmp_path / "x.npy", 70_000)
    (tmp_path / "x.npy.partial").write_bytes(CONTENT * 2)
    assert_whole(get(url, tmp_path / "x.npy"), tmp_path / "x.npy")
    assert host.ranges == [None]


@pytest.mark.parametrize("total", ["*", "300000"])
def test_a_range_of_open_size(host: HttpHost, tmp_path: Path, total: str) -> None:
    url = cut_off(host, tmp_path / "x.npy", 70_000)
    host.pages["/x.npy"].total_in_range = total
    assert_whole(get(url, tmp_path / "x.npy"), tmp_path / "x.npy")
    assert host.ranges == ["bytes=70000-"]


@pytest.mark.parametrize("announced", ["chunked", "none"])
def test_a_server_that_does_not_say_how_much(
    host: HttpHost, tmp_path: Path, announced: str
) -> None:
    url = host.put("/x.npy", CONTENT, announced=announced)
    assert_whole(get(url, tmp_path / "x.npy", expected_size=300_000), tmp_path / "x.npy")


def test_chunks_that_are_cut_off_are_resumed(host: HttpHost, tmp_path: Path) -> None:
    url = host.put("/x.npy", CONTENT, announced="chunked", cuts=[70_000])
    assert_whole(get(url, tmp_path / "x.npy"), tmp_path / "x.npy")
    assert host.ranges == [None, "bytes=70000-"]


def test_a_body_shorter_than_announced(host: HttpHost, tmp_path: Path) -> None:
    url = host.put("/x.npy", CONTENT, announced=400_000, ranges=False)
    with pytest.raises(BenchError, match=r"connection too early; 300.00 kB of 400.00 kB"):
        get(url, tmp_path / "x.npy")
    assert not (tmp_path / "x.npy").exists()


def test_a_body_longer_than_announced_is_caught_by_the_hash(host: HttpHost, tmp_path: Path) -> None:
    url = host.put("/x.npy", CONTENT, announced=200_000)
    with pytest.raises(BenchError, match="SHA-256"):
        get(url, tmp_path / "x.npy", expected_sha256=SHA256)
    assert names(tmp_path) == ["x.npy.unexpected"]


@pytest.mark.parametrize("status", [500, 502, 503, 429, 408])
def test_a_busy_server_is_asked_again(host: HttpHost, tmp_path: Path, status: int) -> None:
    url = host.put("/x.npy", CONTENT, statuses=[status, status])
    assert_whole(get(url, tmp_path / "x.npy"), tmp_path / "x.npy")
    assert len(host.seen) == 3


def test_a_server_that_stays_busy(host: HttpHost, tmp_path: Path) -> None:
    url = host.put("/x.npy", CONTENT, statuses=[503] * 9)
    with pytest.raises(BenchError, match=r"in trouble or busy \(status 503\)$"):
        get(url, tmp_path / "x.npy")
    assert len(host.seen) == 4
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (404, "there is no such file"),
        (410, "there is no such file"),
        (403, "refuses access"),
        (401, "refuses access"),
        (418, "does not answer"),
    ],
)
def test_a_refusal_is_final_and_keeps_what_came(
    host: HttpHost, tmp_path: Path, status: int, why: str
) -> None:
    url = cut_off(host, tmp_path / "x.npy", 70_000)
    host.pages["/x.npy"].statuses = [status]
    with pytest.raises(BenchError, match=rf"cannot download {url}: .*{why}.*\(status {status}\)"):
        get(url, tmp_path / "x.npy")
    assert len(host.seen) == 1
    assert (tmp_path / "x.npy.partial").read_bytes() == CONTENT[:70_000]


def test_redirects_are_followed_with_the_range(host: HttpHost, tmp_path: Path) -> None:
    url = cut_off(host, tmp_path / "x.npy", 70_000)
    host.put("/moved.npy", CONTENT)
    host.put("/x.npy", location="/moved.npy")
    assert_whole(get(url, tmp_path / "x.npy"), tmp_path / "x.npy")
    assert host.ranges == ["bytes=70000-"] * 2


@pytest.mark.parametrize("scheme", ["file", "ftp", "data", "gopher"])
def test_redirects_elsewhere_are_refused(host: HttpHost, tmp_path: Path, scheme: str) -> None:
    (tmp_path / "secret").write_text("geheim")
    url = host.put("/x.npy", location=f"{scheme}://{tmp_path}/secret")
    with pytest.raises(
        BenchError, match=f"redirects to a {scheme}: address, which is not followed"
    ):
        get(url, tmp_path / "out" / "x.npy")
    assert names(tmp_path / "out") == []


def test_redirects_in_circles(host: HttpHost, tmp_path: Path) -> None:
    url = host.put("/x.npy", location="/x.npy")
    with pytest.raises(BenchError, match="redirects in circles"):
        get(url, tmp_path / "x.npy")


def test_a_password_is_sent_where_it_belongs_and_shown_nowhere(
    host: HttpHost, tmp_path: Path
) -> None:
    host.put("/x.npy", location="/moved.npy")
    url = host.put("/moved.npy", CONTENT, statuses=[404]).replace("//", "//me:ge%40heim@")
    with pytest.raises(BenchError) as error:
        get(url.replace("moved", "x"), tmp_path / "x.npy")
    assert "heim" not in str(error.value)
    found = get(f"{url}?token=heim", tmp_path / "x.npy")
    assert found.url == f"{host.root}/moved.npy"
    # RFC 7617: base64 of "me:ge@heim".
    basic = "Basic bWU6Z2VAaGVpbQ=="
    assert [seen.headers.get("authorization") for seen in host.seen] == [basic, None, basic]
    assert host.seen[2].path == "/moved.npy?token=heim"
    assert "heim" not in (tmp_path / "x.npy.download.json").read_text()


@pytest.mark.parametrize(
    "page",
    [
        {"content_type": "text/html; charset=utf-8"},
        {"content_type": "application/octet-stream"},
    ],
)
def test_a_web_page_is_not_the_file(host: HttpHost, tmp_path: Path, page: dict[str, str]) -> None:
    url = host.put("/x.npy", b"\n<!DOCTYPE html><html>moved</html>", **page)
    with pytest.raises(BenchError, match="sends a web page and not the file; open the address"):
        get(url, tmp_path / "x.npy")
    assert names(tmp_path) == []


def test_a_login_page_in_between_costs_nothing(host: HttpHost, tmp_path: Path) -> None:
    url = cut_off(host, tmp_path / "x.npy", 70_000)
    host.put("/x.npy", b"<html>log in</html>", content_type="text/html", etag='"login"')
    with pytest.raises(BenchError, match="web page"):
        get(url, tmp_path / "x.npy")
    host.put("/x.npy", CONTENT)
    assert_whole(get(url, tmp_path / "x.npy"), tmp_path / "x.npy")
    assert host.ranges == ["bytes=70000-"] * 2


def test_compression_nobody_asked_for(host: HttpHost, tmp_path: Path) -> None:
    packed = {"Content-Encoding": "x-gzip"}
    with pytest.raises(BenchError, match=r"sends it compressed \(x-gzip\)"):
        get(host.put("/x.npy", CONTENT, headers=packed), tmp_path / "x.npy")
    # What servers say of files that are .gz themselves.
    url = host.put("/x.json.gz", CONTENT, headers=packed)
    assert get(url, tmp_path / "d" / "x.json.gz").sha256 == SHA256


def test_silence_counts_as_a_lost_connection(host: HttpHost, tmp_path: Path) -> None:
    url = host.put("/x.npy", CONTENT, stall_after=90_000)
    found = get(url, tmp_path / "x.npy", patience=Patience(timeout=0.3, retries=1, backoff=0))
    assert_whole(found, tmp_path / "x.npy")
    assert host.ranges == [None, "bytes=90000-"]


def test_silence_for_good(host: HttpHost, tmp_path: Path) -> None:
    url = host.put("/x.npy", CONTENT, stall_after=9)
    with pytest.raises(BenchError, match=r"the server went silent; 9 bytes of 300.00 kB are kept"):
        get(url, tmp_path / "x.npy", patience=Patience(timeout=0.3, retries=0))


def test_nobody_listens(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(BenchError, match=rf"127.0.0.1:{port} refuses connections$"):
        get(f"http://127.0.0.1:{port}/x", tmp_path / "x", sleep=never)


def test_an_unknown_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(BenchError, match=r"the host no.such.host is not known, or there is no"):
        get("http://no.such.host/x", tmp_path / "x", sleep=never)


def test_https_where_none_is_spoken(host: HttpHost, tmp_path: Path) -> None:
    url = host.put("/x.npy", CONTENT).replace("http:", "https:")
    with pytest.raises(BenchError, match=r"no encrypted connection to 127.0.0.1:\d+ \("):
        get(url, tmp_path / "x.npy")


def test_a_host_that_goes_away_in_between_is_waited_for(
    host: HttpHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = host.put("/x.npy", CONTENT, cuts=[70_000])
    real = socket.create_connection
    calls = []

    def flaky(*args: Any, **kwargs: Any) -> socket.socket:
        calls.append(args)
        if len(calls) in (2, 3):
            raise OSError(errno.ENETUNREACH, "Network is unreachable")
        return real(*args, **kwargs)

    monkeypatch.setattr(socket, "create_connection", flaky)
    assert_whole(get(url, tmp_path / "x.npy"), tmp_path / "x.npy")
    assert host.ranges == [None, "bytes=70000-"]


def test_what_is_expected_and_comes(host: HttpHost, tmp_path: Path) -> None:
    url = host.put("/x.npy", CONTENT)
    found = get(url, tmp_path / "x.npy", expected_size=300_000, expected_sha256=SHA256.upper())
    assert_whole(found, tmp_path / "x.npy")


def test_another_size_than_expected_is_not_even_fetched(host: HttpHost, tmp_path: Path) -> None:
    url = host.put("/x.npy", CONTENT)
    with pytest.raises(BenchError, match=r"x.npy has 300,000 bytes, 300,001 are expected"):
        get(url, tmp_path / "x.npy", expected_size=300_001)
    assert names(tmp_path) == []


def test_another_content_than_expected_is_set_aside(host: HttpHost, tmp_path: Path) -> None:
    url = cut_off(host, tmp_path / "x.npy", 70_000)
    message = rf"SHA-256 {SHA256}, {'0' * 64} is expected; what came was set aside as \S+unexpected"
    with pytest.raises(BenchError, match=message):
        get(url, tmp_path / "x.npy", expected_sha256="0" * 64)
    assert names(tmp_path) == ["x.npy.unexpected"]
    assert (tmp_path / "x.npy.unexpected").read_bytes() == CONTENT


def test_a_damaged_partial_is_found_by_the_hash(host: HttpHost, tmp_path: Path) -> None:
    url = cut_off(host, tmp_path / "x.npy", 70_000)
    with (tmp_path / "x.npy.partial").open("r+b") as file:
        file.write(b"?")
    with pytest.raises(BenchError, match="SHA-256"):
        get(url, tmp_path / "x.npy", expected_sha256=SHA256)
    assert_whole(get(url, tmp_path / "d" / "x.npy", expected_sha256=SHA256), tmp_path / "d/x.npy")


def test_room_is_checked_for_the_rest_before_it_comes(
    host: HttpHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = cut_off(host, tmp_path / "x.npy", 70_000)
    free = [100_229_999]
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free[0]))
    message = rf"cannot download x.npy at {tmp_path}: the disk has 100.23 MB free and 100.23 MB are"
    with pytest.raises(StorageError, match=message):
        get(url, tmp_path / "x.npy")
    assert (tmp_path / "x.npy.partial").stat().st_size == 70_000
    free[0] += 1
    assert_whole(get(url, tmp_path / "x.npy"), tmp_path / "x.npy")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_disk_that_fills_up_in_between(host: HttpHost, tmp_path: Path) -> None:
    (tmp_path / "x.npy.partial").symlink_to("/dev/full")
    with pytest.raises(StorageError, match=r"cannot write at \S+partial: the disk is full"):
        get(host.put("/x.npy", CONTENT), tmp_path / "x.npy")
    assert not (tmp_path / "x.npy").exists()


def test_places_that_cannot_be(host: HttpHost, tmp_path: Path) -> None:
    url = host.put("/x.npy", CONTENT)
    with pytest.raises(BenchError, match="is a folder"):
        get(url, tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot download x.npy at"):
        get(url, tmp_path / "file" / "x.npy")
    with pytest.raises(BenchError, match="must start with http"):
        get("file:///etc/hostname", tmp_path / "x.npy")
    assert host.seen == []


def test_two_at_once(host: HttpHost, tmp_path: Path) -> None:
    url = host.put("/x.npy", CONTENT)
    with (
        only_process(tmp_path / "x.npy.lock", "download x.npy"),
        pytest.raises(BenchError, match=f"cannot download x.npy: process {os.getpid()} on"),
    ):
        get(url, tmp_path / "x.npy")
    assert host.seen == []
    assert_whole(get(url, tmp_path / "x.npy"), tmp_path / "x.npy")


def test_a_published_file_from_a_mirror(host: HttpHost, tmp_path: Path) -> None:
    published = PublishedFile(
        name="x.npy",
        folder_url=f"{host.root}/d/",
        approximate_bytes=None,
        licence="",
        size=300_000,
        sha256=SHA256,
    )
    host.put("/d/x.npy", CONTENT)
    host.put("/mirror/x.npy", CONTENT)
    host.put("/other", OTHER)
    for url, folder in ((None, "a"), (f"{host.root}/mirror/", "b")):
        found = fetch_file(published, tmp_path / folder, url=url, patience=QUICK)
        assert_whole(found, tmp_path / folder / "x.npy")
    with pytest.raises(BenchError, match="250,000 bytes, 300,000 are expected"):
        fetch_file(published, tmp_path / "c", url=f"{host.root}/other", patience=QUICK)
    assert [seen.path for seen in host.seen] == ["/d/x.npy", "/mirror/x.npy", "/other"]


def running(url: str, target: Path) -> "subprocess.Popen[bytes]":
    code = (
        "import sys; from pathlib import Path; from bench.datasets.download import download; "
        "download(sys.argv[1], Path(sys.argv[2]))"
    )
    return subprocess.Popen([sys.executable, "-c", code, url, str(target)])


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.005)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_killed_and_called_again(host: HttpHost, tmp_path: Path, how: signal.Signals) -> None:
    target, partial = tmp_path / "x.npy", tmp_path / "x.npy.partial"
    url = host.put("/x.npy", CONTENT, between_pieces=0.02)
    kept = 0
    places: list[str | None] = [None]
    for share in (0.2, 0.6):
        process = running(url, target)
        wait_for(lambda: partial.exists() and partial.stat().st_size > share * len(CONTENT))  # noqa: B023
        if share == 0.2:
            with pytest.raises(BenchError, match=f"process {process.pid} on"):
                get(url, target)
        process.send_signal(how)
        assert process.wait() != 0
        kept = partial.stat().st_size
        assert 0 < kept < len(CONTENT)
        assert partial.read_bytes() == CONTENT[:kept]
        assert not target.exists()
        places.append(f"bytes={kept}-")
    host.pages["/x.npy"].between_pieces = 0
    assert_whole(get(url, target), target)
    assert host.ranges == places


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    # As pickles begin; Hypothesis finds out what a web page begins with.
    content=st.binary(max_size=3000).map(lambda body: b"\x80" + body),
    cuts=st.lists(st.integers(0, 1500), max_size=5),
    one_call=st.booleans(),
)
def test_wherever_it_is_cut_the_end_is_the_same(
    host: HttpHost,
    tmp_path_factory: pytest.TempPathFactory,
    content: bytes,
    cuts: list[int],
    one_call: bool,
) -> None:
    target = tmp_path_factory.mktemp("cut") / "x.npy"
    url = host.put("/x.npy", content, cuts=[*cuts], etag=f'"{len(host.seen)}"')
    host.seen.clear()
    patience = Patience(timeout=5, retries=len(cuts) if one_call else 0, backoff=0)
    for _ in range(1 if one_call else len(cuts) + 1):
        try:
            found = get(url, target, patience=patience)
        except BenchError:
            assert not one_call
    assert_whole(found, target, content)
    # Every request asks for just what was missing, and nothing is asked twice.
    place, expected = 0, []
    for cut in [*cuts, len(content)]:
        expected.append(f"bytes={place}-" if place else None)
        place += cut
        if place >= len(content):
            break
    assert host.ranges == expected
