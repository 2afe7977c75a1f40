"""The one interface every recommender answers: fit, score, and factors where a score is a product.

A recommender sees a `TrainingSet`, which has no validation or test items. Checks shared by all
models (fitted? sensible users? finite? right shape?) live in the public methods here; a model fills
in the hooks that start with an underscore.
"""

import dataclasses
import math
import types
import typing
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import TrainingSet
from bench.device import available_threads
from bench.errors import BenchError, NonFiniteScoreError, NotFittedError, user_io_errors
from bench.files import atomic_folder

__all__ = [
    "KEEP_GOING",
    "FactorRecommender",
    "Factors",
    "NoParams",
    "Recommender",
    "Runtime",
    "State",
    "Watch",
    "build_params",
    "default_of",
    "is_required",
    "parse_params",
    "parse_values",
    "part_of",
    "read_state",
]

State = dict[str, npt.NDArray[Any]]
"""What a model has learnt, as named arrays: saved and loaded without pickles."""


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """What a fit may use and where its randomness comes from.

    Attributes
    ----------
    seed
        Root seed of this fit; a recommender derives its own generators from it with `bench.rng`.
    device
        `auto`, `cpu`, `cuda` or `cuda:N`; models that know no GPU ignore it.
    threads
        Processor threads a model may use.
    deterministic
        Same seed, same numbers, to the last bit on a CPU: libraries that race between threads are
        then given one thread.
    """

    seed: int = 0
    device: str = "auto"
    threads: int = field(default_factory=available_threads)
    deterministic: bool = True


def part_of(arrays: State, prefix: str) -> State:
    """Give the arrays whose names begin with `prefix`, which is left out of them."""
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}


def read_state(folder: Path, what: str) -> State:
    """Read the `state.npz` of a folder; `what` names it in messages.

    Raises
    ------
    StorageError
        It is not there or cannot be read.
    """
    with (
        user_io_errors(f"read {what}", folder),
        # Opened here: NumPy would leave a damaged file open.
        (folder / "state.npz").open("rb") as file,
        np.load(file, allow_pickle=False) as stored,
    ):
        return dict(stored.items())


class Watch(Protocol):
    """What an iterative model reports to after each epoch; the runner's watcher or `KEEP_GOING`."""

    def __call__(self, epoch: int, *, loss: float | None = None, rate: float | None = None) -> bool:
        """Note that `epoch` (from 1) is over; False means stop now.

        The watcher may call `score`, `factors`, `state` and `training_state` of the model, so the
        model must be ready for them. `loss` is the epoch's mean training loss, if there is one;
        `rate` is how many examples a second were trained on (images, for a model of images).
        """
        ...

    def pause(self) -> None:
        """Note a moment within an epoch at which `training_state` may be called.

        A model whose epochs are long calls this between steps, so that an interruption costs
        minutes and not an epoch; others need not.
        """
        ...

    def resume(self) -> State | None:
        """Give the `training_state` of an interrupted fit with the same inputs, if there is one."""
        ...


class _KeepGoing:
    """The watch of a fit that nobody watches: every epoch is run."""

    def __call__(self, epoch: int, *, loss: float | None = None, rate: float | None = None) -> bool:
        return True

    def pause(self) -> None:
        pass

    def resume(self) -> State | None:
        return None


KEEP_GOING: Watch = _KeepGoing()


@dataclass(frozen=True)
class Factors:
    """A model whose score is `item_bias + user_factors @ item_factors.T`.

    Attributes
    ----------
    user_factors
        float32 (n_users, K).
    item_factors
        float32 (n_items, K).
    item_bias
        float32 (n_items,).
    """

    user_factors: npt.NDArray[np.float32]
    item_factors: npt.NDArray[np.float32]
    item_bias: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        n_factors = self.user_factors.shape[1:]
        if len(n_factors) != 1 or self.item_factors.shape[1:] != n_factors:
            raise BenchError(
                "user and item factors must be matrices of the same width, got "
                f"{self.user_factors.shape} and {self.item_factors.shape}"
            )
        if self.item_bias.shape != self.item_factors.shape[:1]:
            raise BenchError(
                f"item_bias must have shape {self.item_factors.shape[:1]}, "
                f"got {self.item_bias.shape}"
            )
        for name in ("user_factors", "item_factors", "item_bias"):
            if getattr(self, name).dtype != np.float32:
                raise BenchError(f"{name} must be float32, got {getattr(self, name).dtype}")

    def score(self, users: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.float32]:
        """Score the whole catalogue for `users`: float32 (len(users), n_items)."""
        scores: npt.NDArray[np.float32] = self.user_factors[users] @ self.item_factors.T
        scores += self.item_bias
        return scores


@dataclass(frozen=True, kw_only=True)
class NoParams:
    """The hyper-parameters of a recommender that has none."""


