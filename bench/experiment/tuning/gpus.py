"""One GPU for each trial that runs at once on this machine."""

import getpass
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.datasets.lock import BusyError, only_process

__all__ = ["own_gpu"]

_POLL_SECONDS = 0.2


@contextmanager
def own_gpu(device: str) -> Iterator[str]:
    """Give the device of a trial: in one of several local processes, a GPU that no other has.

    A GPU is held by a lock file beside other temporary files, so that searches that run at once on
    this machine, of the same user, share its GPUs out; where all are taken, one is waited for.

    Parameters
    ----------
    device
        "cpu", "cuda" or "cuda:N"; only "cuda" leaves a choice.
    """
    if device != "cuda" or not _is_local_process() or (n_gpus := _n_gpus()) < 2:
        yield device
        return
    with ExitStack() as held:
        number = _free_gpu(n_gpus, held)
        held.callback(_release_memory, number)
        yield f"cuda:{number}"


def _release_memory(number: int) -> None:
    """Give back what PyTorch keeps for later, before another process takes the GPU."""
    import gc

    import torch

    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]  # torch leaves it untyped
        gc.collect()
        with torch.cuda.device(number):
            torch.cuda.empty_cache()


def _free_gpu(n_gpus: int, held: ExitStack) -> int:
    """Lock the first GPU that is free, and give its number."""
    while True:
        for number in range(n_gpus):
            try:
                held.enter_context(only_process(_lock(number), f"use GPU {number}"))
            except BusyError:
                continue
            return number
        time.sleep(_POLL_SECONDS)


def _lock(number: int) -> Path:
    """Name the lock of a GPU by what it is to the machine, not to this process."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    named = visible.split(",")[number].strip() if visible else str(number)
    owner = os.getuid() if hasattr(os, "getuid") else getpass.getuser()
    return Path(tempfile.gettempdir()) / f"bench-gpus-{owner}" / f"{named}.lock"


def _is_local_process() -> bool:
    """Whether joblib started this process; a Dask worker sees the one GPU that it is given."""
    import multiprocessing

    return multiprocessing.current_process().name.startswith("LokyProcess-")


def _n_gpus() -> int:
    import torch

    return torch.cuda.device_count()
