"""What the PyTorch models share."""

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["torch_threads"]


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Give PyTorch `threads` processor threads inside the block, and what it had before after it.

    The setting belongs to the whole process, so a model that changed it for good would change the
    next one's speed and rounding.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
