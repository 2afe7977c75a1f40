"""Drawing what is worn above the waist, laid flat with the front up."""

from dataclasses import dataclass

import numpy as np

from bench.datasets.synthetic.canvas import (
    Canvas,
    Fabric,
    Path,
    Rgb,
    blend,
    curve,
    join,
    mirror,
    points,
    shifted,
)
from bench.datasets.synthetic.fabric import Cloth
from bench.datasets.synthetic.style import Garment

__all__ = ["draw_top"]

_SLEEVELESS = ("tank top",)
_COLLARED = ("shirt", "polo")
_RIBBED = ("jumper", "hoodie")


@dataclass(frozen=True)
class _Body:
    """Half widths and heights of a torso; x counts from the middle."""

    neck: float
    neck_y: float
    shoulder: float
    shoulder_y: float
    arm: float
    arm_y: float
    waist: float
    hem: float
    hem_y: float
    front: float  # how deep the neckline goes below the neck


def _body(garment: Garment) -> _Body:
    kind, cut, womens = garment.kind, garment.cut, garment.womens
    half = (0.155 if womens else 0.185) + 0.055 * cut + (0.015 if kind == "hoodie" else 0.0)
    front = {"none": 0.05, "crew": 0.055, "v-neck": 0.15, "scoop": 0.12}[garment.neckline]
    nip = (0.035 if womens else 0.006) * (1.15 - cut)
    body = _Body(
        neck=0.085 if womens else 0.075,
        neck_y=0.14,
        shoulder=half - (0.012 if womens else 0.0),
        shoulder_y=0.185,
        arm=half,
        arm_y=0.36,
        waist=half - nip,
        hem=half + (0.012 if womens else 0.004),
        hem_y=0.8 if womens else 0.87,
        front=front,
    )
    changes: dict[str, float] = {}
    if kind == "tank top":
        slim = 0.055 if womens else 0.035
        changes = {
            "neck": 0.095 if womens else 0.085,
            "shoulder": 0.095 + slim * 0.75,
            "arm_y": 0.37,
        }
        changes["front"] = front + 0.05
    elif kind == "tunic":
        changes = {"hem": half + 0.06 + 0.07 * cut, "hem_y": 0.96, "waist": 0.125 + 0.03 * cut}
        changes |= {
            "arm": half - 0.015,
            "shoulder": half - 0.03,
            "neck_y": 0.08,
            "shoulder_y": 0.115,
        }
        changes |= {"arm_y": 0.27}
    elif kind == "blouse":
        changes = {"hem": half + 0.05, "waist": half - 0.03, "front": 0.12}
    elif kind in _COLLARED:
        changes = {"front": 0.075}
    return _Body(**{**body.__dict__, **changes})


def _outline(body: _Body, garment: Garment) -> Path:
    """Give the left half from neck to hem, mirrored to a whole."""
    middle = 0.5
    waist_y = body.arm_y + 0.45 * (body.hem_y - body.arm_y)
    if garment.kind == "tunic":
        waist_y = 0.46
    shoulder = (middle - body.shoulder, body.shoulder_y)
    inset = 0.022 if garment.kind not in _SLEEVELESS else 0.0
    armhole = curve(
        shoulder,
        (middle - body.shoulder + inset, (body.shoulder_y + body.arm_y) / 2 + 0.02),
        (middle - body.arm, body.arm_y),
    )
    tail = 0.05 if garment.kind == "shirt" else 0.005
    corner = (middle - body.hem, body.hem_y - tail)
    side = curve((middle - body.arm, body.arm_y), (middle - body.waist, waist_y), corner)
    if garment.kind == "shirt":
        hem = curve(
            corner, (middle - body.hem * 0.62, body.hem_y + 0.002), (0.5, body.hem_y + 0.02)
        )
    else:
        hem = curve(corner, (0.36, body.hem_y + 0.012), (0.5, body.hem_y + 0.016))
    neck = _neckline(body, garment)[: _half(body, garment)][::-1]
    left = join(neck, points((middle - body.neck, body.neck_y)), armhole, side, hem)
    return join(left, mirror(left))


