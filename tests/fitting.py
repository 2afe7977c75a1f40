"""What the recommenders' tests share: watches, small training sets, a plain AUC."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import Interactions, TrainingSet
from bench.recommender import Recommender, Runtime, State


@dataclass
class Recorder:
    """Notes epochs and losses, calls `on_epoch` and `on_pause`, stops and resumes if told to."""

    stop_after: int | None = None
    checkpoint: State | None = None
    on_epoch: Callable[[], None] = lambda: None
    on_pause: Callable[[], None] = lambda: None
    epochs: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    def __call__(self, epoch: int, *, loss: float | None = None, rate: float | None = None) -> bool:
        self.epochs.append(epoch)
        if loss is not None:
            self.losses.append(loss)
        self.on_epoch()
        return epoch != self.stop_after

    def pause(self) -> None:
        self.on_pause()

    def resume(self) -> State | None:
        return self.checkpoint


def cpu(seed: int = 0) -> Runtime:
    """One thread on the CPU."""
    return Runtime(seed=seed, device="cpu", threads=1)


def training_set(
    owned: list[list[int]], n_items: int, features: npt.NDArray[Any] | None = None
) -> TrainingSet:
    """Make a training set from each user's items."""
    users = np.repeat(np.arange(len(owned)), [len(items) for items in owned])
    items = np.array([item for row in owned for item in row], dtype=np.int64)
    train = Interactions.from_pairs(users, items, n_users=len(owned), n_items=n_items)
    return TrainingSet(name="small", train=train, features=features)


BLOCK_USERS, BLOCK_ITEMS, N_BLOCKS = 90, 60, 3


def planted_blocks() -> tuple[TrainingSet, npt.NDArray[np.int64]]:
    """Make users who buy only from their own third of the catalogue, and a held-out item each.

    Whoever sees the blocks and nothing else scores (40 + 13 / 2) / 53 = 0.88: two blocks are below
    the held-out item and 13 unknown items of its own block tie with it. By popularity alone it is
    about 1/2. The features tell the blocks apart, behind noise. Item 59 has no training user.
    """
    rng = np.random.default_rng(3)
    owned, held_out = [], []
    for user in range(BLOCK_USERS):
        block = np.flatnonzero(np.arange(BLOCK_ITEMS - 1) % N_BLOCKS == user % N_BLOCKS)
        chosen = rng.permutation(block)[:7]
        owned.append(chosen[:6].tolist())
        held_out.append(chosen[6])
    features = rng.random((BLOCK_ITEMS, 12), dtype=np.float32)
    features[np.arange(BLOCK_ITEMS), np.arange(BLOCK_ITEMS) % N_BLOCKS] += 1.0
    return training_set(owned, BLOCK_ITEMS, features), np.array(held_out)


def auc(model: Recommender, data: TrainingSet, held_out: npt.NDArray[np.int64]) -> float:
    """Average over users the share of other unknown items below the held-out one; ties half."""
    shares = []
    for user, item in enumerate(held_out):
        scores = model.score([user])[0]
        others = [i for i in range(data.n_items) if i != item and i not in data.train.of(user)]
        below = sum(scores[i] < scores[item] for i in others)
        tied = sum(scores[i] == scores[item] for i in others)
        shares.append((below + tied / 2) / len(others))
    return float(np.mean(shares))
