"""Where arrays are computed: the one place that decides, and explains why not the GPU."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from threadpoolctl import threadpool_limits

from bench.errors import BenchError

if TYPE_CHECKING:
    import torch

__all__ = ["available_threads", "explain_device", "resolve_device", "torch_threads"]


def available_threads() -> int:
    """Count the processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def resolve_device(name: str) -> "torch.device":
    """Turn `auto`, `cpu`, `cuda` or `cuda:N` into a device that exists.

    Raises
    ------
    BenchError
        The name is none of these, or the device is not there; the message says why.
    """
    import torch

    # Under torchrun each process of a machine has a GPU of its own.
    local = os.environ.get("LOCAL_RANK")
    if name in ("auto", "cuda") and local is not None and torch.cuda.is_available():
        return torch.device("cuda", int(local) % torch.cuda.device_count())
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    known = re.fullmatch(r"cpu|cuda(?::([0-9]+))?", name)
    if known is None:
        raise BenchError(f"unknown device {name!r}: choose auto, cpu, cuda or cuda:N")
    if name != "cpu":
        if not torch.cuda.is_available():
            raise BenchError(f"device {name!r} cannot be used: {explain_device()[1]}")
        n_gpus = torch.cuda.device_count()
        if known[1] is not None and int(known[1]) >= n_gpus:
            raise BenchError(
                f"device {name!r} does not exist: this machine has cuda:0 to cuda:{n_gpus - 1}"
            )
    return torch.device(name)


def explain_device() -> tuple[str, str]:
    """Say which device `auto` means here and, if it is the CPU, why and what would change that."""
    import torch

    if torch.cuda.is_available():
        return "cuda", f"{torch.cuda.get_device_name(0)}, CUDA {torch.version.cuda}"
    if torch.version.cuda is None:
        return "cpu", (
            f"PyTorch {torch.__version__} is a build without CUDA; on a machine with an NVIDIA GPU "
            "install a CUDA build of the same version (see pytorch.org, Get Started)"
        )
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return "cpu", "CUDA_VISIBLE_DEVICES hides every GPU; unset it"
    return "cpu", (
        f"PyTorch {torch.__version__} was built for CUDA {torch.version.cuda} but sees no GPU; "
        "`nvidia-smi` tells whether the driver is there and new enough"
    )


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
