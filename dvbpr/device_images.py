"""Batches of decoded images on the device that trains: all of them there, or streamed to it."""

import logging
import math
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["DEVICE_SHARE", "DeviceImages", "normalise", "to_bytes"]

_log = logging.getLogger(__name__)

DEVICE_SHARE = 0.5
"""Images are kept on a GPU if they take at most this share of its free memory: the network, its
activations and the optimiser want the rest."""

_UPLOAD_BYTES = 64 << 20


def normalise(batch: "Tensor", dtype: "torch.dtype | None" = None) -> "Tensor":
    """Bring bytes to -1..1 as the authors' code does: (x - 127.5) / 127.5.

    Parameters
    ----------
    batch
        uint8, any shape, any device; its memory format is kept.
    dtype
        Floating type of the result; float32 by default.
    """
    import torch

    return batch.to(dtype or torch.float32).sub_(127.5).div_(127.5)


def to_bytes(images: "Tensor") -> "Tensor":
    """Bring values of -1..1 back to bytes, the nearest ones: the inverse of `normalise`.

    Parameters
    ----------
    images
        Floating, any shape, any device; what lies outside -1..1 is cut off.
    """
    import torch

    return images.float().mul(127.5).add_(127.5).round_().clamp_(0.0, 255.0).to(torch.uint8)


