"""Every definition of the audit against a computation from the whole score matrix."""

import dataclasses
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from models import Scripted, ScriptParams
from sklearn.metrics import roc_auc_score

from bench.datasets.dataset import NO_ITEM, Dataset
from bench.errors import BenchError
from bench.evaluation.auc import mean_auc
from bench.evaluation.audit import DEFINITIONS, AuditCounts, summaries
from bench.experiment.audit import N_STEPS, AuditOptions, audit_counts
from bench.recommender import Recommender, Runtime, State

OPTIONS = AuditOptions(n_samples=12, n_draws=4, k=5)


class Whole(Recommender):
    """A model without factors, with many ties."""

    name, label, source = "whole", "Whole", "the tests"

    def _fit(self, dataset: Any, watch: Any) -> None: ...

    def _score(self, users: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        scores = np.random.default_rng(5).integers(0, 9, size=(self.n_users, self.n_items))
        return scores[users].astype(np.float32)

    def state(self) -> State:
        return {}

    def load_state(self, state: State, dataset: Any) -> None: ...


@pytest.fixture(scope="module", params=["factors", "scores"])
def model(request: pytest.FixtureRequest, toy_dataset: Dataset) -> Recommender:
    runtime = Runtime(device="cpu", threads=1)
    made: Recommender = (
        Scripted(ScriptParams(epochs=3), runtime=runtime)
        if request.param == "factors"
        else Whole(runtime=runtime)
    )
    return made.fit(toy_dataset.training)


@pytest.fixture(scope="module")
def counts(model: Recommender, toy_dataset: Dataset) -> AuditCounts:
    return audit_counts(model, toy_dataset, OPTIONS)


class Oracle:
    """Definitions from the score matrix, user by user, without any of the suite's counting."""

    def __init__(self, model: Recommender, dataset: Dataset) -> None:
        self.scores = model.score(np.arange(dataset.n_users)).astype(np.float64)
        self.dataset = dataset
        self.users = [u for u in range(dataset.n_users) if dataset.test[u] != NO_ITEM]
        self.train = [set(dataset.training.train.of(u).tolist()) for u in self.users]

    def own(self, place: int) -> float:
        user = self.users[place]
        return float(self.scores[user, self.dataset.test[user]])

    def others(self, place: int, *, but: tuple[str, ...]) -> npt.NDArray[np.float64]:
        user = self.users[place]
        left_out = {int(self.dataset.test[user])}
        left_out |= self.train[place] if "train" in but else set()
        left_out |= {int(self.dataset.validation[user])} if "validation" in but else set()
        items = [i for i in range(self.dataset.n_items) if i not in left_out]
        return self.scores[user, items]

    def per_user(
        self,
        value: Callable[[float, npt.NDArray[np.float64]], float],
        but: tuple[str, ...] = ("train", "validation"),
    ) -> npt.NDArray[np.float64]:
        places = range(len(self.users))
        return np.array([value(self.own(p), self.others(p, but=but)) for p in places])

    def cold(self, at_most: int, *, all_parts: bool = False) -> npt.NDArray[np.bool_]:
        dataset = self.dataset
        seen = [item for items in self.train for item in items]
        seen += dataset.training.train.of(dataset.n_users - 1).tolist()  # nothing held out of her
        if all_parts:
            seen += [int(x[u]) for u in self.users for x in (dataset.validation, dataset.test)]
        return np.array([seen.count(int(dataset.test[u])) <= at_most for u in self.users])

    def value(self, name: str, chosen: npt.NDArray[np.bool_]) -> float:
        def strict(own: float, others: npt.NDArray[np.float64]) -> float:
            return float((others < own).mean())

        def half(own: float, others: npt.NDArray[np.float64]) -> float:
            return float(roc_auc_score([1] + [0] * len(others), [own, *others]))

        def at_k(own: float, others: npt.NDArray[np.float64]) -> float:
            above, n = int((others >= own).sum()), self.dataset.n_items - 1
            return (n - above) / n if above < OPTIONS.k else (n - OPTIONS.k) / 2 / n

        def limited(own: float, others: npt.NDArray[np.float64]) -> float:
            above, n = int((others >= own).sum()), len(others) + 1
            return (n - above) / n if above < OPTIONS.k else 0.0

        if name == "pooled":
            places = range(len(self.users))
            negatives = np.concatenate(
                [self.others(p, but=("train", "validation")) for p in places]
            )
            positives = [self.own(p) for p in places if chosen[p]]
            labels = [1] * len(positives) + [0] * len(negatives)
            return float(roc_auc_score(labels, [*positives, *negatives]))
        if name == "micro":
            places = [p for p in range(len(self.users)) if chosen[p]]
            pairs = [
                (self.own(p), other)
                for p in places
                for other in self.others(p, but=("train", "validation"))
            ]
            return float(np.mean([own > other for own, other in pairs]))
        if name == "per-item":
            values = self.per_user(strict)
            by_item: dict[int, list[float]] = {}
            for place in np.flatnonzero(chosen):
                item = int(self.dataset.test[self.users[place]])
                by_item.setdefault(item, []).append(values[place])
            return float(np.mean([np.mean(each) for each in by_item.values()]))
        per_user = {
            "strict": lambda: self.per_user(strict),
            "cold-at-most-5": lambda: self.per_user(strict),
            "cold-all-parts": lambda: self.per_user(strict),
            "half": lambda: self.per_user(half),
            "validation-in": lambda: self.per_user(strict, ("train",)),
            "known-in": lambda: self.per_user(strict, ()),
            "at-k": lambda: self.per_user(at_k),
            "limited": lambda: self.per_user(limited),
        }[name]()
        return float(per_user[chosen].mean())


@pytest.mark.parametrize(
    "definition",
    [one for one in DEFINITIONS if one.name != "sampled"],  # which has a test of its own below
    ids=lambda d: d.name,
)
def test_a_definition_is_the_oracles(
    definition: Any, counts: AuditCounts, model: Recommender, toy_dataset: Dataset
) -> None:
    oracle = Oracle(model, toy_dataset)
    cold = {
        "cold-at-most-5": oracle.cold(5),
        "cold-all-parts": oracle.cold(5, all_parts=True),
    }.get(definition.name, oracle.cold(4))
    assert 0 < cold.sum() < len(cold)
    everyone, of_cold = summaries(definition, counts)
    assert of_cold.mean == pytest.approx(oracle.value(definition.name, cold), abs=1e-9)
    if definition.name.startswith("cold"):
        assert everyone is None
        assert of_cold.n == cold.sum()
    else:
        assert everyone is not None
        whole = oracle.value(definition.name, np.full(len(cold), True))
        assert everyone.mean == pytest.approx(whole, abs=1e-9)


def test_definitions_differ(counts: AuditCounts) -> None:
    """The oracle's agreement would be worth little if all rows had one value."""
    means = {summaries(d, counts)[1].mean for d in DEFINITIONS if d.name != "half"}
    assert len(means) >= 8


def test_sampled_is_near_the_exact_value_and_says_its_spread(
    counts: AuditCounts, model: Recommender, toy_dataset: Dataset
) -> None:
    sampled = next(d for d in DEFINITIONS if d.name == "sampled")
    validation_in = next(d for d in DEFINITIONS if d.name == "validation-in")
    (value, _), (exact, _) = (summaries(d, counts) for d in (sampled, validation_in))
    assert value is not None
    assert exact is not None
    assert value.sd is not None
    # The standard error of a mean of four draws, from the draws themselves.
    assert abs(value.mean - exact.mean) < 4 * value.sd
    means = [mean_auc(draw, "strict").mean for draw in counts.draws]
    assert value[::2] == pytest.approx((statistics.mean(means), statistics.stdev(means)))
    assert value.sd > 0
    assert all(draw.n_negatives.max() <= OPTIONS.n_samples for draw in counts.draws)
    again = audit_counts(model, toy_dataset, OPTIONS)
    assert summaries(sampled, again) == summaries(sampled, counts)
    # The whole catalogue drawn: the authors' full loop, exactly.
    all_of_it = dataclasses.replace(OPTIONS, n_samples=toy_dataset.n_items, n_draws=1)
    whole, _ = summaries(sampled, audit_counts(model, toy_dataset, all_of_it))
    assert whole is not None
    assert whole.sd is None
    assert whole.mean == pytest.approx(exact.mean, abs=1e-12)


def test_users_left_out_are_left_out_everywhere(model: Recommender, toy_dataset: Dataset) -> None:
    test = toy_dataset.test.copy()
    test[::2] = NO_ITEM
    few = dataclasses.replace(toy_dataset, test=test)
    counts = audit_counts(model, few, OPTIONS)
    n_users = int((test != NO_ITEM).sum())
    for definition in DEFINITIONS:
        everyone, _ = summaries(definition, counts)
        if everyone is not None and definition.name != "per-item":
            assert everyone.n == n_users
    assert counts.test_item_counts[0] == -1
    nobody = dataclasses.replace(toy_dataset, test=np.full_like(test, NO_ITEM))
    with pytest.raises(BenchError, match="nobody has a test item"):
        audit_counts(model, nobody, OPTIONS)


def test_steps_are_told(model: Recommender, toy_dataset: Dataset) -> None:
    steps: list[int] = []
    audit_counts(model, toy_dataset, OPTIONS, step=lambda: steps.append(1))
    assert len(steps) == N_STEPS


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"n_samples": 0}, "--samples"), ({"n_draws": -1}, "--draws"), ({"k": 0}, "--k")],
)
def test_options_are_checked(wrong: dict[str, int], message: str) -> None:
    with pytest.raises(BenchError, match=f"{message} must be at least 1"):
        AuditOptions(**wrong)
