"""How the experiment of Table IV is run: numbers of trials, the ascent, the measures."""

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from bench.evaluation.similarity import SsimOptions
from bench.generator import DesignOptions, TailorOptions

__all__ = ["ETAS", "GenerationOptions", "GenerationSettings"]

ETAS = (0.0, 0.1, 1.0, 10.0)
"""The weights of the quality term that Figure 3 compares."""


@dataclass(frozen=True, kw_only=True)
class GenerationOptions:
    """What is tried and how it is measured; None leaves a number to the device.

    Attributes
    ----------
    trials
        Queries, a user and a category each: 1000 in the paper.
    eta_trials
        How many of them Figure 3 repeats for every eta.
    top
        Images per query and source: 3 in the paper.
    starts, steps, learning_rate, eta
        Of the ascent, see `bench.generator.DesignOptions`; 64 starts and eta 1 in the paper. By
        default eta is 1 on a GPU and 0.6 on a CPU.
    fit_starts, fit_steps
        Of the approximation of a given image in Figure 6, see `bench.generator.TailorOptions`.
    samples
        Generated images per category that are compared with their nearest neighbours.
    splits
        Groups of the inception score at most; none has fewer than 20 images, as far as there are
        so many.
    ssim_window, ssim_colour, ssim_size
        See `bench.evaluation.similarity.SsimOptions`; an `ssim_size` of 0 leaves images as they
        are.
    utility
        Read the true utility off the images where the data set knows its users' taste.
    """

    trials: int | None = None
    eta_trials: int | None = None
    top: int = 3
    starts: int | None = None
    steps: int | None = None
    learning_rate: float | None = None
    eta: float | None = None
    fit_starts: int | None = None
    fit_steps: int | None = None
    samples: int = 50
    splits: int = 10
    ssim_window: Literal["gaussian", "uniform"] = "gaussian"
    ssim_colour: Literal["grey", "rgb"] = "grey"
    ssim_size: int = 0
    utility: bool = True

    def __post_init__(self) -> None:
        for name in ("trials", "starts", "fit_starts", "samples", "splits"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if self.eta_trials is not None and self.eta_trials < 0:
            raise ValueError(f"eta_trials must be at least 0, got {self.eta_trials}")
        if self.top < 2:
            raise ValueError(f"top must be at least 2, for diversity is of pairs, got {self.top}")
        # What the parts refuse is refused now; a number left open is the paper's for this.
        settled = self.settled("cuda")
        settled.design()
        settled.tailoring()
        settled.ssim()

    def settled(self, device: str) -> "GenerationOptions":
        """Fill in what is left open, for a device of type `device` ("cpu" or "cuda")."""
        values: dict[str, Any] = {
            name: value for name, value in _DEFAULTS[device].items() if getattr(self, name) is None
        }
        merged: dict[str, Any] = {"trials": self.trials, "eta_trials": self.eta_trials, **values}
        values["eta_trials"] = min(merged["eta_trials"], merged["trials"])
        if all(getattr(self, name) == value for name, value in values.items()):
            return self
        return dataclasses.replace(self, **values)

    def design(self, *, eta: float | None = None, best: bool = False) -> DesignOptions:
        """Give the options of the ascent; of `settled` ones only.

        Parameters
        ----------
        eta
            Another weight than the experiment's.
        best
            Take the best images, as in Figure 5, and do not draw them by eq. 11.
        """
        return DesignOptions(
            eta=_given(self.eta) if eta is None else eta,
            starts=_given(self.starts),
            steps=_given(self.steps),
            learning_rate=_given(self.learning_rate),
            top=self.top,
            selection="best" if best else "sample",
        )

    def tailoring(self) -> TailorOptions:
        """Give the options of Figure 6; of `settled` ones only."""
        return TailorOptions(
            starts=_given(self.fit_starts),
            fit_steps=_given(self.fit_steps),
            eta=_given(self.eta),
            learning_rate=_given(self.learning_rate),
        )

    def ssim(self) -> SsimOptions:
        """Give how images are compared."""
        return SsimOptions(
            window=self.ssim_window, colour=self.ssim_colour, size=self.ssim_size or None
        )


_DEFAULTS: dict[str, dict[str, Any]] = {
    "cuda": {
        "trials": 1000,
        "eta_trials": 250,
        "starts": 64,
        "steps": 50,
        "learning_rate": 0.05,
        "eta": 1.0,
        "fit_starts": 16,
        "fit_steps": 200,
    },
    "cpu": {
        "trials": 100,
        "eta_trials": 16,
        "starts": 8,
        "steps": 50,
        "learning_rate": 0.1,
        "eta": 0.6,
        "fit_starts": 8,
        "fit_steps": 100,
    },
}
"""The paper's numbers on a GPU; on processor cores as many as some two minutes allow. There steps
gain more than starts, and with eta 1 designs from the preset `slim` stay below the preference of
the best real items: what was tried is in benchmarks/README.md."""


class GenerationSettings:
    """What `--set design.trials=1000` sets, as a recommender's hyper-parameters are set."""

    name: ClassVar[str] = "design"
    Params: ClassVar[type[Any]] = GenerationOptions


def _given(value: Any) -> Any:
    if value is None:
        raise ValueError("a number is left open: settle the options first")
    return value
