"""The conformance kit: tests whether a recommender keeps the promises of the shared interface.

`bench check-plugin NAME` runs it; a package's own test-suite calls `check_recommender` or
subclasses `RecommenderConformance`:

    class TestMyModel(RecommenderConformance):
        recommender = MyModel
"""

import dataclasses
import io
import random
import tempfile
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import (
    NO_ITEM,
    FeatureInfo,
    Images,
    Interactions,
    TrainingSet,
    TuningSet,
)
from bench.errors import HeldOutError, one_line
from bench.files import sha256_of_arrays
from bench.recommender import FactorRecommender, Recommender, Runtime, State

__all__ = [
    "CHECKS",
    "CheckResult",
    "RecommenderConformance",
    "check_recommender",
    "toy_training_set",
]

N_USERS, N_ITEMS, N_FEATURES = 40, 60, 24
EPOCHS = 3
"""A fit in the kit is told to stop after so many epochs."""


@dataclass(frozen=True)
class CheckResult:
    """What came of one check.

    Attributes
    ----------
    name
        The promise, in words.
    passed
        Whether it is kept.
    detail
        Why not, or what was looked at.
    """

    name: str
    passed: bool
    detail: str


class _BrokenPromiseError(AssertionError):
    """A check's finding."""


@dataclass(frozen=True, kw_only=True)
class _GuardedTrainingSet(TrainingSet):
    """A training set that remembers who asked for held-out items, even if the error is caught."""

    asked: list[str] = dataclasses.field(default_factory=list)

    @property
    def validation(self) -> NoReturn:
        self.asked.append("validation")
        raise HeldOutError("a recommender may not read the validation items; use watch instead")

    @property
    def test(self) -> NoReturn:
        self.asked.append("test")
        raise HeldOutError("a recommender may not read the test items")


@dataclass(frozen=True, kw_only=True)
class _GuardedTuningSet(TuningSet):
    """What a trial of a search gets, which remembers who asked for test items."""

    asked: list[str] = dataclasses.field(default_factory=list)

    @property
    def test(self) -> NoReturn:
        self.asked.append("test")
        raise HeldOutError("tuning may not read the test items")


@dataclass
class _KitWatch:
    """Counts epochs, takes snapshots, stops after `stop_after`, hands back a checkpoint."""

    stop_after: int = EPOCHS
    checkpoint: State | None = None
    on_epoch: Callable[[int], None] = lambda epoch: None
    epochs: list[int] = dataclasses.field(default_factory=list)

    def __call__(self, epoch: int, *, loss: float | None = None, rate: float | None = None) -> bool:
        self.epochs.append(epoch)
        self.on_epoch(epoch)
        return epoch < self.stop_after

    def pause(self) -> None:
        pass

    def resume(self) -> State | None:
        return self.checkpoint


def toy_training_set() -> TrainingSet:
    """Make a small training set with features, images and categories, always the same.

    Three groups of users buy from three groups of items. The last user has no training item and
    some items have no user, as in real data.
    """
    from PIL import Image

    rng = np.random.default_rng(5)
    group_of_item = np.arange(N_ITEMS) % 3
    users = np.repeat(np.arange(N_USERS - 1), 6)
    same_group = rng.random(len(users)) < 0.8
    items = rng.integers(N_ITEMS // 3 - 1, size=len(users)) * 3
    items += np.where(same_group, users % 3, rng.integers(3, size=len(users)))
    centres = rng.random((3, N_FEATURES), dtype=np.float32)
    noise = rng.random((N_ITEMS, N_FEATURES), dtype=np.float32)
    encoded = []
    for item in range(N_ITEMS):
        pixels = rng.integers(128, size=(16, 16, 3), dtype=np.uint8)
        pixels[:, :, group_of_item[item]] += 100
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, format="JPEG")
        encoded.append(buffer.getvalue())
    return _GuardedTrainingSet(
        name="toy",
        train=Interactions.from_pairs(users, items, n_users=N_USERS, n_items=N_ITEMS),
        features=centres[group_of_item] + noise,
        feature_info=FeatureInfo("own", "random features of the conformance kit"),
        images=Images(encoded),
        categories=group_of_item.astype(np.int16),
        category_names=("red", "green", "blue"),
    )


def _toy_tuning_set(which: int) -> _GuardedTuningSet:
    """Make what a trial gets: the validation items are always the same, the test items `which`."""
    training = toy_training_set()
    validation, test = np.full((2, N_USERS), NO_ITEM, dtype=np.int32)
    for user in range(N_USERS - 1):
        free = np.setdiff1d(np.arange(N_ITEMS), training.train.of(user))
        validation[user], test[user] = free[user % 9], free[9 + (user + which) % 9]
    users = np.arange(N_USERS)
    known = training.train.with_pairs(users, validation).with_pairs(users, test)
    return _GuardedTuningSet(training=training, validation=validation, known=known)


