"""Whether a training's losses and weights are still numbers, and what is said when they are not."""

import numpy as np
import torch
from torch import Tensor

from bench.errors import DivergedError
from bench.recommender import State

__all__ = ["DivergenceWatch"]

_LOOK_EVERY = {"cpu": 1, "cuda": 50}
"""Steps between two looks at whether the losses are still numbers: a GPU would have to be waited
for. Which step it was is noted on the device."""


class DivergenceWatch:
    """Notes the first step whose losses are not finite, and stops the fit for it.

    Parameters
    ----------
    name
        The model's, for the message.
    loss
        What is no number then, for the message: "the loss".
    remedy
        The end of the message: what often helps.
    steps
        Per epoch.
    device
        Where the losses are computed.
    """

    def __init__(
        self, name: str, loss: str, remedy: str, *, steps: int, device: torch.device
    ) -> None:
        self._name, self._loss, self._remedy, self._steps = name, loss, remedy, steps
        self._look_every = _LOOK_EVERY[device.type]
        self._bad_step = torch.full((), -1, dtype=torch.int64, device=device)
        self._checkpoint: tuple[int, int] | None = None

    def note(self, losses: Tensor, epoch: int, step: int) -> None:
        """Take in a step's losses, without waiting for the device."""
        bad = ~torch.isfinite(losses).all() & (self._bad_step < 0)
        self._bad_step.masked_fill_(bad, epoch * self._steps + step)

    def look(self, n_done: int) -> None:
        """After `n_done` steps of the epoch see, if it is time to, that all losses were finite.

        Raises
        ------
        DivergedError
            One was not.
        """
        if n_done % self._look_every == 0 or n_done == self._steps:
            self.need_finite()

    def need_finite(self) -> None:
        """See that all losses were finite.

        Raises
        ------
        DivergedError
            One was not.
        """
        bad = int(self._bad_step)
        if bad >= 0:
            raise self._diverged(self._loss, *divmod(bad, self._steps))

    def need_finite_weights(self, weights: State, what: str, epoch: int, step: int) -> None:
        """See that a network's weights are numbers.

        Raises
        ------
        DivergedError
            One is not; `what` says what.
        """
        if not all(np.isfinite(value).all() for value in weights.values()):
            raise self._diverged(what, epoch, step)

    def checkpointed(self, epoch: int, step: int) -> None:
        """Note that the fit can go on from before this step."""
        self._checkpoint = (epoch, step)

    def _diverged(self, what: str, epoch: int, step: int) -> DivergedError:
        kept = "no checkpoint was written before"
        if self._checkpoint is not None:
            kept = (
                f"the last good checkpoint is of epoch {self._checkpoint[0] + 1}, before its step "
                f"{self._checkpoint[1] + 1}"
            )
        return DivergedError(
            f"{self._name}: {what} is not a number in step {step + 1} of {self._steps} of epoch "
            f"{epoch + 1}; {kept}; {self._remedy}"
        )
