"""Categories from taxonomy paths, as the Amazon metadata of 2014 give them.

An item has a list of paths, each a list of names from the root down:
`["Clothing, Shoes & Jewelry", "Women", "Clothing", "Dresses"]`. Levels are counted from the root,
which is level 1; the second level says for whom a garment is made.

Table II counts 53 categories of Amazon Women and 50 of Amazon Men, and the paper does not say at
which level. The default is level 4. The argument: level 3 has far too few (Clothing, Shoes,
Jewelry, Watches, Accessories and a few more), whereas level 4 splits clothing, shoes, jewellery
and accessories into about a dozen each (dresses, jeans, skirts; boots, sandals, pumps; rings,
earrings; belts, scarves), which is some fifty in all, and level 5 a few hundred. It rests on the
shop's taxonomy as publicly known; whether level 4 gives exactly 53 and 50 on the published files
could not be checked when this was written. That is why the level is a parameter and why the report
of an import states the number it gave.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from bench.errors import BenchError

__all__ = [
    "CLOTHING_ROOT",
    "DEFAULT_LEVEL",
    "NO_CATEGORY",
    "Paths",
    "categories_at",
    "category_counts",
    "check_level",
    "is_under",
]

CLOTHING_ROOT = "Clothing, Shoes & Jewelry"
"""Level 1 of everything in the clothing files."""

DEFAULT_LEVEL = 4
"""Where Table II's 53 and 50 categories most likely come from; see above."""

NO_CATEGORY = "(none)"
"""Category of the items without any path below the root and second node."""

Paths = Sequence[Sequence[str]]
"""The taxonomy paths of one item."""

_SEPARATOR = " > "


def check_level(level: int) -> None:
    """See that a category level lies below the second node.

    Raises
    ------
    BenchError
        It does not.
    """
    if level < 3:
        raise BenchError(
            f"category level {level}: level 1 is the root and level 2 women or men, which all "
            "items share; choose 3 or more"
        )


def is_under(paths: Paths, root: str, second: str) -> bool:
    """Say whether an item has a path that starts with `root`, then `second`."""
    return any(len(path) >= 2 and path[0] == root and path[1] == second for path in paths)


def categories_at(
    paths_per_item: Iterable[Paths],
    root: str = CLOTHING_ROOT,
    second: str = "Women",
    level: int = DEFAULT_LEVEL,
) -> tuple[tuple[str, ...], npt.NDArray[np.int16]]:
    """Give every item one category: its node at `level` below `root` and `second`.

    Nodes of one name in different places are different categories, so that a category is named by
    its path below the second node: "Clothing > Dresses". Of several paths the first that reaches
    `level` counts. Where none does, the deepest node there is stands for it (the first of equally
    deep ones): an item listed as "Shoes" and no more is a shoe, of no known kind, which says more
    than nothing. An item without any path there gets `NO_CATEGORY`, as does one whose paths end at
    the second node.

    Parameters
    ----------
    paths_per_item
        Taxonomy paths of each item, in catalogue order; none where unknown.
    root, second
        First and second node of the paths that count.
    level
        3 or more; 3 is the node right below `second`.

    Returns
    -------
    Names in text order, `NO_CATEGORY` last if an item has it; and int16 (n_items,) into them.

    Raises
    ------
    BenchError
        `level` is below 3, or there are more categories than int16 can number.
    """
    check_level(level)
    chosen = [_SEPARATOR.join(_node(paths, root, second, level)) for paths in paths_per_item]
    # An empty text stands for none until the names are sorted.
    names = sorted(set(chosen), key=lambda name: (not name, name))
    if len(names) > np.iinfo(np.int16).max:
        raise BenchError(f"{len(names)} categories at level {level} are too many; choose a lower")
    code_of = {name: code for code, name in enumerate(names)}
    codes = np.array([code_of[name] for name in chosen], dtype=np.int16)
    return tuple(name or NO_CATEGORY for name in names), codes


def category_counts(
    paths_per_item: Iterable[Paths],
    root: str = CLOTHING_ROOT,
    second: str = "Women",
    level: int = DEFAULT_LEVEL,
) -> dict[str, int]:
    """Count what `categories_at` had to decide, for the report.

    Returns
    -------
    `category_level`; `items_without_category`; `items_above_category_level`, whose paths are all
    too short; and `items_in_several_categories`, of which the first counted.
    """
    counts = Counter[str]()
    for paths in paths_per_item:
        node = _node(paths, root, second, level)
        reached = {
            tuple(path[2:level])
            for path in paths
            if len(path) >= level and path[0] == root and path[1] == second
        }
        counts["none"] += not node
        counts["above"] += bool(node) and not reached
        counts["several"] += len(reached) > 1
    return {
        "category_level": level,
        "items_without_category": counts["none"],
        "items_above_category_level": counts["above"],
        "items_in_several_categories": counts["several"],
    }


def _node(paths: Paths, root: str, second: str, level: int) -> Sequence[str]:
    """Give the chosen node as its path below the second one; empty if there is none."""
    deepest: Sequence[str] = ()
    for path in paths:
        if len(path) < 3 or path[0] != root or path[1] != second:
            continue
        if len(path) >= level:
            return path[2:level]
        if len(path) - 2 > len(deepest):
            deepest = path[2:]
    return deepest
