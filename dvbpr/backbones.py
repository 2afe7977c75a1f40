"""Networks from images to K style dimensions, Φ of eq. 3, behind one small interface.

A backbone ends in a linear layer `last` of K outputs; what stands before it are its features
(fc7 in the paper's CNN-F). Any of them can take the place of the paper's network: "using more
powerful architectures (e.g. ResNet) may achieve better performance" (III-A).
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Literal

import torch
from torch import Tensor, nn

from bench.errors import unknown_name
from dvbpr.normalisation import BatchNorm2d

__all__ = [
    "BACKBONES",
    "Backbone",
    "Dropout",
    "ResNet18",
    "Slim",
    "build_backbone",
    "decayed",
    "dropouts",
    "glorot_start",
    "reset",
]


class Backbone(nn.Module):
    """A network with features and K outputs.

    Attributes
    ----------
    pixels
        Side of the square images it takes.
    feature_dims
        Width of what stands before the last layer.
    last
        Linear layer from features to the K outputs.
    """

    pixels: int
    feature_dims: int
    last: nn.Linear

    def features(self, images: Tensor) -> Tensor:
        """Give the activations before the last layer.

        Parameters
        ----------
        images
            float (B, 3, pixels, pixels), values in [-1, 1].

        Returns
        -------
        float (B, feature_dims).
        """
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor:
        """Give Φ(X), float32 (B, K).

        The last layer is computed in float32 also where the others are not: 8 bits of mantissa in
        the item factors would tie items that the network tells apart.
        """
        features = self.features(images).to(self.last.weight.dtype)
        with torch.autocast(images.device.type, enabled=False):
            outputs: Tensor = self.last(features)
        return outputs

    def start(self, generator: torch.Generator) -> None:
        """Set all weights to their random start; every value comes from `generator`."""
        glorot_start(self, generator)


class Dropout(nn.Module):
    """Dropout whose masks are drawn beforehand from a given generator.

    PyTorch's own draws from the process's global generator as it computes. Here a step's masks
    depend on its number alone: not on what ran before, on how the step's images are split into
    micro-batches, nor on which process has which of them.

    Parameters
    ----------
    width
        Number of units.
    rate
        Probability that a unit is dropped.
    """

    def __init__(self, width: int, rate: float) -> None:
        super().__init__()
        self.width, self.rate = width, rate
        self._masks: Tensor | None = None
        self._rows = slice(0, 0)

    def draw(self, n_images: int, generator: torch.Generator) -> None:
        """Draw the masks of a step's images."""
        if self.rate == 0.0:
            return
        keep = 1.0 - self.rate
        masks = torch.empty((n_images, self.width), device=generator.device)
        self._masks = masks.bernoulli_(keep, generator=generator).div_(keep)
        self.use(slice(0, n_images))

    def use(self, rows: slice) -> None:
        """Say which of the step's images come next."""
        self._rows = rows

    def forward(self, x: Tensor) -> Tensor:
        """Drop units in training; in evaluation give `x` itself."""
        if not self.training or self.rate == 0.0:
            return x
        if self._masks is None:
            raise RuntimeError("Dropout.draw must come before a forward pass in training")
        return x * self._masks[self._rows].to(x.dtype)


