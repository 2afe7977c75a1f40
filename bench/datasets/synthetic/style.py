"""What a garment looks like, in numbers: the style factors, and sampling them."""

from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from bench.datasets.synthetic.color import lch_to_lab, oklab_to_rgb, to_gamut

__all__ = [
    "CATEGORIES",
    "KINDS",
    "KINDS_BY_CATEGORY",
    "NECKLINES",
    "PATTERNS",
    "Garment",
    "Kind",
    "Styles",
    "balance_patterns",
    "concatenate_styles",
    "sample_styles",
]

Rgb = tuple[int, int, int]
Part = Literal["top", "bottom", "shoe"]

# The paper's six, in the order of its class vector (0 men's tops ... 5 women's shoes).
CATEGORIES = (
    "men's tops",
    "women's tops",
    "men's bottoms",
    "women's bottoms",
    "men's shoes",
    "women's shoes",
)
PATTERNS = (
    "plain",
    "stripes",
    "vertical stripes",
    "checks",
    "dots",
    "floral",
    "zigzag",
    "camouflage",
)
NECKLINES = ("none", "crew", "v-neck", "scoop")


@dataclass(frozen=True)
class Kind:
    """One type of garment.

    Attributes
    ----------
    name
        As a shop would call it.
    part
        Where it is worn.
    length
        Range of the style factor `length`: 0 is the shortest (no sleeve, hot pants, a flat shoe),
        1 the longest (to the wrist, to the ankle, a knee-high shaft, a high heel).
    formal, sporty, cosy
        What it is worn for, each about -1..1; what taste for types rests on.
    patterned
        Share of such garments that carry a pattern.
    """

    name: str
    part: Part
    length: tuple[float, float]
    formal: float
    sporty: float
    cosy: float
    patterned: float


KINDS = (
    Kind("T-shirt", "top", (0.22, 0.48), -0.4, 0.4, -0.2, 0.6),
    Kind("shirt", "top", (0.3, 1.0), 0.9, -0.6, -0.3, 0.7),
    Kind("polo", "top", (0.25, 0.45), 0.2, 0.5, -0.4, 0.5),
    Kind("jumper", "top", (0.75, 1.0), 0.1, -0.3, 1.0, 0.55),
    Kind("hoodie", "top", (0.85, 1.0), -0.9, 0.9, 0.8, 0.35),
    Kind("tank top", "top", (0.0, 0.0), -0.7, 0.7, -0.9, 0.6),
    Kind("blouse", "top", (0.4, 1.0), 0.8, -0.8, -0.1, 0.7),
    Kind("tunic", "top", (0.0, 0.45), 0.3, -0.7, 0.0, 0.75),
    Kind("trousers", "bottom", (0.86, 1.0), 0.9, -0.6, 0.0, 0.45),
    Kind("jeans", "bottom", (0.86, 1.0), -0.3, 0.0, 0.2, 0.0),
    Kind("shorts", "bottom", (0.12, 0.42), -0.6, 0.7, -0.8, 0.55),
    Kind("skirt", "bottom", (0.15, 0.9), 0.5, -0.8, -0.5, 0.7),
    Kind("leggings", "bottom", (0.7, 1.0), -0.8, 0.9, 0.3, 0.6),
    Kind("sneaker", "shoe", (0.0, 0.45), -0.8, 1.0, 0.0, 0.4),
    Kind("boot", "shoe", (0.3, 1.0), 0.0, -0.4, 0.9, 0.1),
    Kind("oxford", "shoe", (0.0, 0.3), 1.0, -0.9, 0.0, 0.12),
    Kind("sandal", "shoe", (0.0, 0.8), -0.5, 0.1, -1.0, 0.1),
    Kind("pump", "shoe", (0.35, 1.0), 0.9, -1.0, -0.5, 0.45),
    Kind("flat", "shoe", (0.0, 0.2), 0.2, -0.2, -0.2, 0.55),
)
_KIND_NUMBERS = {kind.name: number for number, kind in enumerate(KINDS)}

_CATEGORY_SHARES = (0.21, 0.25, 0.13, 0.15, 0.11, 0.15)
# Per category: what hangs on the rail, and how much of it.
_RAILS: tuple[dict[str, float], ...] = (
    {"T-shirt": 0.3, "shirt": 0.25, "polo": 0.13, "jumper": 0.13, "hoodie": 0.12, "tank top": 0.07},
    {"T-shirt": 0.2, "blouse": 0.24, "tank top": 0.18, "jumper": 0.16, "tunic": 0.22},
    {"trousers": 0.34, "jeans": 0.4, "shorts": 0.26},
    {"jeans": 0.26, "trousers": 0.14, "skirt": 0.3, "leggings": 0.16, "shorts": 0.14},
    {"sneaker": 0.42, "boot": 0.24, "oxford": 0.22, "sandal": 0.12},
    {"pump": 0.28, "sandal": 0.2, "flat": 0.22, "boot": 0.16, "sneaker": 0.14},
)
KINDS_BY_CATEGORY = tuple(tuple(_KIND_NUMBERS[name] for name in rail) for rail in _RAILS)
"""Per category: numbers into `KINDS` of what it can be."""