def check_recommender(
    recommender: type[Recommender], *, params: Any = None, device: str = "cpu"
) -> list[CheckResult]:
    """Run every check; a check that raises counts as not passed, with the error as detail.

    Parameters
    ----------
    recommender
        The class under test.
    params
        Hyper-parameters; the defaults if not given.
    device
        Where it runs; bit-equality is only promised on a CPU.
    """
    return [_run_check(check, recommender, params, device) for check in CHECKS]


def _run_check(
    check: "Check", recommender: type[Recommender], params: Any, device: str
) -> CheckResult:
    make = partial(_make, recommender, params, device)
    try:
        detail = check.function(make)
    except _BrokenPromiseError as finding:
        return CheckResult(check.name, False, str(finding))
    except Exception as error:  # the model under test may raise anything
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}:{place.lineno}"
        text = one_line(error)
        return CheckResult(check.name, False, f"{type(error).__name__} at {where}: {text}")
    return CheckResult(check.name, True, detail)


Make = Callable[..., Recommender]


def _make(
    recommender: type[Recommender], params: Any, device: str, *, seed: int = 7
) -> Recommender:
    return recommender(params, runtime=Runtime(seed=seed, device=device, threads=1))


def _fitted(make: Make, *, seed: int = 7) -> tuple[Recommender, TrainingSet]:
    dataset = toy_training_set()
    return make(seed=seed).fit(dataset, watch=_KitWatch()), dataset


def _need(condition: bool, finding: str) -> None:
    if not condition:
        raise _BrokenPromiseError(finding)


def _all_scores(model: Recommender) -> npt.NDArray[np.float32]:
    return model.score(np.arange(N_USERS)).copy()


