"""Networks: sizes and shapes by hand, start values, dropout, precision of the last layer."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from bench.errors import BenchError
from dvbpr.backbones import BACKBONES, Backbone, Dropout, ResNet18, Slim, build_backbone, decayed
from dvbpr.cnnf import CnnF, Conv1


def made(name: str, factors: int = 5, *, dropout: float = 0.5, **size: int) -> Backbone:
    generator = torch.Generator().manual_seed(3)
    return build_backbone(name, factors, dropout=dropout, generator=generator, **size)


def on_meta(kind: type[Backbone], factors: int, **options: object) -> Backbone:
    with torch.device("meta"):
        return kind(factors, **options).eval()  # type: ignore[arg-type]


def shapes(network: Backbone) -> dict[str, tuple[int, ...]]:
    """Run one image through; give each layer's output shape, the batch left out."""
    seen: dict[str, tuple[int, ...]] = {}

    def note(name: str) -> Callable[[object, object, torch.Tensor], None]:
        def hook(_: object, __: object, output: torch.Tensor) -> None:
            seen[name] = tuple(output.shape[1:])

        return hook

    for name, module in network.named_modules():
        if name and not list(module.children()):
            module.register_forward_hook(note(name))
    network.last(network.features(torch.empty(1, 3, network.pixels, network.pixels, device="meta")))
    return seen


