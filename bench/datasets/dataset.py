"""What a data set is in memory: training interactions, held-out items, features, images.

`TrainingSet` is all a recommender ever receives; `Dataset` adds the held-out items for the
evaluator. Interactions are small (two integers a pair) and live in memory; features and images are
memory-mapped and read where they are used.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import numpy as np
import numpy.typing as npt

from bench.errors import BenchError, HeldOutError
from bench.files import sha256_of_arrays

if TYPE_CHECKING:
    from PIL.Image import Image
    from scipy.sparse import csr_matrix

    from bench.recommender import Factors

__all__ = [
    "Dataset",
    "FeatureInfo",
    "Images",
    "Interactions",
    "NO_ITEM",
    "TrainingSet",
    "TuningSet",
    "repeats_training",
    "split_hash",
]

NO_ITEM = -1
"""Stands where a user has no validation or no test item."""


@dataclass(frozen=True)
class Interactions:
    """Which user has which items, in compressed rows.

    Attributes
    ----------
    indptr
        int64 (n_users + 1,): row u is `indices[indptr[u]:indptr[u + 1]]`.
    indices
        int32 (n_pairs,): item numbers, ascending and unique within a row.
    n_items
        Size of the catalogue.
    """

    indptr: npt.NDArray[np.int64]
    indices: npt.NDArray[np.int32]
    n_items: int

    @classmethod
    def from_pairs(
        cls,
        users: npt.NDArray[np.integer[Any]],
        items: npt.NDArray[np.integer[Any]],
        *,
        n_users: int,
        n_items: int,
    ) -> "Interactions":
        """Build from parallel arrays in any order; repeated pairs are merged."""
        if len(users) != len(items):
            raise BenchError(f"{len(users)} users do not pair with {len(items)} items")
        for name, rows, count in (("user", users, n_users), ("item", items, n_items)):
            if len(rows) and not 0 <= int(rows.min()) <= int(rows.max()) < count:
                raise BenchError(f"{name} numbers must lie in 0..{count - 1}")
        # Sorted and compared: numpy.unique hashes integers, at fifty times the time for millions.
        keys = np.sort(users.astype(np.int64) * n_items + items.astype(np.int64))
        keys = keys[np.diff(keys, prepend=-1) != 0]
        rows, columns = np.divmod(keys, max(n_items, 1))
        indptr = np.zeros(n_users + 1, dtype=np.int64)
        np.cumsum(np.bincount(rows, minlength=n_users), out=indptr[1:])
        return cls(indptr, columns.astype(np.int32), n_items)

    @property
    def n_users(self) -> int:
        """Number of rows."""
        return len(self.indptr) - 1

    @property
    def n_pairs(self) -> int:
        """Number of (user, item) pairs."""
        return len(self.indices)

    def of(self, user: int) -> npt.NDArray[np.int32]:
        """Give the items of one user, ascending."""
        return self.indices[self.indptr[user] : self.indptr[user + 1]]

    @cached_property
    def users(self) -> npt.NDArray[np.int32]:
        """The user of each pair: int32 (n_pairs,), ascending, parallel to `indices`."""
        return np.repeat(np.arange(self.n_users, dtype=np.int32), np.diff(self.indptr))

    @cached_property
    def item_counts(self) -> npt.NDArray[np.int64]:
        """Number of users per item: int64 (n_items,)."""
        return np.bincount(self.indices, minlength=self.n_items).astype(np.int64)

    def contains(
        self, users: npt.NDArray[np.integer[Any]], items: npt.NDArray[np.integer[Any]]
    ) -> npt.NDArray[np.bool_]:
        """Say for each pair whether it is here; the two arrays broadcast against each other."""
        keys = np.asarray(users, np.int64) * self.n_items + np.asarray(items, np.int64)
        places = np.searchsorted(self._keys, keys)
        found: npt.NDArray[np.bool_] = self._keys_closed[places] == keys
        return found

    def with_pairs(
        self, users: npt.NDArray[np.integer[Any]], items: npt.NDArray[np.integer[Any]]
    ) -> "Interactions":
        """Give these interactions and those pairs; pairs whose item is `NO_ITEM` are skipped."""
        real = items != NO_ITEM
        return Interactions.from_pairs(
            np.concatenate([self.users, users[real].astype(np.int32)]),
            np.concatenate([self.indices, items[real].astype(np.int32)]),
            n_users=self.n_users,
            n_items=self.n_items,
        )

    def matrix(self) -> "csr_matrix":
        """Give a SciPy CSR matrix of float32 ones, (n_users, n_items)."""
        from scipy.sparse import csr_matrix

        ones = np.ones(self.n_pairs, dtype=np.float32)
        return csr_matrix((ones, self.indices, self.indptr), shape=(self.n_users, self.n_items))

    @cached_property
    def _keys(self) -> npt.NDArray[np.int64]:
        return self.users.astype(np.int64) * self.n_items + self.indices

    @cached_property
    def _keys_closed(self) -> npt.NDArray[np.int64]:
        # One more entry, which no key equals, so that a search past the end needs no branch.
        return np.append(self._keys, np.int64(-1))


@dataclass(frozen=True)
class FeatureInfo:
    """What the feature rows are, as every table that rests on them says.

    Attributes
    ----------
    kind
        "published" (the original CNN features), "classifier" (the suite's own CNN, trained to
        classify), "own" (given by the user), "learnt" (by a recommender, from the training
        interactions).
    description
        One line for a table's foot.
    """

    kind: Literal["published", "classifier", "own", "learnt"]
    description: str


class Images:
    """Encoded product images, read from a memory map one at a time.

    Parameters
    ----------
    column
        Sequence of encoded image bytes per item (a column of the memory-mapped items file, or any
        list of bytes).
    cache
        Folder, named after a hash of the items with their images, for what can be made of them
        again at any time (decoded pixels); None where nothing may be kept.
    """

    def __init__(self, column: Sequence[Any], *, cache: Path | None = None) -> None:
        self._column = column
        self.cache = cache

    def __len__(self) -> int:
        return len(self._column)

    def encoded(self, item: int) -> bytes:
        """Give the image file of an item (JPEG or any other format Pillow reads)."""
        value = self._column[item]
        return value if isinstance(value, bytes) else value.as_buffer().to_pybytes()

    def decoded(self, item: int) -> "Image":
        """Decode an item's image to RGB."""
        from PIL import Image

        with Image.open(io.BytesIO(self.encoded(item))) as image:
            return image.convert("RGB")


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """What a recommender may see; asking it for `validation` or `test` is an error.

    Attributes
    ----------
    name
        The data set's name.
    train
        The training interactions.
    features
        float16 or float32 (n_items, d), usually memory-mapped; None without features.
    feature_info
        What the features are; None without features.
    images
        One encoded image per item; None without images.
    categories
        int16 (n_items,) into `category_names`; None without categories.
    category_names
        Names of the categories, in the order of their numbers.
    """

    name: str
    train: Interactions
    features: npt.NDArray[np.floating[Any]] | None = None
    feature_info: FeatureInfo | None = None
    images: Images | None = None
    categories: npt.NDArray[np.int16] | None = None
    category_names: tuple[str, ...] = ()

    @property
    def n_users(self) -> int:
        """Number of users."""
        return self.train.n_users

    @property
    def n_items(self) -> int:
        """Size of the catalogue."""
        return self.train.n_items

    @property
    def offers(self) -> frozenset[str]:
        """Which of "features", "images" and "categories" this data set has."""
        optional = ("features", "images", "categories")
        return frozenset(name for name in optional if getattr(self, name) is not None)

    def need_features(self) -> npt.NDArray[np.floating[Any]]:
        """Give the features, or say that there are none."""
        if self.features is None:
            raise BenchError(f"{self.name} has no features")
        return self.features

    @property
    def validation(self) -> NoReturn:
        """Held out: not for training code."""
        raise HeldOutError("a recommender may not read the validation items; use watch instead")

    @property
    def test(self) -> NoReturn:
        """Held out: not for training code."""
        raise HeldOutError("a recommender may not read the test items")


