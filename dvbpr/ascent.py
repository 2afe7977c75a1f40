"""Gradient ascent in the generator's latent space, many codes at once, each for itself.

A code z lies in [-1, 1]^d; what moves is z', with z = tanh(z') (eq. 10). Steps are Adam's, as
in the authors' code (the paper says gradient ascent and no more): each element has moments of its
own, so no code's way depends on the codes beside it.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bench.errors import BenchError
from bench.progress import Progress

__all__ = ["Batch", "ascend", "start_codes"]

_log = logging.getLogger(__name__)

_Result = TypeVar("_Result")

_IMAGES = {"cpu": 32, "cuda": 1024}
"""Images of a batch, by type of device. On a CPU the paper's 64 starts are two batches: none mixes
two queries, and a query's images depend on no other one."""

_EDGE = 1e-6
"""Start values keep so far from -1 and 1, where z' would be infinite and stay so."""


def start_codes(n: int, dims: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Draw z ~ U(-1, 1) and give z' = artanh(z) = (ln(1 + z) - ln(1 - z)) / 2.

    Parameters
    ----------
    n
        Number of codes.
    dims
        Their dimensions d.
    rng
        Where they come from.

    Returns
    -------
    float32 (n, dims), finite.
    """
    uniform = rng.uniform(-1.0, 1.0, size=(n, dims))
    return np.arctanh(np.clip(uniform, _EDGE - 1.0, 1.0 - _EDGE)).astype(np.float32)


def ascend(
    value: Callable[[Tensor], Tensor],
    start: Tensor,
    *,
    keep: Sequence[int],
    learning_rate: float,
    on_step: Callable[[], None] = lambda: None,
) -> Tensor:
    """Move each z' uphill and keep it as it is after given numbers of steps.

    What is kept is the iterate itself and not the best one on the way: the paper compares codes
    "after optimization".

    Parameters
    ----------
    value
        Given z = tanh(z'), (n, d), gives what is maximised for each code, (n,). Element k must
        depend on code k alone.
    start
        z' to start from, (n, d).
    keep
        Ascending numbers of steps, 0 for the start; the last is where the ascent ends.
    learning_rate
        Adam's step.
    on_step
        Called after every step.

    Returns
    -------
    z' after each number of `keep` steps: (len(keep), n, d).
    """
    code = start.clone()
    optimiser = torch.optim.Adam([code], lr=learning_rate, maximize=True)
    kept = [start] if keep[0] == 0 else []
    for step in range(1, keep[-1] + 1):
        with torch.enable_grad():
            leaf = code.detach().requires_grad_()
            (code.grad,) = torch.autograd.grad(value(torch.tanh(leaf)).sum(), leaf)
        optimiser.step()
        if step in keep:
            kept.append(code.detach().clone())
        on_step()
    return torch.stack(kept)


class Batch:
    """How images are divided among batches: fewer at once after a GPU has run out of memory.

    On a CPU batches are computed side by side, and PyTorch's threads divided among them. That is
    faster than all threads on one, where they wait for each other at every layer.

    Parameters
    ----------
    wanted
        So many images in a batch; 0 for what suits the device.
    device
        Where they are computed.
    bar
        Counts images.

    Attributes
    ----------
    size
        Images of a batch.
    n_workers
        Batches that are computed side by side at most.
    """

    def __init__(self, wanted: int, device: torch.device, bar: Progress) -> None:
        self.size = wanted or _IMAGES[device.type]
        self.n_workers = torch.get_num_threads() if device.type == "cpu" else 1
        self._device, self._bar = device, bar
        self._lock, self._stopped = threading.Lock(), False

    def advance(self, n_images: int) -> None:
        """Count images, from within a work; ends it where another one failed."""
        with self._lock:
            if self._stopped:
                raise CancelledError
            self._bar.advance(n_images)

    def over(self, n_rows: int, work: Callable[[slice], _Result]) -> list[_Result]:
        """Do `work` on so many rows at a time; give its results in the order of the rows.

        Raises
        ------
        BenchError
            The device has no memory for a single row.
        """
        if self.n_workers > 1 and n_rows > self.size:
            return self._side_by_side(n_rows, work)
        results, start = [], 0
        while start < n_rows:
            rows = slice(start, min(start + self.size, n_rows))
            try:
                results.append(work(rows))
            except torch.cuda.OutOfMemoryError:
                self._halve(rows.stop - rows.start)
                continue
            start = rows.stop
        return results

    def _side_by_side(self, n_rows: int, work: Callable[[slice], _Result]) -> list[_Result]:
        starts = range(0, n_rows, self.size)
        batches = [slice(start, min(start + self.size, n_rows)) for start in starts]
        n_workers = min(self.n_workers, len(batches))
        each = self.n_workers // n_workers
        pool = ThreadPoolExecutor(n_workers, initializer=torch.set_num_threads, initargs=(each,))
        try:
            return list(pool.map(work, batches))
        finally:
            self._stopped = True  # Ctrl-C and errors end the others at their next step
            pool.shutdown(cancel_futures=True)
            self._stopped = False
            torch.set_num_threads(self.n_workers)  # for threads that start later

    def _halve(self, n_images: int) -> None:
        if n_images <= 1:
            raise BenchError(
                f"{self._device} has no memory to design a single image; free some "
                "(other programs?)"
            ) from None
        self.size = -(-n_images // 2)
        _log.warning(
            "out of memory on %s with %d images at once: going on with %d",
            self._device,
            n_images,
            self.size,
        )
        torch.cuda.empty_cache()