class Slim(Backbone):
    """Four convolutions of stride 2, for small images: minutes on two processor cores.

    32, 64, 128, 128 channels with batch normalisation; of 64 x 64 pixels 32, 16, 8, 4 are left; a
    layer of 256; K outputs. The layer sees the last map, which knows where things are, and the
    means of the maps before it, which know colour and cloth wherever they lie: with few
    photographs a network learns from means what it would have to learn for each place apart.
    """

    feature_dims = 256

    def __init__(self, factors: int, *, dropout: float = 0.0, pixels: int = 64) -> None:
        super().__init__()
        self.pixels = pixels
        channels = (3, 32, 64, 128, 128)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(a, b, 5 if a == 3 else 3, stride=2, padding=2 if a == 3 else 1, bias=False)
            for a, b in itertools.pairwise(channels)
        )
        self.norms = nn.ModuleList(BatchNorm2d(width) for width in channels[1:])
        side = -(-pixels // 16)
        self.full = nn.Linear(side * side * channels[-1] + sum(channels[1:-1]), self.feature_dims)
        self.drop = Dropout(self.feature_dims, dropout)
        self.last = nn.Linear(self.feature_dims, factors)

    def features(self, images: Tensor) -> Tensor:
        """Give the 256 activations before the last layer; see `Backbone.features`."""
        means, x = [], images
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = torch.relu_(norm(convolution(x)))  # in place: large maps are slow to allocate
            # Twice: few means then weigh more beside the many places of the last map.
            means.append(2 * _map_means(x))
        seen = torch.cat([x.flatten(1), *means[:-1]], dim=1)
        dropped: Tensor = self.drop(torch.relu(self.full(seen)))
        return dropped

    def start(self, generator: torch.Generator) -> None:
        """He et al. 2015: normal weights that keep the variance through rectifiers."""
        _he_start(self, generator)


class _ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions around a shortcut (He et al. 2016, figure 2)."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1, bias=False)
        self.norm1 = BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        self.norm2 = BatchNorm2d(n_out)
        # Where the shape changes the shortcut is a projection (option B of the paper).
        self.project: nn.Module = nn.Identity()
        if stride != 1 or n_in != n_out:
            self.project = nn.Sequential(
                nn.Conv2d(n_in, n_out, 1, stride=stride, bias=False), BatchNorm2d(n_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        return torch.relu(y + self.project(x))


class ResNet18(Backbone):
    """The 18-layer residual network of He et al. 2016 (table 1) with K outputs.

    Batch normalisation uses the statistics of the images that pass together, so for this network
    micro-batches change the result.
    """

    feature_dims = 512

    def __init__(self, factors: int, *, dropout: float = 0.0, pixels: int = 224) -> None:
        super().__init__()
        self.pixels = pixels
        self.stem = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.norm = BatchNorm2d(64)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        stages = ((64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2))
        self.blocks = nn.ModuleList(
            block
            for n_in, n_out, stride in stages
            for block in (_ResidualBlock(n_in, n_out, stride), _ResidualBlock(n_out, n_out, 1))
        )
        self.drop = Dropout(self.feature_dims, dropout)
        self.last = nn.Linear(self.feature_dims, factors)

    def features(self, images: Tensor) -> Tensor:
        """Give the 512 averages over the last stage; see `Backbone.features`."""
        x = self.pool(torch.relu(self.norm(self.stem(images))))
        for block in self.blocks:
            x = block(x)
        dropped: Tensor = self.drop(_map_means(x))
        return dropped

    def start(self, generator: torch.Generator) -> None:
        """He et al. 2015, as the paper of the network has it."""
        _he_start(self, generator)


def build_backbone(
    name: str,
    factors: int,
    *,
    dropout: float,
    generator: torch.Generator,
    pixels: int | None = None,
) -> Backbone:
    """Make the backbone `name` with its random start, on the CPU.

    Parameters
    ----------
    name
        One of `BACKBONES`.
    factors
        Number of outputs K.
    dropout
        Rate of its dropout layers.
    generator
        CPU generator of the start values; the global one is not touched.
    pixels
        Side of the images; by default what the network was made for.

    Raises
    ------
    BenchError
        No such backbone.
    """
    if name not in BACKBONES:
        raise unknown_name("backbone", name, BACKBONES, see="bench list")
    # On the meta device PyTorch's own initialisation computes nothing and draws nothing.
    with torch.device("meta"):
        size = {} if pixels is None else {"pixels": pixels}
        network = BACKBONES[name](factors, dropout=dropout, **size)
    network.to_empty(device="cpu")
    network.start(generator)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in the stubs
    return network


def dropouts(network: nn.Module) -> Iterator[Dropout]:
    """Go through the dropout layers in their order."""
    for module in network.modules():
        if isinstance(module, Dropout):
            yield module


def decayed(network: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Split parameters into those that are decayed and those that are not.

    Not decayed are biases, normalisations, and the kernels of convolutions without a bias: these
    stand before a normalisation, which takes their length out again.
    """
    free = {
        id(module.weight)
        for module in network.modules()
        if isinstance(module, nn.Conv2d) and module.bias is None
    }
    weights = [p for p in network.parameters() if p.ndim > 1 and id(p) not in free]
    others = [p for p in network.parameters() if p.ndim <= 1 or id(p) in free]
    return weights, others


@torch.no_grad()
def glorot_start(network: nn.Module, generator: torch.Generator) -> None:
    """Set weights to U(-a, a) with a² = 6 / (fan in + fan out), biases to zero.

    Xavier initialisation (Glorot and Bengio 2010), as the released code starts its CNN; the fans of
    a convolution are kernel area times channels.
    """
    reset(network)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            area = module.weight[0, 0].numel()
            fans = (module.weight.shape[0] + module.weight.shape[1]) * area
            limit = (6.0 / fans) ** 0.5
            module.weight.uniform_(-limit, limit, generator=generator)


@torch.no_grad()
def _he_start(network: nn.Module, generator: torch.Generator) -> None:
    """Set weights to N(0, 2 / fan in) before rectifiers and N(0, 1 / fan in) in the last layer."""
    reset(network)
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            gain = 1.0 if name == "last" else 2.0
            deviation = (gain / module.weight[0].numel()) ** 0.5
            module.weight.normal_(0.0, deviation, generator=generator)


@torch.no_grad()
def reset(network: nn.Module) -> None:
    """Set biases to zero and normalisations to do nothing."""
    for module in network.modules():
        bias = getattr(module, "bias", None)
        if isinstance(bias, nn.Parameter):
            bias.zero_()
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            if module.affine:
                module.weight.fill_(1.0)


def _cnn_f(conv1: Literal["paper", "release"]) -> Callable[..., Backbone]:
    def build(factors: int, *, dropout: float, pixels: int = 224) -> Backbone:
        from dvbpr.cnnf import CnnF

        return CnnF(factors, dropout=dropout, conv1=conv1, pixels=pixels)

    return build


BACKBONES: dict[str, Callable[..., Backbone]] = {
    "cnn-f": _cnn_f("paper"),
    "cnn-f-same": _cnn_f("release"),
    "resnet-18": ResNet18,
    "slim": Slim,
}
"""By name: what makes the network from `factors` (K), `dropout` and `pixels`."""


def _map_means(x: Tensor) -> Tensor:
    """Give the mean of each map of (B, C, H, W): (B, C).

    As sums: the gradient of `mean` is written out, and in another order in memory than the maps',
    which took a seventh of a step of `Slim` on a CPU.
    """
    height, width = x.shape[2:]
    return x.sum(dim=(2, 3), dtype=x.dtype) / (height * width)
