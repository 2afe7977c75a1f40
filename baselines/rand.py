"""RAND: every item gets a random score (paper, section IV-B (a)).

The scores come from a counter-based hash of (seed, user, item), so they depend on nothing else:
not on the batch, not on the order in which users are scored.
"""

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import TrainingSet
from bench.recommender import Recommender, State, Watch
from bench.rng import child_seed

__all__ = ["Rand"]


class Rand(Recommender):
    """Uniform random scores; its AUC is 0.5 by definition."""

    name: ClassVar[str] = "rand"
    label: ClassVar[str] = "RAND"
    source: ClassVar[str] = "Kang et al. 2017, IV-B (a)"

    def state(self) -> State:
        """Give the seed: all there is."""
        return {"seed": np.array(self._seed, dtype=np.int64)}

    def load_state(self, state: State, dataset: TrainingSet) -> None:
        """Take over the seed."""
        self._seed = int(state["seed"])

    def _fit(self, dataset: TrainingSet, watch: Watch) -> None:
        self._seed = child_seed(self.runtime.seed, "rand")

    def _score(self, users: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        rows = _mix(users.astype(np.uint64) ^ np.uint64(self._seed))
        columns = np.arange(self.n_items, dtype=np.uint64)
        bits = _mix(rows[:, None] + columns[None, :])
        # 24 bits are what a float32 in [0, 1) holds exactly.
        return ((bits >> np.uint64(40)).astype(np.float32)) * np.float32(2.0**-24)


def _mix(x: npt.NDArray[Any]) -> npt.NDArray[np.uint64]:
    """Scramble 64-bit counters into independent-looking bits.

    Source: the finaliser of SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number
    generators", OOPSLA 2014).
    """
    z: npt.NDArray[np.uint64] = x * np.uint64(0x9E3779B97F4A7C15)
    z ^= z >> np.uint64(30)
    z *= np.uint64(0xBF58476D1CE4E5B9)
    z ^= z >> np.uint64(27)
    z *= np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return z
