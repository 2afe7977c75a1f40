"""The Inception network of 2015-12-05, by which inception score, FID and KID are defined.

It is Inception v3 (Szegedy et al. 2016) with what the TensorFlow graph of that date does otherwise:
1008 outputs, averages that leave the padding out, a maximum in place of the last block's average.
Parameters have the names and shapes of the published PyTorch file, which was converted from that
graph (`dvbpr.inception_weights`).
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = [
    "FEATURE_DIMS",
    "N_CLASSES",
    "PIXELS",
    "InceptionNet",
    "resize_like_tensorflow",
]

PIXELS = 299
FEATURE_DIMS = 2048
N_CLASSES = 1008


@dataclass(frozen=True)
class _Conv:
    """A convolution of a block: its name in the published file, outputs, kernel, stride.

    With stride 1 it keeps the map's size, with stride 2 it has no padding.
    """

    name: str
    n_out: int
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1


_Pool = Literal["average", "max", "max halving"]
_Step = _Conv | _Pool | tuple[_Conv, _Conv]
"""One step of a branch; two convolutions stand beside each other and their outputs are joined."""

_Branch = tuple[_Step, ...]


def _square(name: str, n_out: int, side: int, stride: int = 1) -> _Conv:
    return _Conv(name, n_out, (side, side), stride)


def _block_a(n_pool: int) -> tuple[_Branch, ...]:
    """Blocks on the 35 x 35 grid (figure 5 of the paper)."""
    return (
        (_Conv("branch1x1", 64),),
        (_Conv("branch5x5_1", 48), _square("branch5x5_2", 64, 5)),
        (
            _Conv("branch3x3dbl_1", 64),
            _square("branch3x3dbl_2", 96, 3),
            _square("branch3x3dbl_3", 96, 3),
        ),
        ("average", _Conv("branch_pool", n_pool)),
    )


def _block_c(n_mid: int) -> tuple[_Branch, ...]:
    """Blocks on the 17 x 17 grid: 7 x 7 convolutions as 1 x 7 and 7 x 1 (figure 6)."""
    wide, high = (1, 7), (7, 1)
    return (
        (_Conv("branch1x1", 192),),
        (
            _Conv("branch7x7_1", n_mid),
            _Conv("branch7x7_2", n_mid, wide),
            _Conv("branch7x7_3", 192, high),
        ),
        (
            _Conv("branch7x7dbl_1", n_mid),
            _Conv("branch7x7dbl_2", n_mid, high),
            _Conv("branch7x7dbl_3", n_mid, wide),
            _Conv("branch7x7dbl_4", n_mid, high),
            _Conv("branch7x7dbl_5", 192, wide),
        ),
        ("average", _Conv("branch_pool", 192)),
    )


def _block_e(pool: _Pool) -> tuple[_Branch, ...]:
    """Blocks on the 8 x 8 grid, whose 3 x 3 convolutions fork (figure 7)."""

    def fork(stem: str) -> tuple[_Conv, _Conv]:
        return _Conv(f"{stem}a", 384, (1, 3)), _Conv(f"{stem}b", 384, (3, 1))

    return (
        (_Conv("branch1x1", 320),),
        (_Conv("branch3x3_1", 384), fork("branch3x3_2")),
        (_Conv("branch3x3dbl_1", 448), _square("branch3x3dbl_2", 384, 3), fork("branch3x3dbl_3")),
        (pool, _Conv("branch_pool", 192)),
    )


_BLOCKS: dict[str, tuple[_Branch, ...]] = {
    "Mixed_5b": _block_a(32),
    "Mixed_5c": _block_a(64),
    "Mixed_5d": _block_a(64),
    "Mixed_6a": (
        (_square("branch3x3", 384, 3, stride=2),),
        (
            _Conv("branch3x3dbl_1", 64),
            _square("branch3x3dbl_2", 96, 3),
            _square("branch3x3dbl_3", 96, 3, stride=2),
        ),
        ("max halving",),
    ),
    "Mixed_6b": _block_c(128),
    "Mixed_6c": _block_c(160),
    "Mixed_6d": _block_c(160),
    "Mixed_6e": _block_c(192),
    "Mixed_7a": (
        (_Conv("branch3x3_1", 192), _square("branch3x3_2", 320, 3, stride=2)),
        (
            _Conv("branch7x7x3_1", 192),
            _Conv("branch7x7x3_2", 192, (1, 7)),
            _Conv("branch7x7x3_3", 192, (7, 1)),
            _square("branch7x7x3_4", 192, 3, stride=2),
        ),
        ("max halving",),
    ),
    "Mixed_7b": _block_e("average"),
    # The graph takes the maximum here, where the paper and every other block average.
    "Mixed_7c": _block_e("max"),
}


class _ConvUnit(nn.Module):
    """Convolution, batch normalisation, ReLU."""

    def __init__(self, n_in: int, n_out: int, kernel: tuple[int, int], stride: int, pad: bool):
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2) if pad else (0, 0)
        self.conv = nn.Conv2d(n_in, n_out, kernel, stride=stride, padding=padding, bias=False)
        self.bn = nn.BatchNorm2d(n_out, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.bn(self.conv(x)), inplace=True)


def _pool(kind: _Pool, x: Tensor) -> Tensor:
    if kind == "average":
        return functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
    if kind == "max":
        return functional.max_pool2d(x, 3, stride=1, padding=1)
    return functional.max_pool2d(x, 3, stride=2)


class _Mixed(nn.Module):
    """Branches that see the same maps, their outputs joined."""

    def __init__(self, n_in: int, branches: tuple[_Branch, ...]) -> None:
        super().__init__()
        self._branches = branches
        self.n_out = 0
        for branch in branches:
            n = n_in
            for step in branch:
                if isinstance(step, str):
                    continue
                side_by_side = (step,) if isinstance(step, _Conv) else step
                for conv in side_by_side:
                    unit = _ConvUnit(n, conv.n_out, conv.kernel, conv.stride, pad=conv.stride == 1)
                    self.add_module(conv.name, unit)
                n = sum(conv.n_out for conv in side_by_side)
            self.n_out += n

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self._run(branch, x) for branch in self._branches], dim=1)

    def _run(self, branch: _Branch, x: Tensor) -> Tensor:
        for step in branch:
            if isinstance(step, str):
                x = _pool(step, x)
            elif isinstance(step, _Conv):
                x = self.get_submodule(step.name)(x)
            else:
                x = torch.cat([self.get_submodule(conv.name)(x) for conv in step], dim=1)
        return x


class InceptionNet(nn.Module):
    """The network, in evaluation mode; its start is PyTorch's, weights come from a file."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = _ConvUnit(3, 32, (3, 3), 2, pad=False)
        self.Conv2d_2a_3x3 = _ConvUnit(32, 32, (3, 3), 1, pad=False)
        self.Conv2d_2b_3x3 = _ConvUnit(32, 64, (3, 3), 1, pad=True)
        self.Conv2d_3b_1x1 = _ConvUnit(64, 80, (1, 1), 1, pad=False)
        self.Conv2d_4a_3x3 = _ConvUnit(80, 192, (3, 3), 1, pad=False)
        n = 192
        for name, branches in _BLOCKS.items():
            block = _Mixed(n, branches)
            self.add_module(name, block)
            n = block.n_out
        self.fc = nn.Linear(n, N_CLASSES)
        self.eval()

    def features(self, images: Tensor) -> Tensor:
        """Give the averages over the last maps, `pool_3` of the graph.

        Parameters
        ----------
        images
            uint8 (B, 3, H, W), of any size.

        Returns
        -------
        float32 (B, 2048).
        """
        x = resize_like_tensorflow(images.to(self.fc.weight.dtype), PIXELS)
        x = (x - 128) / 128  # (B, 3, 299, 299)
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = functional.max_pool2d(x, 3, stride=2)  # (B, 64, 73, 73)
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x))
        x = functional.max_pool2d(x, 3, stride=2)  # (B, 192, 35, 35)
        for name in _BLOCKS:
            x = self.get_submodule(name)(x)
        return x.mean(dim=(2, 3))  # of (B, 2048, 8, 8)

    def logits(self, features: Tensor) -> Tensor:
        """Give the logits without the bias, (B, 1008): the original inception score leaves it out.

        Source: inception_score/model.py of github.com/openai/improved-gan multiplies pool_3 by the
        weights of the softmax layer and adds nothing.
        """
        return features @ self.fc.weight.T


def resize_like_tensorflow(images: Tensor, size: int) -> Tensor:
    """Bring images to size x size pixels as TensorFlow 1's bilinear resizing does.

    Output pixel i lies at i H / size of the input, so corners meet at the top left only, and a
    reduction samples where others average.

    Parameters
    ----------
    images
        float (B, C, H, W).
    size
        Side of the square.

    Returns
    -------
    float (B, C, size, size).
    """

    def places(n: int) -> tuple[Tensor, Tensor, Tensor]:
        at = torch.arange(size, dtype=images.dtype, device=images.device)
        # The step is a float32 in the graph, whatever the images are.
        at = at * torch.tensor(n / size, dtype=torch.float32, device=images.device)
        low = at.long().clamp(max=n - 1)
        return low, (low + 1).clamp(max=n - 1), at - low

    top, bottom, down = places(images.shape[2])
    left, right, along = places(images.shape[3])

    def across(rows: Tensor) -> Tensor:
        return rows[..., left] + (rows[..., right] - rows[..., left]) * along

    above, below = across(images[:, :, top]), across(images[:, :, bottom])
    return above + (below - above) * down[:, None]
