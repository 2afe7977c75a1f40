"""Headers, versions and failed connections."""

import contextlib
import http.client
import io
import shutil
import socket
import ssl
import subprocess
import threading
import urllib.request
from pathlib import Path

import pytest

from bench.datasets.remote import Dropped, Version, _Redirects, content_range, open_at
from bench.errors import BenchError

DATE = "Sat, 18 Nov 2017 12:00:00 GMT"


@pytest.mark.parametrize(
    ("text", "first", "total"),
    [
        ("bytes 5-9/10", 5, 10),
        ("bytes 0-0/1", 0, 1),
        ("bytes 5-9/*", 5, 10),
        ("bytes */10", None, 10),
        ("bytes */*", None, None),
        ("bytes 9-5/10", None, None),
        ("bytes 5-10/10", None, None),
        ("bytes 5-/10", None, None),
        ("items 5-9/10", None, None),
        ("bytes -5-9/10", None, None),
        ("bytes 5-9/99999999999999999999", None, None),
        ("", None, None),
    ],
)
def test_content_range(text: str, first: int | None, total: int | None) -> None:
    assert content_range({"Content-Range": text}) == (first, total)


def test_no_content_range() -> None:
    assert content_range({}) == (None, None)


@pytest.mark.parametrize(
    ("version", "condition"),
    [
        (Version('"a"', DATE), '"a"'),
        (Version('W/"a"', DATE), DATE),
        (Version('W/"a"', None), None),
        (Version(None, DATE), DATE),
        (Version(), None),
    ],
)
def test_only_what_is_exact_conditions_a_range(version: Version, condition: str | None) -> None:
    assert version.condition == condition


def test_versions_differ_where_both_say_something_else() -> None:
    assert Version('"a"', DATE).differs_from(Version('"b"', DATE))
    assert Version('"a"', DATE).differs_from(Version('"a"', "other"))
    assert not Version('"a"', DATE).differs_from(Version('"a"', None))
    assert not Version('"a"', None).differs_from(Version(None, DATE))


def test_a_rest_without_a_condition_is_a_bug() -> None:
    with (
        pytest.raises(ValueError, match="nothing tells"),
        open_at("http://127.0.0.1:1/x", 5, Version(), timeout=1),
    ):
        pass


def test_a_certificate_nobody_vouches_for(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    words = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    words += ["-nodes", "-subj", "/CN=127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(words, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        # The client hangs up.
        with connection, contextlib.suppress(OSError):
            context.wrap_socket(connection, server_side=True).close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        url = f"https://me:geheim@127.0.0.1:{listener.getsockname()[1]}/x.npy"
        message = r"certificate of 127\S+ is not valid \(self"
        with (
            pytest.raises(BenchError, match=message) as error,
            open_at(url, 0, Version(), timeout=5),
        ):
            pass
        thread.join()
    assert "geheim" not in str(error.value)


def test_no_way_down_from_https_to_http() -> None:
    """What the redirect handler decides, without a host that has a certificate."""
    request = urllib.request.Request("https://me.org/x?key=geheim")
    for target, message in (
        ("http://me.org/y?key=geheim", "redirects to http://me.org/y, which is not encrypted"),
        ("https://me.org/y", None),
    ):
        handler, body = _Redirects(), io.BytesIO()
        arguments = (request, body, 302, "Found", http.client.HTTPMessage(), target)
        if message is None:
            followed = handler.redirect_request(*arguments)
            assert followed is not None
            assert followed.full_url == target
        else:
            with pytest.raises(BenchError, match=message) as error:
                handler.redirect_request(*arguments)
            assert "geheim" not in str(error.value)
            assert body.closed


def test_a_server_that_speaks_something_else() -> None:
    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1 << 16)
            connection.sendall(b"220 ready when you are\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/x.npy"
        with (
            pytest.raises(Dropped, match="does not speak HTTP"),
            open_at(url, 0, Version(), timeout=5),
        ):
            pass
        thread.join()
