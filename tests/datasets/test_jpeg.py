"""JPEGs judged by their markers; what a full decoding by Pillow makes of them is the truth."""

import io
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench.datasets.decoding import try_to_decode
from bench.datasets.jpeg import mode_of_sound_jpeg

SOI, SOF0, SOF1, DHT, EOI, SOS, DQT, DRI = 0xD8, 0xC0, 0xC1, 0xC4, 0xD9, 0xDA, 0xDB, 0xDD


def encoded(mode: str = "RGB", size: tuple[int, int] = (41, 30), **options: Any) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).convert(mode).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def decoded_mode(content: bytes) -> str | None:
    """Decode it in full; None where that fails."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            mode, kind = image.mode, image.format
            image.convert("RGB")
    except Exception:
        return None
    assert kind == "JPEG"
    return mode


def segments(content: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """Take apart: kinds and contents of the segments up to the scan's header, and the rest."""
    found, at = [], 2
    while not found or found[-1][0] != SOS:
        length = int.from_bytes(content[at + 2 : at + 4], "big")
        found.append((content[at + 1], content[at + 4 : at + 2 + length]))
        at += 2 + length
    return found, content[at:]


def joined(parts: list[tuple[int, bytes]], data: bytes) -> bytes:
    return b"\xff\xd8" + b"".join(map(segment, parts)) + data


def segment(part: tuple[int, bytes]) -> bytes:
    return bytes([0xFF, part[0]]) + (len(part[1]) + 2).to_bytes(2, "big") + part[1]


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"subsampling": 0},
        {"subsampling": 1},
        {"optimize": True},
        {"quality": 100},
        {"restart_marker_blocks": 2},
        {"comment": b"a shoe"},
        {"dpi": (72, 72)},
    ],
)
def test_what_encoders_write_is_known(mode: str, options: dict[str, Any]) -> None:
    content = encoded(mode, **options)
    assert mode_of_sound_jpeg(content) == decoded_mode(content) == mode
    assert mode_of_sound_jpeg(content + b"what comes behind the end") == mode


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("RGB", {"progressive": True}),
        ("CMYK", {}),
        ("RGB", {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"}),
        ("RGB", {"icc_profile": b"profile"}),
    ],
)
def test_the_rest_is_left_to_the_decoder(mode: str, options: dict[str, Any]) -> None:
    content = encoded(mode, **options)
    assert mode_of_sound_jpeg(content) is None
    found = try_to_decode(content)
    assert (found.format, found.mode, found.flaw) == ("JPEG", mode, None)


def changed(kind: int, change: Callable[[bytes], bytes]) -> bytes:
    """A photograph whose first segment of a kind is another one."""
    parts, data = segments(encoded())
    place = [part[0] for part in parts].index(kind)
    parts[place] = (kind, change(parts[place][1]))
    return joined(parts, data)


def at(place: int, value: bytes) -> Callable[[bytes], bytes]:
    return lambda content: content[:place] + value + content[place + len(value) :]


def test_taking_apart_and_joining() -> None:
    assert joined(*segments(encoded())) == encoded()
    assert mode_of_sound_jpeg(changed(SOF0, lambda content: content)) == "RGB"


