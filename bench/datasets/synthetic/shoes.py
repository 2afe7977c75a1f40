"""Drawing shoes: the left side of one shoe, toe to the left."""

import numpy as np

from bench.datasets.synthetic.canvas import Canvas, Path, blend, curve, join, points, shifted
from bench.datasets.synthetic.fabric import Cloth, plain
from bench.datasets.synthetic.style import Garment

__all__ = ["draw_shoe"]

_GROUND = 0.76


def draw_shoe(canvas: Canvas, garment: Garment, rng: np.random.Generator) -> None:
    """Draw a garment whose kind is a shoe."""
    cloth = Cloth(garment, canvas.side, rng, scale=0.85)
    {
        "sneaker": _draw_sneaker,
        "boot": _draw_boot,
        "oxford": _draw_oxford,
        "sandal": _draw_sandal,
        "pump": _draw_pump,
        "flat": _draw_flat,
    }[garment.kind](canvas, garment, cloth)


def _shine(canvas: Canvas, path: Path, strength: float = 0.35) -> None:
    canvas.fold(path, strength=-strength, width=0.025)


def _draw_sneaker(canvas: Canvas, garment: Garment, cloth: Cloth) -> None:
    high = 0.3 * garment.length
    toe = 0.03 * garment.cut
    fabric = cloth.cut()
    ankle = 0.47 - high
    upper = join(
        curve((0.885, 0.68), (0.905, 0.58), (0.875, ankle + 0.02), (0.865, ankle - 0.03)),
        curve((0.84, ankle - 0.025), (0.76, ankle + 0.045), (0.66, ankle + 0.005)),
        curve(
            (0.6, ankle - 0.045),
            (0.52, ankle + 0.05 + high * 0.35),
            (0.36, 0.565),
            (0.2, 0.6 - toe),
            (0.105, 0.655),
            (0.09, 0.71),
        ),
        points((0.885, 0.71)),
    )
    # The tongue and the inside show behind the collar.
    canvas.part(
        curve(
            (0.64, ankle + 0.02),
            (0.585, ankle - 0.075),
            (0.545, ankle - 0.06),
            (0.53, ankle + 0.06),
        ),
        cloth.plain(0.12),
    )
    canvas.part(
        curve(
            (0.85, ankle - 0.02), (0.76, ankle - 0.015), (0.66, ankle + 0.0), (0.75, ankle + 0.06)
        ),
        cloth.plain(0.5),
        depth=0.1,
    )
    canvas.part(upper, fabric)
    # Toe cap and heel counter in the second colour, one stripe on the side.
    second = cloth.second()
    cap = join(
        curve((0.09, 0.71), (0.105, 0.655), (0.2, 0.6 - toe)),
        curve((0.2, 0.6 - toe), (0.25, 0.65), (0.25, 0.71)),
    )
    canvas.part(cap, plain(blend(garment.main, (255, 255, 255), 0.35), canvas.side), depth=0.25)
    heel = join(
        curve((0.885, 0.7), (0.905, 0.58), (0.88, 0.52)),
        curve((0.82, 0.53), (0.8, 0.62), (0.8, 0.7)),
    )
    canvas.part(heel, second, depth=0.25)
    stripe = join(
        curve((0.5, 0.69), (0.63, 0.64), (0.76, 0.54)),
        curve((0.73, 0.53), (0.6, 0.61), (0.44, 0.66)),
    )
    canvas.part(stripe, second, depth=0.1, edge=0.004)
    start, stop = np.array([0.35, 0.585]), np.array([0.56, ankle + 0.01])
    n_laces = 5 + round(8 * high)
    white = (250, 250, 248) if sum(garment.main) < 640 else blend(garment.main, (60, 60, 70), 0.45)
    eyelet = np.array([0.05, 0.045])
    canvas.line(
        np.stack([start + eyelet, (start + stop) / 2 + eyelet * 1.15, stop + eyelet]),
        fabric.seam,
        0.005,
    )
    for share in np.linspace(0.02, 0.95, n_laces):
        a = start + (stop - start) * share
        canvas.line(np.stack([a - (0.005, 0.006), a + eyelet]), white, 0.015)
        canvas.dot(float(a[0] + eyelet[0]), float(a[1] + eyelet[1]), 0.006, fabric.edge)
    thick = 0.055 + 0.035 * garment.cut
    sole = join(
        curve((0.07, 0.71), (0.5, 0.7), (0.9, 0.68)),
        curve((0.915, 0.7), (0.905, 0.7 + thick), (0.87, 0.71 + thick)),
        curve(
            (0.87, 0.71 + thick),
            (0.5, 0.714 + thick),
            (0.16, 0.71 + thick),
            (0.085, 0.7 + thick * 0.75),
            (0.068, 0.7 + thick * 0.3),
            (0.07, 0.71),
        ),
    )
    rubber = plain(
        (246, 245, 241)
        if garment.pattern_size < 0.75
        else blend(garment.second, (40, 40, 44), 0.3),
        canvas.side,
    )
    canvas.part(sole, rubber, depth=0.3)
    canvas.line(
        curve((0.08, 0.725 + thick * 0.4), (0.5, 0.72 + thick * 0.4), (0.9, 0.705 + thick * 0.4)),
        rubber.seam,
        0.004,
    )