def _neckline(body: _Body, garment: Garment) -> Path:
    """Give the front edge of the neck, left to right."""
    low = body.neck_y + body.front
    left = (0.5 - body.neck, body.neck_y)
    if garment.neckline == "v-neck" or garment.kind in (*_COLLARED, "blouse"):
        half = points(left, (0.5, low))
    elif garment.neckline == "scoop":
        half = curve(
            left,
            (0.5 - body.neck * 0.82, low - 0.05),
            (0.5 - body.neck * 0.4, low - 0.008),
            (0.5, low),
        )
    else:
        half = curve(left, (0.5 - body.neck * 0.7, low - 0.02), (0.5, low))
    return join(half, mirror(half))


def _half(body: _Body, garment: Garment) -> int:
    return len(_neckline(body, garment)) // 2


def _sleeve(body: _Body, garment: Garment) -> tuple[Path, Path, float]:
    """Give the left sleeve's outline, its cuff line (outer to inner end) and its angle."""
    length, cut = garment.length, garment.cut
    reach = 0.055 + 0.5 * length
    angle = np.deg2rad(38 + 36 * min(1.0, length * 1.25))
    along = np.array([-np.cos(angle), np.sin(angle)])
    across = np.array([np.sin(angle), np.cos(angle)])  # towards the body
    top = np.array([0.5 - body.shoulder, body.shoulder_y])
    under = np.array([0.5 - body.arm + 0.004, body.arm_y])
    start = (top + under) / 2
    width = 0.05 + 0.02 * cut + 0.035 * (1 - length)
    puffed = garment.kind == "blouse"
    if puffed:
        width *= 0.72
    end = start + along * reach
    outer, inner = end - across * width, end + across * width
    bulge = 0.03 if puffed else 0.008
    middle_out = top + (outer - top) * 0.5 - across * (bulge + 0.012)
    middle_in = under + (inner - under) * 0.55 + across * (bulge if puffed else -0.006)
    # The sleeve starts under the torso, on the shoulder's own slope, so that no corner shows.
    slope = np.array([body.shoulder - body.neck, body.neck_y - body.shoulder_y])
    inside = top + slope * 0.3 + (0.0, 0.006)
    cap = curve((top[0] + 0.006, top[1] + 0.004), tuple(middle_out), tuple(outer))
    upper = join(points(tuple(inside)), cap)
    lower = curve(tuple(inner), tuple(middle_in), tuple(under), (under[0] + 0.03, under[1]))
    return join(upper, lower), points(tuple(outer), tuple(inner)), float(np.pi / 2 - angle)


def _moved(cuff: Path, outline: Path, by: float) -> Path:
    """Give the cuff's band: the cuff line and the same line `by` further up the sleeve."""
    outer, inner = cuff
    across = inner - outer
    up = np.array([across[1], -across[0]]) / np.hypot(*across)
    if up @ (outline[0] - outer) < 0:
        up = -up
    return np.vstack([outer, inner, inner + up * by, outer + up * by])


