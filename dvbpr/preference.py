"""A user's preference for any image, theta_u . Phi(Delta X), and its gradient in the image.

Delta (eq. 9) brings an image of the generator's size to the network's by repeating the nearest
pixel, as the paper and the authors' code do. A photograph larger than the network's input is made
smaller as the catalogue's images are, so that an item's photograph has the item's score.
"""

from typing import Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from bench.errors import BenchError
from dvbpr.backbones import Backbone
from dvbpr.device_images import normalise
from dvbpr.images import resized
from dvbpr.torch_tools import autocast

__all__ = ["GivesPreference", "Preference", "preference_of", "upscaled"]

_ROWS = {"cpu": 128, "cuda": 1024}
"""Images that pass the network at once, by type of device."""


def upscaled(images: Tensor, pixels: int) -> Tensor:
    """Enlarge images by repeating pixels: Delta of eq. 9, with a gradient.

    Output row r shows input row floor(r * h / pixels), and columns alike: TensorFlow's rule, which
    the authors' code used, and PyTorch's ("nearest").

    Parameters
    ----------
    images
        float (n, 3, h, w), h and w at most `pixels`.
    pixels
        Side of the result.

    Returns
    -------
    (n, 3, pixels, pixels), of the same type.
    """
    if images.shape[2:] == (pixels, pixels):
        return images
    return functional.interpolate(images, size=(pixels, pixels), mode="nearest")


class Preference:
    """theta_u . Phi(Delta X) as a function of tensors; its weights are frozen.

    Parameters
    ----------
    network
        Phi, on the device; put into evaluation mode (no dropout, running statistics), and its
        parameters no longer collect gradients: the function takes it over.
    rows
        float32 (n_users, K): theta.
    precision
        "float32" or "bf16": in which the network computes.
    """

    def __init__(
        self, network: Backbone, rows: Tensor, *, precision: Literal["float32", "bf16"]
    ) -> None:
        self.network = network.eval().requires_grad_(False)
        self.rows = rows
        self.precision: Literal["float32", "bf16"] = precision

    @property
    def pixels(self) -> int:
        """Side of the square images the network takes."""
        return self.network.pixels

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.rows.device

    def __call__(self, users: Tensor, images: Tensor) -> Tensor:
        """Score image k for user k.

        Parameters
        ----------
        users
            int64 (n,).
        images
            float (n, 3, h, w), values in [-1, 1], h and w at most `pixels`.

        Returns
        -------
        float32 (n,); differentiable with respect to `images`.
        """
        with autocast(self.device, self.precision):
            encoded = self.network(upscaled(images, self.pixels))
        # Not a product in autocast's precision: a score keeps float32, or the images' float64.
        scores: Tensor = (self.rows[users].to(encoded.dtype) * encoded).sum(dim=1)
        return scores

    def of_bytes(
        self, users: npt.NDArray[np.int64], images: npt.NDArray[np.uint8]
    ) -> npt.NDArray[np.float32]:
        """Score image k, uint8 (n, H, W, 3) of any size, for user k: float32 (n,)."""
        if max(images.shape[1:3]) > self.pixels:
            images = resized(images, self.pixels)
        dtype = torch.bfloat16 if self.precision == "bf16" else torch.float32
        size = _ROWS[self.device.type]
        blocks = []
        with torch.inference_mode():
            for start in range(0, len(images), size):
                part = torch.from_numpy(np.ascontiguousarray(images[start : start + size]))
                who = torch.from_numpy(users[start : start + size]).to(self.device)
                batch = normalise(part.to(self.device).permute(0, 3, 1, 2), dtype)
                blocks.append(self(who, batch).float().cpu())
        scores: npt.NDArray[np.float32] = torch.cat(blocks).numpy()
        return scores


@runtime_checkable
class GivesPreference(Protocol):
    """A recommender whose preference has a gradient in the image."""

    def preference(self, device: str) -> Preference:
        """Give it on a device, as `bench.device.resolve_device` names it."""
        ...


def preference_of(recommender: object, device: str) -> Preference:
    """Ask a recommender for the gradient that designing follows.

    Raises
    ------
    BenchError
        It has none to give.
    """
    if not isinstance(recommender, GivesPreference):
        name = getattr(recommender, "name", type(recommender).__name__)
        raise BenchError(
            f"{name} cannot guide a design: its score has no gradient in an image; dvbpr's has"
        )
    return recommender.preference(device)