class Recommender(ABC):
    """One model behind the shared interface.

    A subclass sets the class attributes, fills in `_fit`, `_score`, `state` and `load_state`, and
    is named in the entry-point group `bench.recommenders`.

    Attributes
    ----------
    name
        The name on the command line and in the results.
    label
        The name in the tables.
    source
        Where the model comes from: paper and, if a library trains it, the library.
    Params
        A frozen dataclass of hyper-parameters; one without a default must be given by `--set`.
    grid
        The values a search tries, per field of `Params` (the paper's, where it gives them).
    tied
        Groups of fields in `grid` that move together: the k-th value of one with the k-th of the
        others, where the rest of the grid is every combination.
    needs
        What the data set must have: any of "features", "images", "categories".
    parallel
        Whether several processes under `torchrun` fit it together; others are the leader's alone.
    scores_images
        Whether it scores any image, and not only the items of the catalogue; see `score_images`.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    source: ClassVar[str]
    Params: ClassVar[type[Any]] = NoParams
    grid: ClassVar[Mapping[str, tuple[object, ...]]] = {}
    tied: ClassVar[tuple[tuple[str, ...], ...]] = ()
    needs: ClassVar[frozenset[str]] = frozenset()
    parallel: ClassVar[bool] = False
    scores_images: ClassVar[bool] = False

    def __init__(self, params: Any = None, *, runtime: Runtime | None = None) -> None:
        if params is None:  # what is no dataclass, the conformance kit names
            is_dataclass = dataclasses.is_dataclass(self.Params)
            params = parse_params(type(self), {}) if is_dataclass else self.Params()
        self.params = params
        if not isinstance(self.params, self.Params):
            raise BenchError(
                f"{self.name} takes {self.Params.__name__} as params, "
                f"got {type(self.params).__name__}"
            )
        self.runtime = runtime or Runtime()
        self._fitted = False
        self._n_users = 0
        self._n_items = 0

    @property
    def max_epochs(self) -> int | None:
        """How many epochs a fit has at most; None for a model without epochs."""
        return getattr(self.params, "epochs", None)

    @property
    def threads_used(self) -> int:
        """How many threads training takes, for the record; a racing library overrides this."""
        return self.runtime.threads

    @property
    def device_used(self) -> str:
        """Say what trains the model, "cpu" or "cuda"; one that uses a GPU overrides this."""
        return "cpu"

    @property
    def repeatable(self) -> bool:
        """Tell whether the same seed, threads and versions give the same numbers to the last bit.

        Not on a GPU, unless the model knows better: many of its sums are added in no fixed order.
        """
        return self.runtime.deterministic and self.device_used == "cpu"

    @property
    def n_items(self) -> int:
        """The size of the catalogue the model was fitted on."""
        return self._n_items

    @property
    def n_users(self) -> int:
        """The number of users the model was fitted on."""
        return self._n_users

    @classmethod
    def missing(cls, dataset: TrainingSet) -> str | None:
        """Say why this recommender cannot run on `dataset`, or None if it can."""
        lacking = sorted(cls.needs - dataset.offers)
        if not lacking:
            return None
        return f"{cls.name} needs {' and '.join(lacking)}, which {dataset.name} does not have"

    @classmethod
    def settled(cls, params: Any, runtime: Runtime) -> Any:
        """Fill in hyper-parameters that are left to the machine, before a cell is named by them."""
        return params

    def fit(self, dataset: TrainingSet, *, watch: Watch = KEEP_GOING) -> Self:
        """Learn from the training interactions.

        Parameters
        ----------
        dataset
            Training interactions, features, images; no held-out items.
        watch
            Called after each epoch of an iterative model; False stops.

        Raises
        ------
        BenchError
            The data set lacks something the model needs.
        """
        if reason := self.missing(dataset):
            raise BenchError(reason)
        # Set before the hook runs: the watcher asks for scores between epochs.
        self._n_users, self._n_items = dataset.n_users, dataset.n_items
        self._fitted = True
        try:
            self._fit(dataset, watch)
        except BaseException:
            self._fitted = False
            raise
        return self

    def score(self, users: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Score the whole catalogue for each user; higher is better.

        Parameters
        ----------
        users
            Row numbers of users, (B,).

        Returns
        -------
        float32 (B, n_items); no users give an array of shape (0, n_items).

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        NonFiniteScoreError
            A score is NaN or infinite; names the recommender and the first such user.
        """
        self._check_fitted()
        rows = self._user_rows(users)
        if not len(rows):
            return np.empty((0, self._n_items), dtype=np.float32)
        scores = self._score(rows)
        if scores.shape != (len(rows), self._n_items):
            raise BenchError(
                f"{self.name} gave scores of shape {scores.shape}, "
                f"expected {(len(rows), self._n_items)}"
            )
        if scores.dtype != np.float32:
            raise BenchError(f"{self.name} gave {scores.dtype} scores, expected float32")
        # A sum is finite exactly when no element is NaN or infinite, up to overflow: cheap to rule
        # out first, exact to confirm.
        with np.errstate(over="ignore", invalid="ignore"):
            suspicious = not np.isfinite(scores.sum(dtype=np.float64))
        if suspicious:
            bad = ~np.isfinite(scores).all(axis=1)
            if bad.any():
                raise NonFiniteScoreError(
                    f"{self.name} gave NaN or infinite scores to user {rows[bad.argmax()]} "
                    f"({int(bad.sum())} of {len(rows)} users in this batch); "
                    "a smaller learning rate or scaled features often help"
                )
        return scores

    def score_images(
        self, users: npt.ArrayLike, images: npt.NDArray[np.uint8]
    ) -> npt.NDArray[np.float32]:
        """Score one image for each user: her preference for it, whether it is an item or not.

        The scale is that of `score`: an item's own image, in the size the model sees it in, has
        the item's score.

        Parameters
        ----------
        users
            Row numbers of users, (n,).
        images
            uint8 (n, H, W, 3), RGB, of any size: image k is scored for user k.

        Returns
        -------
        float32 (n,).

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        BenchError
            The recommender scores items of the catalogue only (`scores_images` is False); no such
            user; images of another shape or type, or without a pixel.
        NonFiniteScoreError
            A score is NaN or infinite.
        """
        if not self.scores_images:
            raise BenchError(f"{self.name} scores items of the catalogue, not images")
        self._check_fitted()
        rows = self._user_rows(users)
        if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8:
            raise BenchError(
                f"{self.name}: images must be uint8 (n, H, W, 3), got {images.dtype} {images.shape}"
            )
        if len(images) != len(rows):
            raise BenchError(f"{self.name}: {len(images)} images for {len(rows)} users")
        if not len(rows):
            return np.empty(0, dtype=np.float32)
        if not images.size:
            raise BenchError(f"{self.name}: images of {images.shape[1:3]} pixels show nothing")
        scores = self._score_images(rows, images)
        if scores.shape != (len(rows),) or scores.dtype != np.float32:
            raise BenchError(
                f"{self.name} gave {scores.dtype} scores of shape {scores.shape} to images, "
                f"expected float32 {(len(rows),)}"
            )
        finite = np.isfinite(scores)
        if not finite.all():
            raise NonFiniteScoreError(
                f"{self.name} gave NaN or infinite scores to {int((~finite).sum())} of "
                f"{len(rows)} images, the first for user {rows[finite.argmin()]}"
            )
        return scores

    def save(self, folder: Path) -> None:
        """Write what `load` needs as `folder`, atomically; an existing folder is replaced."""
        self._check_fitted()
        with atomic_folder(folder) as temporary:
            self.save_into(temporary)

    def save_into(self, folder: Path) -> None:
        """Add what `load` needs to an existing folder."""
        self._check_fitted()
        arrays: State = {"bench.shape": np.array([self._n_users, self._n_items], dtype=np.int64)}
        arrays |= self.state()
        np.savez(folder / "state.npz", **arrays)  # type: ignore[arg-type]  # names, not options

    def load(self, folder: Path, dataset: TrainingSet) -> Self:
        """Become the model saved in `folder`; `dataset` is the one it was fitted on."""
        arrays = read_state(folder, "the model")
        n_users, n_items = (int(count) for count in arrays.pop("bench.shape"))
        if (n_users, n_items) != (dataset.n_users, dataset.n_items):
            raise BenchError(
                f"the model in {folder} was fitted on {n_users} users and {n_items} items, "
                f"{dataset.name} has {dataset.n_users} and {dataset.n_items}"
            )
        self._n_users, self._n_items = n_users, n_items
        self.load_state(arrays, dataset)
        self._fitted = True
        return self

    def training_state(self) -> State | None:
        """Give all a fit needs to go on from here; None if the model cannot be resumed.

        With optimiser, generators and sampler position, so that a resumed fit equals an
        undisturbed one. The runner stores it as a checkpoint and hands it back through
        `Watch.resume`.
        """
        return None

    def item_features(self, dataset: TrainingSet) -> npt.NDArray[np.floating[Any]] | None:
        """Give what the model learnt to see in each item's image, for other models to build on.

        float16 or float32 (n_items, d), as a CNN's activations before its last layer; None for a
        model that learns no features. `dataset` is the one it was fitted on.
        """
        return None

    @abstractmethod
    def state(self) -> State:
        """Copy what was learnt; the runner keeps the best epoch's and restores it."""

    @abstractmethod
    def load_state(self, state: State, dataset: TrainingSet) -> None:
        """Become what `state` gave; `dataset` offers the features, which no state repeats."""

    @abstractmethod
    def _fit(self, dataset: TrainingSet, watch: Watch) -> None: ...

    @abstractmethod
    def _score(self, users: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]: ...

    def _score_images(
        self, users: npt.NDArray[np.int64], images: npt.NDArray[np.uint8]
    ) -> npt.NDArray[np.float32]:
        """Fill in where `scores_images` is True; users and images are checked."""
        raise NotImplementedError(f"{type(self).__name__} says it scores images, and does not")

    def _user_rows(self, users: npt.ArrayLike) -> npt.NDArray[np.int64]:
        rows = np.asarray(users, dtype=np.int64)
        if rows.ndim != 1 or (len(rows) and not 0 <= rows.min() <= rows.max() < self._n_users):
            raise BenchError(
                f"{self.name}: users must be row numbers below {self._n_users} in one dimension"
            )
        return rows

    def _check_fitted(self) -> None:
        if not self._fitted:
            raise NotFittedError(f"{self.name} is not fitted: call fit(dataset) first")