def _block_sole(canvas: Canvas, thick: float, heel: float) -> None:
    """Draw a leather sole with a low heel block under a shoe whose upper ends at y = 0.7."""
    dark = plain((52, 40, 34), canvas.side)
    canvas.part(
        points((0.6, 0.7), (0.885, 0.7), (0.88, 0.7 + heel), (0.64, 0.7 + heel)), dark, depth=0.3
    )
    strip = join(
        curve((0.07, 0.705), (0.3, 0.7), (0.89, 0.695)),
        curve(
            (0.89, 0.7 + thick),
            (0.5, 0.7 + thick),
            (0.12, 0.712 + thick),
            (0.065, 0.7 + thick * 0.5),
        ),
    )
    canvas.part(strip, dark, depth=0.2)


def _draw_oxford(canvas: Canvas, garment: Garment, cloth: Cloth) -> None:
    toe = 0.035 * garment.cut
    fabric = cloth.cut()
    canvas.part(
        curve((0.86, 0.5), (0.76, 0.475), (0.62, 0.47), (0.74, 0.53)), cloth.plain(0.55), depth=0.1
    )
    upper = join(
        curve((0.885, 0.7), (0.9, 0.6), (0.875, 0.485)),
        curve((0.86, 0.48), (0.77, 0.525), (0.67, 0.49), (0.59, 0.445)),
        curve(
            (0.565, 0.44),
            (0.45, 0.54),
            (0.33, 0.6),
            (0.17, 0.63 - toe),
            (0.085, 0.675 - toe * 0.5),
            (0.07, 0.705),
        ),
    )
    canvas.part(upper, fabric, depth=0.4)
    seam = fabric.edge
    cap = curve((0.245, 0.618 - toe * 0.6), (0.285, 0.66), (0.27, 0.705))
    canvas.line(cap, seam, 0.006)
    quarter = curve((0.36, 0.588), (0.42, 0.64), (0.52, 0.655), (0.6, 0.705))
    canvas.line(quarter, seam, 0.006)
    canvas.line(curve((0.8, 0.525), (0.78, 0.62), (0.8, 0.7)), seam, 0.005)
    if garment.pattern_size > 0.5:  # brogue holes along the seams
        for path in (shifted(cap, 0.014, 0), shifted(quarter, 0, 0.016)):
            canvas.stitches(path, seam, width=0.008, every=0.02)
    for x, y in ((0.43, 0.555), (0.475, 0.525), (0.52, 0.495), (0.56, 0.465)):
        canvas.line(
            points((x - 0.012, y - 0.012), (x + 0.05, y + 0.035)),
            blend(garment.main, (12, 12, 14), 0.7),
            0.011,
        )
    _shine(canvas, curve((0.13, 0.665), (0.2, 0.645 - toe), (0.24, 0.64 - toe)))
    _shine(canvas, curve((0.66, 0.56), (0.76, 0.575), (0.85, 0.55)), 0.22)
    _block_sole(canvas, 0.024, 0.065)


