"""A web server for tests that behaves as it is told: cuts, lies, changes its files, redirects."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Page:
    """A file on the host, and how it is served.

    Attributes
    ----------
    content, etag, last_modified, content_type
        What is sent; headers that are None are left out.
    ranges
        Whether Range is honoured.
    heed_if_range
        False: Range is honoured whatever If-Range says.
    cuts
        Body bytes after which the connection is closed: the first request takes the first number,
        and so on; None and the requests after the last are served whole.
    statuses
        Status codes that the first requests get instead.
    announced
        Content-Length that is claimed instead of the true one; "chunked" and "none" send none.
    location
        Where the page redirects to.
    stall_after
        Body bytes after which the server goes silent, in the first request.
    between_pieces
        Seconds between pieces of `piece` bytes; 0 sends all at once.
    before
        Called with the request's number, before it is answered: changes the page, for example.
    headers
        Further headers.
    total_in_range
        What the Content-Range gives as size, None for the true one.
    """

    content: bytes = b""
    etag: str | None = '"v1"'
    last_modified: str | None = "Sat, 18 Nov 2017 12:00:00 GMT"
    content_type: str = "application/octet-stream"
    ranges: bool = True
    heed_if_range: bool = True
    cuts: list[int | None] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    announced: int | str | None = None
    location: str | None = None
    stall_after: int | None = None
    between_pieces: float = 0
    piece: int = 1 << 14
    before: Callable[[int], None] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    total_in_range: str | None = None


@dataclass(frozen=True)
class Seen:
    """A request that came."""

    path: str
    headers: dict[str, str]

    @property
    def range(self) -> str | None:
        return self.headers.get("range")


class HttpHost:
    """Pages by path, and what was asked for."""

    def __init__(self, port: int) -> None:
        self.root = f"http://127.0.0.1:{port}"
        self.pages: dict[str, Page] = {}
        self.seen: list[Seen] = []
        self.stop = threading.Event()

    def put(self, path: str, content: bytes = b"", **how: Any) -> str:
        """Serve a page; give its address."""
        self.pages[path] = Page(content, **how)
        return self.root + path

    @property
    def ranges(self) -> list[str | None]:
        """The Range of every request that came."""
        return [seen.range for seen in self.seen]


@contextmanager
def http_host() -> Iterator[HttpHost]:
    """Run a host on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            try:
                answer(self, host)
            except ConnectionError:
                pass  # the client went away
            finally:
                self.close_connection = True

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    host = HttpHost(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield host
    finally:
        host.stop.set()
        server.shutdown()
        server.server_close()
        thread.join()


def answer(request: BaseHTTPRequestHandler, host: HttpHost) -> None:
    path = request.path.partition("?")[0]
    headers = {name.lower(): value for name, value in request.headers.items()}
    host.seen.append(Seen(request.path, headers))
    page = host.pages.get(path)
    if page is None:
        request.send_error(404)
        return
    if page.before is not None:
        page.before(len(host.seen))
        page = host.pages[path]
    if page.statuses:
        request.send_error(page.statuses.pop(0))
        return
    if page.location is not None:
        request.send_response(302)
        request.send_header("Location", page.location)
        request.send_header("Content-Length", "0")
        request.end_headers()
        return
    cut = page.cuts.pop(0) if page.cuts else None
    start, status = 0, 200
    wanted = re.fullmatch(r"bytes=(\d+)-", headers.get("range", ""))
    fits = headers.get("if-range") in (None, page.etag, page.last_modified)
    if wanted and page.ranges and (fits or not page.heed_if_range):
        start, status = int(wanted[1]), 206
    size = len(page.content)
    if start >= size and status == 206:
        request.send_response(416)
        request.send_header("Content-Range", f"bytes */{size}")
        if page.etag is not None:
            request.send_header("ETag", page.etag)
        request.send_header("Content-Length", "0")
        request.end_headers()
        return
    request.send_response(status)
    request.send_header("Content-Type", page.content_type)
    if page.etag is not None:
        request.send_header("ETag", page.etag)
    if page.last_modified is not None:
        request.send_header("Last-Modified", page.last_modified)
    if status == 206:
        total = page.total_in_range or str(size)
        request.send_header("Content-Range", f"bytes {start}-{size - 1}/{total}")
    for name, value in page.headers.items():
        request.send_header(name, value)
    if page.announced == "chunked":
        request.send_header("Transfer-Encoding", "chunked")
    elif page.announced != "none":
        length = size - start if page.announced is None else page.announced
        request.send_header("Content-Length", str(length))
    request.send_header("Connection", "close")
    request.end_headers()
    body = page.content[start:]
    if page.stall_after is not None:
        stall, page.stall_after = page.stall_after, None
        request.wfile.write(body[:stall])
        request.wfile.flush()
        host.stop.wait(20)
        return
    send(request, body if cut is None else body[:cut], page, whole=cut is None)


def send(request: BaseHTTPRequestHandler, body: bytes, page: Page, *, whole: bool) -> None:
    pieces = [body]
    if page.between_pieces:
        pieces = [body[k : k + page.piece] for k in range(0, len(body), page.piece)]
    for piece in pieces:
        if page.announced == "chunked":
            request.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if piece else b"")
        else:
            request.wfile.write(piece)
        request.wfile.flush()
        time.sleep(page.between_pieces)
    if page.announced == "chunked" and whole:
        request.wfile.write(b"0\r\n\r\n")