FATAL = {
    "12 bits": (SOF0, at(0, b"\x0c")),
    "no height": (SOF0, at(1, b"\0\0")),
    "no width": (SOF0, at(3, b"\0\0")),
    "too high": (SOF0, at(1, b"\xff\xff")),
    "too wide": (SOF0, at(3, b"\xff\xff")),
    "two components": (SOF0, at(5, b"\x02")),
    "a component more than announced": (SOF0, lambda content: content + b"\4\x11\0"),
    "three samples to two": (SOF0, at(7, b"\x33")),
    "no sampling": (SOF0, at(7, b"\0")),
    "a quantisation table that is not there": (SOF0, at(8, b"\3")),
    "a table number too high": (DQT, at(0, b"\4")),
    "half a quantisation table": (DQT, lambda content: content + content[:30]),
    "too many codes of one bit": (DHT, at(1, b"\3")),
    "a code of ones only": (DHT, at(1, b"\2")),
    "fewer symbols than codes": (DHT, lambda content: content[:-1]),
    "a category of 16 bits": (DHT, at(17, b"\x10")),
    "a Huffman table's number too high": (DHT, at(0, b"\4")),
    "a table of a class that does not exist": (DHT, at(0, b"\x20")),
    "a restart interval of one byte": (DRI, lambda content: content[:1]),
    "a scan of no component": (SOS, at(0, b"\0")),
    "a scan of an unknown component": (SOS, at(1, b"\x07")),
    "a component twice": (SOS, at(3, b"\1")),
    "a Huffman table that is not there": (SOS, at(2, b"\x20")),
    "another Huffman table that is not there": (SOS, at(2, b"\x03")),
}


@pytest.mark.parametrize("flaw", FATAL)
def test_a_header_that_no_decoder_takes(flaw: str) -> None:
    kind, change = FATAL[flaw]
    parts, data = segments(encoded(restart_marker_blocks=2))
    place = [part[0] for part in parts].index(kind)
    content = joined([*parts[:place], (kind, change(parts[place][1])), *parts[place + 1 :]], data)
    assert mode_of_sound_jpeg(content) is None
    assert decoded_mode(content) is None
    assert try_to_decode(content).flaw is not None


@pytest.mark.parametrize("kind", [SOF0, DQT, SOS])
def test_a_segment_that_is_missing_or_there_twice(kind: int) -> None:
    parts, data = segments(encoded("L"))
    place = [part[0] for part in parts].index(kind)
    assert mode_of_sound_jpeg(joined(parts[:place] + parts[place + 1 :], data)) is None
    twice = joined([*parts[:place], parts[place], *parts[place:]], data)
    assert mode_of_sound_jpeg(twice) == ("L" if kind == DQT else None)