def size(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


CONVOLUTIONS = 23_296 + 409_856 + 3 * 590_080
"""64 x (3 x 121 + 1), 256 x (64 x 25 + 1), three times 256 x (256 x 9 + 1)."""


@pytest.mark.parametrize(
    ("conv1", "factors", "sides", "full6", "full8"),
    [
        # 6 x 6 x 256 = 9,216 and 7 x 7 x 256 = 12,544 values reach full6.
        ("paper", 50, (54, 27, 13), 4096 * 9_217, 50 * 4_097),
        ("release", 100, (56, 28, 14), 4096 * 12_545, 100 * 4_097),
    ],
)
def test_cnn_f_is_the_papers_table(
    conv1: Conv1, factors: int, sides: tuple[int, int, int], full6: int, full8: int
) -> None:
    network = on_meta(CnnF, factors, conv1=conv1)
    assert size(network) == CONVOLUTIONS + full6 + 4096 * 4_097 + full8
    assert size(network) == {"paper": 56_942_386, "release": 70_778_724}[conv1]
    a, b, c = sides
    seen = shapes(network)
    assert seen["conv1"] == (64, a, a)
    assert seen["conv2"] == (256, b, b)
    assert seen["conv3"] == seen["conv4"] == seen["conv5"] == (256, c, c)
    assert seen["full6"] == seen["full7"] == (4096,)
    assert seen["last"] == (factors,)
    assert [layer.rate for layer in (network.drop6, network.drop7)] == [0.5, 0.5]  # type: ignore[union-attr]


def test_same_padding_is_tensorflows() -> None:
    """Output (y, x) of conv1 sees rows 4 y - 3 .. 4 y + 7 of the image, zeros outside it."""
    network = made("cnn-f-same", pixels=64)
    assert isinstance(network, CnnF)
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1
    seen = []
    network.conv1.register_forward_hook(lambda *call: seen.append(call[2]))
    network.eval()(image)
    assert seen[0].shape == (1, 64, 16, 16)
    padded = np.zeros((3, 80, 80))
    padded[:, 3 : 3 + 64, 3 : 3 + 64] = image[0].numpy()
    weight = network.conv1.weight.detach().numpy().astype(np.float64)
    for y, x in [(0, 0), (0, 15), (7, 8), (15, 15)]:
        window = padded[:, 4 * y : 4 * y + 11, 4 * x : 4 * x + 11]
        expected = np.einsum("ochw,chw->o", weight, window)
        np.testing.assert_allclose(seen[0][0, :, y, x].detach().numpy(), expected, atol=1e-5)


def test_cnn_f_layer_by_layer() -> None:
    """Convolve, rectify, pool in the table's order; the outputs have no rectifier."""
    network = made("cnn-f", factors=40, pixels=64).eval()
    assert isinstance(network, CnnF)
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1
    x = torch.relu(nn.functional.conv2d(images, network.conv1.weight, stride=4))
    x = nn.functional.max_pool2d(x, 2)
    x = torch.relu(nn.functional.conv2d(x, network.conv2.weight, padding=2))
    x = nn.functional.max_pool2d(x, 2)
    for layer in (network.conv3, network.conv4, network.conv5):
        x = torch.relu(nn.functional.conv2d(x, layer.weight, padding=1))
    x = nn.functional.max_pool2d(x, 2).flatten(1)
    for full in (network.full6, network.full7):
        x = torch.relu(x @ full.weight.T)
    with torch.no_grad():
        torch.testing.assert_close(network.features(images), x)
        outputs = network(images)
        torch.testing.assert_close(outputs, x @ network.last.weight.T)
    assert bool((x >= 0).all())
    assert bool((outputs < 0).any())


def test_images_too_small_for_cnn_f() -> None:
    with pytest.raises(BenchError, match="39 pixels or more, got 38"):
        made("cnn-f", pixels=38)


def test_resnet_18_is_the_published_one() -> None:
    network = on_meta(ResNet18, 1000)
    assert size(network) == 11_689_512  # as published, for 1,000 classes
    seen = shapes(network)
    assert seen["stem"] == (64, 112, 112)
    sides = [(64, 56), (64, 56), (128, 28), (128, 28), (256, 14), (256, 14), (512, 7), (512, 7)]
    for block, (channels, side) in enumerate(sides):
        assert seen[f"blocks.{block}.norm2"] == (channels, side, side)
    assert seen["last"] == (1000,)


def test_slim_by_hand() -> None:
    network = on_meta(Slim, 32)
    maps = 32 * 75 + 64 * 288 + 128 * 576 + 128 * 1152 + 2 * (32 + 64 + 128 + 128)
    means = 32 + 64 + 128
    assert size(network) == maps + 256 * (16 * 128 + means + 1) + 32 * 257
    seen = shapes(network)
    expected = [(32, 32), (64, 16), (128, 8), (128, 4)]
    for number, (channels, side) in enumerate(expected):
        assert seen[f"convolutions.{number}"] == (channels, side, side)
    assert size(on_meta(Slim, 32, pixels=40)) == maps + 256 * (9 * 128 + means + 1) + 32 * 257


SMALL = {"cnn-f": 48, "cnn-f-same": 48, "resnet-18": 32, "slim": 32}


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_every_backbone_answers_the_interface(name: str) -> None:
    before = torch.random.get_rng_state()
    network = made(name, pixels=SMALL[name])
    assert torch.equal(before, torch.random.get_rng_state()), "the global generator was used"
    images = torch.rand(2, 3, SMALL[name], SMALL[name], generator=torch.Generator().manual_seed(1))
    network.eval()
    with torch.no_grad():
        features, outputs = network.features(images), network(images)
    assert features.shape == (2, network.feature_dims)
    assert outputs.shape == (2, 5)
    assert network.pixels == SMALL[name]
    for (key, value), other in zip(
        network.state_dict().items(),
        made(name, pixels=SMALL[name]).state_dict().values(),
        strict=True,
    ):
        assert torch.equal(value, other), f"{key} is not the same every time"
    weights, others = decayed(network)
    assert all(p.ndim in (2, 4) for p in weights)
    assert size(network) == sum(p.numel() for p in [*weights, *others])


def test_unknown_backbones_are_told() -> None:
    with pytest.raises(BenchError, match="did you mean 'resnet-18'"):
        made("resnet18")


def test_glorot_start_of_cnn_f() -> None:
    network = made("cnn-f", pixels=48)
    fans = {
        "conv1": (3 + 64) * 121,
        "conv2": (64 + 256) * 25,
        "conv4": (256 + 256) * 9,
        "full7": 4096 + 4096,
        "last": 4096 + 5,
    }
    for name, both in fans.items():
        layer = getattr(network, name)
        limit = math.sqrt(6 / both)
        values = layer.weight.detach().numpy()
        assert np.abs(values).max() <= limit
        assert np.abs(values).max() > 0.99 * limit
        assert values.std() == pytest.approx(limit / math.sqrt(3), rel=0.03)
        assert not layer.bias.any()


def test_start_of_slim_keeps_the_variance() -> None:
    network = made("slim")
    assert isinstance(network, Slim)
    for layer, fan in [(network.convolutions[1], 32 * 9), (network.full, 2272)]:
        assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / fan), rel=0.03)
    assert not network.full.bias.any()
    assert network.last.weight.std().item() == pytest.approx(math.sqrt(1 / 256), rel=0.1)


