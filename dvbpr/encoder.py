"""From items to Φ: images gathered on the device, augmented, normalised, sent through a network."""

import logging
from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bench.errors import BenchError
from dvbpr.backbones import Backbone, dropouts
from dvbpr.device_images import DeviceImages, normalise
from dvbpr.torch_tools import autocast

__all__ = ["Encoder", "moved"]

_log = logging.getLogger(__name__)

_CATALOGUE_BATCH = {"cpu": 128, "cuda": 1024}
"""Images at once when the whole catalogue is encoded, by type of device."""


def moved(images: Tensor, mirrored: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Mirror images and move them, their border repeated where they leave the frame.

    Parameters
    ----------
    images
        (B, 3, H, W), channels last in memory.
    mirrored
        bool (B,): which are mirrored, before they are moved.
    down, right
        int64 (B,): by how many pixels.

    Returns
    -------
    As `images`.
    """
    n, _, height, width = images.shape
    device = images.device
    rows = (torch.arange(height, device=device) - down[:, None]).clamp_(0, height - 1)
    columns = (torch.arange(width, device=device) - right[:, None]).clamp_(0, width - 1)
    columns = torch.where(mirrored[:, None], width - 1 - columns, columns)
    each = torch.arange(n, device=device)[:, None, None]
    picked = images.permute(0, 2, 3, 1)[each, rows[:, :, None], columns[:, None, :]]
    return picked.permute(0, 3, 1, 2)


class Encoder:
    """A network and the images it sees.

    Parameters
    ----------
    network
        The backbone, on the device.
    images
        All images of the catalogue.
    device
        Where it computes.
    precision
        "float32" or "bf16".
    mirror, shift
        Augmentation in training; see `dvbpr.presets.Settings`.
    micro_batch
        Images that pass at once in training; 0 for all.
    compiled
        Whether PyTorch compiles the network.
    """

    def __init__(
        self,
        network: Backbone,
        images: DeviceImages,
        device: torch.device,
        *,
        precision: Literal["float32", "bf16"],
        mirror: bool = False,
        shift: int = 0,
        micro_batch: int = 0,
        compiled: bool = False,
    ) -> None:
        self.network = network
        self.micro_batch = micro_batch
        self._forward: Callable[[Tensor], Tensor] = torch.compile(network) if compiled else network
        self._images, self._device, self._precision = images, device, precision
        self._mirror, self._shift = mirror, shift
        self._moves: tuple[Tensor, Tensor, Tensor] | None = None

    def draw(self, n_images: int, generator: torch.Generator) -> None:
        """Draw a step's dropout masks and augmentation; `generator` is on the device."""
        for layer in dropouts(self.network):
            layer.draw(n_images, generator)
        if not (self._mirror or self._shift):
            return
        low, high, size = -self._shift, self._shift + 1, (n_images,)
        device = self._device
        down, right = (
            torch.randint(low, high, size, generator=generator, device=device) for _ in range(2)
        )
        mirrored = torch.randint(2, size, generator=generator, device=device) == 1
        self._moves = mirrored & self._mirror, down, right

    def prefetch(self, items: npt.NDArray[np.int64]) -> None:
        """Start gathering what the next step needs, where images are streamed to a GPU."""
        if self._device.type == "cuda":
            self._images.prefetch(torch.from_numpy(items))

    def gradients(
        self, items: npt.NDArray[np.int64], part: slice, head: Callable[[Tensor], Tensor]
    ) -> None:
        """Add to the weights' gradients those of a loss that `head` computes from Φ.

        All images pass at once where the micro-batch allows it. Where it does not, they pass in
        parts without a record of the computation, `head` says what the gradient of their outputs
        is, and they pass once more, in the same parts, with it: the loss may compare any image with
        any other, and the result is the same up to rounding.

        Parameters
        ----------
        items
            int64 (n,): items of this process.
        part
            Which rows these are among the images of the step.
        head
            Given Φ, float32 (n, K), gives the gradient of the loss with respect to it.
        """
        n = len(items)
        n_parts = -(-n // (self.micro_batch or max(n, 1)))
        batch = self._images.batch(torch.from_numpy(items))
        self.network.train()
        if n_parts <= 1:
            outputs = self._pass(batch, part)
            outputs.backward(head(outputs.detach()))  # type: ignore[no-untyped-call]
            return
        # Sizes that differ by one at most: no part is left too small for its own statistics.
        parts = [slice(k * n // n_parts, (k + 1) * n // n_parts) for k in range(n_parts)]
        within = [slice(part.start + each.start, part.start + each.stop) for each in parts]
        with torch.no_grad():
            blocks = [self._pass(batch[a], b) for a, b in zip(parts, within, strict=True)]
        gradient = head(torch.cat(blocks))
        for each, rows in zip(parts, within, strict=True):
            outputs = self._pass(batch[each], rows)
            outputs.backward(gradient[each])  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """End the thread that prepares images, if there is one."""
        self._images.close()

    def halve(self, n_images: int) -> None:
        """Let half as many images pass at once, and say so.

        Raises
        ------
        BenchError
            One image alone does not fit.
        """
        size = min(self.micro_batch or n_images, n_images)
        if size <= 1:
            raise BenchError(
                f"{self._device} has no memory for a single image; free some (other programs?) or "
                "choose a smaller backbone"
            )
        self.micro_batch = -(-size // 2)
        _log.warning(
            "out of memory on %s with %d images at once: going on with %d at once, gradients added "
            "up (--set dvbpr.micro_batch=%d starts so)",
            self._device,
            size,
            self.micro_batch,
            self.micro_batch,
        )
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    @torch.no_grad()
    def catalogue(self, network: Backbone | None = None) -> npt.NDArray[np.float32]:
        """Encode every item, without dropout and augmentation: float32 (n_items, K)."""
        network = network or self.network
        network.eval()
        size = _CATALOGUE_BATCH[self._device.type]
        blocks = []
        for start in range(0, len(self._images), size):
            items = torch.arange(start, min(start + size, len(self._images)))
            with autocast(self._device, self._precision):
                blocks.append(network(self._normalised(self._images.batch(items))).cpu())
        whole: npt.NDArray[np.float32] = torch.cat(blocks).numpy()
        return whole

    def _pass(self, batch: Tensor, rows: slice) -> Tensor:
        if self._moves is not None and self._shift:
            batch = moved(batch, *(move[rows] for move in self._moves))
        elif self._moves is not None:  # the same as moves by nothing, without looking places up
            mirrored = self._moves[0][rows, None, None, None]
            batch = torch.where(mirrored, batch.flip(3), batch)
        for layer in dropouts(self.network):
            layer.use(rows)
        with autocast(self._device, self._precision):
            return self._forward(self._normalised(batch))

    def _normalised(self, batch: Tensor) -> Tensor:
        # Bytes lie on 256 steps of 1/127.5, which 8 bits of mantissa hold to half a step.
        return normalise(batch, torch.bfloat16 if self._precision == "bf16" else torch.float32)