def draw_top(canvas: Canvas, garment: Garment, rng: np.random.Generator) -> None:
    """Draw a garment whose kind is worn above the waist."""
    kind = garment.kind
    cloth = Cloth(garment, canvas.side, rng, weave="knit" if kind == "jumper" else None)
    body = _body(garment)
    outline = _outline(body, garment)
    neckline = _neckline(body, garment)
    if kind == "hoodie":
        _draw_hood(canvas, cloth, body)
    else:
        _draw_inside(canvas, cloth, body, neckline)
    if garment.length > 0.02:
        _draw_sleeves(canvas, garment, cloth, body)
    fabric = cloth.cut()
    canvas.part(outline, fabric)
    _draw_folds(canvas, body, rng)
    if kind in _RIBBED:
        _draw_rib(canvas, cloth, body)
    else:
        _draw_hem(canvas, fabric, body, garment)
    if kind in ("T-shirt", "jumper", "tunic"):
        trim = (
            cloth.second()
            if kind == "T-shirt" and garment.pattern_size > 0.8
            else cloth.plain(0.16)
        )
        canvas.line(shifted(neckline, 0, 0.004), trim.color, 0.024)
        canvas.line(shifted(neckline, 0, 0.017), fabric.seam, 0.004)
    elif kind == "tank top":
        canvas.line(neckline, fabric.seam, 0.012)
    if kind == "shirt":
        _draw_shirt_front(canvas, garment, cloth, body)
    elif kind == "polo":
        _draw_polo_front(canvas, garment, cloth, body)
    elif kind == "blouse":
        _draw_blouse_front(canvas, garment, cloth, body)
    elif kind == "hoodie":
        _draw_hoodie_front(canvas, garment, cloth, body)
    elif kind == "tunic":
        _draw_belt(canvas, cloth, body)


def _draw_inside(canvas: Canvas, cloth: Cloth, body: _Body, neckline: Path) -> None:
    back = curve(
        (0.5 + body.neck, body.neck_y), (0.5, body.neck_y + 0.014), (0.5 - body.neck, body.neck_y)
    )
    inside = cloth.plain(0.42)
    canvas.part(join(neckline, back), inside, depth=0.15)
    canvas.line(back, cloth.plain(0.2).color, 0.014)


def _draw_sleeves(canvas: Canvas, garment: Garment, cloth: Cloth, body: _Body) -> None:
    outline, cuff, angle = _sleeve(body, garment)
    x, y = outline.mean(axis=0)
    left, right = cloth.cut_pair(-angle, (float(x), float(y)))
    for shown, edge, fabric in (
        (outline, cuff, left),
        (mirror(outline), mirror(cuff)[::-1], right),
    ):
        canvas.part(shown, fabric)
        if garment.length > 0.6:
            elbow = shown.mean(axis=0)
            canvas.fold(
                points(tuple(elbow - 0.02), (elbow[0] + 0.015, elbow[1] + 0.01)), strength=0.16
            )
        if garment.kind in _RIBBED:
            canvas.part(_moved(edge, shown, 0.05), cloth.plain(0.14), depth=0.2)
        elif garment.kind in ("shirt", "blouse") and garment.length > 0.55:
            canvas.part(_moved(edge, shown, 0.05), cloth.cut(), depth=0.2)
        elif garment.kind == "polo":
            canvas.part(_moved(edge, shown, 0.026), cloth.second(), depth=0.2)
        else:
            band = _moved(edge, shown, 0.02)
            canvas.line(band[2:], fabric.seam, 0.004)


def _draw_folds(canvas: Canvas, body: _Body, rng: np.random.Generator) -> None:
    for side in (-1, 1):
        x = 0.5 + side * (body.arm - 0.015)
        drop = rng.uniform(0.07, 0.13)
        canvas.fold(
            curve(
                (x, body.arm_y + 0.01),
                (x - side * 0.05, body.arm_y + 0.03),
                (x - side * 0.08, body.arm_y + drop),
            ),
            strength=0.17,
        )
        foot = rng.uniform(0.4, 0.8)
        x = 0.5 + side * body.waist * foot
        canvas.fold(
            curve(
                (x, body.hem_y - 0.03),
                (x - side * 0.012, body.hem_y - 0.15),
                (x + side * 0.02, body.hem_y - 0.26),
            ),
            strength=0.12,
        )


