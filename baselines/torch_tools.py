"""What the PyTorch models share."""

from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

__all__ = ["torch_threads"]


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Give PyTorch and NumPy's BLAS `threads` threads inside the block, then what they had before.

    The setting belongs to the whole process, so a model that changed it for good would change the
    next one's speed and rounding.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with threadpool_limits(threads, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)
