"""Preprocessing of section IV-A: repeated pairs merged, inactive users out, one item each held out.

Pure functions of arrays without a loop per user. Nothing depends on the order of the rows: pairs
are sorted by (user, item) first, and the random draws go to users in that order.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import Interactions
from bench.errors import BenchError
from bench.rng import child_generator

__all__ = [
    "NO_TIME",
    "Counts",
    "Pairs",
    "Preprocessed",
    "drop_inactive_users",
    "leave_one_out",
    "merge_repeats",
    "preprocess",
]

NO_TIME = np.iinfo(np.int64).max
"""Stands where a pair has no timestamp; the largest number, so that a known time is earlier."""


@dataclass(frozen=True)
class Pairs:
    """Unique (user, item) pairs, ascending by user, then item.

    Attributes
    ----------
    users, items
        int64 (n,).
    seconds
        int64 (n,): earliest time of each pair, `NO_TIME` where unknown.
    """

    users: npt.NDArray[np.int64]
    items: npt.NDArray[np.int64]
    seconds: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.users)


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What preprocessing did, for the report."""

    pairs_read: int
    repeated_pairs_merged: int
    users_read: int
    users_discarded: int
    pairs_discarded: int
    items_discarded: int
    items_without_training: int
    min_interactions: int

    def to_json(self) -> dict[str, int]:
        """Give the counts as a plain dictionary."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Preprocessed:
    """A split data set with users and items renumbered without gaps.

    Attributes
    ----------
    users, items
        int64: the former number of each user and each item of the catalogue, ascending.
    pairs
        All pairs that remain, in the new numbers.
    train
        Training interactions.
    validation, test
        int32 (n_users,): the held-out items; every user has both.
    counts
        What was read, merged and discarded.
    """

    users: npt.NDArray[np.int64]
    items: npt.NDArray[np.int64]
    pairs: Pairs
    train: Interactions
    validation: npt.NDArray[np.int32]
    test: npt.NDArray[np.int32]
    counts: Counts


def merge_repeats(
    users: npt.NDArray[np.integer[Any]],
    items: npt.NDArray[np.integer[Any]],
    seconds: npt.NDArray[np.int64] | None = None,
) -> Pairs:
    """Merge repeated pairs; the earliest time stays.

    Parameters
    ----------
    users, items
        integer (n,): non-negative numbers in any order.
    seconds
        int64 (n,), `NO_TIME` where unknown; None if no time is known.
    """
    if not len(users):
        empty = np.empty(0, dtype=np.int64)
        return Pairs(empty, empty, empty)
    width = np.int64(int(items.max()) + 1)
    if int(users.max()) >= np.iinfo(np.int64).max // int(width):
        raise BenchError("user and item numbers are too large; number them without gaps")
    keys = users.astype(np.int64) * width + items
    if seconds is None:
        keys = _distinct(keys)
        earliest = np.full(len(keys), NO_TIME)
    else:
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        starts = np.flatnonzero(np.diff(keys, prepend=-1))
        earliest = np.minimum.reduceat(seconds[order], starts)
        keys = keys[starts]
    return Pairs(keys // width, keys % width, earliest)


def drop_inactive_users(pairs: Pairs, min_interactions: int) -> Pairs:
    """Leave out users with fewer than `min_interactions` distinct items (section IV-A: 5)."""
    if not len(pairs):
        return pairs
    # Pairs are sorted by user: a user's pairs are one run.
    starts = np.flatnonzero(np.diff(pairs.users, prepend=-1))
    lengths = np.diff(starts, append=len(pairs))
    keep = np.repeat(lengths >= min_interactions, lengths)
    return Pairs(pairs.users[keep], pairs.items[keep], pairs.seconds[keep])


def leave_one_out(
    counts: npt.NDArray[np.int64], generator: np.random.Generator
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Draw one validation and another test item per user, uniformly (section IV-A).

    Parameters
    ----------
    counts
        int64 (n_users,): items per user, at least 2.
    generator
        Source of the draws: two per user.

    Returns
    -------
    Two int64 (n_users,): which of a user's items are held out, in 0..counts - 1, never the same.
    """
    validation = generator.integers(0, counts)
    test = generator.integers(0, counts - 1)
    # One of the others: step over the validation item.
    return validation, test + (test >= validation)


