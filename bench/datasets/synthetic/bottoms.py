"""Drawing what is worn from the waist down, laid flat with the front up."""

import numpy as np

from bench.datasets.synthetic.canvas import (
    Canvas,
    Path,
    blend,
    curve,
    join,
    mirror,
    points,
    shifted,
)
from bench.datasets.synthetic.fabric import Cloth
from bench.datasets.synthetic.style import Garment

__all__ = ["draw_bottom"]

_TOP = 0.07
_STITCH = (214, 150, 70)  # the orange thread of jeans


def draw_bottom(canvas: Canvas, garment: Garment, rng: np.random.Generator) -> None:
    """Draw a garment whose kind is worn below the waist."""
    cloth = Cloth(garment, canvas.side, rng, weave="denim" if garment.kind == "jeans" else None)
    if garment.kind == "skirt":
        _draw_skirt(canvas, garment, cloth, rng)
    else:
        _draw_trousers(canvas, garment, cloth, rng)


def _leg(garment: Garment) -> tuple[Path, Path]:
    """Give the left leg's outline, and its hem (outer to inner end)."""
    kind, cut, womens = garment.kind, garment.cut, garment.womens
    tight = kind == "leggings"
    waist = (0.125 if womens else 0.15) - (0.01 if tight else 0.0)
    hip = (0.168 if womens else 0.172) + 0.018 * cut - (0.026 if tight else 0.0)
    crotch = 0.34 if womens else 0.37
    end = crotch + 0.03 + 0.55 * garment.length
    straight = kind == "shorts"
    hem = 0.03 + (0.008 if tight else 0.058) * cut
    if straight:
        hem = 0.068 + 0.026 * cut
    knee_share = 0.5
    spread = 0.045 + 0.03 * garment.length
    middle = 0.5 - 0.035 - spread - hem * 0.45 if not straight else 0.5 - 0.03 - hem
    outer, inner = middle - hem, middle + hem
    knee = crotch + (end - crotch) * knee_share
    half = 0.055 + 0.02 * cut - (0.012 if tight else 0.0)
    knee_outer, knee_inner = middle - 0.003 - half, middle + 0.006 + half
    if straight:
        outside = curve(
            (0.5 - waist, _TOP), (0.5 - hip, 0.22), ((outer + 0.5 - hip) / 2, crotch), (outer, end)
        )
        inside = points((inner + 0.015, end + 0.006), (0.5, crotch))
        edge = points((outer, end), (inner + 0.015, end + 0.006))
    else:
        outside = curve(
            (0.5 - waist, _TOP),
            (0.5 - hip, 0.22),
            (0.5 - hip + 0.006, crotch),
            (knee_outer, knee),
            (outer, end),
        )
        inside = curve(
            (inner, end + 0.006), (knee_inner, knee), (0.5 - 0.012, crotch + 0.03), (0.5, crotch)
        )
        edge = points((outer, end), (inner, end + 0.006))
    return join(outside, inside, points((0.5, _TOP + 0.012))), edge


def _draw_trousers(
    canvas: Canvas, garment: Garment, cloth: Cloth, rng: np.random.Generator
) -> None:
    kind = garment.kind
    leg, hem = _leg(garment)
    fabric = cloth.cut()
    for outline, edge in ((leg, hem), (mirror(leg), mirror(hem)[::-1])):
        canvas.part(outline, fabric)
        up = edge - (0, 0.024)
        if kind == "jeans":
            canvas.stitches(up, _STITCH)
        elif kind == "shorts":
            canvas.line(up - (0, 0.014), fabric.seam, 0.006)
        else:
            canvas.line(up, fabric.seam, 0.004)
    _draw_leg_folds(canvas, garment, hem, rng)
    crotch = float(leg[-2, 1])
    canvas.line(points((0.5, _TOP), (0.5, crotch)), fabric.seam, 0.006)
    waist = 0.5 - float(leg[0, 0])
    if kind == "leggings":
        band = _band(waist, 0.075)
        canvas.part(band, cloth.plain(0.15), depth=0.2)
        canvas.line(curve((0.44, 0.2), (0.5, 0.215), (0.56, 0.2)), fabric.seam, 0.004)
        return
    canvas.part(_band(waist, 0.045), cloth.cut(), depth=0.2)
    thread = _STITCH if kind == "jeans" else fabric.seam
    for x in (-0.75, -0.3, 0.3, 0.75):
        canvas.line(
            points((0.5 + x * waist, _TOP - 0.004), (0.5 + x * waist, _TOP + 0.05)),
            fabric.edge,
            0.012,
        )
    # Pockets: scooped on jeans, slanted otherwise; the fly closes to the left.
    for side in (-1, 1):
        edge_x = 0.5 + side * (waist + 0.022)
        if kind == "jeans":
            pocket = curve(
                (0.5 + side * waist * 0.5, 0.115),
                (0.5 + side * waist * 0.62, 0.165),
                (edge_x, 0.185),
            )
            canvas.line(pocket, fabric.edge, 0.006)
            canvas.stitches(shifted(pocket, 0, 0.012), thread)
        else:
            canvas.line(
                points((0.5 + side * waist * 0.7, 0.115), (edge_x + side * 0.004, 0.215)),
                fabric.edge,
                0.007,
            )
    fly = curve((0.535, 0.115), (0.535, 0.2), (0.525, 0.235), (0.502, 0.26))
    if kind == "jeans":
        canvas.stitches(fly, thread)
        canvas.dot(0.5, _TOP + 0.024, 0.013, (196, 150, 84), (110, 80, 44))
        for side in (-1, 1):
            canvas.stitches(
                points((0.5 + side * (waist - 0.012), 0.2), (0.5 + side * (waist + 0.004), 0.34)),
                thread,
            )
    else:
        canvas.line(fly, fabric.seam, 0.005)
        canvas.dot(0.5, _TOP + 0.024, 0.01, blend(garment.main, (240, 240, 240), 0.5), fabric.edge)
        if kind == "shorts" and garment.pattern_size > 0.5:
            for side in (-1, 1):
                cord = curve((0.5, 0.1), (0.5 + side * 0.02, 0.15), (0.5 + side * 0.028, 0.21))
                canvas.line(cord, garment.second, 0.01)


