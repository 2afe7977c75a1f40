"""JPEGs that decode for certain, told from their markers, without unpacking their data.

Unpacking a photograph's Huffman codes takes more than ten times as long as looking for its markers,
and finds nothing more. While it unpacks a baseline scan a decoder of libjpeg's family stops in two
cases only: its tables do not fit together, or the file ends before a marker ends the data. A code
that does not exist, data that end too early or too late, restart markers that are missing or that
nobody asked for: of all these it warns, fills up with zeros and goes on to the end of the image
(jdhuff.c and jdmarker.c of libjpeg-turbo: `jpeg_huff_decode`, `jpeg_fill_bit_buffer`,
`jpeg_resync_to_restart`, `read_markers`), and Pillow takes no notice of warnings.

So a file whose header this module knows through and through, and whose data are followed by the
marker of the end, decodes. Whatever else stands in a file, sound or not, is left to the decoder:
progressive and arithmetic coding, Exif, colour profiles, several scans, four colours. The tests
compare both on thousands of damaged files.
"""

import re
from functools import lru_cache

from PIL import Image

__all__ = ["mode_of_sound_jpeg"]

_SOI = b"\xff\xd8"
_SOF0, _DHT, _EOI, _SOS, _DQT, _DRI, _APP0, _APP14, _COM = (
    0xC0, 0xC4, 0xD9, 0xDA, 0xDB, 0xDD, 0xE0, 0xEE, 0xFE,
)  # fmt: skip

# In data a byte 0xFF is followed by 0, or by a restart marker's number, or by another one that the
# same holds for.
_END_OF_DATA = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")

# libjpeg refuses sides above 65,500.
_LONGEST_SIDE = 1 << 14
# To be safe from sums of DC differences that leave 32 bits, which a decoder might refuse: 2**24
# pixels are 2**18 blocks, of differences below 2**11.
_MOST_PIXELS = 1 << 24
_LARGEST_DC_CATEGORY = 11

_MODES = {1: "L", 3: "RGB"}
# Across and down, four bits each: what cameras and encoders write for luminance and for chroma.
_LUMINANCE_SAMPLING = frozenset({0x11, 0x21, 0x12, 0x22, 0x41})
_CHROMA_SAMPLING = 0x11


def mode_of_sound_jpeg(content: bytes) -> str | None:
    """Say as what a JPEG is decoded, if it is one that surely can be.

    Parameters
    ----------
    content
        The encoded image.

    Returns
    -------
    Pillow's name of its mode, "RGB" or "L"; None where only decoding it would tell.

    Notes
    -----
    Layout and limits of the segments: ITU-T T.81, annex B; JFIF 1.02.
    """
    found = _headers(content)
    if found is None:
        return None
    frame, scan, tables, end = found
    if not (_frame_is_sound(frame, tables) and _scan_fits(scan, frame, tables)):
        return None
    marker = _END_OF_DATA.search(content, end)
    if marker is None or content[marker.end() - 1] != _EOI:
        return None
    return _MODES[frame[5]]


def _headers(content: bytes) -> tuple[bytes, bytes, set[int], int] | None:
    """Give the header of the frame and of its scan, the tables, and where the data begin."""
    if content[:2] != _SOI:
        return None
    frame = b""
    tables: set[int] = set()
    at = 2
    try:
        while content[at] == 0xFF:
            kind = content[at + 1]
            end = at + 2 + (content[at + 2] << 8 | content[at + 3])
            segment = content[at + 4 : end]
            if kind in (_DHT, _DQT):
                found = _huffman_tables(segment) if kind == _DHT else _quantisation_tables(segment)
                if not found:
                    return None
                tables |= found
            elif kind == _SOF0 and not frame:
                frame = segment
            elif kind == _SOS:
                return frame, segment, tables, end
            # Of these two, Pillow and libjpeg look into the first twelve bytes.
            elif kind in (_APP0, _APP14):
                if len(segment) < 12:
                    return None
            elif not (kind == _COM or (kind == _DRI and len(segment) == 2)):
                return None
            at = end
    except IndexError:  # the file ends here
        pass
    return None


# A Huffman table of DC differences is named by its number from 0 to 3, another one by that plus:
_AC, _QUANTISATION = 0x10, 0x100


# What encoders write by default comes again and again; own tables are as quickly looked through.
@lru_cache(maxsize=256)
def _huffman_tables(segment: bytes) -> frozenset[int]:
    """Give the tables that are defined, none if any of them is in doubt."""
    found = set()
    at = 0
    while at < len(segment):
        name, counts = segment[at], segment[at + 1 : at + 17]
        symbols = segment[at + 17 : at + 17 + sum(counts)]
        # Short of bytes, or of room for the codes: that of ones only must not be used.
        if len(counts) < 16 or len(symbols) < sum(counts) or len(symbols) > 256:
            return frozenset()
        if sum(count << 15 - k for k, count in enumerate(counts)) >= 1 << 16:
            return frozenset()
        if name & ~(_AC | 3) or (name < _AC and max(symbols, default=0) > _LARGEST_DC_CATEGORY):
            return frozenset()
        found.add(name)
        at += 17 + len(symbols)
    return frozenset(found)


def _quantisation_tables(segment: bytes) -> frozenset[int]:
    """Give the tables of 8 bits that are defined, none if any of them is in doubt."""
    names = segment[::65]
    if len(segment) != 65 * len(names) or max(names, default=0) > 3:
        return frozenset()
    return frozenset(_QUANTISATION + name for name in names)


def _frame_is_sound(frame: bytes, tables: set[int]) -> bool:
    """Say whether the header of a frame is one that every decoder takes."""
    if len(frame) < 6 or frame[0] != 8 or frame[5] not in _MODES or len(frame) != 6 + 3 * frame[5]:
        return False
    height, width = frame[1] << 8 | frame[2], frame[3] << 8 | frame[4]
    ids, samplings, quantisations = frame[6::3], frame[7::3], frame[8::3]
    return (
        0 < height <= _LONGEST_SIDE
        and 0 < width <= _LONGEST_SIDE
        and height * width <= min(_MOST_PIXELS, Image.MAX_IMAGE_PIXELS or _MOST_PIXELS)
        and len(set(ids)) == len(ids)
        and samplings[0] in _LUMINANCE_SAMPLING
        and all(sampling == _CHROMA_SAMPLING for sampling in samplings[1:])
        and all(_QUANTISATION + number in tables for number in quantisations)
    )


def _scan_fits(scan: bytes, frame: bytes, tables: set[int]) -> bool:
    """Say whether a scan holds all of a sound frame, and all its tables are there."""
    n = frame[5]
    return (
        len(scan) == 4 + 2 * n
        and scan[0] == n
        and scan[1:-3:2] == frame[6::3]
        and all(one >> 4 in tables and (one & 15) + _AC in tables for one in scan[2:-3:2])
        and scan[-3:] == b"\x00\x3f\x00"  # all coefficients, in one go
    )