def _close(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> bool:
    """Compare up to float32 rounding, relative to the spread of the scores."""
    spread = float(np.ptp(a)) or 1.0
    return bool(np.abs(a - b).max(initial=0.0) <= 1e-5 * spread)


def _check_declaration(make: Make) -> str:
    model = make()
    for attribute in ("name", "label", "source"):
        value = getattr(type(model), attribute, None)
        _need(isinstance(value, str) and bool(value), f"the class needs a text `{attribute}`")
    hyper = type(model).Params
    _need(dataclasses.is_dataclass(hyper), "Params must be a dataclass")
    _need(hyper.__dataclass_params__.frozen, "Params must be frozen")
    names = {field.name for field in dataclasses.fields(hyper)}
    for name, values in type(model).grid.items():
        _need(name in names, f"grid names {name!r}, which Params does not have")
        for value in values:
            dataclasses.replace(model.params, **{name: value})
    for group in type(model).tied:
        missing = [name for name in group if name not in type(model).grid]
        _need(not missing, f"tied names {', '.join(missing)}, which grid does not have")
        lengths = {len(type(model).grid[name]) for name in group}
        _need(len(lengths) == 1, f"the grid's {', '.join(group)} are tied and differ in length")
    return f"{len(names)} hyper-parameters"


def _check_shapes(make: Make) -> str:
    model, _ = _fitted(make)
    for users in ([0], [3, 3, 1], list(range(N_USERS)), []):
        scores = model.score(users)
        shape = (len(users), N_ITEMS)
        _need(scores.shape == shape, f"score({users}) has shape {scores.shape}, not {shape}")
        _need(scores.dtype == np.float32, f"scores are {scores.dtype}, not float32")
        _need(bool(np.isfinite(scores).all()), "some scores are not finite")
    return "float32 (users, items), finite, also for a user without training items"


def _check_batches(make: Make) -> str:
    model, _ = _fitted(make)
    whole = _all_scores(model)
    single = np.concatenate([model.score([user]) for user in range(N_USERS)])
    _need(_close(whole, single), "a user's scores change with the users scored beside her")
    order = np.random.default_rng(1).permutation(N_USERS)
    _need(_close(whole[order], model.score(order)), "a user's scores change with the order")
    _need(bool(np.array_equal(whole, _all_scores(model))), "scoring twice gives other scores")
    return "one by one, shuffled and all at once agree"


def _check_seed(make: Make) -> str:
    first, second = (_all_scores(_fitted(make)[0]) for _ in range(2))
    _need(bool(np.array_equal(first, second)), "two fits with the same seed score differently")
    return "two fits with one seed agree to the last bit"


def _check_global_generators(make: Make) -> str:
    import torch

    def states() -> dict[str, object]:
        return {
            "random": random.getstate(),
            "numpy.random": repr(np.random.get_state()),  # noqa: NPY002  # watched, not used
            "torch": torch.random.get_rng_state().numpy().tobytes(),
        }

    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002
    of_torch = torch.random.get_rng_state()
    # A state that no seeding gives: a model that seeds a global generator with its own seed may
    # have done so in an earlier check, and would leave the state as it found it.
    for draw in (random.random, np.random.random, partial(torch.rand, 1)):
        draw()
    before = states()
    try:
        model, _ = _fitted(make)
        _all_scores(model)
        after = states()
    finally:
        random.setstate(python)
        np.random.set_state(legacy)  # noqa: NPY002
        torch.random.set_rng_state(of_torch)
    changed = [name for name in before if before[name] != after[name]]
    _need(not changed, f"the global generator of {', '.join(changed)} was used; use bench.rng")
    return "random, numpy.random and torch untouched"


def _check_peeking(make: Make) -> str:
    dataset = toy_training_set()
    assert isinstance(dataset, _GuardedTrainingSet)
    try:
        model = make().fit(dataset, watch=_KitWatch())
        _all_scores(model)
    except HeldOutError:
        pass  # it asked, and is named below
    _need(not dataset.asked, f"asked for held-out items: {', '.join(dataset.asked)}")
    return "never asked for validation or test items"


def _check_tuning(make: Make) -> str:
    """Run trials of a search that differ in nothing but which items are the test items."""
    from bench.experiment.tuning.trial import fit_trial

    def scores(which: int) -> npt.NDArray[np.float32]:
        dataset, model = _toy_tuning_set(which), make()
        fit_trial(model, dataset, epochs=EPOCHS, validate_every=1, patience=0)
        _need(not dataset.asked, "asked a trial's data for the test items")
        return _all_scores(model)

    first, other = scores(0), scores(1)
    if not np.array_equal(first, other):
        # Without a seed that holds, scores differ anyway, and another check says so.
        seeded = bool(np.array_equal(first, scores(0)))
        _need(not seeded, "its scores change with the test items of a trial: it reads `known`")
    return "trials with other test items give the same scores"


def _check_data_untouched(make: Make) -> str:
    dataset = toy_training_set()

    def content() -> str:
        assert dataset.features is not None
        assert dataset.categories is not None
        return sha256_of_arrays(
            dataset.train.indptr, dataset.train.indices, dataset.features, dataset.categories
        )

    before = content()
    _all_scores(make().fit(dataset, watch=_KitWatch()))
    _need(before == content(), "fit or score changed the data set's arrays")
    return "interactions, features and categories unchanged"


def _check_save_load(make: Make) -> str:
    model, dataset = _fitted(make)
    expected = _all_scores(model)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "model"
        model.save(folder)
        loaded = make(seed=8).load(folder, dataset)
        _need(
            bool(np.array_equal(expected, _all_scores(loaded))),
            "a saved and loaded model scores differently",
        )
    return "a loaded model scores the same"


def _check_factors(make: Make) -> str:
    model, _ = _fitted(make)
    if not isinstance(model, FactorRecommender):
        return "no factor model: nothing to compare"
    factors = model.factors()
    from_factors = factors.score(np.arange(N_USERS))
    _need(_close(_all_scores(model), from_factors), "factors().score differs from score")
    # The evaluator relies on the numbers of rows, not on score's own check.
    _need(len(factors.user_factors) == N_USERS, "user_factors needs a row per user")
    _need(len(factors.item_factors) == N_ITEMS, "item_factors needs a row per item")
    return f"item_bias + user_factors @ item_factors.T, K = {factors.item_factors.shape[1]}"


def _check_images(make: Make) -> str:
    model = make()
    if not model.scores_images:
        return "scores items only"
    model, _ = _fitted(make)
    rng = np.random.default_rng(2)
    users = rng.integers(N_USERS, size=9)
    for side in (8, 90):
        images = rng.integers(256, size=(9, side, side, 3), dtype=np.uint8)
        whole = model.score_images(users, images)
        pairs = zip(users, images, strict=True)
        single = np.concatenate([model.score_images([user], image[None]) for user, image in pairs])
        _need(_close(whole, single), "an image's score changes with the images scored beside it")
        again = model.score_images(users, images)
        _need(bool(np.array_equal(whole, again)), "scoring images twice gives other scores")
    return "one by one and all at once agree, small images and large ones"


def _check_watch(make: Make) -> str:
    model = make()
    if model.max_epochs is None:
        unexpected = _KitWatch()
        with suppress(Exception):  # a fit that fails is the other checks' finding
            model.fit(toy_training_set(), watch=unexpected)
        _need(
            not unexpected.epochs,
            "the watch is called but no epochs are declared: give Params a field `epochs`, "
            "or the class a property `max_epochs`",
        )
        return "no epochs: the watch is not called"
    # Before its last epoch, where it would stop of itself.
    stop_after = max(1, min(2, model.max_epochs - 1))
    watch = _KitWatch(stop_after=stop_after)
    model.fit(toy_training_set(), watch=watch)
    expected = list(range(1, stop_after + 1))
    _need(
        watch.epochs == expected,
        f"watch was called with epochs {watch.epochs} after it said stop at {stop_after}, "
        f"expected {expected}",
    )
    return "called after each epoch from 1; stops when told"


def _check_snapshots(make: Make) -> str:
    model = make()
    dataset = toy_training_set()
    kept: list[tuple[State, npt.NDArray[np.float32]]] = []
    watch = _KitWatch(on_epoch=lambda epoch: kept.append((model.state(), _all_scores(model))))
    model.fit(dataset, watch=watch)
    if not kept:
        kept.append((model.state(), _all_scores(model)))
    state, scores = kept[0]
    model.load_state({name: array.copy() for name, array in state.items()}, dataset)
    _need(
        bool(np.array_equal(scores, _all_scores(model))),
        "restoring the first epoch's state does not restore its scores: state() must copy",
    )
    return "a state taken between epochs restores that epoch's scores"


def _check_resume(make: Make) -> str:
    model = make()
    checkpoints: list[State] = []

    def keep(epoch: int) -> None:
        state = model.training_state()
        if state is not None:
            checkpoints.append(state)

    undisturbed = _KitWatch(on_epoch=keep)
    model.fit(toy_training_set(), watch=undisturbed)
    if not checkpoints:
        return "gives no training state: an interrupted fit starts over"
    expected = _all_scores(model)
    watch = _KitWatch(checkpoint=checkpoints[0])
    resumed = make().fit(toy_training_set(), watch=watch)
    _need(
        watch.epochs == undisturbed.epochs[1:],
        f"a fit resumed after epoch 1 went on with epochs {watch.epochs}, "
        f"expected {undisturbed.epochs[1:]}",
    )
    _need(
        bool(np.array_equal(expected, _all_scores(resumed))),
        "a resumed fit ends with other scores than an undisturbed one",
    )
    return "interrupted after epoch 1 and resumed: equal to the last bit"


@dataclass(frozen=True)
class Check:
    """One promise and the function that tests it."""

    name: str
    function: Callable[[Make], str]


CHECKS: Sequence[Check] = (
    Check("declares name, label, source, hyper-parameters and grid", _check_declaration),
    Check("scores have the right shape and type", _check_shapes),
    Check("scores do not depend on the batch", _check_batches),
    Check("same seed, same scores", _check_seed),
    Check("global random generators are left alone", _check_global_generators),
    Check("does not peek at held-out items", _check_peeking),
    Check("is blind to the test items while it is tuned", _check_tuning),
    Check("leaves the data set unchanged", _check_data_untouched),
    Check("save and load keep the scores", _check_save_load),
    Check("factors agree with score", _check_factors),
    Check("scores of images do not depend on the batch", _check_images),
    Check("reports epochs and stops when told", _check_watch),
    Check("state restores an epoch", _check_snapshots),
    Check("an interrupted fit can be resumed", _check_resume),
)
"""All checks, in the order they are shown."""


class RecommenderConformance:
    """Subclass this in a test-suite and set `recommender`: pytest runs one test per check."""

    recommender: ClassVar[type[Recommender]]
    params: ClassVar[Any] = None

    def _run(self, name: str) -> None:
        check = next(check for check in CHECKS if check.name == name)
        result = _run_check(check, self.recommender, self.params, "cpu")
        if not result.passed:
            raise AssertionError(f"{result.name}: {result.detail}")


def _as_test(check: Check) -> Callable[[RecommenderConformance], None]:
    def test(self: RecommenderConformance) -> None:
        self._run(check.name)

    test.__doc__ = f"{check.name[0].upper()}{check.name[1:]}."
    return test


for _check in CHECKS:
    setattr(
        RecommenderConformance,
        f"test_{_check.function.__name__.removeprefix('_check_')}",
        _as_test(_check),
    )