_NECKLINE_SHARES: dict[str, tuple[float, float, float, float]] = {
    "T-shirt": (0.0, 0.55, 0.25, 0.2),
    "jumper": (0.0, 0.6, 0.4, 0.0),
    "tank top": (0.0, 0.1, 0.25, 0.65),
    "tunic": (0.0, 0.35, 0.3, 0.35),
}
_PATTERN_SHARES = {  # of the patterned ones; plain is decided before
    "men": np.array([0.0, 0.26, 0.14, 0.26, 0.1, 0.05, 0.07, 0.12]),
    "women": np.array([0.0, 0.21, 0.1, 0.12, 0.19, 0.24, 0.09, 0.05]),
}
# Black, white, grey, navy, beige, brown, tan (OKLab); jitter is added.
_NEUTRALS = np.array(
    [
        [0.25, 0.0, 0.0],
        [0.96, 0.0, 0.0],
        [0.68, 0.0, -0.003],
        [0.32, -0.005, -0.07],
        [0.87, 0.006, 0.035],
        [0.42, 0.04, 0.05],
        [0.64, 0.035, 0.085],
    ],
    dtype=np.float32,
)
_NEUTRAL_SHARES = {
    "top": (0.2, 0.24, 0.22, 0.2, 0.1, 0.02, 0.02),
    "bottom": (0.3, 0.08, 0.2, 0.2, 0.14, 0.05, 0.03),
    "shoe": (0.34, 0.14, 0.08, 0.06, 0.06, 0.18, 0.14),
}
_LEAST_CONTRAST = 0.28  # in OKLab lightness, so that a pattern can be seen at 64 pixels


@dataclass(frozen=True)
class Garment:
    """The style of one garment, as the drawing code takes it.

    Attributes
    ----------
    kind
        Name out of `KINDS`.
    womens
        Whether it is cut for women.
    pattern, neckline
        Names out of `PATTERNS` and `NECKLINES`.
    main, second
        sRGB.
    length, cut, pattern_size
        0..1: length of sleeve, leg, shaft or heel; slim to wide; fine to coarse.
    """

    kind: str
    womens: bool
    pattern: str
    neckline: str
    main: Rgb
    second: Rgb
    length: float
    cut: float
    pattern_size: float


@dataclass(frozen=True)
class Styles:
    """The style factors of n garments, one array per factor.

    Attributes
    ----------
    category, kind, pattern, neckline
        int16 (n,): numbers into `CATEGORIES`, `KINDS`, `PATTERNS`, `NECKLINES`.
    main, second
        float32 (n, 3): colours in OKLab, all inside sRGB. `second` shows in patterns and trims.
    length, cut, pattern_size
        float32 (n,), 0..1.
    """

    category: npt.NDArray[np.int16]
    kind: npt.NDArray[np.int16]
    pattern: npt.NDArray[np.int16]
    neckline: npt.NDArray[np.int16]
    main: npt.NDArray[np.float32]
    second: npt.NDArray[np.float32]
    length: npt.NDArray[np.float32]
    cut: npt.NDArray[np.float32]
    pattern_size: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.category)

    def garment(self, row: int) -> Garment:
        """Give one garment's style."""
        red, green, blue = (int(value) for value in oklab_to_rgb(self.main[row]))
        red2, green2, blue2 = (int(value) for value in oklab_to_rgb(self.second[row]))
        return Garment(
            kind=KINDS[self.kind[row]].name,
            womens=bool(self.category[row] % 2),
            pattern=PATTERNS[self.pattern[row]],
            neckline=NECKLINES[self.neckline[row]],
            main=(red, green, blue),
            second=(red2, green2, blue2),
            length=float(self.length[row]),
            cut=float(self.cut[row]),
            pattern_size=float(self.pattern_size[row]),
        )


