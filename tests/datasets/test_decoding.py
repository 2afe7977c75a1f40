import io
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.datasets import decoding
from bench.datasets.decoding import decode_all, try_to_decode


def encoded(kind: str, mode: str = "RGB", size: int = 40) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).convert(mode).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        ("JPEG", "RGB"),
        ("JPEG", "L"),
        ("JPEG", "CMYK"),
        ("PNG", "RGBA"),
        ("PNG", "P"),
        ("GIF", "P"),
        ("WEBP", "RGB"),
    ],
)
def test_a_whole_image(kind: str, mode: str) -> None:
    found = try_to_decode(encoded(kind, mode))
    assert (found.format, found.mode, found.flaw) == (kind, mode, None)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_a_cut_off_image_is_a_flaw_exactly_where_a_full_decoding_fails(
    kind: str, share: float
) -> None:
    content = encoded(kind)
    content = content[: int(len(content) * share)]
    with pytest.raises((OSError, SyntaxError)):
        Image.open(io.BytesIO(content)).convert("RGB")
    flaw = try_to_decode(content).flaw
    assert flaw
    assert "\n" not in flaw
    assert "0x" not in flaw  # no address in memory, which differs from run to run


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_more_pixels_than_a_photograph_has(monkeypatch: pytest.MonkeyPatch) -> None:
    content = encoded("PNG", size=40)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1600)
    assert try_to_decode(content).flaw is None
    # Up to twice the limit Pillow only warns.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1599)
    assert try_to_decode(content).flaw == "40 x 40 pixels are too many"


@pytest.mark.parametrize("content", [b"", b"no image", b"\xff\xd8\xff", b"GIF89a"])
def test_what_is_no_image(content: bytes) -> None:
    assert try_to_decode(content).flaw == "no image format that is known"


def test_a_bomb_is_not_unpacked() -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    head = struct.pack(">II", 60_000, 60_000) + bytes([8, 2, 0, 0, 0])
    pixels = zlib.compress(bytes(1000))
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels)
    started = time.monotonic()
    flaw = try_to_decode(bomb).flaw
    assert flaw is not None
    assert "bomb" in flaw
    assert time.monotonic() - started < 5


def test_all_in_order_with_little_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "_CHUNK_IMAGES", 4)
    good, bad = encoded("PNG", size=8), b"bad"
    n_taken = 0

    def contents() -> Iterator[bytes]:
        nonlocal n_taken
        for k in range(200):
            n_taken += 1
            yield bad if k % 7 == 0 else good

    ahead = []
    for k, (content, found) in enumerate(decode_all(contents())):
        assert content == (bad if k % 7 == 0 else good)
        assert (found.flaw is not None) == (k % 7 == 0)
        ahead.append(n_taken - k)
    assert n_taken == k + 1 == 200
    assert max(ahead) <= 4 * (2 * decoding.available_threads() + 2)


def test_stopping_early_leaves_no_threads() -> None:
    before = threading.active_count()
    images = decode_all(encoded("PNG", size=8) for _ in range(10_000))
    next(images)
    images.close()  # type: ignore[attr-defined]  # it is a generator
    assert threading.active_count() == before


def test_real_photographs(shared_data: Path) -> None:
    for path in sorted((shared_data / "clothing" / "images").iterdir())[:40]:
        content = path.read_bytes()
        assert try_to_decode(content).flaw is None
        assert try_to_decode(content[: len(content) * 2 // 3]).flaw is not None
