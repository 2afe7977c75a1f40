"""Finding out before a run which images cannot be decoded."""

import io
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from PIL import Image

from bench.datasets.batches import batches_of
from bench.datasets.jpeg import mode_of_sound_jpeg
from bench.device import available_threads
from bench.errors import one_line

__all__ = ["Decoded", "decode_all", "flaw_of", "try_to_decode"]

# What one thread is given at a time; a few such chunks are all that lies in memory.
_CHUNK_IMAGES = 64
_CHUNK_BYTES = 4 << 20


@dataclass(frozen=True)
class Decoded:
    """What an attempt to decode an image showed.

    Attributes
    ----------
    format, mode
        As Pillow names them: "JPEG", "RGB"; "L" is grey. Empty where not even these can be told.
    flaw
        Why it cannot be decoded; None if it can.
    """

    format: str = ""
    mode: str = ""
    flaw: str | None = None


def try_to_decode(content: bytes) -> Decoded:
    """Find out whether an encoded image decodes, from its first byte to its last.

    A JPEG whose markers show that it does (see `bench.datasets.jpeg`) is not unpacked. Another one
    is decoded at an eighth of its size and without colours: all of its data are still unpacked, so
    that nothing broken passes, in half the time.
    """
    sound = mode_of_sound_jpeg(content)
    if sound is not None:
        return Decoded("JPEG", sound)
    kind = mode = ""
    try:
        with Image.open(io.BytesIO(content)) as image:
            kind, mode = image.format or "", image.mode
            # Pillow itself refuses twice as many; a small file could take gigabytes of memory.
            if Image.MAX_IMAGE_PIXELS and image.width * image.height > Image.MAX_IMAGE_PIXELS:
                raise ValueError(f"{image.width} x {image.height} pixels are too many")
            if kind == "JPEG":
                image.draft("L", (1, 1))
                image.load()
            else:
                image.convert("RGB")
    # Pillow's decoders raise what they please: OSError, SyntaxError, ValueError, struct.error,
    # DecompressionBombError; whichever it is, the image cannot be decoded.
    except Exception as error:
        return Decoded(kind, mode, flaw_of(error))
    return Decoded(kind, mode)


def flaw_of(error: Exception) -> str:
    """Say on one line what Pillow found wrong with an image."""
    text = one_line(error) or type(error).__name__
    # It goes on to name the buffer's address.
    return "no image format that is known" if "cannot identify" in text else text


def decode_all(contents: Iterable[bytes]) -> Iterator[tuple[bytes, Decoded]]:
    """Try to decode images, on all threads, and give each back, in order, with what was found.

    Memory holds a few chunks of images, however slowly the results are taken.
    """
    n_threads = available_threads()
    waiting: deque[tuple[list[bytes], Future[list[Decoded]]]] = deque()
    with ThreadPoolExecutor(n_threads) as pool:
        try:
            chunks = batches_of(contents, most_items=_CHUNK_IMAGES, enough_bytes=_CHUNK_BYTES)
            for chunk in chunks:
                waiting.append((chunk, pool.submit(_decode_chunk, chunk)))
                if len(waiting) > 2 * n_threads:
                    done, found = waiting.popleft()
                    yield from zip(done, found.result(), strict=True)
            while waiting:
                done, found = waiting.popleft()
                yield from zip(done, found.result(), strict=True)
        finally:  # whoever takes the images may have stopped
            for _, found in waiting:
                found.cancel()


def _decode_chunk(chunk: list[bytes]) -> list[Decoded]:
    return [try_to_decode(content) for content in chunk]
