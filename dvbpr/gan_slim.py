"""Small networks of the GAN, for processor cores: images in minutes, on the same objective.

No convolution works at full resolution, and what the authors' networks take thousands of steps to
find out is built in: colours of large areas come first, code and category act on every layer of G
through full layers of their own, and D changes smoothly with the image, so that G learns from it at
any time.
"""

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional

from dvbpr.gan import NORM, SLOPE, Discriminator, ImageGenerator

__all__ = ["CodeMap", "SlimDiscriminator", "SlimGenerator", "SpectralConv2d", "SpectralLinear"]


class SlimGenerator(ImageGenerator):
    """Transposed convolutions of 4 x 4 from a sixteenth of the image to half of it.

    First layer, and scale and shift of each normalisation, are linear in what `CodeMap` gives, so
    that z and the category act on every layer and not on the first alone (Chen et al. 2019). Each
    resolution adds colours to what the coarser ones gave, enlarged (Karras et al. 2020): large
    areas are learnt first, and stay smooth. The finest gives each pixel's four neighbours of twice
    the resolution as channels (Shi et al. 2016).
    """

    channels = (160, 128, 64, 32)
    """At a sixteenth, an eighth, a quarter and half of the image's side."""

    def __init__(self, pixels: int, code_dims: int, n_categories: int) -> None:
        super().__init__(pixels, code_dims, n_categories)
        self.side, channels = pixels // 16, self.channels
        self.map = CodeMap(code_dims + n_categories)
        n_inputs = code_dims + n_categories + self.map.width
        self.full = nn.Linear(n_inputs, self.side**2 * channels[0])
        self.norms = nn.ModuleList(_ModulatedNorm(n, n_inputs) for n in channels)
        self.convolutions = nn.ModuleList(
            nn.ConvTranspose2d(n_in, n_out, 4, stride=2, padding=1, bias=False)
            for n_in, n_out in itertools.pairwise(channels)
        )
        self.colours = nn.ModuleList(nn.Conv2d(n, 3, 1) for n in channels)
        self.last = nn.Conv2d(channels[-1], 12, 3, padding=1)

    def forward(self, codes: Tensor, categories: Tensor) -> Tensor:
        """Give G(z, c); see `ImageGenerator.forward`."""
        mapped = self.map(self._labelled(codes, categories))
        x = self.full(mapped).view(len(codes), self.channels[0], self.side, self.side)
        x = x.contiguous(memory_format=torch.channels_last)
        image: Tensor | None = None
        for level, (norm, colour) in enumerate(zip(self.norms, self.colours, strict=True)):
            x = functional.leaky_relu(norm(x, mapped), SLOPE)
            seen = colour(x).float()
            image = seen if image is None else seen + _enlarged(image)
            if level < len(self.convolutions):
                x = self.convolutions[level](x)
        assert image is not None
        detail = functional.pixel_shuffle(self.last(x).float(), 2)
        return torch.tanh(_enlarged(image) + detail)


class CodeMap(nn.Module):
    """Code and category, and 128 numbers that two full layers make of them.

    Garments differ in kind, codes only in degree: what turns a boot into a sandal has to be steep
    somewhere. After Karras et al. 2019, whose map has eight layers and hands on its outputs alone;
    benchmarks/README.md has what was measured.

    Parameters
    ----------
    n_inputs
        Dimensions of z and categories.
    """

    width = 128
    """Of each layer."""

    def __init__(self, n_inputs: int) -> None:
        super().__init__()
        self.first = nn.Linear(n_inputs, self.width)
        self.second = nn.Linear(self.width, self.width)

    def forward(self, labelled: Tensor) -> Tensor:
        """Map z with the category as one more 1 and zeros, (B, n), to (B, n + 128)."""
        x = functional.leaky_relu(self.first(labelled), SLOPE)
        x = functional.leaky_relu(self.second(x), SLOPE)
        return torch.cat([labelled, x.to(labelled.dtype)], dim=1)

    def start(self, generator: torch.Generator) -> None:
        """He et al. 2015: normal weights that keep the variance, a third for uniform codes."""
        for layer, variance in ((self.first, 1.0 / 3.0), (self.second, 1.0)):
            deviation = (2.0 / (variance * layer.in_features)) ** 0.5
            layer.weight.normal_(0.0, deviation, generator=generator)


