"""Batch normalisation over a whole step, however many processes share its images."""

from typing import Any

import torch
from torch import Tensor, nn

from bench.distributed import sum_over_processes, world_size

__all__ = ["BatchNorm2d"]


class BatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation (Ioffe and Szegedy 2015) over the images of all processes.

    With one process it is PyTorch's. With several, mean and variance are of the images of all of
    them, so that a step gives the same weights up to rounding however its images are shared out.
    Images that pass in micro-batches are normalised within each: there a split changes the result.
    """

    def forward(self, images: Tensor) -> Tensor:
        """Normalise (B, C, H, W)."""
        if not self.training or world_size() == 1:
            return super().forward(images)
        x = images.float()
        ones = x.new_full((1,), float(x.numel() // x.shape[1]))
        sums = _sum(torch.cat([x.sum((0, 2, 3)), ones]))
        count = sums[-1].detach()
        mean = sums[:-1] / count
        centred = x - mean[:, None, None]
        variance = _sum(centred.square().sum((0, 2, 3))) / count
        self._note(mean.detach(), variance.detach(), count)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(images.dtype)

    @torch.no_grad()
    def _note(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        """Take the step into the running statistics, the variance without bias as PyTorch does."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (count / (count - 1).clamp(min=1)), self.momentum)
        self.num_batches_tracked += 1


class _SumOverProcesses(torch.autograd.Function):
    """A sum over processes, whose gradient is the sum of what the processes make of it."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        return sum_over_processes(tensor.clone())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return sum_over_processes(gradients[0].clone())


def _sum(tensor: Tensor) -> Tensor:
    summed: Tensor = _SumOverProcesses.apply(tensor)  # type: ignore[no-untyped-call]
    return summed
