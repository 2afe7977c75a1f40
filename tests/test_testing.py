"""The conformance kit: for every promise a recommender that breaks it, and only it."""

import random
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest
import torch

from bench.datasets.dataset import TrainingSet
from bench.errors import HeldOutError
from bench.recommender import FactorRecommender, Factors, Recommender, State, Watch
from bench.rng import child_generator
from bench.testing import CHECKS, RecommenderConformance, check_recommender, toy_training_set

DECLARES = "declares name, label, source, hyper-parameters and grid"
SHAPES = "scores have the right shape and type"
BATCHES = "scores do not depend on the batch"
SEED = "same seed, same scores"
GLOBALS = "global random generators are left alone"
PEEKS = "does not peek at held-out items"
TUNING = "is blind to the test items while it is tuned"
UNCHANGED = "leaves the data set unchanged"
SAVE = "save and load keep the scores"
FACTORS = "factors agree with score"
IMAGES = "scores of images do not depend on the batch"
WATCH = "reports epochs and stops when told"
STATE = "state restores an epoch"
RESUME = "an interrupted fit can be resumed"


@dataclass(frozen=True, kw_only=True)
class GoodParams:
    epochs: int = 5


class Good(FactorRecommender):
    """Factors that move at random, with momentum: all a fit needs to resume is to be kept."""

    name: ClassVar[str] = "good"
    label: ClassVar[str] = "Good"
    source: ClassVar[str] = "the tests"
    Params: ClassVar[type[Any]] = GoodParams
    grid: ClassVar[dict[str, tuple[object, ...]]] = {"epochs": (1, 5)}

    def factors(self) -> Factors:
        return Factors(self.u.copy(), self.v.copy(), self.b.copy())

    def state(self) -> State:
        return {"u": self.u.copy(), "v": self.v.copy(), "b": self.b.copy()}

    def load_state(self, state: State, dataset: TrainingSet) -> None:
        self.u, self.v, self.b = state["u"], state["v"], state["b"]

    def training_state(self) -> State | None:
        arrays = {"u": self.u, "v": self.v, "b": self.b, "speed": self.speed}
        copies = {name: array.copy() for name, array in arrays.items()}
        return {**copies, "epoch": np.array(self.epoch)}

    def start(self, dataset: TrainingSet) -> None:
        rng = child_generator(self.runtime.seed, "good")
        self.u = rng.standard_normal((dataset.n_users, 2), dtype=np.float32)
        self.v = rng.standard_normal((dataset.n_items, 2), dtype=np.float32)
        self.b = dataset.train.item_counts.astype(np.float32)
        self.speed = np.zeros_like(self.u)
        self.epoch = 0

    def _fit(self, dataset: TrainingSet, watch: Watch) -> None:
        self.start(dataset)
        if stored := watch.resume():
            self.u, self.v, self.b, self.speed = (
                stored[name].copy() for name in ("u", "v", "b", "speed")
            )
            self.epoch = int(stored["epoch"])
        while self.epoch < self.params.epochs:
            rng = child_generator(self.runtime.seed, "good", self.epoch)
            self.speed = self.speed / 2 + rng.standard_normal(self.u.shape, dtype=np.float32)
            self.u += self.speed
            self.epoch += 1
            if not self.tell(watch):
                break

    def tell(self, watch: Watch) -> bool:
        return watch(self.epoch)


