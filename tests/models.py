"""Recommenders that misbehave in one way each, and one that can be interrupted."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import TrainingSet
from bench.recommender import FactorRecommender, Factors, Recommender, State, Watch


@dataclass(frozen=True, kw_only=True)
class ScriptParams:
    epochs: int = 6
    script: tuple[float, ...] = (0.0, 1.0, 3.0, 2.0, 2.0, 2.0)
    crash_at: int = 0


class Scripted(FactorRecommender):
    """Scores group membership times `script[epoch - 1]` plus noise: AUC follows the script."""

    name: ClassVar[str] = "scripted"
    label: ClassVar[str] = "Scripted"
    source: ClassVar[str] = "the tests"
    Params: ClassVar[type[Any]] = ScriptParams

    def factors(self) -> Factors:
        groups = np.eye(3, dtype=np.float32)
        noise = np.random.default_rng(3).standard_normal(self.n_items).astype(np.float32)
        return Factors(
            groups[np.arange(self.n_users) % 3] * np.float32(self._strength),
            groups[np.arange(self.n_items) % 3],
            noise,
        )

    def state(self) -> State:
        return {"strength": np.array(self._strength)}

    def load_state(self, state: State, dataset: TrainingSet) -> None:
        self._strength = float(state["strength"])

    def training_state(self) -> State:
        return {"epoch": np.array(self._epoch)}

    def _fit(self, dataset: TrainingSet, watch: Watch) -> None:
        stored = watch.resume()
        self._epoch = int(stored["epoch"]) if stored else 0
        self.resumed_from = self._epoch
        while self._epoch < self.params.epochs:
            self._epoch += 1
            if self._epoch == self.params.crash_at:
                raise KeyboardInterrupt
            self._strength = self.params.script[self._epoch - 1]
            if not watch(self._epoch, loss=1.0 / self._epoch):
                break


class _Flat(Recommender):
    label: ClassVar[str] = "Flat"
    source: ClassVar[str] = "the tests"

    def state(self) -> State:
        return {}

    def load_state(self, state: State, dataset: TrainingSet) -> None:
        pass

    def _fit(self, dataset: TrainingSet, watch: Watch) -> None:
        pass

    def _score(self, users: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        return np.zeros((len(users), self.n_items), dtype=np.float32)


class NanScores(_Flat):
    name: ClassVar[str] = "nan-scores"

    def _score(self, users: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        scores = super()._score(users)
        scores[users == 5] = np.nan
        return scores


class Crashing(_Flat):
    name: ClassVar[str] = "crashing"

    def _fit(self, dataset: TrainingSet, watch: Watch) -> Self:
        raise ZeroDivisionError("division by\nzero")


class NanLoss(_Flat):
    name: ClassVar[str] = "nan-loss"
    Params: ClassVar[type[Any]] = ScriptParams

    def _fit(self, dataset: TrainingSet, watch: Watch) -> None:
        watch(1, loss=float("nan"))