def test_dropout_drops_its_share_and_scales_the_rest() -> None:
    layer = Dropout(1000, 0.3)
    layer.draw(50, torch.Generator().manual_seed(1))
    out = layer(torch.ones(50, 1000))
    kept = out != 0
    assert kept.float().mean().item() == pytest.approx(0.7, abs=0.01)
    torch.testing.assert_close(out[kept], torch.full_like(out[kept], 1 / 0.7))
    layer.draw(50, torch.Generator().manual_seed(2))
    assert not torch.equal(layer(torch.ones(50, 1000)), out)


def test_dropout_of_a_part_is_the_part_of_the_dropout() -> None:
    layer = Dropout(20, 0.5)
    x = torch.rand(9, 20, generator=torch.Generator().manual_seed(1))
    layer.draw(9, torch.Generator().manual_seed(1))
    whole = layer(x)
    layer.use(slice(4, 7))
    assert torch.equal(layer(x[4:7]), whole[4:7])


def test_dropout_is_off_in_evaluation_and_at_rate_zero() -> None:
    x = torch.rand(3, 20, generator=torch.Generator().manual_seed(1))
    layer = Dropout(20, 0.9)
    with pytest.raises(RuntimeError, match="draw must come before"):
        layer(x)
    assert layer.eval()(x) is x
    none = Dropout(20, 0.0)
    none.draw(3, torch.Generator())
    assert none(x) is x


def test_the_last_layer_is_computed_in_float32() -> None:
    network = made("slim", dropout=0.0).eval()
    images = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        features, outputs = network.features(images), network(images)
    assert features.dtype == torch.bfloat16
    assert outputs.dtype == torch.float32
    expected = features.double() @ network.last.weight.double().T
    torch.testing.assert_close(outputs.double(), expected, rtol=0, atol=1e-6)


def test_slim_sees_last_map_and_means_of_the_others() -> None:
    network = made("slim", dropout=0.0).eval()
    assert isinstance(network, Slim)
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1
    x, means = images, []
    with torch.no_grad():
        for convolution, norm in zip(network.convolutions, network.norms, strict=True):
            x = norm(convolution(x)).clamp(min=0)
            means.append(x.flatten(2).mean(2))
        seen = torch.cat([x.flatten(1), *(2 * mean for mean in means[:3])], dim=1)
        expected = (seen @ network.full.weight.T + network.full.bias).clamp(min=0)
        torch.testing.assert_close(network.features(images), expected, rtol=1e-4, atol=1e-5)


def test_what_a_normalisation_follows_is_not_decayed() -> None:
    network = made("slim")
    weights, others = decayed(network)
    assert [tuple(p.shape) for p in weights] == [(256, 2272), (5, 256)]
    assert len(others) == 4 + 8 + 2  # kernels, normalisations, biases
    weights, _ = decayed(made("cnn-f", pixels=48))
    assert len(weights) == 8  # all learnable layers of the paper's table