class NoFactors(Recommender):
    """A good recommender without epochs or factors."""

    name: ClassVar[str] = "no-factors"
    label: ClassVar[str] = "No factors"
    source: ClassVar[str] = "the tests"

    def state(self) -> State:
        return {"table": self.table.copy()}

    def load_state(self, state: State, dataset: TrainingSet) -> None:
        self.table = state["table"]

    def _fit(self, dataset: TrainingSet, watch: Watch) -> None:
        rng = child_generator(self.runtime.seed, "table")
        self.table = rng.random((dataset.n_users, dataset.n_items), dtype=np.float32)

    def _score(self, users: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        return self.table[users]


def failed(recommender: type[Recommender], params: Any = None) -> dict[str, str]:
    results = check_recommender(recommender, params=params)
    assert [result.name for result in results] == [check.name for check in CHECKS]
    assert all(result.detail for result in results)
    return {result.name: result.detail for result in results if not result.passed}


@pytest.mark.parametrize(
    ("recommender", "params"),
    [(Good, None), (Good, GoodParams(epochs=1)), (Good, GoodParams(epochs=2)), (NoFactors, None)],
)
def test_a_good_recommender_keeps_every_promise(
    recommender: type[Recommender], params: Any
) -> None:
    assert failed(recommender, params) == {}


class NoLabel(Good):
    label = ""


class NumberAsSource(Good):
    source = 2017  # type: ignore[assignment]  # what is tested


class GridOfNothing(Good):
    grid: ClassVar[dict[str, tuple[object, ...]]] = {"factors": (1,)}


class TiedToNothing(Good):
    tied: ClassVar[tuple[tuple[str, ...], ...]] = (("epochs", "factors"),)


class TiedUnevenly(Good):
    @dataclass(frozen=True, kw_only=True)
    class Params(GoodParams):
        factors: int = 1

    grid: ClassVar[dict[str, tuple[object, ...]]] = {"epochs": (1, 5), "factors": (1,)}
    tied: ClassVar[tuple[tuple[str, ...], ...]] = (("epochs", "factors"),)


class GridOfTheImpossible(Good):
    @dataclass(frozen=True, kw_only=True)
    class Params(GoodParams):
        def __post_init__(self) -> None:
            if self.epochs == 1:
                raise ValueError("two epochs at least")


class ChangeableParams(Good):
    @dataclass(kw_only=True)
    class Params:
        epochs: int = 5


class PlainParams(NoFactors):
    class Params:
        pass


class WrongType(Good):
    def score(self, users: npt.ArrayLike) -> Any:
        return super().score(users).astype(np.float64)


class NoEmptyBatch(Good):
    def score(self, users: npt.ArrayLike) -> Any:
        return super().score(users) if len(np.asarray(users)) else np.empty(0, np.float32)


class NanForLastUser(NoFactors):
    """Whom nobody scores but the check of shapes, if the others are given zeros."""

    def score(self, users: npt.ArrayLike) -> Any:
        scores = super().score(users).copy()
        if len(scores) == 40 and isinstance(users, list):
            scores[39] = np.nan
        return scores


class BatchNormalised(NoFactors):
    def _score(self, users: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        scores = super()._score(users)
        return scores - scores.mean()


class OrderOfBatch(NoFactors):
    def _score(self, users: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        return super()._score(np.sort(users))


class Unseeded(NoFactors):
    def _fit(self, dataset: TrainingSet, watch: Watch) -> None:
        self.table = np.random.default_rng().random((40, 60), dtype=np.float32)


class GlobalNumpy(NoFactors):
    def _fit(self, dataset: TrainingSet, watch: Watch) -> None:
        np.random.seed(self.runtime.seed)  # noqa: NPY002  # what is tested
        self.table = np.random.rand(40, 60).astype(np.float32)  # noqa: NPY002


class GlobalTorch(NoFactors):
    def _fit(self, dataset: TrainingSet, watch: Watch) -> None:
        torch.manual_seed(self.runtime.seed)
        self.table = torch.rand(40, 60).numpy()


class GlobalPython(NoFactors):
    def _fit(self, dataset: TrainingSet, watch: Watch) -> None:
        random.seed(self.runtime.seed)
        self.table = np.array([[random.random()] * 60] * 40, dtype=np.float32)


class PeeksAndSwallows(NoFactors):
    def _fit(self, dataset: TrainingSet, watch: Watch) -> None:
        super()._fit(dataset, watch)
        with suppress(HeldOutError):
            self.table[:, dataset.test] += 1


class PeeksWhenScoring(NoFactors):
    def _fit(self, dataset: TrainingSet, watch: Watch) -> None:
        super()._fit(dataset, watch)
        self.dataset = dataset

    def _score(self, users: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        try:
            return super()._score(users) + self.dataset.validation
        except (HeldOutError, AttributeError):
            return super()._score(users)


class ReadsTheTestItems(NoFactors):
    """Those that a trial leaves out of the negatives, from behind the watch."""

    def _fit(self, dataset: TrainingSet, watch: Watch) -> None:
        super()._fit(dataset, watch)
        if (watcher := getattr(watch, "_watcher", None)) is not None:
            known = watcher._dataset.known
            self.table[known.users, known.indices] += 1


class AsksATrial(NoFactors):
    def _fit(self, dataset: TrainingSet, watch: Watch) -> None:
        super()._fit(dataset, watch)
        with suppress(HeldOutError, AttributeError):
            self.table += watch._watcher._dataset.test  # type: ignore[attr-defined]  # is tested


class ScalesFeaturesInPlace(NoFactors):
    def _fit(self, dataset: TrainingSet, watch: Watch) -> None:
        super()._fit(dataset, watch)
        features = dataset.need_features()
        features /= features.max()


class SortsInteractions(NoFactors):
    def _fit(self, dataset: TrainingSet, watch: Watch) -> None:
        super()._fit(dataset, watch)
        dataset.train.indices.sort()


class RenumbersCategories(NoFactors):
    def _fit(self, dataset: TrainingSet, watch: Watch) -> None:
        super()._fit(dataset, watch)
        assert dataset.categories is not None
        dataset.categories[:] += 1


class ForgetsBias(Good):
    def state(self) -> State:
        return {"u": self.u.copy(), "v": self.v.copy()}

    def load_state(self, state: State, dataset: TrainingSet) -> None:
        self.u, self.v = state["u"], state["v"]


class SavesHalfPrecision(NoFactors):
    def save_into(self, folder: Any) -> None:
        kept, self.table = self.table, self.table.astype(np.float16).astype(np.float32)
        super().save_into(folder)
        self.table = kept


class FactorsWithoutBias(Good):
    def _score(self, users: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        return self.u[users] @ self.v.T


class OneRowTooMany(Good):
    def factors(self) -> Factors:
        factors = super().factors()
        u = np.concatenate([factors.user_factors, factors.user_factors[:1]])
        return Factors(u, factors.item_factors, factors.item_bias)


class IgnoresStop(Good):
    def tell(self, watch: Watch) -> bool:
        watch(self.epoch)
        return True


class CountsFromZero(Good):
    def tell(self, watch: Watch) -> bool:
        return watch(self.epoch - 1)

    def training_state(self) -> None:
        return None


class NeverReports(Good):
    def tell(self, watch: Watch) -> bool:
        return True


class StateIsAlias(Good):
    def state(self) -> State:
        return {"u": self.u, "v": self.v, "b": self.b}


class StateIsPartial(Good):
    def load_state(self, state: State, dataset: TrainingSet) -> None:
        self.v, self.b = state["v"], state["b"]
        if not self._fitted:
            self.u = state["u"]


class ResumesWithoutMomentum(Good):
    def training_state(self) -> State | None:
        return {**(super().training_state() or {}), "speed": np.zeros_like(self.u)}


class ResumesFromTheStart(Good):
    def training_state(self) -> State | None:
        return {**(super().training_state() or {}), "epoch": np.array(0)}


class CheckpointIsAlias(Good):
    def training_state(self) -> State | None:
        return {"u": self.u, "v": self.v, "b": self.b, "speed": self.speed, "epoch": np.array(1)}


class OnlySaysItSees(NoFactors):
    scores_images = True


class CentresImages(OnlySaysItSees):
    def _score_images(
        self, users: npt.NDArray[np.int64], images: npt.NDArray[np.uint8]
    ) -> npt.NDArray[np.float32]:
        means = images.mean(axis=(1, 2, 3)).astype(np.float32)
        return means - means.mean()


class DrawsPerImage(OnlySaysItSees):
    def _score_images(
        self, users: npt.NDArray[np.int64], images: npt.NDArray[np.uint8]
    ) -> npt.NDArray[np.float32]:
        self.drawn = getattr(self, "drawn", 0.0) + 1e-6  # so little that batches seem to agree
        return (images.mean(axis=(1, 2, 3)) + self.drawn).astype(np.float32)


BROKEN: list[tuple[type[Recommender], str, str]] = [
    (NoLabel, DECLARES, "needs a text `label`"),
    (NumberAsSource, DECLARES, "needs a text `source`"),
    (GridOfNothing, DECLARES, "grid names 'factors', which Params does not have"),
    (TiedToNothing, DECLARES, "tied names factors, which grid does not have"),
    (TiedUnevenly, DECLARES, "the grid's epochs, factors are tied and differ in length"),
    (GridOfTheImpossible, DECLARES, r"ValueError at test_testing.py:\d+: two epochs at least"),
    (ChangeableParams, DECLARES, "Params must be frozen"),
    (PlainParams, DECLARES, "Params must be a dataclass"),
    (WrongType, SHAPES, "scores are float64, not float32"),
    (NoEmptyBatch, SHAPES, r"score\(\[\]\) has shape \(0,\), not \(0, 60\)"),
    (NanForLastUser, SHAPES, "some scores are not finite"),
    (BatchNormalised, BATCHES, "change with the users scored beside her"),
    (OrderOfBatch, BATCHES, "change with the order"),
    (Unseeded, SEED, "two fits with the same seed score differently"),
    (GlobalNumpy, GLOBALS, "global generator of numpy.random was used"),
    (GlobalTorch, GLOBALS, "global generator of torch was used"),
    (GlobalPython, GLOBALS, "global generator of random was used"),
    (PeeksAndSwallows, PEEKS, "asked for held-out items: test$"),
    (PeeksWhenScoring, PEEKS, "asked for held-out items: validation"),
    (ReadsTheTestItems, TUNING, "its scores change with the test items of a trial"),
    (AsksATrial, TUNING, "asked a trial's data for the test items"),
    (ScalesFeaturesInPlace, UNCHANGED, "changed the data set's arrays"),
    (SortsInteractions, UNCHANGED, "changed the data set's arrays"),
    (RenumbersCategories, UNCHANGED, "changed the data set's arrays"),
    (ForgetsBias, SAVE, "AttributeError"),
    (SavesHalfPrecision, SAVE, "a saved and loaded model scores differently"),
    (FactorsWithoutBias, FACTORS, r"factors\(\).score differs from score"),
    (OneRowTooMany, FACTORS, "user_factors needs a row per user"),
    (CentresImages, IMAGES, "changes with the images scored beside it"),
    (DrawsPerImage, IMAGES, "scoring images twice gives other scores"),
    (OnlySaysItSees, IMAGES, "NotImplementedError at recommender.py"),
    (IgnoresStop, WATCH, r"epochs \[1, 2, 3, 4, 5\] after it said stop at 2, expected \[1, 2\]"),
    (CountsFromZero, WATCH, r"called with epochs \[0, 1, 2\]"),
    (NeverReports, WATCH, r"called with epochs \[\]"),
    (StateIsAlias, STATE, r"state\(\) must copy"),
    (StateIsPartial, STATE, "does not restore its scores"),
    (ResumesWithoutMomentum, RESUME, "ends with other scores than an undisturbed one"),
    (ResumesFromTheStart, RESUME, r"after epoch 1 went on with epochs \[1, 2, 3\]"),
    (CheckpointIsAlias, RESUME, "ends with other scores"),
]


@pytest.mark.parametrize(
    ("broken", "promise", "finding"), BROKEN, ids=[broken.__name__ for broken, _, _ in BROKEN]
)
def test_a_broken_promise_is_found_and_no_other(
    broken: type[Recommender], promise: str, finding: str
) -> None:
    found = failed(broken)
    assert list(found) == [promise]
    with pytest.raises(AssertionError, match=finding):
        raise AssertionError(found[promise])


def test_ignoring_stop_is_found_however_few_epochs_there_are() -> None:
    assert list(failed(IgnoresStop, GoodParams(epochs=2))) == [WATCH]


def test_epochs_that_are_reported_must_be_declared() -> None:
    class Undeclared(NoFactors):
        def _fit(self, dataset: TrainingSet, watch: Watch) -> None:
            super()._fit(dataset, watch)
            for epoch in range(1, 4):
                if not watch(epoch):
                    break

    assert Undeclared().max_epochs is None
    found = failed(Undeclared)
    assert list(found) == [WATCH]
    assert found[WATCH].startswith("the watch is called but no epochs are declared: give Params")

    class Declared(Undeclared):
        max_epochs = 3

    assert failed(Declared) == {}


def test_every_promise_is_broken_by_somebody() -> None:
    assert {promise for _, promise, _ in BROKEN} == {check.name for check in CHECKS}


def test_scores_of_the_wrong_type_fail_wherever_they_are_asked_for() -> None:
    class Double(NoFactors):
        def _score(self, users: npt.NDArray[np.int64]) -> Any:
            return super()._score(users).astype(np.float64)

    found = failed(Double)
    assert SHAPES in found
    assert DECLARES not in found
    assert "BenchError at recommender.py" in found[SHAPES]
    assert "no-factors gave float64 scores, expected float32" in found[SHAPES]


def test_a_model_that_raises_is_reported_and_the_kit_goes_on() -> None:
    class Crash(NoFactors):
        def _fit(self, dataset: TrainingSet, watch: Watch) -> None:
            raise ZeroDivisionError("two\nlines")

    found = failed(Crash)
    assert set(found) == {check.name for check in CHECKS} - {DECLARES, IMAGES, WATCH}
    assert set(found.values()) == {found[SEED]}
    assert found[SEED].startswith("ZeroDivisionError at test_testing.py:")
    assert found[SEED].endswith(": two lines")


def test_the_kit_leaves_the_global_generators_as_it_found_them() -> None:
    def states() -> tuple[object, ...]:
        legacy = repr(np.random.get_state())  # noqa: NPY002  # watched, not used
        return random.getstate(), legacy, torch.random.get_rng_state().tolist()

    before = states()
    check_recommender(NoFactors)
    assert before == states()


def test_every_feature_missing_from_the_data_is_an_error_of_the_model() -> None:
    class Demanding(NoFactors):
        needs = frozenset({"features", "images", "categories"})

    assert failed(Demanding) == {}  # the kit's data has them all


def test_the_toy_data_is_as_awkward_as_real_data() -> None:
    data, again = toy_training_set(), toy_training_set()
    assert len(data.train.of(data.n_users - 1)) == 0
    assert (data.train.item_counts == 0).any()
    np.testing.assert_array_equal(data.train.indices, again.train.indices)
    np.testing.assert_array_equal(data.need_features(), again.need_features())
    assert data.images is not None
    assert len(data.images) == data.n_items
    assert data.images.decoded(7).size == (16, 16)
    for held_out in ("validation", "test"):
        with pytest.raises(HeldOutError, match=held_out):
            getattr(data, held_out)


class TestMixin(RecommenderConformance):
    """What a third party writes: pytest runs every check."""

    recommender = Good
    params = GoodParams(epochs=2)


def test_the_mixin_has_one_test_per_check_and_fails_by_name() -> None:
    tests = [name for name in dir(RecommenderConformance) if name.startswith("test_")]
    assert len(tests) == len(CHECKS) == 14

    class Mixed(RecommenderConformance):
        recommender = Unseeded

    Mixed().test_shapes()  # type: ignore[attr-defined]  # set by a loop over the checks
    with pytest.raises(AssertionError, match="same seed, same scores: two fits with the same"):
        Mixed().test_seed()  # type: ignore[attr-defined]
