"""A photograph of one's own, read as the catalogue's images are."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.errors import BenchError, user_io_errors

__all__ = ["read_photograph"]


def read_photograph(path: Path) -> npt.NDArray[np.uint8]:
    """Decode an image file, upright and on white.

    A camera's note of how it was held is followed, and what is transparent shows white, the
    background of product images.

    Parameters
    ----------
    path
        JPEG, PNG or any other format that Pillow reads.

    Returns
    -------
    uint8 (H, W, 3).

    Raises
    ------
    BenchError
        There is no such file, or it cannot be decoded.
    """
    import io

    from PIL import Image, ImageOps

    from bench.datasets.decoding import flaw_of

    with user_io_errors("read the photograph", path):
        content = path.read_bytes()
    try:
        with Image.open(io.BytesIO(content)) as image:
            limit = Image.MAX_IMAGE_PIXELS
            # Pillow itself refuses twice as many; a small file could take gigabytes of memory.
            if limit and image.width * image.height > limit:
                raise ValueError(f"{image.width} x {image.height} pixels are too many")
            upright = ImageOps.exif_transpose(image)
            if upright.has_transparency_data:
                upright = upright.convert("RGBA")
                white = Image.new("RGBA", upright.size, "white")
                upright = Image.alpha_composite(white, upright)
            return np.array(upright.convert("RGB"))
    except MemoryError:
        raise
    # Pillow's decoders raise what they please: OSError, SyntaxError, ValueError, struct.error;
    # whichever it is, the image cannot be decoded.
    except Exception as error:
        raise BenchError(f"{path}: the photograph cannot be decoded ({flaw_of(error)})") from error
