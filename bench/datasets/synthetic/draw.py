"""Drawing one garment of a given style as a catalogue photograph on white."""

import io

import numpy as np
from PIL import Image

from bench.datasets.synthetic.bottoms import draw_bottom
from bench.datasets.synthetic.canvas import Canvas
from bench.datasets.synthetic.shoes import draw_shoe
from bench.datasets.synthetic.style import KINDS, Garment
from bench.datasets.synthetic.tops import draw_top

__all__ = ["draw_garment", "encode_jpeg"]

_JPEG_QUALITY = 90
_PARTS = {kind.name: kind.part for kind in KINDS}
_DRAWERS = {"top": draw_top, "bottom": draw_bottom, "shoe": draw_shoe}


def draw_garment(garment: Garment, pixels: int, rng: np.random.Generator) -> Image.Image:
    """Draw a garment.

    Parameters
    ----------
    garment
        Its style.
    pixels
        Side of the image.
    rng
        Decides what is not style: how it lies, how it is folded, where flowers are printed.

    Returns
    -------
    Image
        RGB, white where there is no garment.
    """
    part = _PARTS[garment.kind]
    canvas = Canvas(
        pixels,
        3 if pixels <= 256 else 2,
        tilt=float(rng.normal(0, 0.022)),
        scale=float(rng.uniform(0.93, 1.0)),
        shift=(
            float(rng.normal(0, 0.008)),
            float(rng.normal(-0.06 if part == "shoe" else 0, 0.008)),
        ),
        flip=part == "shoe" and bool(rng.random() < 0.15),
    )
    _DRAWERS[part](canvas, garment, rng)
    return canvas.finish()


def encode_jpeg(image: Image.Image) -> bytes:
    """Encode as JPEG with full colour resolution: at these sizes halved colour would show."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return buffer.getvalue()
