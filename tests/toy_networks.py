"""Stand-ins for G, D and the preference: small, differentiable, and made of real layers."""

import numpy as np
import torch
from torch import Tensor, nn

from dvbpr.backbones import build_backbone
from dvbpr.design import Networks
from dvbpr.preference import Preference

N_USERS, N_CATEGORIES, DIMS, PIXELS = 5, 3, 6, 8


class Drawer(nn.Module):
    """A conditional generator with batch normalisation: (n, d) to (n, 3, 8, 8)."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(DIMS + N_CATEGORIES, 8 * 4 * 4)
        self.norm = nn.BatchNorm2d(8)
        self.last = nn.ConvTranspose2d(8, 3, 4, stride=2, padding=1)

    def forward(self, codes: Tensor, categories: Tensor) -> Tensor:
        label = torch.eye(N_CATEGORIES, dtype=codes.dtype)[categories]
        x = self.first(torch.cat([codes, label], dim=1)).view(-1, 8, 4, 4)
        drawn: Tensor = torch.tanh(self.last(nn.functional.leaky_relu(self.norm(x), 0.2)))
        return drawn


class Judge(nn.Module):
    """A conditional discriminator with batch normalisation: (n, 3, 8, 8) to (n,)."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3 + N_CATEGORIES, 6, 5, stride=2, padding=2)
        self.norm = nn.BatchNorm2d(6)
        self.last = nn.Linear(6 * 4 * 4, 1)

    def forward(self, images: Tensor, categories: Tensor) -> Tensor:
        label = torch.eye(N_CATEGORIES, dtype=images.dtype)[categories]
        tiled = label[:, :, None, None].expand(-1, -1, *images.shape[2:])
        x = nn.functional.leaky_relu(self.norm(self.first(torch.cat([images, tiled], dim=1))), 0.2)
        judged: Tensor = self.last(x.flatten(1))[:, 0]
        return judged


def started(network: nn.Module, seed: int, scale: float = 0.4) -> nn.Module:
    """Give every parameter and running statistic a value that is not trivial; freeze it."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                value.normal_(0.0, scale, generator=generator)
            if name.endswith("running_var"):
                value.abs_().add_(0.5)
    return network.eval().requires_grad_(False)


def modules(seed: int = 0, dtype: torch.dtype = torch.float32) -> tuple[Drawer, Judge, Preference]:
    """Make G, D and the preference of eq. 9, the last of a real backbone of 16 x 16 pixels."""
    drawer, judge = started(Drawer(), seed), started(Judge(), seed + 1)
    assert isinstance(drawer, Drawer)
    assert isinstance(judge, Judge)
    generator = torch.Generator().manual_seed(seed + 2)
    phi = build_backbone("slim", 4, dropout=0.3, pixels=16, generator=generator)
    rows = torch.randn(N_USERS, 4, generator=generator)
    preference = Preference(phi.to(dtype), rows.to(dtype), precision="float32")
    return drawer.to(dtype), judge.to(dtype), preference


def toy_networks(seed: int = 0, dtype: torch.dtype = torch.float32) -> Networks:
    """Give them as the functions that designing takes."""
    drawer, judge, preference = modules(seed, dtype)
    return Networks(
        generate=drawer,
        judge=judge,
        prefer=preference,
        code_dims=DIMS,
        pixels=PIXELS,
        device=torch.device("cpu"),
    )


def queries(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw so many users and categories."""
    rng = np.random.default_rng(seed)
    return rng.integers(N_USERS, size=n), rng.integers(N_CATEGORIES, size=n)
