"""Generated images side by side, as one picture."""

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.files import atomic_write_bytes

__all__ = ["tiled", "write_page"]


def tiled(images: npt.NDArray[np.uint8], columns: int) -> npt.NDArray[np.uint8]:
    """Lay images out in rows, with no gaps; what the last row lacks is white.

    Parameters
    ----------
    images
        uint8 (n, H, W, 3), n at least 1.
    columns
        Images per row.

    Returns
    -------
    uint8 (rows * H, columns * W, 3).
    """
    n, height, width, _ = images.shape
    rows = -(-n // columns)
    page = np.full((rows * columns, height, width, 3), 255, dtype=np.uint8)
    page[:n] = images
    page = page.reshape(rows, columns, height, width, 3).swapaxes(1, 2)
    return page.reshape(rows * height, columns * width, 3)


def write_page(images: npt.NDArray[np.uint8], columns: int, path: Path) -> None:
    """Write images, laid out as `tiled` does, as a PNG file, whole or not at all.

    Raises
    ------
    StorageError
        It cannot be written.
    """
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(tiled(images, columns)).save(buffer, format="PNG", optimize=True)
    atomic_write_bytes(path, buffer.getvalue())
