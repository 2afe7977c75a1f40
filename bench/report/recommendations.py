"""What each model would show one user, and where it ranks the item she bought later."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import NO_ITEM, Dataset
from bench.errors import BenchError, unknown_name

__all__ = [
    "Rank",
    "Recommendations",
    "bought",
    "category_of",
    "find_category",
    "find_item",
    "find_user",
    "mark",
    "recommend",
    "to_text",
]


@dataclass(frozen=True)
class Rank:
    """Where the test item stands among the items outside the user's P, V and T.

    Attributes
    ----------
    n_greater, n_equal
        Negatives scored above the test item, and tied with it.
    n_negatives
        All of them.
    """

    n_greater: int
    n_equal: int
    n_negatives: int

    @property
    def auc(self) -> float:
        """The user's AUC; ties earn nothing (section IV-A)."""
        n_less = self.n_negatives - self.n_greater - self.n_equal
        return n_less / self.n_negatives if self.n_negatives else float("nan")

    def __str__(self) -> str:
        first = self.n_greater + 1
        ranks = f"{first:,}" if not self.n_equal else f"{first:,} to {first + self.n_equal:,}"
        return f"{ranks} of {self.n_negatives + 1:,}"


@dataclass(frozen=True, kw_only=True)
class Recommendations:
    """One model's first items for one user.

    Attributes
    ----------
    label
        The model's name in tables.
    seed
        Seed of its fit.
    items
        int64 (k,): items outside the user's training items, best first; ties by item number.
    scores
        float32 (k,).
    rank
        Of her test item; None if she has none.
    """

    label: str
    seed: int
    items: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]
    rank: Rank | None


def find_user(dataset: Dataset, user_id: str) -> int:
    """Give the row of a user.

    Raises
    ------
    BenchError
        No such user; the nearest id is named.
    """
    return _find("user", user_id, dataset.user_ids, dataset.name)


def find_item(dataset: Dataset, item_id: str) -> int:
    """Give the row of an item.

    Raises
    ------
    BenchError
        No such item; the nearest id is named.
    """
    return _find("item", item_id, dataset.item_ids, dataset.name)


def find_category(dataset: Dataset, name: str) -> int:
    """Give the number of a category; upper and lower case count alike.

    Raises
    ------
    BenchError
        No such category (the nearest one is named), or no categories at all.
    """
    names = dataset.training.category_names
    if dataset.training.categories is None:
        raise BenchError(f"{dataset.name} has no categories, and images are designed of a category")
    for number, known in enumerate(names):
        if known.casefold() == name.casefold():
            return number
    raise unknown_name("category", name, names, see=f"bench datasets info {dataset.name}")


def _find(kind: str, name: str, ids: Sequence[str], dataset: str) -> int:
    for row, known in enumerate(ids):
        if known == name:
            return row
    near = difflib.get_close_matches(name, ids, n=1, cutoff=0.5)
    some = ", ".join(repr(known) for known in ids[:3])
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise BenchError(
        f"unknown {kind} {name!r} of {dataset}: {hint}"
        f"it has {len(ids):,} {kind}s, among them {some}"
    )


def bought(dataset: Dataset, user: int) -> npt.NDArray[np.int64]:
    """List the user's training items, ascending."""
    return dataset.training.train.of(user).astype(np.int64)


def recommend(
    dataset: Dataset,
    user: int,
    scores: npt.NDArray[np.float32],
    *,
    label: str,
    seed: int,
    top: int,
) -> Recommendations:
    """Rank the catalogue for one user.

    Parameters
    ----------
    dataset
        The data set.
    user
        Her row.
    scores
        float32 (n_items,): the model's scores for her.
    label, seed
        The model's name and seed.
    top
        How many items to give; what she bought in training is not shown again.
    """
    free = np.ones(dataset.n_items, dtype=bool)
    free[bought(dataset, user)] = False
    candidates = np.flatnonzero(free)
    order = np.argsort(-scores[candidates], kind="stable")[:top]
    items = candidates[order]
    rank = None
    test = int(dataset.test[user])
    if test != NO_ITEM:
        free[dataset.known.of(user)] = False
        negatives = scores[free]
        rank = Rank(
            n_greater=int(np.count_nonzero(negatives > scores[test])),
            n_equal=int(np.count_nonzero(negatives == scores[test])),
            n_negatives=len(negatives),
        )
    return Recommendations(label=label, seed=seed, items=items, scores=scores[items], rank=rank)


def mark(dataset: Dataset, user: int, item: int) -> str:
    """Say whether an item is the user's held-out one: "test", "validation" or nothing."""
    if item == dataset.test[user]:
        return "test"
    return "validation" if item == dataset.validation[user] else ""


def to_text(dataset: Dataset, user: int, rows: Sequence[Recommendations]) -> str:
    """Write what she bought and what each model recommends, a line per item."""
    from tabulate import tabulate

    def line(item: int) -> list[Any]:
        return [dataset.item_ids[item], category_of(dataset, item)]

    own = [[*line(int(item)), ""] for item in bought(dataset, user)]
    for part in ("validation", "test"):
        held_out = int(getattr(dataset, part)[user])
        if held_out != NO_ITEM:
            own.append([*line(held_out), part])
    texts = [
        f"{dataset.name}, user {dataset.user_ids[user]}: bought",
        tabulate(own, headers=("item", "category", "held out as"), disable_numparse=True),
    ]
    for row in rows:
        rank = "she has no test item" if row.rank is None else f"test item at rank {row.rank}"
        texts.append(f"\n{row.label} (seed {row.seed}): {rank}")
        lines = [
            [n, *line(int(item)), f"{score:.4g}", mark(dataset, user, int(item))]
            for n, (item, score) in enumerate(zip(row.items, row.scores, strict=True), start=1)
        ]
        headers = ("", "item", "category", "score", "")
        texts.append(tabulate(lines, headers=headers, disable_numparse=True))
    return "\n".join(texts) + "\n"


def category_of(dataset: Dataset, item: int) -> str:
    """Name an item's category; nothing without categories."""
    training = dataset.training
    if training.categories is None:
        return ""
    return training.category_names[int(training.categories[item])]