class DeviceImages:
    """Gathers batches of images by item, and can prepare the next one meanwhile.

    On a GPU the whole array is moved there if it fits; else rows travel through pinned memory on a
    stream of their own. On a CPU rows are copied straight out of the memory map.

    Parameters
    ----------
    images
        uint8 (n_items, H, W, 3), C-contiguous, usually memory-mapped; never written to.
    device
        Where batches are wanted.
    share
        See `DEVICE_SHARE`.
    """

    def __init__(
        self,
        images: npt.NDArray[np.uint8],
        device: "torch.device",
        *,
        share: float = DEVICE_SHARE,
    ) -> None:
        self._images = images
        self._device = device
        self._resident = self._moved(share) if device.type == "cuda" else None
        self._worker: ThreadPoolExecutor | None = None
        self._next: tuple[npt.NDArray[np.int64], Future[Tensor]] | None = None
        # Pinned buffers, used in turn: one is filled while the other is on its way.
        self._slots: list[_Slot] = []
        self._turn = 0

    @property
    def resident(self) -> bool:
        """Whether all images lie on the device."""
        return self._resident is not None

    def __len__(self) -> int:
        return len(self._images)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the thread that prepares batches; further batches start it again."""
        self._drop_next()
        if self._worker is not None:
            self._worker.shutdown()
            self._worker = None

    def batch(self, items: "Tensor") -> "Tensor":
        """Gather the images of `items`.

        Parameters
        ----------
        items
            int64 (B,), on any device; an item may occur more than once.

        Returns
        -------
        uint8 (B, 3, H, W) on the device, channels last in memory.

        Raises
        ------
        IndexError
            There is no such item (where the images are on a GPU: an error of CUDA's).
        """
        if self._resident is not None:
            return self._resident.index_select(0, items.to(self._device)).permute(0, 3, 1, 2)
        rows = self._rows(items)
        prepared = self._taken(rows)
        batch = self._gather(rows) if prepared is None else prepared
        if self._device.type == "cuda":
            import torch

            # The copy runs on another stream: this one waits for it, and its memory stays in use
            # until this one is done with it.
            stream = torch.cuda.current_stream(self._device)
            stream.wait_stream(self._copies)
            batch.record_stream(stream)
        return batch.permute(0, 3, 1, 2)

    def prefetch(self, items: "Tensor") -> None:
        """Start gathering `items`, so that the next `batch(items)` finds them ready.

        A hint: it changes no result, and is forgotten when another batch is asked for instead.
        """
        if self._resident is not None:
            return
        rows = self._rows(items)
        self._drop_next()
        if self._worker is None:
            self._worker = ThreadPoolExecutor(1, thread_name_prefix="images")
        self._next = rows, self._worker.submit(self._gather, rows)

    def _taken(self, rows: npt.NDArray[np.int64]) -> "Tensor | None":
        """Give the prepared batch if it is this one."""
        if self._next is None:
            return None
        prepared, future = self._next
        if not np.array_equal(prepared, rows):
            self._drop_next()
            return None
        self._next = None
        return future.result()

    def _drop_next(self) -> None:
        if self._next is not None:
            _, future = self._next
            self._next = None
            # It may be half way: the buffers are one thread's at a time.
            if not future.cancel():
                future.exception()

    def _rows(self, items: "Tensor") -> npt.NDArray[np.int64]:
        rows: npt.NDArray[np.int64] = items.cpu().numpy()
        if len(rows) and not 0 <= rows.min() <= rows.max() < len(self._images):
            raise IndexError(f"items must lie in 0..{len(self._images) - 1}")
        return rows

    def _gather(self, rows: npt.NDArray[np.int64]) -> "Tensor":
        """Copy rows out of the map and start them on their way: (B, H, W, 3) on the device."""
        import torch

        shape = (len(rows), *self._images.shape[1:])
        if self._device.type != "cuda":
            batch = torch.empty(shape, dtype=torch.uint8)
            self._copy_rows(rows, batch)
            return batch
        slot = self._free_slot(math.prod(shape))
        pinned = slot.buffer[: math.prod(shape)].view(shape)
        self._copy_rows(rows, pinned)
        with torch.cuda.stream(self._copies):
            moved = pinned.to(self._device, non_blocking=True)
            slot.gone.record(self._copies)
        return moved

    def _copy_rows(self, rows: npt.NDArray[np.int64], out: "Tensor") -> None:
        # The rows were checked: any mode but "raise" writes straight into `out`, without a copy.
        np.take(self._images, rows, axis=0, out=out.numpy(), mode="clip")

    def _free_slot(self, n_bytes: int) -> "_Slot":
        """Give the buffer whose turn it is, large enough, and free of its last copy."""
        if not self._slots:
            self._slots = [_Slot(), _Slot()]
        slot = self._slots[self._turn]
        self._turn = 1 - self._turn
        slot.gone.synchronize()
        slot.grow(n_bytes)
        return slot

    @property
    def _copies(self) -> Any:
        """The stream that copies run on, made on first use."""
        import torch

        if not hasattr(self, "_copy_stream"):
            self._copy_stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        return self._copy_stream

    def _moved(self, share: float) -> "Tensor | None":
        """Move everything to the GPU, or give None if it is too much."""
        import torch

        n_bytes = self._images.nbytes
        free, _ = torch.cuda.mem_get_info(self._device)
        if n_bytes <= share * free:
            try:
                return self._upload()
            except torch.cuda.OutOfMemoryError:
                torch.cuda.empty_cache()
        _log.info(
            "the images (%.1f GB) are streamed: more than %.0f%% of the %.1f GB free on %s",
            n_bytes / 1e9,
            100 * share,
            free / 1e9,
            self._device,
        )
        return None

    def _upload(self) -> "Tensor":
        import torch

        shape = self._images.shape
        whole = torch.empty(shape, dtype=torch.uint8, device=self._device)
        rows = max(1, _UPLOAD_BYTES // max(1, math.prod(shape[1:])))
        pinned = torch.empty((min(rows, len(self._images)), *shape[1:]), dtype=torch.uint8)
        pinned = pinned.pin_memory()
        for start in range(0, len(self._images), rows):
            part = self._images[start : start + rows]
            pinned.numpy()[: len(part)] = part
            whole[start : start + len(part)].copy_(pinned[: len(part)])
        return whole


class _Slot:
    """A pinned buffer, and the event that says its last copy has left it."""

    def __init__(self) -> None:
        import torch

        self.buffer = torch.empty(0, dtype=torch.uint8)
        self.gone: Any = torch.cuda.Event()  # type: ignore[no-untyped-call]

    def grow(self, n_bytes: int) -> None:
        import torch

        if self.buffer.numel() < n_bytes:
            self.buffer = torch.empty(n_bytes, dtype=torch.uint8, pin_memory=True)
