"""Cloth with a pattern: stripes, checks, dots, flowers and so on, as an image of the canvas."""

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageDraw

from bench.datasets.synthetic.canvas import Fabric, Rgb, blend
from bench.datasets.synthetic.style import Garment

__all__ = ["Cloth", "plain"]


def _wrap(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Give what is behind the decimal point; much faster than `% 1`."""
    wrapped: npt.NDArray[np.float32] = values - np.floor(values)
    return wrapped


@lru_cache(maxsize=16)
def _weave(side: int, weave: str) -> Image.Image:
    """Give the fine structure of a cloth as brightness, 255 where it is brightest."""
    axis = np.arange(side, dtype=np.float32) / side - 0.5
    x, y = axis[None, :], axis[:, None]
    if weave == "denim":
        ripple = 0.94 + 0.06 * np.sin(2 * np.pi * (x + y) * 42)
        ripple *= 1 - 0.12 * np.clip(1 - np.exp(-((y + 0.05) ** 2) / 0.06), 0, 1)
    elif weave == "knit":
        ripple = 0.93 + 0.07 * np.sin(2 * np.pi * (y + 0.012 * np.abs(np.sin(x * 120))) * 34)
    else:
        raise AssertionError(weave)
    gray = Image.fromarray(np.clip(ripple * 255, 0, 255).astype(np.uint8))
    return Image.merge("RGB", (gray,) * 3)


def plain(color: Rgb, side: int) -> Fabric:
    """Make cloth of one colour."""
    return Fabric(Image.new("RGB", (side, side), color), color)


class Cloth:
    """The cloth of one garment, cut at any angle.

    Parameters
    ----------
    garment
        Its style: colours, pattern, pattern size.
    side
        Pixels along the canvas.
    rng
        Where flowers and patches lie.
    weave
        "denim" or "knit" for a visible structure.
    scale
        Factor on the size of the pattern: below one for small things such as shoes.
    """

    def __init__(
        self,
        garment: Garment,
        side: int,
        rng: np.random.Generator,
        *,
        weave: str | None = None,
        scale: float = 1.0,
    ) -> None:
        self._garment = garment
        self._side = side
        self._weave = weave
        self._unit = (0.075 + 0.065 * garment.pattern_size) * scale
        self._phase = rng.random(4).astype(np.float32)
        self._dyes: dict[Rgb, Fabric] = {}
        if garment.pattern == "plain":
            self._straight = self._dyed(garment.main)
        else:
            if garment.pattern == "floral":
                image = self._flowers(rng)
            elif garment.pattern == "camouflage":
                image = self._patches(rng)
            else:
                image = self._ruled()
            self._straight = self._woven(Fabric(image, garment.main))

    def plain(self, shade: float = 0.0) -> Fabric:
        """Give the ground colour alone; `shade` darkens it, for insides and ribs."""
        return self._dyed(blend(self._garment.main, (15, 15, 22), shade))

    def second(self) -> Fabric:
        """Give the second colour alone, for trims."""
        return self._dyed(self._garment.second)

    def cut(self) -> Fabric:
        """Give the patterned cloth, straight."""
        return self._straight

    def cut_pair(self, angle: float, middle: tuple[float, float]) -> tuple[Fabric, Fabric]:
        """Give the cloth of two sleeves: turned by `angle` (radians) at `middle`, and mirrored."""
        straight = self._straight
        if self._garment.pattern == "plain" and self._weave is None:
            return straight, straight
        side = self._side
        # Where a point of the sleeve is taken from: its middle from the middle of the cloth.
        sine, cosine = float(np.sin(angle)), float(np.cos(angle))
        x, y = middle[0] * side, middle[1] * side
        back = (
            *(cosine, sine, side / 2 - cosine * x - sine * y),
            *(-sine, cosine, side / 2 + sine * x - cosine * y),
        )
        turned = straight.image.transform((side, side), Image.Transform.AFFINE, back)
        mirrored = turned.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return Fabric(turned, straight.color), Fabric(mirrored, straight.color)

    def _dyed(self, color: Rgb) -> Fabric:
        if color not in self._dyes:
            self._dyes[color] = self._woven(plain(color, self._side))
        return self._dyes[color]

    def _woven(self, fabric: Fabric) -> Fabric:
        if self._weave is None:
            return fabric
        woven = ImageChops.multiply(fabric.image, _weave(self._side, self._weave))
        return Fabric(woven, fabric.color)

    def _ruled(self) -> Image.Image:
        """Draw a pattern of rules; mostly along the two axes apart, which is fast."""
        axis = (np.arange(self._side, dtype=np.float32) / self._side - 0.5) / np.float32(self._unit)
        across, down = (axis + self._phase[0])[None, :], (axis + self._phase[1])[:, None]
        pattern = self._garment.pattern
        if pattern == "stripes":
            share = np.broadcast_to(_wrap(down) < 0.45, (self._side, self._side))
        elif pattern == "vertical stripes":
            share = np.broadcast_to(_wrap(1.25 * across) < 0.3, (self._side, self._side))
        elif pattern == "checks":
            x, y = _wrap(across), _wrap(down)
            crossed = 0.5 * ((x < 0.5).astype(np.float32) + (y < 0.5))
            return self._mixed(np.maximum(crossed, (x > 0.94) | (y > 0.94)))
        elif pattern == "dots":
            odd = np.floor(1.25 * down[:, 0]).astype(np.int64) % 2
            dx = np.concatenate([_wrap(1.25 * across), _wrap(1.25 * across + 0.5)]) - 0.5
            dy = _wrap(1.25 * down) - 0.5
            share = (dx * dx)[odd] < 0.085 - dy * dy
        else:
            wave = np.abs(_wrap(0.9 * across) - 0.5)
            share = _wrap(0.9 * down + 1.1 * wave) < 0.45
        return self._mixed(share)

    def _mixed(self, share: npt.NDArray[Any]) -> Image.Image:
        size = (self._side, self._side)
        mask = Image.fromarray((share * np.float32(255)).astype(np.uint8))
        first = Image.new("RGB", size, self._garment.main)
        return Image.composite(Image.new("RGB", size, self._garment.second), first, mask)

    def _flowers(self, rng: np.random.Generator) -> Image.Image:
        side, garment = self._side, self._garment
        image = Image.new("RGB", (side, side), garment.main)
        draw = ImageDraw.Draw(image)
        heart = blend(garment.second, (250, 205, 60), 0.75)
        leaf = blend(garment.main, (60, 120, 60), 0.6)
        step = 1.25 * self._unit * side
        petal, reach = 0.2 * step, 0.2 * step
        for row in range(-1, int(side / step) + 2):
            for column in range(-1, int(side / step) + 2):
                jitter = rng.uniform(-0.12, 0.12, 2)
                x = (column + 0.5 * (row % 2) + jitter[0]) * step
                y = (row + jitter[1]) * step
                turn = rng.uniform(0, 2 * np.pi)
                lx, ly = x + 1.9 * reach * np.cos(turn + 0.6), y + 1.9 * reach * np.sin(turn + 0.6)
                draw.line((x, y, lx, ly), fill=leaf, width=max(1, round(0.1 * step)))
                for angle in turn + np.arange(5) * (2 * np.pi / 5):
                    px, py = x + reach * np.cos(angle), y + reach * np.sin(angle)
                    draw.ellipse((px - petal, py - petal, px + petal, py + petal), garment.second)
                draw.ellipse(
                    (x - petal * 0.7, y - petal * 0.7, x + petal * 0.7, y + petal * 0.7), heart
                )
        return image

    def _patches(self, rng: np.random.Generator) -> Image.Image:
        # Smooth noise in two levels: main, the second colour, and a darker main.
        n_cells = round(1.5 / self._unit)
        size = (self._side, self._side)
        image = Image.new("RGB", size, self._garment.main)
        tones = (blend(self._garment.main, self._garment.second, 0.45), self._garment.second)
        dark = blend(self._garment.main, (20, 20, 20), 0.4)
        for tone, level in zip((dark, *tones), (150, 158, 166), strict=True):
            noise = rng.integers(0, 256, (n_cells, n_cells), dtype=np.uint8)
            field = Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)
            mask = field.point([255 if value > level else 0 for value in range(256)])
            image.paste(tone, (0, 0), mask)
        return image