def _draw_boot(canvas: Canvas, garment: Garment, cloth: Cloth) -> None:
    womens = garment.womens
    top = 0.44 - 0.36 * garment.length
    lift = 0.06 if womens else 0.0
    slack = 0.035 * garment.cut
    front = 0.55 - slack + (0.02 if womens else 0.0)
    back = 0.865 + slack * 0.5
    fabric = cloth.cut()
    canvas.part(
        curve(
            (back, top),
            ((front + back) / 2, top - 0.014),
            (front, top),
            ((front + back) / 2, top + 0.02),
            (back, top),
        ),
        cloth.plain(0.55),
        depth=0.1,
    )
    upper = join(
        curve(
            (0.875, 0.7 - lift),
            (0.885, 0.6 - lift),
            (0.845 + slack * 0.3, 0.5 - lift * 0.5),
            (back, top),
        ),
        curve((back, top), ((front + back) / 2, top + 0.022), (front, top)),
        curve(
            (front, top),
            (front - 0.002, 0.46),
            (0.49, 0.53),
            (0.35, 0.595),
            (0.19, 0.625),
            (0.095, 0.67),
            (0.08, 0.71),
        ),
        curve((0.08, 0.71), (0.45, 0.71), (0.62, 0.7 - lift * 0.4), (0.875, 0.7 - lift)),
    )
    canvas.part(upper, fabric, depth=0.42)
    seam = fabric.edge
    if womens:
        # A zip along the inner side, a smooth vamp.
        canvas.line(points((0.72, top + 0.03), (0.735, 0.6)), seam, 0.006)
        canvas.stitches(points((0.732, top + 0.03), (0.747, 0.6)), (200, 190, 160), 0.006, 0.02)
        canvas.line(
            curve((0.49, 0.53), (0.58, 0.575), (0.68, 0.58), (0.88, 0.565)), fabric.seam, 0.005
        )
        heel = 0.7 + 0.085
        canvas.part(
            points((0.73, 0.665), (0.88, 0.645), (0.875, heel), (0.775, heel)),
            plain((44, 36, 32), canvas.side),
        )
        sole = join(
            curve((0.075, 0.712), (0.45, 0.712), (0.62, 0.692), (0.88, 0.642)),
            curve(
                (0.88, 0.662),
                (0.64, 0.715),
                (0.5, 0.785 - 0.04),
                (0.3, heel),
                (0.12, heel - 0.012),
                (0.068, 0.728),
            ),
        )
        canvas.part(sole, plain((44, 36, 32), canvas.side), depth=0.2)
    else:
        canvas.line(curve((0.36, 0.592), (0.44, 0.66), (0.62, 0.655), (0.88, 0.62)), seam, 0.006)
        n_laces = 5 + round(5 * garment.length)
        lace = (226, 200, 150) if sum(garment.main) < 330 else (66, 50, 40)
        for share in np.linspace(0.05, 1.0, n_laces):
            y = top + 0.03 + (0.555 - top) * (1 - share)
            x = front if y < 0.46 else front - (y - 0.46) * 1.15
            canvas.line(points((x - 0.004, y), (x + 0.065, y + 0.012)), lace, 0.013)
            canvas.dot(x + 0.066, y + 0.012, 0.007, (90, 76, 60))
        # A treaded rubber sole.
        dark = plain((50, 42, 38), canvas.side)
        canvas.part(
            points(
                (0.07, 0.705),
                (0.89, 0.69),
                (0.89, 0.775),
                (0.65, 0.785),
                (0.62, 0.765),
                (0.1, 0.78),
            ),
            dark,
            depth=0.3,
        )
        for x in np.arange(0.13, 0.88, 0.05):
            canvas.line(points((x, 0.755), (x, 0.775)), (24, 20, 18), 0.008)
        canvas.stitches(points((0.1, 0.718), (0.88, 0.705)), (214, 180, 120), 0.005, 0.02)
    canvas.line(
        curve(
            (front + 0.006, top + 0.018),
            ((front + back) / 2, top + 0.042),
            (back - 0.006, top + 0.018),
        ),
        seam,
        0.005,
    )
    _shine(canvas, curve((0.14, 0.66), (0.22, 0.64), (0.3, 0.62)))
    _shine(canvas, points((front + 0.1, top + 0.07), (front + 0.09, 0.5)), 0.2)


