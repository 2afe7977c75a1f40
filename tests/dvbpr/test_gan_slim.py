"""The slim networks against NumPy: layers, counts, whole passes, spectral norms."""

import numpy as np
import numpy.typing as npt
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor, nn

from dvbpr.gan_presets import PRESETS, GanParams, GanSettings
from dvbpr.gan_slim import (
    CodeMap,
    SlimDiscriminator,
    SlimGenerator,
    SpectralConv2d,
    SpectralLinear,
)
from dvbpr.gan_start import start_discriminator, start_generator
from dvbpr.weights import network_state

Array = npt.NDArray[np.float64]

N_CATEGORIES = 6
SMALL = GanParams(preset="slim", pixels=32, code_dims=5).settings("cpu")


def generator(settings: GanSettings = SMALL) -> SlimGenerator:
    made = start_generator(settings, N_CATEGORIES, torch.Generator().manual_seed(1))
    assert isinstance(made, SlimGenerator)
    return made


def discriminator(settings: GanSettings = SMALL) -> SlimDiscriminator:
    made = start_discriminator(settings, N_CATEGORIES, torch.Generator().manual_seed(2))
    assert isinstance(made, SlimDiscriminator)
    return made


def spread(network: nn.Module, seed: int) -> dict[str, Array]:
    """Give every weight and running statistic a value of its own, and the network's state."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 1.5, generator=draw)
            elif not name.endswith(("left", "num_batches_tracked")):
                value.normal_(0.0, 0.15, generator=draw)
    return {name: value.astype(np.float64) for name, value in network_state(network).items()}


def inputs(settings: GanSettings = SMALL, n: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(8)
    codes = torch.rand((n, settings.code_dims), generator=draw) * 2 - 1
    images = torch.rand((n, 3, settings.pixels, settings.pixels), generator=draw) * 2 - 1
    return codes, images, torch.tensor([4, 0, 2])[:n]


def leaky(x: Array) -> Array:
    return np.maximum(x, 0.2 * x)


def convolved(x: Array, kernels: Array, bias: Array, *, stride: int = 1, around: int = 1) -> Array:
    """Correlate (n_in, H, W) with (n_out, n_in, k, k), `around` pixels of zeros around."""
    padded = np.pad(x, ((0, 0), (around, around), (around, around)))
    windows = sliding_window_view(padded, kernels.shape[2:], axis=(1, 2))[:, ::stride, ::stride]
    return np.tensordot(kernels, windows, axes=((1, 2, 3), (0, 3, 4))) + bias[:, None, None]


def spread_out(x: Array, kernels: Array) -> Array:
    """Paint each value of (n_in, H, W) with its (n_in, n_out, 4, 4) kernel, two pixels apart."""
    height, width = x.shape[1:]
    canvas = np.zeros((kernels.shape[1], 2 * height + 2, 2 * width + 2))
    for i in range(height):
        for j in range(width):
            painted = np.tensordot(x[:, i, j], kernels, axes=1)
            canvas[:, 2 * i : 2 * i + 4, 2 * j : 2 * j + 4] += painted
    return canvas[:, 1:-1, 1:-1]


def doubled(x: Array) -> Array:
    """Enlarge bilinearly: a new pixel is three quarters of the nearest old one and one of next."""
    for axis in (1, 2):
        before = np.concatenate([x.take([0], axis), x], axis).take(range(x.shape[axis]), axis)
        after = np.concatenate([x, x.take([-1], axis)], axis).take(
            range(1, x.shape[axis] + 1), axis
        )
        pairs = np.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], axis=axis + 1)
        x = pairs.reshape(*x.shape[:axis], 2 * x.shape[axis], *x.shape[axis + 1 :])
    return x


def drawn(state: dict[str, Array], code: Array, category: int) -> Array:
    """Give G(z, c) for one code: (3, P, P)."""
    labelled = np.concatenate([code, np.eye(N_CATEGORIES)[category]])
    x = labelled
    for layer in ("map.first", "map.second"):
        x = leaky(state[f"{layer}.weight"] @ x + state[f"{layer}.bias"])
    labelled = np.concatenate([labelled, x])
    side = SMALL.pixels // 16
    x = (state["full.weight"] @ labelled + state["full.bias"]).reshape(-1, side, side)
    image = None
    for level in range(4):
        norm = f"norms.{level}."
        deviation = np.sqrt(state[norm + "running_var"] + 1e-5)
        normal = (x - state[norm + "running_mean"][:, None, None]) / deviation[:, None, None]
        scale = 1 + state[norm + "scale.weight"] @ labelled + state[norm + "scale.bias"]
        shift = state[norm + "shift.weight"] @ labelled + state[norm + "shift.bias"]
        x = leaky(normal * scale[:, None, None] + shift[:, None, None])
        kernel = state[f"colours.{level}.weight"][:, :, 0, 0]
        colour = np.tensordot(kernel, x, axes=1) + state[f"colours.{level}.bias"][:, None, None]
        image = colour if image is None else colour + doubled(image)
        if level < 3:
            x = spread_out(x, state[f"convolutions.{level}.weight"])
    assert image is not None
    image = doubled(image)
    detail = convolved(x, state["last.weight"], state["last.bias"])
    for channel in range(12):  # the four of a colour are its pixels' upper and lower neighbours
        colour, down, right = channel // 4, channel // 2 % 2, channel % 2
        image[colour, down::2, right::2] += detail[channel]
    return np.tanh(image)


def test_a_whole_pass_of_the_generator() -> None:
    network = generator().eval()
    state = spread(network, seed=3)
    network.double()  # in float32 sums of so many large numbers differ in the fourth digit
    codes, _, categories = inputs()
    with torch.no_grad():
        images = network(codes.double(), categories).numpy()
    assert images.shape == (3, 3, 32, 32)
    for image, code, category in zip(images, codes, categories, strict=True):
        expected = drawn(state, code.numpy().astype(np.float64), int(category))
        assert expected.std() > 0.1  # not all at the ends of tanh
        np.testing.assert_allclose(image, expected, atol=2e-4)


def test_a_whole_pass_of_the_discriminator() -> None:
    """In training, after the singular vectors have settled: every kernel is over its norm."""
    network = discriminator()
    state = spread(network, seed=4)
    network.double()
    _, images, categories = inputs()
    with torch.no_grad():
        for _ in range(800):
            outputs = network(images.double(), categories)
    for image, category, output in zip(images, categories, outputs, strict=True):
        x = image.numpy().astype(np.float64)
        for level in range(3):
            kernels = state[f"convolutions.{level}.weight"]
            kernels = kernels / np.linalg.norm(kernels.reshape(len(kernels), -1), ord=2)
            stride, around = 2, 1
            if level == 0:  # of 8 x 8 pixels: channel 6 i + 3 j + c is pixel (i, j) of a square
                squares = kernels.reshape(-1, 2, 2, 3, 4, 4)
                kernels = squares.transpose(0, 3, 4, 1, 5, 2).reshape(-1, 3, 8, 8)
                stride, around = 4, 2
            bias = state[f"convolutions.{level}.bias"]
            x = leaky(convolved(x, kernels, bias, stride=stride, around=around))
        matrix = state["full.weight"]
        whole = matrix @ x.ravel() / np.linalg.norm(matrix, ord=2) + state["full.bias"]
        features = np.concatenate([x.ravel(), leaky(whole)])
        rows = state["last.weight"][0] + state["labels.weight"][int(category)]
        expected = rows @ features + state["last.bias"][0]
        assert float(output) == pytest.approx(expected, rel=1e-4)


def test_layers_and_parameters_of_the_preset() -> None:
    """At 64 pixels, by hand."""
    settings = PRESETS["slim"]
    g, d = generator(settings), discriminator(settings)
    codes, images, categories = inputs(settings, n=2)
    assert SlimGenerator.channels == (160, 128, 64, 32)
    assert SlimDiscriminator.channels == (48, 96, 192)
    assert maps(g, codes, categories) == [
        (3, 4, 4),  # colours of 160 maps
        (128, 8, 8),
        (3, 8, 8),
        (64, 16, 16),
        (3, 16, 16),
        (32, 32, 32),
        (3, 32, 32),
        (12, 32, 32),  # the image's 64 x 64 x 3, four neighbours as channels
    ]
    assert maps(d, images, categories) == [(48, 16, 16), (96, 8, 8), (192, 4, 4)]
    # z has 48 dimensions and 6 labels. Map; first layer; three of 4 x 4; 384 scales and shifts,
    # linear in 48 + 6 + 128 numbers; colours; last layer.
    of_g = 55 * 128 + 129 * 128 + 183 * 160 * 16 + 2 * 183 * 384
    of_g += 16 * (160 * 128 + 128 * 64 + 64 * 32) + 3 * 384 + 4 * 3 + (9 * 32 * 12 + 12)
    # Three of 4 x 4; the full layer; a row of all they give for all categories, and one for each.
    of_d = 16 * (12 * 48 + 48 * 96 + 96 * 192) + 336 + 3073 * 256
    of_d += (3072 + 256 + 1) + 6 * (3072 + 256)
    counts = tuple(sum(p.numel() for p in network.parameters()) for network in (g, d))
    assert counts == (of_g, of_d) == (1_128_728, 1_188_177)


def maps(network: nn.Module, *arguments: Tensor) -> list[tuple[int, ...]]:
    """List what the (transposed) convolutions give, in their order."""
    seen: list[tuple[int, ...]] = []
    hooks = [
        module.register_forward_hook(lambda _m, _i, out: seen.append(tuple(out.shape[1:])))
        for module in network.modules()
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
    ]
    with torch.no_grad():
        network(*arguments)
    for hook in hooks:
        hook.remove()
    return seen


def test_spectral_norms_follow_in_training_alone() -> None:
    layer = SpectralConv2d(3, 5, 4, stride=2, padding=1)
    draw = torch.Generator().manual_seed(5)
    with torch.no_grad():
        layer.weight.normal_(0.0, 3.0, generator=draw)
        layer.left.normal_(generator=draw)
        layer.left.div_(layer.left.norm())
    x = torch.rand((2, 3, 8, 8), generator=draw)
    start = layer.left.clone()
    layer.eval()(x)
    assert torch.equal(layer.left, start)
    layer.train()(x)
    rows = layer.weight.detach().flatten(1).numpy()
    step = rows @ (rows.T @ start.numpy())  # one power iteration
    np.testing.assert_allclose(layer.left, step / np.linalg.norm(step), rtol=1e-4)
    for _ in range(300):
        layer(x)
    largest = np.linalg.svd(rows, compute_uv=False)[0]
    assert largest > 2
    expected = nn.functional.conv2d(x, layer.weight / largest, layer.bias, stride=2, padding=1)
    torch.testing.assert_close(layer.eval()(x), expected, rtol=1e-4, atol=1e-5)


def test_a_full_layer_is_over_its_spectral_norm() -> None:
    layer = SpectralLinear(7, 4)
    draw = torch.Generator().manual_seed(6)
    with torch.no_grad():
        layer.weight.normal_(0.0, 3.0, generator=draw)
        layer.left.normal_(generator=draw)
    x = torch.rand((2, 7), generator=draw)
    for _ in range(300):
        layer.train()(x)
    largest = np.linalg.svd(layer.weight.detach().numpy(), compute_uv=False)[0]
    assert largest > 2
    expected = nn.functional.linear(x, layer.weight / largest, layer.bias)
    torch.testing.assert_close(layer.eval()(x), expected, rtol=1e-4, atol=1e-5)


def test_the_map_starts_with_the_variance_of_its_rectifiers() -> None:
    """A leaky rectifier keeps half of 2 and 0.04 times the other half, twice."""
    network = generator(PRESETS["slim"]).map
    assert isinstance(network, CodeMap)
    labelled = torch.rand((500, 54), generator=torch.Generator().manual_seed(9)) * 2 - 1
    with torch.no_grad():
        mapped = network(labelled)
    assert torch.equal(mapped[:, :54], labelled)
    found = mapped[:, 54:]
    assert float(found.square().mean()) == pytest.approx(1.04**2, rel=0.15)
    assert found.std(dim=0).min() > 0.1  # no unit is dead


@pytest.mark.parametrize("layer", ["convolutions.0", "convolutions.1", "full"])
def test_the_discriminators_gradient_is_its_functions(layer: str) -> None:
    """The norm a weight is divided by is part of the function: differences agree."""
    network = discriminator().double()
    spread(network, seed=6)
    _, images, categories = inputs()
    network.eval()  # the singular vectors stay where they are
    weight = network.get_parameter(f"{layer}.weight")

    def value() -> Tensor:
        total: Tensor = network(images.double(), categories).square().sum()
        return total

    (gradient,) = torch.autograd.grad(value(), weight)
    step = 1e-6
    for whole in ((0, 0, 0, 0), (3, 2, 1, 2), (5, 7, 3, 1)):
        place = whole[: weight.ndim]
        with torch.no_grad():
            before = float(weight[place])
            weight[place] = before + step
            above = float(value())
            weight[place] = before - step
            below = float(value())
            weight[place] = before
        assert float(gradient[place]) == pytest.approx((above - below) / (2 * step), rel=1e-3)