def sample_styles(n_garments: int, rng: np.random.Generator) -> Styles:
    """Sample the styles of a catalogue: shares of categories, types and patterns as in a shop."""
    category = rng.choice(len(CATEGORIES), n_garments, p=_CATEGORY_SHARES).astype(np.int16)
    kind = np.zeros(n_garments, np.int16)
    pattern = np.zeros(n_garments, np.int16)
    neckline = np.zeros(n_garments, np.int16)
    for number, rail in enumerate(_RAILS):
        rows = np.flatnonzero(category == number)
        kinds = np.array([_KIND_NUMBERS[name] for name in rail], np.int16)
        kind[rows] = kinds[rng.choice(len(kinds), len(rows), p=list(rail.values()))]
        shares = _PATTERN_SHARES["women" if number % 2 else "men"]
        pattern[rows] = rng.choice(len(PATTERNS), len(rows), p=shares / shares.sum())
    pattern[rng.random(n_garments) >= np.array([k.patterned for k in KINDS])[kind]] = 0
    for name, necks in _NECKLINE_SHARES.items():
        rows = np.flatnonzero(kind == _KIND_NUMBERS[name])
        neckline[rows] = rng.choice(len(NECKLINES), len(rows), p=necks)
    low, high = np.array([k.length for k in KINDS])[kind].T
    main = _sample_main(category, kind, rng)
    return Styles(
        category=category,
        kind=kind,
        pattern=pattern,
        neckline=neckline,
        main=main,
        second=_sample_second(main, rng),
        length=(low + (high - low) * rng.random(n_garments)).astype(np.float32),
        cut=rng.beta(1.6, 1.6, n_garments).astype(np.float32),
        pattern_size=rng.random(n_garments).astype(np.float32),
    )


def balance_patterns(styles: Styles, rng: np.random.Generator) -> Styles:
    """Give half of the garments another pattern, each equally often, if their type carries any.

    A classifier sees too few of the rare patterns in a shop's shares.
    """
    drawn = rng.integers(0, len(PATTERNS), len(styles)).astype(np.int16)
    carries = np.array([kind.patterned > 0 for kind in KINDS])[styles.kind]
    changed = carries & (rng.random(len(styles)) < 0.5)
    return replace(styles, pattern=np.where(changed, drawn, styles.pattern))


def concatenate_styles(*parts: Styles) -> Styles:
    """Put the garments of several catalogues one behind the other."""
    names = [field.name for field in fields(Styles)]
    return Styles(
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    )


def _sample_bright(n_colors: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    hue = rng.uniform(0, 2 * np.pi, n_colors)
    return lch_to_lab(rng.uniform(0.42, 0.85, n_colors), rng.uniform(0.08, 0.2, n_colors), hue)


def _sample_main(
    category: npt.NDArray[np.int16], kind: npt.NDArray[np.int16], rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    n_garments = len(category)
    colors = _sample_bright(n_garments, rng)
    parts = np.array([k.part for k in KINDS])[kind]
    bright = np.where(category % 2 == 1, 0.68, 0.5) - 0.2 * (parts == "bottom")
    bright -= 0.15 * (parts == "shoe")
    neutral = rng.random(n_garments) >= bright
    for part, shares in _NEUTRAL_SHARES.items():
        rows = np.flatnonzero(neutral & (parts == part))
        jitter = rng.normal(0, (0.02, 0.006, 0.006), (len(rows), 3))
        chosen = _NEUTRALS[rng.choice(len(_NEUTRALS), len(rows), p=shares)]
        colors[rows] = chosen + jitter.astype(np.float32)
    jeans = np.flatnonzero((kind == _KIND_NUMBERS["jeans"]) & (rng.random(n_garments) < 0.75))
    denim = lch_to_lab(
        rng.uniform(0.34, 0.74, len(jeans)),
        rng.uniform(0.045, 0.085, len(jeans)),
        rng.normal(np.deg2rad(253), 0.07, len(jeans)),
    )
    colors[jeans] = denim
    colors[:, 0] = np.clip(colors[:, 0], 0.2, 0.97)
    return to_gamut(colors)


def _sample_second(
    main: npt.NDArray[np.float32], rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    n_garments = len(main)
    colors = _sample_bright(n_garments, rng)
    neutral = rng.random(n_garments) < 0.5
    # White, black or navy, whichever stands out from the main colour.
    light = main[:, 0] < 0.62
    dark_choice = _NEUTRALS[[0, 3]][rng.choice(2, n_garments)]
    colors[neutral] = np.where(light[:, None], _NEUTRALS[1], dark_choice)[neutral]
    # Lighter on dark ground and darker on light ground, by the least contrast or more.
    direction = np.where(light, 1, -1).astype(np.float32)
    gap = direction * (colors[:, 0] - main[:, 0])
    colors[:, 0] = main[:, 0] + direction * np.maximum(gap, _LEAST_CONTRAST)
    colors[:, 0] = np.clip(colors[:, 0], 0.2, 0.97)
    return to_gamut(colors)
