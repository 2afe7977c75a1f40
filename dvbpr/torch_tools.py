"""In which precision networks compute."""

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

__all__ = ["autocast", "has_fast_bf16"]


def has_fast_bf16(device: "torch.device") -> bool:
    """Say whether products in bfloat16 are faster than in float32 here: the hardware has them."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def autocast(
    device: "torch.device", precision: Literal["float32", "bf16"] | None = None
) -> "torch.autocast":
    """Give the block in which products have the given precision; weights stay float32.

    By default bfloat16 on a GPU and float32 on a CPU.
    """
    import torch

    if precision is None:
        precision = "bf16" if device.type == "cuda" else "float32"
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")
