"""The one interface every image generator answers: fit, generate, judge, design, tailor.

A generator is conditioned on the item's category: G(z, c) of section III-C. Checks shared by all of
them (fitted? a known category? sensible codes? right shape?) live in the public methods here; a
generator fills in the hooks that start with an underscore.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import TrainingSet
from bench.errors import BenchError, NotFittedError
from bench.files import atomic_folder
from bench.recommender import (
    KEEP_GOING,
    NoParams,
    Recommender,
    Runtime,
    State,
    Watch,
    parse_params,
    read_state,
)

__all__ = ["DesignOptions", "Designs", "Generator", "TailorOptions", "Tailored"]


@dataclass(frozen=True, kw_only=True)
class DesignOptions:
    """How preference maximisation (eq. 9 to 11) is run.

    Attributes
    ----------
    eta
        Weight of the quality term L_real; the paper uses 1.
    starts
        Random initial points m of each query; the paper uses 64.
    steps
        Steps of gradient ascent.
    learning_rate
        Adam's step in z' of eq. 10.
    top
        Images returned per query.
    selection
        How they are chosen from the starts: "sample" draws them without replacement by eq. 11, as
        in Table IV; "best" takes those with the highest objective, as in Figure 5. A single image
        is always the best.
    batch
        Images of a batch, over queries and starts; 0 leaves it to the generator. On a CPU as many
        batches are computed at once as there are threads.
    """

    eta: float = 1.0
    starts: int = 64
    steps: int = 50
    learning_rate: float = 0.05
    top: int = 3
    selection: Literal["sample", "best"] = "sample"
    batch: int = 0

    def __post_init__(self) -> None:
        if self.eta < 0:
            raise ValueError(f"eta must be at least 0, got {self.eta}")
        if self.learning_rate <= 0:
            raise ValueError(f"learning_rate must be above 0, got {self.learning_rate}")
        if self.starts < 1 or self.top < 1:
            raise ValueError(f"starts and top must be at least 1, got {self.starts}, {self.top}")
        if self.top > self.starts:
            raise ValueError(f"top {self.top} images cannot be drawn from {self.starts} starts")
        if self.steps < 0 or self.batch < 0:
            raise ValueError(f"steps and batch must be at least 0, got {self.steps}, {self.batch}")


@dataclass(frozen=True, kw_only=True)
class TailorOptions:
    """How an existing image is approximated (eq. 12) and then taken uphill (eq. 10).

    Attributes
    ----------
    starts
        Random initial codes of the approximation; the one nearest in L1 is kept.
    fit_steps, fit_learning_rate
        Adam's steps of the approximation, and their size in z'.
    eta
        Weight of the quality term on the way uphill.
    learning_rate
        Adam's step in z' on the way uphill.
    iterates
        Numbers of steps uphill after which the image is kept, ascending; 0 is the approximation
        itself. Figure 6 shows 0, 10, 20, 40 and 50.
    batch
        Images of a batch; 0 leaves it to the generator.
    """

    starts: int = 16
    fit_steps: int = 200
    fit_learning_rate: float = 0.1
    eta: float = 1.0
    learning_rate: float = 0.05
    iterates: tuple[int, ...] = (0, 10, 20, 40, 50)
    batch: int = 0

    def __post_init__(self) -> None:
        if self.starts < 1 or self.fit_steps < 0 or self.batch < 0:
            raise ValueError("starts must be at least 1, fit_steps and batch at least 0")
        if self.eta < 0:
            raise ValueError(f"eta must be at least 0, got {self.eta}")
        if self.learning_rate <= 0 or self.fit_learning_rate <= 0:
            raise ValueError("learning_rate and fit_learning_rate must be above 0")
        ascending = sorted(set(self.iterates))
        if not self.iterates or list(self.iterates) != ascending or ascending[0] < 0:
            raise ValueError(f"iterates must be ascending and from 0, got {self.iterates}")


@dataclass(frozen=True, kw_only=True)
class Designs:
    """The images designed for each of q queries, a query being a user and a category.

    A query's images stand by falling objective; scores and objective are those of the 8-bit images.

    Attributes
    ----------
    images
        uint8 (q, top, P, P, 3).
    scores
        float32 (q, top): preference of eq. 6, theta_u . Phi(x); eta is not counted in.
    objective
        float32 (q, top): what was maximised, eq. 9.
    codes
        float32 (q, top, d): z of each image, in [-1, 1].
    """

    images: npt.NDArray[np.uint8]
    scores: npt.NDArray[np.float32]
    objective: npt.NDArray[np.float32]
    codes: npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Tailored:
    """The way from each of n images to one that its user would rather have.

    Attributes
    ----------
    prototypes
        uint8 (n, P, P, 3): the given images at the generator's size.
    prototype_scores
        float32 (n,): preference, eq. 6, for the images in the size they were given.
    iterates
        uint8 (n, len(steps), P, P, 3): the images after `steps` steps uphill; step 0 is the
        approximation of the prototype.
    scores
        float32 (n, len(steps)): their preference, eq. 6.
    codes
        float32 (n, len(steps), d): their z, in [-1, 1].
    l1
        float32 (n,): mean absolute difference of approximation and prototype over pixels and
        channels, values in [-1, 1] (eq. 12 divided by the number of values).
    steps
        The numbers of steps, `TailorOptions.iterates`.
    """

    prototypes: npt.NDArray[np.uint8]
    prototype_scores: npt.NDArray[np.float32]
    iterates: npt.NDArray[np.uint8]
    scores: npt.NDArray[np.float32]
    codes: npt.NDArray[np.float32]
    l1: npt.NDArray[np.float32]
    steps: tuple[int, ...]


class Generator(ABC):
    """One image generator behind the shared interface.

    A subclass sets the class attributes, fills in the hooks, and is named in the entry-point group
    `bench.generators`. One that can also design fills in `_design` and `_tailor`.

    Attributes
    ----------
    name
        The name on the command line and in the results.
    label
        The name in tables and figures.
    source
        Where the model comes from: paper and, if a library trains it, the library.
    Params
        A frozen dataclass of hyper-parameters.
    needs
        What the data set must have.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    source: ClassVar[str]
    Params: ClassVar[type[Any]] = NoParams
    grid: ClassVar[Mapping[str, tuple[object, ...]]] = {}
    needs: ClassVar[frozenset[str]] = frozenset({"images", "categories"})

    def __init__(self, params: Any = None, *, runtime: Runtime | None = None) -> None:
        self.params = parse_params(type(self), {}) if params is None else params
        if not isinstance(self.params, self.Params):
            raise BenchError(
                f"{self.name} takes {self.Params.__name__} as params, "
                f"got {type(self.params).__name__}"
            )
        self.runtime = runtime or Runtime()
        self._fitted = False
        self._category_names: tuple[str, ...] = ()

    @property
    @abstractmethod
    def max_epochs(self) -> int:
        """How many epochs a fit has."""

    @property
    @abstractmethod
    def pixels(self) -> int:
        """Side of the square images it makes."""

    @property
    @abstractmethod
    def code_dims(self) -> int:
        """Dimensions d of the latent code z."""

    @property
    def category_names(self) -> tuple[str, ...]:
        """Names of the categories it was fitted on, in the order of their numbers."""
        self._check_fitted()
        return self._category_names

    @property
    def device_used(self) -> str:
        """Say what trains the model, "cpu" or "cuda"."""
        return "cpu"

    @property
    def figures(self) -> Mapping[str, float]:
        """What is known of the last epoch beside its loss, for the training curve."""
        return {}

    @property
    def repeatable(self) -> bool:
        """Tell whether the same seed, threads and versions give the same images to the last bit."""
        return self.runtime.deterministic and self.device_used == "cpu"

    @classmethod
    def missing(cls, dataset: TrainingSet) -> str | None:
        """Say why this generator cannot be fitted on `dataset`, or None if it can."""
        lacking = sorted(cls.needs - dataset.offers)
        if lacking:
            return f"{cls.name} needs {' and '.join(lacking)}, which {dataset.name} does not have"
        assert dataset.categories is not None  # one of `needs`, unless a subclass needs less
        counts = np.bincount(dataset.categories.astype(np.int64))
        if np.count_nonzero(counts) < 2:
            return (
                f"{cls.name} makes images by category: it needs items of two at least, "
                f"{dataset.name} has {dataset.n_items} of one"
            )
        if counts.max() < 2:
            return (
                f"{cls.name} learns how items of a category differ; {dataset.name} has one image "
                "per category"
            )
        return None

    @classmethod
    def settled(cls, params: Any, runtime: Runtime) -> Any:
        """Fill in hyper-parameters that are left to the machine, before a cell is named by them."""
        return params

    def fit(self, dataset: TrainingSet, *, watch: Watch = KEEP_GOING) -> Self:
        """Learn from the images and categories of all items; interactions are not looked at.

        Parameters
        ----------
        dataset
            With images and categories.
        watch
            Called after each epoch; False stops.

        Raises
        ------
        BenchError
            The data set lacks something the generator needs; the training diverges.
        """
        if reason := self.missing(dataset):
            raise BenchError(reason)
        # Set before the hook runs: the watcher asks for images between epochs.
        self._category_names = dataset.category_names
        self._fitted = True
        try:
            self._fit(dataset, watch)
        except BaseException:
            self._fitted = False
            raise
        return self

    @abstractmethod
    def codes(self, n: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
        """Draw latent codes z from the prior: float32 (n, code_dims)."""

    def generate(
        self, codes: npt.NDArray[np.float32], categories: npt.ArrayLike
    ) -> npt.NDArray[np.uint8]:
        """Make an image of each code and category, G(z, c).

        Parameters
        ----------
        codes
            float32 (n, code_dims).
        categories
            Numbers of categories, (n,).

        Returns
        -------
        uint8 (n, pixels, pixels, 3).

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        BenchError
            Codes of another shape or not finite, no such category.
        """
        self._check_fitted()
        rows = self._categories(categories, len(codes))
        if codes.shape != (len(rows), self.code_dims):
            raise BenchError(
                f"{self.name}: codes must have shape {(len(rows), self.code_dims)}, "
                f"got {codes.shape}"
            )
        if not np.isfinite(codes).all():
            raise BenchError(f"{self.name}: a code holds NaN or an infinity")
        if not len(rows):
            return np.empty((0, self.pixels, self.pixels, 3), dtype=np.uint8)
        return self._generate(np.ascontiguousarray(codes, dtype=np.float32), rows)

    def real_loss(
        self, images: npt.NDArray[np.uint8], categories: npt.ArrayLike
    ) -> npt.NDArray[np.float32]:
        """Say how far each image is from a real one of its category: L_real of eq. 7.

        Parameters
        ----------
        images
            uint8 (n, H, W, 3), of any size; brought to the generator's.
        categories
            Numbers of categories, (n,).

        Returns
        -------
        float32 (n,): (D(x, c) - 1)², 0 for what the discriminator takes for real.
        """
        self._check_fitted()
        rows = self._categories(categories, len(images))
        self._check_images(images)
        return self._real_loss(images, rows) if len(rows) else np.empty(0, dtype=np.float32)

    def design(
        self,
        recommender: Recommender,
        users: npt.ArrayLike,
        categories: npt.ArrayLike,
        options: DesignOptions,
        *,
        seed: int,
    ) -> Designs:
        """Design images of a category that a user would like best, eq. 9 to 11.

        Parameters
        ----------
        recommender
            A fitted one whose preference has a gradient in the image.
        users, categories
            One query per row, (q,) each.
        options
            How.
        seed
            Of starts and of the draws of eq. 11; a query's images depend on it, on the user and on
            the category, not on the other queries.

        Raises
        ------
        BenchError
            The generator or the recommender cannot do this; no such user or category.
        """
        self._check_fitted()
        who = self._users(recommender, users)
        return self._design(recommender, who, self._categories(categories, len(who)), options, seed)

    def tailor(
        self,
        recommender: Recommender,
        users: npt.ArrayLike,
        categories: npt.ArrayLike,
        images: npt.NDArray[np.uint8],
        options: TailorOptions,
        *,
        seed: int,
    ) -> Tailored:
        """Change existing images towards what their users like, eq. 12 and 10.

        Parameters
        ----------
        recommender
            A fitted one whose preference has a gradient in the image.
        users, categories
            One per image, (n,) each.
        images
            uint8 (n, H, W, 3), of any size; brought to the generator's.
        options
            How.
        seed
            Of the approximation's starts.

        Raises
        ------
        BenchError
            The generator or the recommender cannot do this; no such user or category.
        """
        self._check_fitted()
        who = self._users(recommender, users)
        rows = self._categories(categories, len(who))
        self._check_images(images)
        if len(images) != len(who):
            raise BenchError(f"{self.name}: {len(images)} images for {len(who)} users")
        return self._tailor(recommender, who, rows, images, options, seed)

    def save(self, folder: Path) -> None:
        """Write what `load` needs as `folder`, atomically; an existing folder is replaced."""
        self._check_fitted()
        with atomic_folder(folder) as temporary:
            self.save_into(temporary)

    def save_into(self, folder: Path) -> None:
        """Add what `load` needs to an existing folder."""
        self._check_fitted()
        arrays: State = {"bench.categories": np.array(self._category_names, dtype=np.str_)}
        arrays |= self.state()
        np.savez(folder / "state.npz", **arrays)  # type: ignore[arg-type]  # names, not options

    def load(self, folder: Path, dataset: TrainingSet) -> Self:
        """Become the generator saved in `folder`; `dataset` is the one it was fitted on."""
        arrays = read_state(folder, "the generator")
        names = tuple(str(name) for name in arrays.pop("bench.categories"))
        if names != dataset.category_names:
            raise BenchError(
                f"the generator in {folder} was fitted on the categories {', '.join(names)}, "
                f"{dataset.name} has {', '.join(dataset.category_names) or 'none'}"
            )
        self._category_names = names
        self.load_state(arrays, dataset)
        self._fitted = True
        return self

    def training_state(self) -> State | None:
        """Give all a fit needs to go on from here; None if it cannot be resumed.

        See `bench.recommender.Recommender.training_state`.
        """
        return None

    @abstractmethod
    def state(self) -> State:
        """Copy what was learnt."""

    @abstractmethod
    def load_state(self, state: State, dataset: TrainingSet) -> None:
        """Become what `state` gave."""

    @abstractmethod
    def _fit(self, dataset: TrainingSet, watch: Watch) -> None: ...

    @abstractmethod
    def _generate(
        self, codes: npt.NDArray[np.float32], categories: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.uint8]: ...

    @abstractmethod
    def _real_loss(
        self, images: npt.NDArray[np.uint8], categories: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]: ...

    def _design(
        self,
        recommender: Recommender,
        users: npt.NDArray[np.int64],
        categories: npt.NDArray[np.int64],
        options: DesignOptions,
        seed: int,
    ) -> Designs:
        raise BenchError(f"{self.name} generates images, but designs none")

    def _tailor(
        self,
        recommender: Recommender,
        users: npt.NDArray[np.int64],
        categories: npt.NDArray[np.int64],
        images: npt.NDArray[np.uint8],
        options: TailorOptions,
        seed: int,
    ) -> Tailored:
        raise BenchError(f"{self.name} generates images, but tailors none")

    def _check_fitted(self) -> None:
        if not self._fitted:
            raise NotFittedError(f"{self.name} is not fitted: call fit(dataset) first")

    def _categories(self, categories: npt.ArrayLike, n: int) -> npt.NDArray[np.int64]:
        rows = np.asarray(categories, dtype=np.int64)
        count = len(self._category_names)
        if rows.shape != (n,) or (n and not 0 <= rows.min() <= rows.max() < count):
            raise BenchError(f"{self.name}: categories must be {n} numbers below {count}")
        return rows

    def _users(self, recommender: Recommender, users: npt.ArrayLike) -> npt.NDArray[np.int64]:
        rows = np.asarray(users, dtype=np.int64)
        if rows.ndim != 1 or (
            len(rows) and not 0 <= rows.min() <= rows.max() < recommender.n_users
        ):
            raise BenchError(
                f"{self.name}: users must be row numbers below {recommender.n_users} in one "
                "dimension"
            )
        return rows

    def _check_images(self, images: npt.NDArray[np.uint8]) -> None:
        if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8:
            raise BenchError(
                f"{self.name}: images must be uint8 (n, H, W, 3), got {images.dtype} {images.shape}"
            )