def preprocess(
    users: npt.NDArray[np.integer[Any]],
    items: npt.NDArray[np.integer[Any]],
    seconds: npt.NDArray[np.int64] | None = None,
    *,
    n_items: int | None = None,
    min_interactions: int = 5,
    seed: int = 0,
) -> Preprocessed:
    """Merge repeats, leave out inactive users and split, as in section IV-A.

    Parameters
    ----------
    users, items
        integer (n,): non-negative numbers, in any order, pairs may repeat.
    seconds
        int64 (n,): times, `NO_TIME` where unknown; None if no time is known.
    n_items
        Size of a given catalogue, all of which stays, items never bought included: they remain
        candidates. None: the catalogue is the items of the users that remain.
    min_interactions
        Users with fewer distinct items are left out.
    seed
        Root seed of the split.

    Returns
    -------
    The split; without any user if nobody has enough items.

    Raises
    ------
    BenchError
        `min_interactions` is below 3, which leaves nothing to train on.
    """
    if min_interactions < 3:
        raise BenchError(
            f"at least 3 interactions per user are needed (training, validation, test), "
            f"got {min_interactions}"
        )
    merged = merge_repeats(users, items, seconds)
    kept = drop_inactive_users(merged, min_interactions)
    # Users come in runs, so that counting the runs numbers them without gaps.
    new_user = np.diff(kept.users, prepend=-1) != 0
    user_numbers = kept.users[new_user]
    user_rows = np.cumsum(new_user) - 1
    n_users_read = int(np.count_nonzero(np.diff(merged.users, prepend=-1)))
    items_discarded = 0
    if n_items is None:
        item_numbers = _distinct(kept.items)
        item_rows = np.searchsorted(item_numbers, kept.items)
        items_discarded = len(_distinct(merged.items)) - len(item_numbers)
    else:
        item_numbers, item_rows = np.arange(n_items, dtype=np.int64), kept.items
    pairs = Pairs(user_rows.astype(np.int64), item_rows.astype(np.int64), kept.seconds)
    n_users = len(user_numbers)
    lengths = np.bincount(pairs.users, minlength=n_users)
    starts = np.cumsum(lengths) - lengths
    validation, test = leave_one_out(lengths, child_generator(seed, "leave-one-out"))
    is_train = np.ones(len(pairs), dtype=np.bool_)
    is_train[starts + validation] = False
    is_train[starts + test] = False
    train = Interactions.from_pairs(
        pairs.users[is_train],
        pairs.items[is_train],
        n_users=n_users,
        n_items=len(item_numbers),
    )
    return Preprocessed(
        users=user_numbers,
        items=item_numbers,
        pairs=pairs,
        train=train,
        validation=pairs.items[starts + validation].astype(np.int32),
        test=pairs.items[starts + test].astype(np.int32),
        counts=Counts(
            pairs_read=len(users),
            repeated_pairs_merged=len(users) - len(merged),
            users_read=n_users_read,
            users_discarded=n_users_read - n_users,
            pairs_discarded=len(merged) - len(kept),
            items_discarded=items_discarded,
            items_without_training=int(np.count_nonzero(train.item_counts == 0)),
            min_interactions=min_interactions,
        ),
    )


def _distinct(numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Give each non-negative number once, ascending."""
    # Not numpy.unique: it hashes integers, at fifty times the time for millions of them.
    ordered = np.sort(numbers)
    distinct: npt.NDArray[np.int64] = ordered[np.diff(ordered, prepend=-1) != 0]
    return distinct
