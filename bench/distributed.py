"""Several processes that train one model together, as `torchrun` starts them.

    torchrun --nproc-per-node 8 -m bench.cli.main run --recommenders dvbpr --device cuda

The leader (rank 0) runs everything: it alone validates, evaluates, writes and prints. The others
wait until it says which fit to join, take part in it step by step, and wait again. Without
`torchrun` there is one process, the leader, and everything here does nothing.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from bench.device import resolve_device

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["from_leader", "is_leader", "process_group", "rank", "sum_over_processes", "world_size"]

T = TypeVar("T")

_PATIENCE = timedelta(days=7)
"""How long a process waits for the others: the leader may evaluate or run other models for hours.
A process that dies is noticed by `torchrun`, not by this."""


def rank() -> int:
    """Give this process's number, 0 for the leader."""
    return int(os.environ.get("RANK", "0"))


def world_size() -> int:
    """Count the processes that work together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_leader() -> bool:
    """Say whether this process is the one that evaluates, writes and prints."""
    return rank() == 0


@contextmanager
def process_group(device: str) -> Iterator[None]:
    """Join the other processes inside the block; with one process do nothing.

    Parameters
    ----------
    device
        As `bench.device.resolve_device` takes it; decides how the processes talk.
    """
    if world_size() == 1:
        yield
        return
    import torch
    import torch.distributed as dist

    resolved = resolve_device(device)
    if resolved.type == "cuda":
        torch.cuda.set_device(resolved)
    backend = "cpu:gloo,cuda:nccl" if resolved.type == "cuda" else "gloo"
    dist.init_process_group(backend, timeout=_PATIENCE)
    try:
        yield
    finally:
        dist.destroy_process_group()


def sum_over_processes(tensor: "Tensor") -> "Tensor":
    """Add up `tensor` over all processes, in place, and give it back."""
    if world_size() > 1:
        import torch.distributed as dist

        dist.all_reduce(tensor)
    return tensor


def from_leader(value: T) -> T:
    """Give every process the leader's `value`; what the others pass is ignored."""
    if world_size() == 1:
        return value
    import torch
    import torch.distributed as dist

    box: list[T] = [value]
    dist.broadcast_object_list(box, src=0, device=torch.device("cpu"))
    return box[0]