class SlimDiscriminator(Discriminator):
    """Three spectrally normalised convolutions of 4 x 4 and stride 2; the label enters at the end.

    The first takes each square of four pixels for one with twelve channels (Shi et al. 2016, the
    other way), and so is one of 8 x 8 pixels and stride 4: maps at half of the image's side cost as
    much as all others and made no clearer images. D(x, c) = w . h(x) + v_c . h(x) + b: a projection
    (Miyato and Koyama 2018). h(x) is what the last convolution gives, and what one more layer makes
    of it: parts that are good each for itself and do not belong together, such as a shaft on a
    sandal, are no sum. Spectral normalisation bounds how fast D changes whatever the images are, so
    it needs no statistics of batches and learns fast.
    """

    mixes_batch = False
    channels = (48, 96, 192)
    """At a quarter, an eighth and a sixteenth of the image's side."""
    width = 256
    """Of the full layer."""

    def __init__(self, pixels: int, n_categories: int) -> None:
        super().__init__(pixels, n_categories)
        self.convolutions = nn.ModuleList(
            SpectralConv2d(n_in, n_out, 4, stride=2, padding=1)
            for n_in, n_out in itertools.pairwise((12, *self.channels))
        )
        n_seen = (pixels // 16) ** 2 * self.channels[-1]
        self.full = SpectralLinear(n_seen, self.width)
        n_features = n_seen + self.width
        self.last = nn.Linear(n_features, 1)
        self.labels = nn.Linear(n_features, n_categories, bias=False)

    def forward(self, images: Tensor, categories: Tensor) -> Tensor:
        """Give D(x, c); see `Discriminator.forward`."""
        x = _squares(images)
        for convolution in self.convolutions:
            x = functional.leaky_relu(convolution(x), SLOPE)
        with torch.autocast(images.device.type, enabled=False):
            seen = x.flatten(1).to(self.last.weight.dtype)
            whole = functional.leaky_relu(self.full(seen), SLOPE)
            features = torch.cat([seen, whole], dim=1)
            own: Tensor = self.labels(features).gather(1, categories[:, None])
            outputs: Tensor = self.last(features) + own
        return outputs.squeeze(1)


class _ModulatedNorm(nn.BatchNorm2d):
    """Batch normalisation whose scale and shift are linear in what `CodeMap` gives."""

    def __init__(self, n_channels: int, n_inputs: int) -> None:
        super().__init__(n_channels, eps=NORM["eps"], momentum=NORM["momentum"], affine=False)
        self.scale = nn.Linear(n_inputs, n_channels)
        self.shift = nn.Linear(n_inputs, n_channels)

    def forward(self, x: Tensor, labelled: Tensor) -> Tensor:  # type: ignore[override]
        normal = super().forward(x)
        scale = self.scale(labelled)[:, :, None, None].to(normal.dtype)
        shift = self.shift(labelled)[:, :, None, None].to(normal.dtype)
        return torch.addcmul(shift, normal, 1.0 + scale)


class SpectralConv2d(nn.Conv2d):
    """A convolution whose kernel, as a matrix with a row per output, has the spectral norm 1.

    Attributes
    ----------
    left
        (n_out,): its left singular vector, of which each pass in training takes one power
        iteration.
    """

    left: Tensor

    def __init__(self, n_in: int, n_out: int, kernel: int, *, stride: int, padding: int) -> None:
        super().__init__(n_in, n_out, kernel, stride=stride, padding=padding)
        self.register_buffer("left", torch.empty(n_out))

    def forward(self, x: Tensor) -> Tensor:
        """Convolve with the normalised kernel."""
        norm = _spectral_norm(self.weight, self.left, follow=self.training)
        convolved: Tensor = self._conv_forward(x, self.weight / norm, self.bias)
        return convolved


class SpectralLinear(nn.Linear):
    """A full layer whose matrix has the spectral norm 1; see `SpectralConv2d`."""

    left: Tensor

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__(n_in, n_out)
        self.register_buffer("left", torch.empty(n_out))

    def forward(self, x: Tensor) -> Tensor:
        """Multiply with the normalised matrix."""
        norm = _spectral_norm(self.weight, self.left, follow=self.training)
        # What comes out is divided: the matrix is much larger.
        return functional.linear(x, self.weight) / norm + self.bias


def _spectral_norm(weight: Tensor, left: Tensor, *, follow: bool) -> Tensor:
    """Give a weight's largest singular value (Miyato et al. 2018, algorithm 1).

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
        return left @ (rows @ right)


def _enlarged(images: Tensor) -> Tensor:
    """Double the sides, bilinearly."""
    return functional.interpolate(images, scale_factor=2.0, mode="bilinear")


def _squares(images: Tensor) -> Tensor:
    """Give each square of 2 x 2 pixels as one: (B, 3, P, P) to (B, 12, P / 2, P / 2).

    Channel 6 i + 3 j + c is colour c of the pixel in row i and column j of the square. That is not
    the order of `pixel_unshuffle`, but with the channels last in memory it takes one copy.
    """
    n, colours, height, width = images.shape
    squares = images.permute(0, 2, 3, 1).reshape(n, height // 2, 2, width // 2, 2, colours)
    flat = squares.transpose(2, 3).reshape(n, height // 2, width // 2, 4 * colours)
    return flat.permute(0, 3, 1, 2)
