"""One request to a web server: a file's bytes from some offset on, and what can go wrong there.

Only http and https are spoken. Whatever happens ends in one of three exceptions: `Dropped` (may go
well the next time), `Changed` (what has arrived so far is of no use), `BenchError` (up to the
user).
"""

import base64
import http.client
import re
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from typing import IO
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from bench.datasets.hosts import public_url
from bench.errors import BenchError

__all__ = ["Changed", "Dropped", "Reply", "Version", "content_range", "open_at"]

_PIECE_BYTES = 1 << 18
_BUSY = (408, 425, 429)
"""Besides 5xx: the server asks to come again later."""


class Dropped(Exception):  # noqa: N818  # it is what happened, and often mends itself
    """The connection failed or the server is busy.

    Attributes
    ----------
    unreachable
        Not even a connection came about.
    """

    def __init__(self, reason: str, *, unreachable: bool = False) -> None:
        super().__init__(reason)
        self.unreachable = unreachable


class Changed(Exception):  # noqa: N818
    """The server's file is not the one the download began with."""


@dataclass(frozen=True)
class Version:
    """What tells one version of a remote file from another.

    Attributes
    ----------
    etag, last_modified
        The server's headers of these names, None without.
    """

    etag: str | None = None
    last_modified: str | None = None

    @property
    def condition(self) -> str | None:
        """What If-Range takes (RFC 9110, 13.1.5): a strong entity tag or a date; None: neither."""
        if self.etag is not None and not self.etag.startswith("W/"):
            return self.etag
        return self.last_modified

    def differs_from(self, other: "Version") -> bool:
        """Say whether two versions are certainly not the same."""
        pairs = ((self.etag, other.etag), (self.last_modified, other.last_modified))
        return any(one != two for one, two in pairs if one is not None and two is not None)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the server answers.

    Attributes
    ----------
    start
        Offset of the first byte it sends.
    total
        Size of the whole file, None where the server does not say.
    version
        The version it sends.
    """

    start: int
    total: int | None
    version: Version
    _response: http.client.HTTPResponse | None

    def pieces(self) -> Iterator[bytes]:
        """Read what is sent, up to the announced size, piece by piece.

        Raises
        ------
        Dropped
            The connection breaks, stalls, or ends too early.
        """
        if self._response is None:
            return
        place = self.start
        while self.total is None or place < self.total:
            wanted = _PIECE_BYTES if self.total is None else min(_PIECE_BYTES, self.total - place)
            try:
                # One system call: what has come is in our hands when the next one fails.
                piece = self._response.read1(wanted)
            except (OSError, http.client.HTTPException) as error:
                raise Dropped(_reason(error)) from error
            if not piece:
                break
            place += len(piece)
            yield piece
        if self.total is not None and place < self.total:
            raise Dropped("the server closed the connection too early")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects within http and https, never from https down to http."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        before, after = urlsplit(req.full_url).scheme, urlsplit(newurl).scheme
        if after not in ("http", "https"):
            # The base class lets ftp pass.
            raise urllib.error.HTTPError(req.full_url, code, msg, headers, fp)
        if before == "https" and after == "http":
            fp.close()
            raise BenchError(
                f"{public_url(req.full_url)} redirects to {public_url(newurl)}, which is not "
                "encrypted; pass that address with --url if you trust it"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    # Put together by hand: the usual set opens file:, ftp: and data: addresses, too.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(),
    ):
        opener.add_handler(handler)
    return opener


def _request(url: str, start: int, version: Version) -> urllib.request.Request:
    parts = urlsplit(url)
    login, _, host = parts.netloc.rpartition("@")
    path = quote(parts.path, safe="/%~:@!$&'()*+,;=-._")
    request = urllib.request.Request(
        urlunsplit(parts._replace(netloc=host, path=path, fragment=""))
    )
    request.add_header("User-Agent", "dvbpr-bench")
    # Offsets are those of the file, not of a compressed form of it.
    request.add_header("Accept-Encoding", "identity")
    if login:
        # Not passed on when the server redirects elsewhere.
        token = base64.b64encode(unquote(login).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {token}")
    if start:
        condition = version.condition
        if condition is None:
            raise ValueError("nothing tells whether the rest belongs to what is here")
        request.add_header("Range", f"bytes={start}-")
        request.add_header("If-Range", condition)
    return request


@contextmanager
def open_at(url: str, start: int, version: Version, *, timeout: float) -> Iterator[Reply]:
    """Ask for a file from byte `start` on; the server may send all of it instead.

    Parameters
    ----------
    url
        An http or https address; a user name and password in it are sent as basic authentication.
    start
        How much is here already.
    version
        The version that is here; with `start` it must have a `condition`.
    timeout
        Seconds without any sign of the server.

    Raises
    ------
    Dropped, Changed
        See there.
    BenchError
        There is no such file, access is refused, the server is not to be trusted, or it sends
        something else.
    """
    try:
        response = _opener().open(_request(url, start, version), timeout=timeout)
    except urllib.error.HTTPError as error:
        with error:
            total = content_range(error.headers)[1] if error.code == 416 and start else None
            if total != start:
                raise _refusal(url, error, start) from error
            # Nothing comes after what is here: it is whole.
            found = _version(error.headers)
            yield Reply(start=start, total=start, version=found, _response=None)
            return
    except urllib.error.URLError as error:
        raise _unreachable(url, error.reason, timeout) from error
    except (http.client.InvalidURL, UnicodeError) as error:
        raise BenchError(f"{public_url(url)!r} is not an address that can be asked for") from error
    except (OSError, http.client.HTTPException) as error:
        raise Dropped(_reason(error)) from error
    with response:
        yield _reply(url, response, start)


def _reply(url: str, response: http.client.HTTPResponse, start: int) -> Reply:
    headers, status = response.headers, response.status
    shown = public_url(url)
    if status not in (200, 203, 206):
        raise BenchError(f"cannot download {shown}: the server sends no file (status {status})")
    if headers.get_content_type() == "text/html" and not _is_page_name(url):
        raise BenchError(
            f"cannot download {shown}: the server sends a web page and not the file; open the "
            "address in a browser to see what it says, or name a mirror with --url"
        )
    encoding = headers.get("Content-Encoding", "identity").strip().lower()
    # Servers call a .gz file gzip-encoded and send it as it is.
    if encoding not in ("", "identity") and not urlsplit(url).path.endswith(".gz"):
        raise BenchError(
            f"cannot download {shown}: the server sends it compressed ({encoding}) though asked "
            "not to; name a mirror with --url"
        )
    first, total = 0, response.length
    if status == 206:
        first_sent, total = content_range(headers)
        if first_sent != start:
            if start:
                raise Changed("the server sends another part of the file than it was asked for")
            raise BenchError(f"cannot download {shown}: the server sends only a part of the file")
        first = start
    return Reply(start=first, total=total, version=_version(headers), _response=response)


def content_range(headers: Mapping[str, str] | Message) -> tuple[int | None, int | None]:
    """Read the first byte and the file's size from a Content-Range header (RFC 9110, 14.4).

    Returns
    -------
    The first byte sent, None where none is; the size of the file. Where the server leaves the size
    open, it is where the range ends: everything to the end was asked for.
    """
    text = (headers.get("Content-Range") or "").strip()
    found = re.fullmatch(r"bytes\s+(?:(\d{1,18})-(\d{1,18})|\*)/(\d{1,18}|\*)", text)
    if found is None:
        return None, None
    first, last, size = found.groups()
    total = int(size) if size != "*" else None
    if first is None:
        return None, total
    end = int(last) + 1
    if end <= int(first) or (total is not None and end > total):
        return None, None
    return int(first), end if total is None else total


def _version(headers: Message) -> Version:
    return Version(headers.get("ETag"), headers.get("Last-Modified"))


def _is_page_name(url: str) -> bool:
    return urlsplit(url).path.lower().endswith((".html", ".htm"))


def _refusal(url: str, error: urllib.error.HTTPError, start: int) -> Exception:
    """Find the exception for a status that says no."""
    shown, code = public_url(url), error.code
    if code >= 500 or code in _BUSY:
        return Dropped(f"the server is in trouble or busy (status {code})")
    if code == 416 and start:
        return Changed("the file on the server is shorter than what is here")
    if code in (404, 410):
        why = "there is no such file on the server; check the address or name a mirror with --url"
    elif code in (401, 403, 407):
        why = "the server refuses access; try later, or name a mirror with --url"
    elif 300 <= code < 400:
        target = error.headers.get("Location", "")
        scheme = urlsplit(target).scheme
        if scheme and scheme not in ("http", "https"):
            why = f"the server redirects to a {scheme}: address, which is not followed"
        else:
            why = "the server redirects in circles or to nowhere; name a mirror with --url"
    else:
        why = "the server does not answer the request; name a mirror with --url"
    return BenchError(f"cannot download {shown}: {why} (status {code})")


def _unreachable(url: str, reason: object, timeout: float) -> Exception:
    """Find the exception for a connection that did not come about."""
    host = public_url(url).split("/")[2]
    if isinstance(reason, ssl.SSLCertVerificationError):
        return BenchError(
            f"cannot download {public_url(url)}: the certificate of {host} is not valid "
            f"({reason.verify_message.rstrip('.')}); check this machine's date and certificates, "
            "or name a mirror with --url"
        )
    if isinstance(reason, ssl.SSLError):
        text = f"no encrypted connection to {host} ({reason.reason or 'TLS failure'})"
    elif isinstance(reason, socket.gaierror):
        text = f"the host {host} is not known, or there is no network"
    elif isinstance(reason, ConnectionRefusedError):
        text = f"{host} refuses connections"
    elif isinstance(reason, TimeoutError):
        text = f"{host} does not answer within {timeout:g} s"
    elif isinstance(reason, OSError):
        text = f"{host} cannot be reached: {_reason(reason)}"
    else:
        text = f"{host} cannot be reached"
    return Dropped(text, unreachable=True)


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "the server went silent"
    if isinstance(error, http.client.IncompleteRead | ConnectionError):
        return "the connection broke"
    if isinstance(error, http.client.HTTPException):
        return f"the server does not speak HTTP ({type(error).__name__})"
    strerror = getattr(error, "strerror", None)
    return f"the connection failed ({strerror or type(error).__name__})"
