"""User rows and Adam on the rows a batch touches, and on no others."""

import torch
from torch import Tensor

from bench.recommender import State

__all__ = ["UserRows"]

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8


class UserRows:
    """The table theta with Adam's moments and a step count for each row.

    A row moves only in steps whose batch has its user, by Adam (Kingma and Ba 2015) on the sequence
    of its own gradients: moments, and the correction of their start at zero, count the row's steps.
    Adam on the whole table would go on moving rows by old moments, and with a penalty would shrink
    rows of rare users to nothing.

    Parameters
    ----------
    start
        float32 (n_users, K), on the device that trains.
    learning_rate
        Adam's step.
    """

    def __init__(self, start: Tensor, *, learning_rate: float) -> None:
        self.table = start
        self._first = torch.zeros_like(start)
        self._second = torch.zeros_like(start)
        self._steps = torch.zeros(len(start), dtype=torch.int32, device=start.device)
        self._learning_rate = learning_rate

    def gather(self, users: Tensor) -> Tensor:
        """Copy rows, (B, K), as a leaf that collects a gradient."""
        return self.table.index_select(0, users).requires_grad_()

    @torch.no_grad()
    def step(self, users: Tensor, gradient: Tensor) -> None:
        """Move the rows of `users` by `gradient`, (B, K); entries of the same user are added up.

        The sum is a product with the matrix of equal users, after which all entries of a user agree
        and it does not matter which one is written last: unlike scattered additions, this gives the
        same bits every time, on a GPU too, so that processes that train together stay equal.
        """
        same = (users[:, None] == users[None, :]).to(gradient.dtype)  # (B, B)
        total = same @ gradient
        first = self._first.index_select(0, users).lerp_(total, 1.0 - _BETA1)
        second = self._second.index_select(0, users).mul_(_BETA2)
        second.addcmul_(total, total, value=1.0 - _BETA2)
        steps = self._steps.index_select(0, users).add_(1)
        count = steps[:, None].to(gradient.dtype)
        corrected = first / (1.0 - _BETA1**count)
        spread = (second / (1.0 - _BETA2**count)).sqrt_().add_(_EPSILON)
        rows = self.table.index_select(0, users) - self._learning_rate * (corrected / spread)
        self.table.index_copy_(0, users, rows)
        self._first.index_copy_(0, users, first)
        self._second.index_copy_(0, users, second)
        self._steps.index_copy_(0, users, steps)

    def state(self) -> State:
        """Copy table, moments and counts."""
        tensors = {
            "table": self.table,
            "first": self._first,
            "second": self._second,
            "steps": self._steps,
        }
        return {name: tensor.cpu().numpy().copy() for name, tensor in tensors.items()}

    def load(self, state: State) -> None:
        """Go on from what `state` gave."""
        self.table.copy_(torch.from_numpy(state["table"]))
        self._first.copy_(torch.from_numpy(state["first"]))
        self._second.copy_(torch.from_numpy(state["second"]))
        self._steps.copy_(torch.from_numpy(state["steps"]))