def _draw_sandal(canvas: Canvas, garment: Garment, cloth: Cloth) -> None:
    strap = cloth.cut()
    edge = strap.edge
    if not garment.womens:
        rubber = plain((70, 58, 50), canvas.side)
        low = curve((0.09, 0.685), (0.3, 0.7), (0.6, 0.69), (0.9, 0.665))
        canvas.part(
            join(
                low,
                curve((0.91, 0.69), (0.9, 0.765), (0.86, 0.775)),
                curve((0.6, 0.765), (0.14, 0.775), (0.085, 0.73)),
            ),
            rubber,
            depth=0.3,
        )
        for outline in (
            join(
                curve((0.17, 0.7), (0.2, 0.63), (0.27, 0.595)),
                curve((0.37, 0.575), (0.35, 0.63), (0.35, 0.705)),
            ),
            join(
                curve((0.44, 0.7), (0.47, 0.59), (0.55, 0.48)),
                curve((0.65, 0.49), (0.6, 0.6), (0.57, 0.695)),
            ),
            join(
                curve((0.8, 0.68), (0.845, 0.58), (0.87, 0.46)),
                curve((0.915, 0.47), (0.91, 0.58), (0.895, 0.67)),
            ),
            join(
                curve((0.56, 0.47), (0.7, 0.5), (0.88, 0.47)),
                curve((0.88, 0.53), (0.72, 0.565), (0.61, 0.54)),
            ),
        ):
            canvas.part(outline, strap, depth=0.3)
        canvas.line(points((0.6, 0.485), (0.635, 0.55)), (214, 206, 190), 0.014)
        canvas.stitches(
            curve((0.12, 0.715), (0.5, 0.72), (0.88, 0.7)), (190, 160, 120), 0.005, 0.02
        )
        return
    # A heeled sandal: footbed on a wedge or a block, thin straps.
    lift = 0.02 + 0.17 * garment.length
    heel_y = 0.74 - lift
    bed = curve(
        (0.1, 0.73), (0.34, 0.74), (0.52, 0.72 - lift * 0.45), (0.7, heel_y), (0.9, heel_y - 0.01)
    )
    under = curve(
        (0.9, heel_y + 0.02),
        (0.7, heel_y + 0.035),
        (0.53, 0.75 - lift * 0.4),
        (0.34, 0.775),
        (0.12, 0.77),
        (0.09, 0.745),
    )
    cork = plain((201, 160, 112), canvas.side)
    if garment.cut > 0.5:
        wedge = join(
            bed,
            curve((0.91, heel_y + 0.02), (0.88, 0.775)),
            points((0.34, 0.78), (0.12, 0.775), (0.085, 0.74)),
        )
        canvas.part(wedge, cork, depth=0.3)
        canvas.line(shifted(bed, 0, 0.022), cork.seam, 0.005)
    else:
        canvas.part(
            points((0.8, heel_y), (0.895, heel_y), (0.885, 0.78), (0.83, 0.78)),
            plain((92, 66, 48), canvas.side),
        )
        canvas.part(join(bed, under), cork, depth=0.2)
    for outline in (
        join(
            curve((0.17, 0.735), (0.24, 0.64), (0.32, 0.615)),
            curve((0.375, 0.635), (0.32, 0.68), (0.285, 0.742)),
        ),
        join(
            curve((0.31, 0.74), (0.37, 0.65), (0.43, 0.6)),
            curve((0.475, 0.62), (0.42, 0.68), (0.4, 0.735)),
        ),
        join(
            curve((0.865, heel_y), (0.885, heel_y - 0.09), (0.855, heel_y - 0.21)),
            curve((0.9, heel_y - 0.215), (0.925, heel_y - 0.1), (0.9, heel_y)),
        ),
        join(
            curve((0.62, heel_y - 0.165), (0.74, heel_y - 0.19), (0.885, heel_y - 0.215)),
            curve((0.89, heel_y - 0.165), (0.75, heel_y - 0.145), (0.63, heel_y - 0.12)),
        ),
    ):
        canvas.part(outline, strap, depth=0.25)
    ring = curve(
        (0.62, heel_y - 0.145),
        (0.66, heel_y - 0.22),
        (0.76, heel_y - 0.245),
        (0.87, heel_y - 0.215),
    )
    canvas.line(ring, edge, 0.014)
    canvas.dot(0.645, heel_y - 0.145, 0.014, (214, 186, 110), edge)


