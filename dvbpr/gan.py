"""The GAN's networks (Fig. 2; eq. 7): generator G(z, c) and discriminator D(x, c).

"deep" are the authors' networks. Figure 2 exists as a picture only; the layers are the released
code's, whose base is a sixteenth of the image: 4 x 4 for its 64 pixels, so 8 x 8 for the paper's
128, which is our reading. "slim" are small ones for processor cores: a label that enters every
layer of G and the last of D, and no convolution at full resolution.

TensorFlow pads a convolution of stride 2 by one pixel less before the image than after it, PyTorch
the other way round; the networks are each other's mirror images.
"""

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional

from dvbpr.gan_presets import GanSettings

__all__ = [
    "DeepDiscriminator",
    "DeepGenerator",
    "Discriminator",
    "ImageGenerator",
    "SlimDiscriminator",
    "SlimGenerator",
    "start_discriminator",
    "start_generator",
]

_SLOPE = 0.2
_DEVIATION = 0.02
_NORM_EPS = 1e-5
_NORM_MOMENTUM = 0.1
"""A running mean keeps 0.9 of itself per step: the authors' decay, PyTorch's momentum."""


class ImageGenerator(nn.Module):
    """A network from codes and categories to images.

    Attributes
    ----------
    pixels
        Side of the images.
    code_dims
        Dimensions of z.
    n_categories
        Number of categories.
    """

    def __init__(self, pixels: int, code_dims: int, n_categories: int) -> None:
        super().__init__()
        self.pixels, self.code_dims, self.n_categories = pixels, code_dims, n_categories

    def forward(self, codes: Tensor, categories: Tensor) -> Tensor:
        """Give G(z, c).

        Parameters
        ----------
        codes
            float32 (B, code_dims).
        categories
            int64 (B,).

        Returns
        -------
        float32 (B, 3, pixels, pixels), values in [-1, 1].
        """
        raise NotImplementedError

    def _labelled(self, codes: Tensor, categories: Tensor) -> Tensor:
        """Give z with the category as one more 1 and zeros."""
        return torch.cat([codes, _one_hot(categories, self.n_categories, codes.dtype)], dim=1)


class Discriminator(nn.Module):
    """A network from images and categories to how real the image is.

    Attributes
    ----------
    pixels, n_categories
        As the generator's.
    mixes_batch
        Whether the outputs of images that pass together depend on each other in training, so that
        real and generated ones must pass apart.
    """

    mixes_batch: bool

    def __init__(self, pixels: int, n_categories: int) -> None:
        super().__init__()
        self.pixels, self.n_categories = pixels, n_categories

    def forward(self, images: Tensor, categories: Tensor) -> Tensor:
        """Give D(x, c): float32 (B,), 1 for real and 0 for generated, without bounds.

        Parameters
        ----------
        images
            float (B, 3, pixels, pixels), values in [-1, 1].
        categories
            int64 (B,).
        """
        raise NotImplementedError


class DeepGenerator(ImageGenerator):
    """Seven transposed convolutions of 3 x 3 above a linear layer, normalised but for the last.

    The label enters with z alone. Sides in units of a sixteenth of the image: 2, 2, 4, 4, 8, 16, 16
    with 256, 256, 256, 256, 128, 64, 3 channels.
    """

    base_channels = 256
    layers = ((256, 2), (256, 1), (256, 2), (256, 1), (128, 2), (64, 2), (3, 1))
    """Channels and stride of each transposed convolution."""

    def __init__(self, pixels: int, code_dims: int, n_categories: int) -> None:
        super().__init__(pixels, code_dims, n_categories)
        self.side = pixels // 16
        self.full = nn.Linear(code_dims + n_categories, self.side**2 * self.base_channels)
        channels = [self.base_channels, *(n for n, _ in self.layers)]
        self.convolutions = nn.ModuleList(
            nn.ConvTranspose2d(n_in, n_out, 3, stride, padding=1, output_padding=stride - 1)
            for n_in, (n_out, stride) in zip(channels, self.layers, strict=False)
        )
        self.norms = nn.ModuleList(_norm(n) for n in channels[:-1])

    def forward(self, codes: Tensor, categories: Tensor) -> Tensor:
        """Give G(z, c); see `ImageGenerator.forward`."""
        x = self.full(self._labelled(codes, categories))
        x = x.view(len(codes), self.base_channels, self.side, self.side)
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            x = convolution(functional.leaky_relu(norm(x), _SLOPE))
        return torch.tanh(x.float())


