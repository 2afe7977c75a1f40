"""Small things around PyTorch that training and feature extraction share."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["autocast", "torch_threads"]


def autocast(device: "torch.device") -> "torch.autocast":
    """Compute in bfloat16 on a GPU; in float32 on a CPU."""
    import torch

    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda")


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Give PyTorch so many threads inside the block only: the setting is the whole process's."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
