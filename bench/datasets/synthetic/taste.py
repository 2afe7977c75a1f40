"""Simulated shoppers: what they like about a garment, how popular things are, what they buy.

The utility of item i to user u is `w_u . phi_i + b_i`: `phi_i` is computed from the visible style
alone, `b_i` is a popularity that nothing visible explains. Purchases follow the Plackett-Luce model
of these utilities, that is, the items with the largest utility plus Gumbel noise. So the utility is
the best score there can be, and it is a factor model.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import Interactions
from bench.datasets.synthetic.color import lch_to_lab
from bench.datasets.synthetic.style import CATEGORIES, KINDS, PATTERNS, Styles
from bench.errors import BenchError
from bench.progress import Progress
from bench.recommender import Factors
from bench.rng import child_generator

__all__ = [
    "STYLE_BLOCKS",
    "TasteOptions",
    "embed_categories",
    "embed_styles",
    "sample_purchases",
    "sample_taste",
]

STYLE_BLOCKS = {
    "colours": slice(0, 10),
    "patterns": slice(10, 18),
    "shape": slice(18, 20),
    "use": slice(20, 23),
    "category": slice(23, 31),
}
"""Where in the 31 numbers of `embed_styles` each side of the style stands; the last is gender and
category, which need no look at the garment."""

_BLOCK_BYTES = 64 * 2**20
# Ten colour families: black, grey, white, brown, red, orange/yellow, green, blue, violet, pink.
_ANCHORS = np.concatenate(
    [
        np.array([[0.25, 0, 0], [0.65, 0, 0], [0.95, 0, 0], [0.5, 0.04, 0.06]], np.float32),
        lch_to_lab(0.58, 0.18, np.deg2rad(25.0))[None],
        lch_to_lab(0.8, 0.15, np.deg2rad(80.0))[None],
        lch_to_lab(0.65, 0.15, np.deg2rad(145.0))[None],
        lch_to_lab(0.55, 0.13, np.deg2rad(250.0))[None],
        lch_to_lab(0.55, 0.16, np.deg2rad(300.0))[None],
        lch_to_lab(0.75, 0.14, np.deg2rad(350.0))[None],
    ]
)
_ANCHOR_WIDTH = 0.11  # in OKLab: neighbouring families overlap
_N_PERSONAS = 12


@dataclass(frozen=True, kw_only=True)
class TasteOptions:
    """How strongly each thing counts: standard deviations of utility, in units of the Gumbel noise.

    At the default size the oracle's AUC is .92 to .93, that of popularity .60 to .65 (.67 to .72
    with ties worth a half), and 60 to 65 % of the test items are cold, as on the paper's data.

    Attributes
    ----------
    gender
        How much a user prefers the garments cut for one gender.
    part
        How much she keeps to tops, bottoms or shoes; without it all of a user's purchases together
        would say little about the next one, as distances between pictures see it.
    color, pattern, shape, use
        How much colour families, kinds of pattern, length and cut, and formal, sporty and cosy
        types.
    popularity
        Scale of the exponential distribution of an item's log popularity: 1 would be Zipf's tail.
    persona
        Share of taste that comes from one of a dozen types of shopper; the rest is a person's own.
    mean_purchases
        Per user, 5 at least.
    """

    gender: float = 1.5
    part: float = 1.5
    color: float = 0.9
    pattern: float = 0.7
    shape: float = 0.45
    use: float = 0.55
    popularity: float = 0.66
    persona: float = 0.5
    mean_purchases: float = 8.0

    def __post_init__(self) -> None:
        limits = {field.name: (0.0, 100.0) for field in fields(self)}
        limits |= {"persona": (0.0, 1.0), "mean_purchases": (5.0, 1000.0)}
        for name, (low, high) in limits.items():
            # Written so that NaN is refused, too.
            if not low <= getattr(self, name) <= high:
                raise BenchError(
                    f"synthetic_fashion: taste's {name} must be from {low:g} to {high:g}, "
                    f"got {getattr(self, name)!r}"
                )


def embed_styles(styles: Styles) -> npt.NDArray[np.float32]:
    """Describe each style by the 31 numbers that taste is about.

    Returns
    -------
    float32 (n, 31)
        Colour families (10; shares that add up to 1), patterns (8), length and cut (2, centred),
        formal, sporty and cosy (3), gender (2), category (6).
    """
    main, second = _families(styles.main), _families(styles.second)
    # The second colour covers about a third of a patterned garment.
    weight = np.where(styles.pattern > 0, 0.35, 0.0)[:, None].astype(np.float32)
    pattern = np.eye(len(PATTERNS), dtype=np.float32)[styles.pattern]
    shape = np.stack([styles.length - 0.5, styles.cut - 0.5], axis=1)
    use = np.array([(kind.formal, kind.sporty, kind.cosy) for kind in KINDS], np.float32)
    blocks = ((1 - weight) * main + weight * second, pattern, shape, use[styles.kind])
    return np.concatenate([*blocks, embed_categories(styles.category)], axis=1).astype(np.float32)


def embed_categories(categories: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.float32]:
    """Give the part of `embed_styles` that the category decides: float32 (n, 8)."""
    gender = np.eye(2, dtype=np.float32)[categories % 2]
    return np.concatenate([gender, np.eye(len(CATEGORIES), dtype=np.float32)[categories]], axis=1)


def _families(colors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    squared = ((colors[:, None, :] - _ANCHORS[None]) ** 2).sum(axis=2)  # (n, 10)
    closeness = np.exp(-(squared - squared.min(axis=1, keepdims=True)) / (2 * _ANCHOR_WIDTH**2))
    shares: npt.NDArray[np.float32] = closeness / closeness.sum(axis=1, keepdims=True)
    return shares


def sample_taste(
    embedding: npt.NDArray[np.float32], n_users: int, options: TasteOptions, seed: int
) -> Factors:
    """Sample the users' weights and the items' popularity.

    Parameters
    ----------
    embedding
        float32 (n_items, 31), from `embed_styles`.
    n_users
        Number of users.
    options
        Strengths.
    seed
        Root seed.

    Returns
    -------
    Factors
        The true utilities: user factors (n_users, 31), item factors `embedding`, item bias the log
        popularity.
    """
    rng = child_generator(seed, "taste")
    blocks = (
        (10, options.color),
        (len(PATTERNS), options.pattern),
        (2, options.shape),
        (3, options.use),
    )
    weights = []
    persona = rng.integers(0, _N_PERSONAS, n_users)
    first = 0
    for width, strength in blocks:
        types = rng.standard_normal((_N_PERSONAS, width))
        own = rng.standard_normal((n_users, width))
        mixed = np.sqrt(options.persona) * types[persona] + np.sqrt(1 - options.persona) * own
        # So that `strength` is the deviation of utility between items, whatever the block's units.
        spread = np.sqrt(embedding[:, first : first + width].var(axis=0).sum())
        weights.append(mixed * (strength / max(float(spread), 1e-6)))
        first += width
    # Most shop for one gender; some, for a household, for both.
    side = np.where(rng.random(n_users) < 0.5, 1.0, -1.0) * rng.beta(4, 1, n_users)
    weights.append(np.stack([side, -side], axis=1) * options.gender)
    part = rng.standard_normal((n_users, 3)) * options.part
    weights.append(np.repeat(part, 2, axis=1))
    popularity = child_generator(seed, "popularity").exponential(options.popularity, len(embedding))
    return Factors(
        user_factors=np.concatenate(weights, axis=1).astype(np.float32),
        item_factors=embedding,
        item_bias=popularity.astype(np.float32),
    )


def sample_purchases(
    utility: Factors, mean_purchases: float, seed: int, *, block_bytes: int = _BLOCK_BYTES
) -> Interactions:
    """Let every user buy, without replacement, by the Plackett-Luce model of the utilities.

    Equal in distribution to taking the largest of utility plus standard Gumbel noise, but with a
    few random numbers a user instead of one an item: draw from the softmax, drop what was drawn
    before. The number of purchases is 5 plus a geometric number. Utilities are computed for a block
    of users at a time.

    Parameters
    ----------
    utility
        True utilities.
    mean_purchases
        Mean number of items a user, at least 5.
    seed
        Root seed; each user has a generator of her own.
    block_bytes
        Memory for the utilities of a block of users.

    Returns
    -------
    Interactions
        At least 5 items a user, unless the catalogue is smaller than 10: at most half is bought.
    """
    n_users, n_items = len(utility.user_factors), len(utility.item_factors)
    item_factors = utility.item_factors.astype(np.float64)
    bias = utility.item_bias.astype(np.float64)
    block = max(1, block_bytes // (8 * n_items))
    users, items = [], []
    with Progress("purchases", n_users, unit="user") as progress:
        for start in range(0, n_users, block):
            rows = utility.user_factors[start : start + block].astype(np.float64)
            scores = rows @ item_factors.T + bias  # (block, n_items)
            for offset, row in enumerate(scores):
                rng = child_generator(seed, "purchases", start + offset)
                n_bought = 5 + int(rng.geometric(1 / (1 + max(mean_purchases - 5, 0.0)))) - 1
                bought = _plackett_luce(row, min(n_bought, n_items // 2), rng)
                users.append(np.full(len(bought), start + offset))
                items.append(bought)
            progress.advance(len(rows))
    return Interactions.from_pairs(
        np.concatenate(users), np.concatenate(items), n_users=n_users, n_items=n_items
    )


def _plackett_luce(
    utility: npt.NDArray[np.floating[Any]], n_draws: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    ceiling = np.cumsum(np.exp(utility - utility.max()))
    drawn: dict[int, None] = {}
    while len(drawn) < n_draws:
        places = np.searchsorted(ceiling, rng.random(2 * n_draws) * ceiling[-1], side="right")
        for item in places.tolist():
            if len(drawn) < n_draws:
                drawn.setdefault(min(item, len(ceiling) - 1))
    return np.fromiter(drawn, np.int64, len(drawn))