class FactorRecommender(Recommender):
    """A recommender whose score is a dot product, so that the evaluator runs at its speed."""

    @abstractmethod
    def factors(self) -> Factors:
        """Give the factors whose `score` is this model's score."""

    def _score(self, users: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        return self.factors().score(users)


def is_required(parameter: "dataclasses.Field[Any]") -> bool:
    """Tell whether a hyper-parameter must be given, because its field has no default."""
    missing = dataclasses.MISSING
    return parameter.default is missing and parameter.default_factory is missing


def default_of(parameter: "dataclasses.Field[Any]") -> Any:
    """Give the default of a hyper-parameter that is not required, made anew if it is made."""
    if parameter.default_factory is not dataclasses.MISSING:
        return parameter.default_factory()
    return parameter.default


class _Parametrised(Protocol):
    """A recommender, or anything else with a name and a dataclass of settings."""

    name: ClassVar[str]
    Params: ClassVar[type[Any]]


def parse_params(recommender: type[_Parametrised], settings: Mapping[str, str]) -> Any:
    """Build the recommender's `Params` from text, as `--set vbpr.factors=20` gives it.

    Raises
    ------
    BenchError
        As `parse_values` and `build_params` say.
    """
    return build_params(recommender, parse_values(recommender, settings))


def parse_values(
    recommender: type[_Parametrised], settings: Mapping[str, str]
) -> dict[str, object]:
    """Read single hyper-parameters from text.

    Raises
    ------
    BenchError
        No such hyper-parameter (the nearest one is named), or a value of another type.
    """
    from bench.errors import unknown_name

    known = [f.name for f in _fields(recommender)]
    hints = typing.get_type_hints(recommender.Params)
    values: dict[str, object] = {}
    for key, text in settings.items():
        if key not in known:
            raise unknown_name(
                f"hyper-parameter of {recommender.name}", key, known, see="bench list"
            )
        values[key] = _convert(f"{recommender.name}.{key}", text, hints[key])
    return values


def build_params(recommender: type[_Parametrised], values: Mapping[str, object]) -> Any:
    """Build the recommender's `Params`; what is not in `values` is the default.

    Raises
    ------
    BenchError
        No value for a hyper-parameter without a default, or values that do not go together.
    """
    for f in _fields(recommender):
        if f.name not in values and is_required(f):
            raise BenchError(
                f"{recommender.name}.{f.name} has no default: "
                f"give it with --set {recommender.name}.{f.name}=VALUE"
            )
    try:
        return recommender.Params(**values)
    except ValueError as error:
        raise BenchError(f"{recommender.name}: {error}") from error


def _fields(recommender: type[_Parametrised]) -> "list[dataclasses.Field[Any]]":
    if not dataclasses.is_dataclass(recommender.Params):
        raise BenchError(f"{recommender.name}: Params must be a frozen dataclass")
    return [f for f in dataclasses.fields(recommender.Params) if f.init]


def _convert(where: str, text: str, hint: Any) -> object:
    """Read `text` as the annotated type of a hyper-parameter."""
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        for option in options:
            if text == str(option):
                return option
        raise BenchError(f"{where} must be one of {', '.join(map(str, options))}, got {text!r}")
    if origin in (typing.Union, types.UnionType):
        if text.lower() == "none" and type(None) in options:
            return None
        return _convert(where, text, next(o for o in options if o is not type(None)))
    if hint is bool:
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        raise BenchError(f"{where} must be true or false, got {text!r}")
    if hint not in (int, float, str):
        raise BenchError(f"{where} cannot be given as text: it is of type {hint}")
    try:
        value: int | float | str = hint(text)
    except ValueError as error:
        raise BenchError(f"{where} must be of type {hint.__name__}, got {text!r}") from error
    if isinstance(value, float) and not math.isfinite(value):
        raise BenchError(f"{where} must be a finite number, got {text!r}")
    return value