def _draw_rib(canvas: Canvas, cloth: Cloth, body: _Body) -> None:
    top, low = body.hem_y - 0.055, body.hem_y + 0.012
    half = body.hem - 0.012
    rib = join(
        points((0.5 - half, top), (0.5 + half, top)),
        curve((0.5 + half - 0.008, low), (0.5, low + 0.008), (0.5 - half + 0.008, low)),
    )
    band = cloth.plain(0.14)
    canvas.part(rib, band, depth=0.2)
    for x in np.linspace(0.5 - half + 0.02, 0.5 + half - 0.02, 15):
        canvas.line(points((x, top + 0.012), (x, low - 0.006)), band.seam, 0.003)


def _draw_hem(canvas: Canvas, fabric: Fabric, body: _Body, garment: Garment) -> None:
    y = body.hem_y - 0.022
    half = body.hem - 0.008
    if garment.kind == "shirt":
        seam = curve((0.5 - half, y - 0.046), (0.5 - half * 0.62, y), (0.5, y + 0.02))
        seam = join(seam, mirror(seam))
    else:
        seam = curve((0.5 - half, y), (0.5, y + 0.018), (0.5 + half, y))
    canvas.line(seam, fabric.seam, 0.003)


def _collar(canvas: Canvas, fabric: Fabric, body: _Body, spread: float) -> None:
    left = (0.5 - body.neck - 0.012, body.neck_y + 0.006)
    low = body.neck_y + body.front
    wing = points(
        (0.5 - body.neck + 0.012, body.neck_y - 0.03),
        left,
        (0.5 - spread - 0.035, low + 0.035),
        (0.5 - 0.002, low - 0.004),
    )
    canvas.part(wing, fabric, depth=0.2)
    canvas.part(mirror(wing), fabric, depth=0.2)


def _button_color(garment: Garment) -> Rgb:
    light = sum(garment.main) > 480
    return (70, 66, 62) if light else (238, 236, 230)


def _draw_shirt_front(canvas: Canvas, garment: Garment, cloth: Cloth, body: _Body) -> None:
    fabric = cloth.cut()
    low = body.neck_y + body.front
    bottom = body.hem_y + 0.014
    for x in (0.478, 0.522):
        canvas.line(points((x, low + 0.015), (x, bottom)), fabric.seam, 0.005)
    for y in np.linspace(low + 0.05, bottom - 0.07, 6):
        canvas.dot(0.5, y, 0.009, _button_color(garment), fabric.edge)
    pocket = points((0.56, 0.36), (0.65, 0.36), (0.65, 0.455), (0.605, 0.475), (0.56, 0.455))
    canvas.line(join(pocket, pocket[:1]), fabric.seam, 0.005)
    canvas.line(points((0.56, 0.375), (0.65, 0.375)), fabric.seam, 0.003)
    _collar(canvas, fabric, body, 0.045)


def _draw_polo_front(canvas: Canvas, garment: Garment, cloth: Cloth, body: _Body) -> None:
    low = body.neck_y + body.front
    ground = cloth.plain(0.06)
    canvas.part(
        points((0.475, low - 0.02), (0.525, low - 0.02), (0.525, low + 0.14), (0.475, low + 0.14)),
        ground,
        depth=0.1,
        edge=0.005,
    )
    for y in (low + 0.04, low + 0.075, low + 0.11):
        canvas.dot(0.5, y, 0.009, _button_color(garment), ground.edge)
    _collar(canvas, cloth.second(), body, 0.05)


