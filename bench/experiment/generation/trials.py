"""Who is asked for what: random users, the categories of their test items, random real images."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import NO_ITEM, Dataset
from bench.errors import BenchError
from bench.rng import child_generator

__all__ = ["Trials", "draw_trials", "reference_items", "sample_items"]


@dataclass(frozen=True)
class Trials:
    """The queries of Table IV.

    Attributes
    ----------
    users
        int64 (t,): random users with a test item, each once.
    categories
        int64 (t,): of their test items, which are used for nothing else.
    items
        int64 (t, top): X_c, random items of the category, in each trial different ones.
    """

    users: npt.NDArray[np.int64]
    categories: npt.NDArray[np.int64]
    items: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.users)


def draw_trials(dataset: Dataset, *, trials: int, top: int, seed: int) -> Trials:
    """Draw the queries; more trials begin with the same ones.

    Parameters
    ----------
    dataset
        With categories.
    trials
        How many; fewer where fewer users can be asked.
    top
        Images per trial. A category with fewer cannot be asked for.
    seed
        Root seed.

    Raises
    ------
    BenchError
        No categories; no user with a test item; no category with so many images.
    """
    item_categories = dataset.training.categories
    if item_categories is None:
        raise BenchError(f"{dataset.name} has no categories, and images are designed of a category")
    tested = np.flatnonzero(dataset.test != NO_ITEM)
    if not len(tested):
        raise BenchError(
            f"{dataset.name}: no user has a test item, whose category Table IV's trials take"
        )
    sizes = np.bincount(item_categories, minlength=len(dataset.training.category_names))
    wanted = item_categories[dataset.test[tested]]
    able = tested[sizes[wanted] >= top]
    if not len(able):
        raise BenchError(
            f"{dataset.name}: no category of a test item has {top} images (the largest has "
            f"{int(sizes[wanted].max())}); --set design.top=N shows fewer per trial"
        )
    users = child_generator(seed, "trials").permutation(able)[:trials].astype(np.int64)
    categories = item_categories[dataset.test[users]].astype(np.int64)
    members = {int(c): np.flatnonzero(item_categories == c) for c in np.unique(categories)}
    items = np.stack(
        [
            child_generator(seed, "real images", int(user)).choice(
                members[int(category)], size=top, replace=False
            )
            for user, category in zip(users, categories, strict=True)
        ]
    )
    return Trials(users, categories, items.astype(np.int64))


def reference_items(
    item_categories: npt.NDArray[np.integer], trials: Trials, seed: int
) -> npt.NDArray[np.int64]:
    """Draw real images to compare all sources with: the trials' categories, other items than X_c.

    Each category has the share it has among the trials, so that categories make no difference
    between the two sides; and as no image is on both, the distance of X_c is what two samples of
    real images have.

    Returns
    -------
    int64 (r,), r at most the number of X_c's images, each once: as many as the category with the
    fewest images left allows; none where a category has no image left.
    """
    used = np.unique(trials.items)
    left, wanted = {}, {}
    for category, count in zip(*np.unique(trials.categories, return_counts=True), strict=True):
        members = np.flatnonzero(item_categories == category)
        left[int(category)] = np.setdiff1d(members, used)
        wanted[int(category)] = int(count) * trials.items.shape[1]
    share = min(1.0, min(len(left[c]) / wanted[c] for c in wanted))
    rng = child_generator(seed, "reference")
    drawn = [
        rng.choice(left[c], size=min(int(share * wanted[c] + 1e-9), len(left[c])), replace=False)
        for c in wanted
    ]
    return np.concatenate(drawn).astype(np.int64)


def sample_items(
    item_categories: npt.NDArray[np.integer], n_categories: int, per_category: int, seed: int
) -> npt.NDArray[np.int64]:
    """Draw up to so many items of each category, each once: int64 (n,)."""
    rng = child_generator(seed, "samples", "real")
    drawn = []
    for category in range(n_categories):
        members = np.flatnonzero(item_categories == category)
        drawn.append(rng.choice(members, size=min(per_category, len(members)), replace=False))
    return np.concatenate([np.empty(0, np.int64), *drawn]).astype(np.int64)