def test_data_without_an_end() -> None:
    content = encoded()
    assert content.endswith(b"\xff\xd9")
    for length in (*range(0, 700, 7), len(content) // 2, len(content) - 2, len(content) - 1):
        assert mode_of_sound_jpeg(content[:length]) is None
    # A decoder takes data that end too early, once it is told that they end.
    parts, data = segments(content)
    early = joined(parts, data[: len(data) // 2] + b"\xff\xff\xd9")
    assert mode_of_sound_jpeg(early) == decoded_mode(early) == "RGB"


@pytest.mark.parametrize("marker", [0x01, 0x02, SOF0, SOF1, DHT, SOI, SOS, DQT, 0xE1, 0xF0, 0xFE])
def test_a_marker_among_the_data(marker: int) -> None:
    parts, data = segments(encoded())
    middle = len(data) // 2
    assert mode_of_sound_jpeg(joined(parts, data[:middle] + bytes([0xFF, marker]) + data)) is None


def test_restart_markers_wherever_they_come() -> None:
    for options in ({}, {"restart_marker_blocks": 3}):
        parts, data = segments(encoded(**options))
        for number in range(0xD0, 0xD8):
            middle = len(data) * (number - 0xCF) // 9
            content = joined(parts, data[:middle] + bytes([0xFF, number]) + data[middle:])
            assert mode_of_sound_jpeg(content) == decoded_mode(content) == "RGB"


def test_the_bounds_on_the_size(monkeypatch: pytest.MonkeyPatch) -> None:
    def of(width: int, height: int) -> bytes:
        size = height.to_bytes(2, "big") + width.to_bytes(2, "big")
        return changed(SOF0, at(1, size))

    assert mode_of_sound_jpeg(of(4096, 4096)) == "RGB"
    assert mode_of_sound_jpeg(of(4097, 4096)) is None
    assert mode_of_sound_jpeg(of(1024, 16384)) == "RGB"
    assert mode_of_sound_jpeg(of(16385, 4)) is None
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 99)
    assert mode_of_sound_jpeg(of(9, 11)) == "RGB"
    assert mode_of_sound_jpeg(of(10, 10)) is None
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert mode_of_sound_jpeg(of(10, 10)) == "RGB"


@pytest.mark.parametrize("content", [b"", b"\xff", b"\xff\xd8", b"\xff\xd8\xff", b"GIF89a" * 9])
def test_what_is_no_jpeg(content: bytes) -> None:
    assert mode_of_sound_jpeg(content) is None


def damaged(originals: list[bytes], count: int, seed: int, *, header: bool) -> Iterator[bytes]:
    """Damage files: bytes and bits changed, cut out, put in, cut off, spliced, markers moved."""
    rng = random.Random(seed)
    markers = bytes([0, 1, SOF0, SOF1, 0xC2, DHT, 0xD0, 0xD5, SOI, EOI, SOS, DQT, DRI, 0xE0, 0xFE])
    for _ in range(count):
        content = bytearray(rng.choice(originals))
        data_at = len(content) - len(segments(bytes(content))[1])
        for _ in range(rng.choice((1, 1, 2, 4))):
            into_header = header and rng.random() < 0.7
            low, high = (0, data_at) if into_header else (data_at, len(content))
            place = rng.randrange(low, max(low + 1, min(high, len(content))))
            kind = rng.randrange(8)
            if kind == 0:
                content[place : place + 1] = rng.randbytes(1)
            elif kind == 1:
                content[place : place + 1] = bytes(
                    [value ^ 1 << rng.randrange(8) for value in content[place : place + 1]]
                )
            elif kind == 2:
                del content[place : place + rng.randrange(1, 20)]
            elif kind == 3:
                content[place:place] = rng.randbytes(rng.randrange(1, 9))
            elif kind == 4 and rng.random() < 0.3:
                del content[place:]
            elif kind == 5:
                content[place : place + rng.choice((0, 2))] = bytes([0xFF, rng.choice(markers)])
            elif kind == 6:
                other = rng.choice(originals)
                content[place:] = other[rng.randrange(len(other)) :]
            else:
                start = rng.randrange(len(content) + 1)
                content[place : place + 30] = content[start : start + 30]
        yield bytes(content)


ORIGINALS = [
    encoded(mode, size, **options)
    for mode in ("L", "RGB")
    for size in ((16, 16), (41, 30))
    for options in (
        {},
        {"subsampling": 0, "quality": 95},
        {"optimize": True},
        {"restart_marker_blocks": 2},
    )
]


def test_no_damaged_file_is_taken_that_does_not_decode() -> None:
    outcomes = dict.fromkeys(((known, decodes) for known in (0, 1) for decodes in (0, 1)), 0)
    for content in damaged(ORIGINALS, 4000, 1, header=True):
        known, mode = mode_of_sound_jpeg(content), decoded_mode(content)
        assert known in (None, mode)
        outcomes[known is not None, mode is not None] += 1
    assert outcomes[True, False] == 0
    # Of the others there are enough for that to mean something.
    assert min(outcomes[True, True], outcomes[False, True], outcomes[False, False]) > 200


def test_data_damaged_in_the_middle_are_judged_as_by_a_full_decoding() -> None:
    decoding = 0
    for content in damaged(ORIGINALS, 2000, 2, header=False):
        mode = decoded_mode(content)
        assert (try_to_decode(content).flaw is None) == (mode is not None)
        decoding += mode is not None
    assert 200 < decoding < 1800


def test_real_photographs_are_not_unpacked(shared_data: Path) -> None:
    for path in sorted((shared_data / "clothing" / "images").iterdir())[:200]:
        assert mode_of_sound_jpeg(path.read_bytes()) == "RGB"
