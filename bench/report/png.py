"""Pictures as files."""

import io
from pathlib import Path

from PIL import Image

from bench.errors import BenchError
from bench.files import atomic_write_bytes, check_writable

__all__ = ["check_png", "write_png"]


def check_png(path: Path | None) -> None:
    """See, before long work, that a picture can be written there; None is no picture.

    Raises
    ------
    BenchError
        Another suffix than .png, or a folder that cannot be written.
    """
    if path is None:
        return
    if path.suffix.lower() != ".png":
        raise BenchError(f"--output {path}: the picture is written as .png")
    check_writable("write the picture", path.parent)


def write_png(image: Image.Image, path: Path) -> None:
    """Write a PNG file, whole or not at all."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    atomic_write_bytes(path, buffer.getvalue())