def _draw_pump(canvas: Canvas, garment: Garment, cloth: Cloth) -> None:
    lift = 0.08 + 0.2 * garment.length
    heel_y = 0.75 - lift
    round_toe = 0.03 * garment.cut
    fabric = cloth.cut()
    # The stiletto first, then the inside, then the upper over both.
    thin = 0.012 + 0.035 * garment.cut
    canvas.part(
        join(
            curve((0.78, heel_y + 0.06), (0.845 - thin, heel_y + 0.11), (0.868 - thin, 0.775)),
            curve((0.868 + thin, 0.775), (0.875 + thin * 0.8, heel_y + 0.1), (0.915, heel_y)),
        ),
        cloth.plain(0.1),
        depth=0.4,
    )
    canvas.part(
        curve(
            (0.9, heel_y - 0.1),
            (0.77, heel_y - 0.05),
            (0.57, 0.675 - lift * 0.62),
            (0.34, 0.645),
            (0.46, 0.72 - lift * 0.12),
            (0.62, 0.71 - lift * 0.45),
            (0.78, heel_y),
        ),
        plain((222, 196, 160), canvas.side),
        depth=0.25,
    )
    upper = join(
        curve((0.915, heel_y + 0.03), (0.925, heel_y - 0.04), (0.905, heel_y - 0.115)),
        curve(
            (0.89, heel_y - 0.11),
            (0.78, heel_y - 0.025),
            (0.6, 0.69 - lift * 0.5),
            (0.46, 0.695 - lift * 0.12),
            (0.36, 0.665),
            (0.32, 0.645),
        ),
        curve((0.31, 0.642), (0.2, 0.665 - round_toe), (0.1, 0.715 - round_toe), (0.06, 0.76)),
        curve(
            (0.06, 0.765),
            (0.35, 0.77),
            (0.52, 0.765 - lift * 0.28),
            (0.7, heel_y + 0.06),
            (0.84, heel_y + 0.075),
            (0.915, heel_y + 0.03),
        ),
    )
    canvas.part(upper, fabric, depth=0.4)
    canvas.line(
        curve((0.06, 0.768), (0.35, 0.774), (0.52, 0.77 - lift * 0.28), (0.7, heel_y + 0.064)),
        (60, 44, 36),
        0.012,
    )
    _shine(
        canvas,
        curve((0.14, 0.715 - round_toe * 0.7), (0.21, 0.69 - round_toe * 0.7), (0.28, 0.675)),
    )
    _shine(canvas, curve((0.8, heel_y + 0.015), (0.86, heel_y - 0.01), (0.89, heel_y - 0.05)), 0.25)


def _draw_flat(canvas: Canvas, garment: Garment, cloth: Cloth) -> None:
    fabric = cloth.cut()
    toe = 0.035 * garment.cut
    canvas.part(
        curve((0.9, 0.585), (0.72, 0.6), (0.5, 0.615), (0.31, 0.625), (0.5, 0.69), (0.72, 0.67)),
        plain((218, 192, 160), canvas.side),
        depth=0.3,
    )
    upper = join(
        curve((0.905, 0.71), (0.925, 0.65), (0.905, 0.575)),
        curve((0.89, 0.575), (0.76, 0.64), (0.55, 0.672), (0.4, 0.66), (0.3, 0.615)),
        curve((0.29, 0.612), (0.19, 0.625 - toe), (0.1, 0.67 - toe * 0.6), (0.07, 0.72)),
        points((0.905, 0.725)),
    )
    canvas.part(upper, fabric, depth=0.36)
    rim = curve((0.9, 0.58), (0.76, 0.645), (0.55, 0.678), (0.4, 0.666), (0.3, 0.62))
    canvas.line(rim, fabric.edge, 0.012)
    strip = join(
        curve((0.065, 0.72), (0.5, 0.722), (0.91, 0.712)),
        points((0.91, 0.745), (0.7, 0.75), (0.1, 0.748)),
    )
    canvas.part(strip, plain((74, 56, 46), canvas.side), depth=0.2)
    # The bow on the vamp.
    bow = cloth.second()
    for side in (-1, 1):
        canvas.part(
            curve(
                (0.29, 0.628),
                (0.29 + side * 0.05, 0.59),
                (0.29 + side * 0.075, 0.625),
                (0.29 + side * 0.045, 0.66),
                (0.29, 0.632),
            ),
            bow,
            depth=0.2,
        )
    canvas.dot(0.29, 0.63, 0.013, bow.color, bow.edge)
    _shine(
        canvas,
        curve((0.12, 0.69 - toe * 0.6), (0.18, 0.655 - toe * 0.7), (0.23, 0.645 - toe * 0.5)),
    )
