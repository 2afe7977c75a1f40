"""The GAN's hyper-parameters: named presets, and how single settings change them.

`--set lsgan.preset=paper --set lsgan.epochs=10` is the preset `paper` with 10 epochs: whatever is
not given is the preset's. Before a stored generator is named, `GanParams.resolved` fills everything
in, so its record shows each value that was used and not only those that were typed.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["PRESETS", "GanParams", "GanSettings", "Preset"]

Preset = Literal["auto", "paper", "release", "slim"]
Architecture = Literal["deep", "slim"]
Prior = Literal["uniform", "normal"]
Draw = Literal["replacement", "epoch"]
Precision = Literal["auto", "float32", "bf16"]


@dataclass(frozen=True, kw_only=True)
class GanSettings:
    """Every value of a fit, given.

    Attributes
    ----------
    architecture
        The networks, see `dvbpr.gan`: "deep" is the authors', "slim" is for processor cores.
    pixels
        Side of the square images; a multiple of 16.
    code_dims
        Dimensions of z.
    training_prior
        What z is drawn from in training: "uniform" in [-1, 1], or "normal". Samples, and the starts
        of preference maximisation, are always uniform in [-1, 1].
    batch_size
        Real images per step, and as many generated ones.
    epochs
        An epoch has n_items / batch_size steps, rounded down (one at least).
    draw
        "replacement": each real image of a step is drawn from all; "epoch": an epoch goes through
        the images in random order.
    generator_rate, discriminator_rate
        Adam's steps.
    beta1, beta2
        Adam's decays of the gradient's mean and of its square's.
    decay
        Share of all steps, at the end, over which both rates fall linearly to a tenth.
    discriminator_weight
        Factor of the discriminator's loss.
    shift
        Augmentation: all images that the discriminator sees in one pass, real or generated, are
        moved by up to so many pixels; the edge, in photographs of products the background, is
        repeated.
    average
        Decay per step of a running mean of the generator's weights, which is what makes images; 0
        uses the weights as they are.
    precision
        "bf16": products in bfloat16 with float32 weights; "auto": where the device gains by it.
    """

    architecture: Architecture
    pixels: int
    code_dims: int
    training_prior: Prior
    batch_size: int
    epochs: int
    draw: Draw
    generator_rate: float
    discriminator_rate: float
    beta1: float
    beta2: float
    decay: float
    discriminator_weight: float
    shift: int
    average: float
    precision: Precision

    def __post_init__(self) -> None:
        for name in ("code_dims", "batch_size", "epochs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.pixels < 16 or self.pixels % 16:
            raise ValueError(f"pixels must be a multiple of 16, got {self.pixels}")
        if not 0 <= self.shift < self.pixels:
            raise ValueError(f"shift must be from 0 to pixels - 1, got {self.shift}")
        for name in ("generator_rate", "discriminator_rate", "discriminator_weight"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")
        for name in ("beta1", "beta2", "average"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be in [0, 1), got {getattr(self, name)}")
        if not 0 <= self.decay <= 1:
            raise ValueError(f"decay must be in [0, 1], got {self.decay}")


_PAPER = GanSettings(
    architecture="deep",
    pixels=128,
    code_dims=100,
    training_prior="uniform",
    batch_size=64,
    epochs=25,
    draw="replacement",
    # The optimiser is not stated in the paper: the released code's.
    generator_rate=1e-4,
    discriminator_rate=1e-4,
    beta1=0.5,
    beta2=0.99,
    decay=0.0,
    discriminator_weight=1.0,
    shift=0,
    average=0.0,
    precision="auto",
)

PRESETS: dict[str, GanSettings] = {
    "paper": _PAPER,
    "release": dataclasses.replace(
        _PAPER,
        pixels=64,
        code_dims=256,
        training_prior="normal",
        batch_size=16,
        epochs=30,
        discriminator_weight=0.5,
    ),
    "slim": dataclasses.replace(
        _PAPER,
        architecture="slim",
        pixels=64,
        code_dims=48,
        batch_size=32,
        epochs=22,
        draw="epoch",
        generator_rate=6e-4,
        discriminator_rate=4e-4,
        beta1=0.0,
        decay=0.5,
        average=0.995,
    ),
}
"""What each preset gives every hyper-parameter.

paper     the text of the paper: 128 x 128 pixels, z uniform in [-1, 1]^100
release   the authors' released code: 64 x 64 pixels, 256 normal dimensions in training
slim      the same objective with small networks on 64 x 64 pixels: minutes on two processor cores
"""


@dataclass(frozen=True, kw_only=True)
class GanParams:
    """A preset and what differs from it; see `GanSettings` for the fields.

    Attributes
    ----------
    preset
        "paper", "release", "slim"; "auto" is `paper` on a GPU and `slim` on a CPU, where the
        paper's networks would take days.
    """

    preset: Preset = "auto"
    architecture: Architecture | None = None
    pixels: int | None = None
    code_dims: int | None = None
    training_prior: Prior | None = None
    batch_size: int | None = None
    epochs: int | None = None
    draw: Draw | None = None
    generator_rate: float | None = None
    discriminator_rate: float | None = None
    beta1: float | None = None
    beta2: float | None = None
    decay: float | None = None
    discriminator_weight: float | None = None
    shift: int | None = None
    average: float | None = None
    precision: Precision | None = None

    def __post_init__(self) -> None:
        self.settings("cpu")  # an impossible value is told now

    def settings(self, device: str) -> GanSettings:
        """Give every value, on a device of type `device` ("cpu" or "cuda")."""
        given = {
            name: value
            for name, value in dataclasses.asdict(self).items()
            if name != "preset" and value is not None
        }
        return dataclasses.replace(PRESETS[self.chosen(device)], **given)

    def chosen(self, device: str) -> str:
        """Name the preset that "auto" stands for on a device of type `device`."""
        if self.preset != "auto":
            return self.preset
        return "paper" if device == "cuda" else "slim"

    def resolved(self, device: str) -> "GanParams":
        """Fill everything in: the same fit, with every value written out."""
        values: dict[str, Any] = dataclasses.asdict(self.settings(device))
        return GanParams(preset=self.chosen(device), **values)  # type: ignore[arg-type]