def _draw_blouse_front(canvas: Canvas, garment: Garment, cloth: Cloth, body: _Body) -> None:
    fabric = cloth.cut()
    low = body.neck_y + body.front
    canvas.line(points((0.5, low), (0.5, body.hem_y + 0.01)), fabric.seam, 0.004)
    for y in np.linspace(low + 0.17, body.hem_y - 0.06, 4):
        canvas.dot(0.5, y, 0.007, _button_color(garment), fabric.edge)
    # Gathers under the yoke and at the hem.
    for x in (0.4, 0.43, 0.57, 0.6):
        canvas.fold(
            points((x, low + 0.02), (x + (x - 0.5) * 0.15, low + 0.14)), strength=0.14, width=0.01
        )
    bow = cloth.plain(0.12)
    for side in (-1, 1):
        tail = points(
            (0.5, low),
            (0.5 + side * 0.035, low + 0.15),
            (0.5 + side * 0.065, low + 0.14),
            (0.5 + side * 0.012, low),
        )
        loop = curve(
            (0.5, low),
            (0.5 + side * 0.055, low - 0.035),
            (0.5 + side * 0.085, low + 0.005),
            (0.5 + side * 0.05, low + 0.03),
            (0.5, low + 0.004),
        )
        canvas.part(tail, bow, depth=0.2)
        canvas.part(loop, bow, depth=0.25)
    canvas.dot(0.5, low + 0.002, 0.016, bow.color, bow.edge)
    neck = points((0.5 - body.neck, body.neck_y), (0.5, low))
    canvas.line(join(neck, mirror(neck)), bow.color, 0.02)


def _draw_hood(canvas: Canvas, cloth: Cloth, body: _Body) -> None:
    left = curve(
        (0.5, 0.03),
        (0.5 - 0.08, 0.045),
        (0.5 - 0.125, 0.11),
        (0.5 - 0.12, 0.19),
        (0.5 - 0.06, 0.25),
    )
    canvas.part(join(left, mirror(left)), cloth.cut())
    opening = curve(
        (0.5, 0.065), (0.5 - 0.055, 0.085), (0.5 - 0.075, 0.14), (0.5 - 0.05, 0.2), (0.5, 0.23)
    )
    canvas.part(join(opening, mirror(opening)), cloth.plain(0.5), depth=0.3)


def _draw_hoodie_front(canvas: Canvas, garment: Garment, cloth: Cloth, body: _Body) -> None:
    fabric = cloth.cut()
    edge = curve(
        (0.5 - body.neck - 0.035, body.neck_y + 0.03),
        (0.45, body.neck_y + 0.085),
        (0.5, body.neck_y + 0.125),
    )
    canvas.line(join(edge, mirror(edge)), fabric.edge, 0.008)
    cord = (240, 238, 232) if sum(garment.main) < 560 else blend(garment.main, (60, 60, 66), 0.6)
    for side in (-1, 1):
        x = 0.5 + side * 0.028
        canvas.line(
            curve(
                (x, body.neck_y + 0.1),
                (x + side * 0.006, body.neck_y + 0.2),
                (x, body.neck_y + 0.29),
            ),
            cord,
            0.011,
        )
        canvas.dot(x, body.neck_y + 0.295, 0.009, cord)
    top, low = 0.6, body.hem_y - 0.055
    pocket = points(
        (0.5 - 0.075, top), (0.5 + 0.075, top), (0.5 + 0.125, top + 0.085), (0.5 + 0.125, low)
    )
    pocket = join(pocket, points((0.5 - 0.125, low), (0.5 - 0.125, top + 0.085)))
    canvas.part(pocket, cloth.cut(), depth=0.22)


def _draw_belt(canvas: Canvas, cloth: Cloth, body: _Body) -> None:
    half = body.waist + 0.003
    sash = cloth.second()
    canvas.part(
        points((0.5 - half, 0.445), (0.5 + half, 0.445), (0.5 + half, 0.482), (0.5 - half, 0.482)),
        sash,
        depth=0.25,
    )
    for x in (-0.09, -0.045, 0.04, 0.085):
        canvas.fold(
            curve((0.5 + x * 0.8, 0.5), (0.5 + x * 1.5, 0.7), (0.5 + x * 2.0, body.hem_y)),
            strength=0.16,
        )
        canvas.fold(
            curve((0.52 + x * 0.8, 0.52), (0.52 + x * 1.5, 0.7), (0.53 + x * 2.0, body.hem_y)),
            strength=-0.1,
        )