class DeepDiscriminator(Discriminator):
    """Four convolutions of 5 x 5 and stride 2, then one output; D of the released code.

    The label is tiled over the image and over what comes out of the first three convolutions. The
    second to fourth are normalised, by the statistics of what passes together.
    """

    mixes_batch = True
    channels = (64, 128, 256, 512)

    def __init__(self, pixels: int, n_categories: int) -> None:
        super().__init__(pixels, n_categories)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(n_in + n_categories, n_out, 5, stride=2, padding=2)
            for n_in, n_out in itertools.pairwise((3, *self.channels))
        )
        self.norms = nn.ModuleList(
            [nn.Identity(), *(_norm(n_channels) for n_channels in self.channels[1:])]
        )
        self.last = nn.Linear((pixels // 16) ** 2 * self.channels[-1], 1)

    def forward(self, images: Tensor, categories: Tensor) -> Tensor:
        """Give D(x, c); see `Discriminator.forward`."""
        x = images
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = functional.leaky_relu(norm(convolution(self._tiled(x, categories))), _SLOPE)
        with torch.autocast(images.device.type, enabled=False):
            outputs: Tensor = self.last(x.flatten(1).to(self.last.weight.dtype))
        return outputs.squeeze(1)

    def _tiled(self, x: Tensor, categories: Tensor) -> Tensor:
        label = _one_hot(categories, self.n_categories, x.dtype)
        return torch.cat([x, label[:, :, None, None].expand(-1, -1, *x.shape[2:])], dim=1)


class SlimGenerator(ImageGenerator):
    """Transposed convolutions of 4 x 4 from a sixteenth of the image to half of it.

    Normalisation scales and shifts each channel by the category (Dumoulin et al. 2017), so that a
    category can have shapes of its own from the first layer on. The last layer gives each pixel's
    four neighbours of twice the resolution as channels (Shi et al. 2016).
    """

    channels = (192, 128, 96, 64)
    """At a sixteenth, an eighth, a quarter and half of the image's side."""

    def __init__(self, pixels: int, code_dims: int, n_categories: int) -> None:
        super().__init__(pixels, code_dims, n_categories)
        self.side, channels = pixels // 16, self.channels
        self.full = nn.Linear(code_dims + n_categories, self.side**2 * channels[0])
        self.norms = nn.ModuleList(_CategoryNorm(n, n_categories) for n in channels)
        self.convolutions = nn.ModuleList(
            nn.ConvTranspose2d(n_in, n_out, 4, stride=2, padding=1, bias=False)
            for n_in, n_out in itertools.pairwise(channels)
        )
        self.last = nn.Conv2d(channels[-1], 12, 3, padding=1)

    def forward(self, codes: Tensor, categories: Tensor) -> Tensor:
        """Give G(z, c); see `ImageGenerator.forward`."""
        x = self.full(self._labelled(codes, categories))
        x = x.view(len(codes), self.channels[0], self.side, self.side)
        x = x.contiguous(memory_format=torch.channels_last)
        for norm, layer in zip(self.norms, [*self.convolutions, self.last], strict=True):
            x = layer(functional.leaky_relu(norm(x, categories), _SLOPE))
        return torch.tanh(functional.pixel_shuffle(x.float(), 2))


class SlimDiscriminator(Discriminator):
    """Four spectrally normalised convolutions of 4 x 4 and stride 2; the label enters at the end.

    D(x, c) = w . h(x) + v_c . h(x) + b: a projection (Miyato and Koyama 2018). Spectral
    normalisation bounds how fast D changes whatever the images are, so it needs no statistics of
    batches and learns fast.
    """

    mixes_batch = False
    channels = (32, 64, 128, 192)

    def __init__(self, pixels: int, n_categories: int) -> None:
        super().__init__(pixels, n_categories)
        self.convolutions = nn.ModuleList(
            _SpectralConv2d(n_in, n_out, 4, stride=2, padding=1)
            for n_in, n_out in itertools.pairwise((3, *self.channels))
        )
        n_features = (pixels // 16) ** 2 * self.channels[-1]
        self.last = _SpectralLinear(n_features, 1)
        self.labels = _SpectralLinear(n_features, n_categories, bias=False)

    def forward(self, images: Tensor, categories: Tensor) -> Tensor:
        """Give D(x, c); see `Discriminator.forward`."""
        x = images
        for convolution in self.convolutions:
            x = functional.leaky_relu(convolution(x), _SLOPE)
        with torch.autocast(images.device.type, enabled=False):
            features = x.flatten(1).to(self.last.weight.dtype)
            own: Tensor = self.labels(features).gather(1, categories[:, None])
            outputs: Tensor = self.last(features) + own
        return outputs.squeeze(1)


def start_generator(
    settings: GanSettings, n_categories: int, generator: torch.Generator
) -> ImageGenerator:
    """Make G with its random start, on the CPU.

    Parameters
    ----------
    settings
        Architecture, pixels and dimensions of z.
    n_categories
        Number of categories.
    generator
        CPU generator of the start values; the global one is not touched.
    """
    kind = DeepGenerator if settings.architecture == "deep" else SlimGenerator
    # On the meta device PyTorch's own initialisation computes nothing and draws nothing.
    with torch.device("meta"):
        network = kind(settings.pixels, settings.code_dims, n_categories)
    _start(network, generator)
    return network


def start_discriminator(
    settings: GanSettings, n_categories: int, generator: torch.Generator
) -> Discriminator:
    """Make D with its random start, on the CPU; see `start_generator`."""
    kind = DeepDiscriminator if settings.architecture == "deep" else SlimDiscriminator
    with torch.device("meta"):
        network = kind(settings.pixels, n_categories)
    _start(network, generator)
    return network


class _CategoryNorm(nn.BatchNorm2d):
    """Batch normalisation whose scale and shift are the category's own."""

    def __init__(self, n_channels: int, n_categories: int) -> None:
        super().__init__(n_channels, eps=_NORM_EPS, momentum=_NORM_MOMENTUM, affine=False)
        self.scale = nn.Embedding(n_categories, n_channels)
        self.shift = nn.Embedding(n_categories, n_channels)

    def forward(self, x: Tensor, categories: Tensor) -> Tensor:  # type: ignore[override]
        normal = super().forward(x)
        scale = self.scale(categories)[:, :, None, None].to(normal.dtype)
        shift = self.shift(categories)[:, :, None, None].to(normal.dtype)
        return torch.addcmul(shift, normal, scale)


class _SpectralConv2d(nn.Conv2d):
    """A convolution whose kernel, as a matrix of output channels, has the spectral norm 1."""

    left: Tensor

    def __init__(self, n_in: int, n_out: int, kernel: int, *, stride: int, padding: int) -> None:
        super().__init__(n_in, n_out, kernel, stride=stride, padding=padding)
        self.register_buffer("left", torch.empty(n_out))

    def forward(self, x: Tensor) -> Tensor:
        weight = _unit_weight(self.weight, self.left, follow=self.training)
        convolved: Tensor = self._conv_forward(x, weight, self.bias)
        return convolved


class _SpectralLinear(nn.Linear):
    """A linear layer whose matrix has the spectral norm 1."""

    left: Tensor

    def __init__(self, n_in: int, n_out: int, *, bias: bool = True) -> None:
        super().__init__(n_in, n_out, bias=bias)
        self.register_buffer("left", torch.empty(n_out))

    def forward(self, x: Tensor) -> Tensor:
        weight = _unit_weight(self.weight, self.left, follow=self.training)
        return functional.linear(x, weight, self.bias)


def _unit_weight(weight: Tensor, left: Tensor, *, follow: bool) -> Tensor:
    """Divide a weight by its largest singular value (Miyato et al. 2018, algorithm 1).

    Parameters
    ----------
    weight
        (n_out, ...).
    left
        (n_out,): the left singular vector that belongs to it, or nearly so.
    follow
        In training: one power iteration brings `left` up to the weight, which changes slowly.
    """
    rows = weight.flatten(1)
    with torch.autocast(weight.device.type, enabled=False):
        with torch.no_grad():
            right = functional.normalize(left @ rows, dim=0)
            if follow:
                left.copy_(functional.normalize(rows @ right, dim=0))
            left = left.clone()  # the next pass may come before this one's gradients
        return weight / (left @ (rows @ right))


def _norm(n_channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(n_channels, eps=_NORM_EPS, momentum=_NORM_MOMENTUM)


def _one_hot(categories: Tensor, n_categories: int, dtype: torch.dtype) -> Tensor:
    return functional.one_hot(categories, n_categories).to(dtype)


@torch.no_grad()
def _start(network: nn.Module, generator: torch.Generator) -> None:
    """Set weights to N(0, 0.02²), biases to 0, normalisations to do nothing.

    As the authors' code, which draws the kernels of D's convolutions anew beyond two deviations.
    """
    network.to_empty(device="cpu")
    for module in network.modules():
        bias = getattr(module, "bias", None)
        if isinstance(bias, nn.Parameter):
            bias.zero_()
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
        if isinstance(module, _CategoryNorm):
            module.scale.weight.fill_(1.0)
            module.shift.weight.zero_()
        elif isinstance(module, nn.BatchNorm2d):
            module.weight.fill_(1.0)
        elif isinstance(module, nn.Conv2d):
            limit = 2.0 * _DEVIATION
            nn.init.trunc_normal_(
                module.weight, 0.0, _DEVIATION, -limit, limit, generator=generator
            )
        elif isinstance(module, nn.ConvTranspose2d | nn.Linear):
            module.weight.normal_(0.0, _DEVIATION, generator=generator)
        if isinstance(module, _SpectralConv2d | _SpectralLinear):
            module.left.normal_(generator=generator)
            module.left.div_(module.left.norm())
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in the stubs
