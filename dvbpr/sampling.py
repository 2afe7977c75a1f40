"""The triples of a fit, epoch by epoch: which users, positives and negatives each step has.

An epoch's triples follow from the root seed and the epoch's number alone, so the place in a fit is
two numbers, epoch and step, and an interrupted fit draws again what it had.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import Interactions
from bench.datasets.sampling import PairSampling, draw_negatives, draw_pairs
from bench.rng import child_generator

__all__ = ["Batch", "Epoch", "Negatives", "Sampler"]

Negatives = Literal["own", "shared"]
"""Whose negatives: "own": each triple has its own; "shared": the users of a batch share them."""


@dataclass(frozen=True)
class Batch:
    """What one step is about.

    Attributes
    ----------
    users, positives
        int64 (B,).
    negatives
        int64 (B, n) of own negatives, or (N,) of shared ones.
    """

    users: npt.NDArray[np.int64]
    positives: npt.NDArray[np.int64]
    negatives: npt.NDArray[np.int64]

    @property
    def items(self) -> npt.NDArray[np.int64]:
        """All items whose images the step encodes, positives first: int64 (n_images,)."""
        return np.concatenate([self.positives, self.negatives.reshape(-1)])


@dataclass(frozen=True)
class Epoch:
    """The triples of one epoch, as `Batch` has them for one step.

    Attributes
    ----------
    users, positives
        int64 (n_pairs,).
    negatives
        int64 (n_pairs, n) of own negatives, or (steps, N) of shared ones.
    batch_size
        Triples per step; the last step has the rest.
    shared
        Which of the two `negatives` holds.
    """

    users: npt.NDArray[np.int64]
    positives: npt.NDArray[np.int64]
    negatives: npt.NDArray[np.int64]
    batch_size: int
    shared: bool

    def batch(self, step: int) -> Batch:
        """Give the triples of step `step`, from 0."""
        part = slice(step * self.batch_size, (step + 1) * self.batch_size)
        negatives = self.negatives[step] if self.shared else self.negatives[part]
        return Batch(self.users[part], self.positives[part], negatives)


class Sampler:
    """Draws the epochs of a fit.

    Parameters
    ----------
    train
        The training interactions.
    sampling
        How pairs are drawn; see `bench.datasets.sampling.draw_pairs`.
    negatives
        "own" draws `n_negatives` for each triple, outside the user's training items; "shared"
        draws `n_negatives` for each step, from the whole catalogue.
    batch_size
        Triples per step.
    seed
        Root seed of the fit.
    """

    def __init__(
        self,
        train: Interactions,
        *,
        sampling: PairSampling,
        negatives: Negatives,
        n_negatives: int,
        batch_size: int,
        seed: int,
    ) -> None:
        self._train, self._seed = train, seed
        self._sampling: PairSampling = sampling
        self._shared = negatives == "shared"
        self._n_negatives, self._batch_size = n_negatives, batch_size

    @property
    def steps(self) -> int:
        """Steps per epoch."""
        return -(-self._train.n_pairs // self._batch_size)

    def epoch(self, number: int) -> Epoch:
        """Draw epoch `number`, from 0."""
        generator = child_generator(self._seed, "dvbpr", "epoch", number)
        users, positives = draw_pairs(self._train, self._sampling, generator)
        if self._shared:
            size = (self.steps, self._n_negatives)
            negatives = generator.integers(max(self._train.n_items, 1), size=size)
        else:
            repeated = np.repeat(users, self._n_negatives)
            drawn = draw_negatives(self._train, repeated, generator)
            negatives = drawn.reshape(len(users), self._n_negatives).astype(np.int64)
        return Epoch(
            users.astype(np.int64),
            positives.astype(np.int64),
            negatives,
            self._batch_size,
            self._shared,
        )