def _band(waist: float, height: float) -> Path:
    top = curve((0.5 - waist, _TOP - 0.006), (0.5, _TOP + 0.006), (0.5 + waist, _TOP - 0.006))
    low = curve(
        (0.5 + waist + 0.006, _TOP + height - 0.006),
        (0.5, _TOP + height + 0.006),
        (0.5 - waist - 0.006, _TOP + height - 0.006),
    )
    return join(top, low)


def _draw_leg_folds(canvas: Canvas, garment: Garment, hem: Path, rng: np.random.Generator) -> None:
    (ox, oy), (ix, _) = hem
    middle = (ox + ix) / 2
    for x, side in ((middle, 1), (1 - middle, -1)):
        hip = 0.5 - side * 0.1
        if garment.kind == "trousers":
            # The pressed crease: a shine with a shadow beside it.
            crease = points((hip, 0.2), (x, oy - 0.02))
            canvas.fold(crease, strength=-0.16, width=0.012)
            canvas.fold(shifted(crease, side * 0.014, 0), strength=0.2, width=0.012)
        elif garment.kind == "jeans":
            canvas.fold(points((hip, 0.22), (x, 0.6)), strength=-0.3, width=0.05)
        elif garment.kind == "leggings":
            canvas.fold(points((hip, 0.24), (x - 0.01, oy - 0.05)), strength=-0.18, width=0.03)
        reach = rng.uniform(0.05, 0.08)
        canvas.fold(points((0.5, 0.35), (0.5 - side * reach, 0.325)), strength=0.2, width=0.012)
        canvas.fold(points((0.5, 0.37), (0.5 - side * reach, 0.38)), strength=0.2, width=0.012)


def _draw_skirt(canvas: Canvas, garment: Garment, cloth: Cloth, rng: np.random.Generator) -> None:
    waist = 0.13
    end = 0.4 + 0.52 * garment.length
    flare = waist + 0.05 + (0.05 + 0.17 * garment.cut) * (0.55 + 0.45 * garment.length)
    top = 0.1
    left = curve((0.5 - waist, top), (0.5 - waist - 0.045, top + 0.13), (0.5 - flare, end - 0.012))
    hem = curve((0.5 - flare, end - 0.012), (0.5 - flare * 0.5, end + 0.012), (0.5, end + 0.018))
    half = join(left, hem)
    fabric = cloth.cut()
    canvas.part(join(half, mirror(half)), fabric)
    canvas.line(join(hem, mirror(hem)) - (0, 0.022), fabric.seam, 0.004)
    # A wide skirt falls in pleats, a slim one hangs smooth with a slit seam.
    n_pleats = 2 + round(5 * garment.cut)
    for place in np.linspace(-0.8, 0.8, n_pleats):
        shift = rng.uniform(-0.02, 0.02)
        head = (0.5 + place * waist, top + 0.06)
        foot = (0.5 + place * flare + shift, end)
        middle = (0.5 + place * (waist + flare) * 0.52, (top + end) / 2)
        canvas.fold(curve(head, middle, foot), strength=0.12 + 0.16 * garment.cut, width=0.018)
        canvas.fold(shifted(curve(head, middle, foot), 0.03, 0), strength=-0.12, width=0.018)
    band = points(
        (0.5 - waist, top - 0.02), (0.5 + waist, top - 0.02), (0.5 + waist + 0.008, top + 0.035)
    )
    canvas.part(
        join(band, points((0.5 - waist - 0.008, top + 0.035))), cloth.plain(0.18), depth=0.2
    )