@dataclass(frozen=True, kw_only=True)
class TuningSet:
    """What hyper-parameters may be chosen by; asking it for `test` is an error.

    Attributes
    ----------
    training
        What recommenders see.
    validation
        int32 (n_users,): the validation item of each user, `NO_ITEM` where there is none.
    known
        All of a user's items, which are no negatives of hers. Her test item is the one that is
        neither in training nor her validation item: only the evaluator is given this, and
        recommenders `training` alone.
    """

    training: TrainingSet
    validation: npt.NDArray[np.int32]
    known: Interactions

    @property
    def test(self) -> NoReturn:
        """Held out: not for choosing hyper-parameters."""
        raise HeldOutError("tuning may not read the test items")


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A data set with its held-out items, for the evaluator and the reports.

    Attributes
    ----------
    training
        What recommenders see.
    validation, test
        int32 (n_users,): the held-out item of each user, `NO_ITEM` where there is none.
    user_ids, item_ids
        The outside names of users and items, in row order.
    data_hash
        SHA-256 over interactions, item ids, features and images, as stored.
    split_hash
        SHA-256 over the three parts of the split: two results with the same one saw the same split.
    split_rule
        How the split was made, with its seed, in words.
    oracle
        The true utilities where purchases are simulated and so the best possible score is known.
    """

    training: TrainingSet
    validation: npt.NDArray[np.int32]
    test: npt.NDArray[np.int32]
    user_ids: Sequence[str]
    item_ids: Sequence[str]
    data_hash: str
    split_hash: str
    split_rule: str
    oracle: "Factors | None" = None

    def __post_init__(self) -> None:
        for name in ("validation", "test"):
            items = getattr(self, name)
            if items.shape != (self.n_users,):
                raise BenchError(f"{name} must hold one item per user")
            if len(items) and not NO_ITEM <= int(items.min()) <= int(items.max()) < self.n_items:
                raise BenchError(f"{name} items must lie in -1..{self.n_items - 1}")

    @property
    def name(self) -> str:
        """The data set's name."""
        return self.training.name

    @property
    def n_users(self) -> int:
        """Number of users."""
        return self.training.n_users

    @property
    def n_items(self) -> int:
        """Size of the catalogue."""
        return self.training.n_items

    @property
    def n_interactions(self) -> int:
        """Number of unique (user, item) pairs over all three parts, as Table II counts them."""
        return self.known.n_pairs

    @cached_property
    def known(self) -> Interactions:
        """All of a user's items, P, V and T of section IV-A: what no negative is drawn from."""
        users = np.arange(self.n_users)
        return self.training.train.with_pairs(users, self.validation).with_pairs(users, self.test)

    @cached_property
    def repeats(self) -> npt.NDArray[np.bool_]:
        """Users whose validation or test item is one of their training items: bool (n_users,)."""
        train = self.training.train
        return repeats_training(train, self.validation) | repeats_training(train, self.test)

    def for_tuning(self, *, drop_repeats: bool = False) -> TuningSet:
        """Give this data set without its test items; they stay excluded from the negatives.

        Parameters
        ----------
        drop_repeats
            Leave out users whose validation item is one of their training items. Unlike
            `without_repeats`, it does not look at test items.
        """
        validation = self.validation
        if drop_repeats:
            repeats = repeats_training(self.training.train, validation)
            validation = np.where(repeats, NO_ITEM, validation).astype(np.int32)
        return TuningSet(training=self.training, validation=validation, known=self.known)

    def without_repeats(self) -> "Dataset":
        """Give this data set with nothing held out of the users in `repeats`.

        They are trained on as before, and neither validated nor tested; a held-out item of theirs
        that repeats nothing is no longer counted in `n_interactions`.
        """
        validation, test = (
            np.where(self.repeats, NO_ITEM, items).astype(np.int32)
            for items in (self.validation, self.test)
        )
        return replace(self, validation=validation, test=test)


def repeats_training(train: Interactions, held_out: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """Say whose held-out item is among the same user's training items: bool (n_users,)."""
    present = held_out != NO_ITEM
    users = np.arange(train.n_users)
    repeats: npt.NDArray[np.bool_] = present & train.contains(users, np.where(present, held_out, 0))
    return repeats


def split_hash(
    train: Interactions, validation: npt.NDArray[np.int32], test: npt.NDArray[np.int32]
) -> str:
    """Hash the three parts of a split."""
    return sha256_of_arrays(train.indptr, train.indices, validation, test)
