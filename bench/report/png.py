"""Pictures as files."""

import io
from pathlib import Path

from PIL import Image

from bench.files import atomic_write_bytes

__all__ = ["write_png"]


def write_png(image: Image.Image, path: Path) -> None:
    """Write a PNG file, whole or not at all."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    atomic_write_bytes(path, buffer.getvalue())
