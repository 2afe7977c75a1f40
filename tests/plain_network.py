"""A network without normalisation: how its images are split changes nothing but rounding."""

import torch
from torch import Tensor, nn

from dvbpr.backbones import Backbone, Dropout


class Plain(Backbone):
    """Two convolutions of stride 2, a layer, K outputs."""

    feature_dims = 32

    def __init__(self, factors: int, *, dropout: float = 0.0, pixels: int = 32) -> None:
        super().__init__()
        self.pixels = pixels
        self.convolutions = nn.ModuleList(
            [nn.Conv2d(3, 8, 5, stride=2, padding=2), nn.Conv2d(8, 16, 3, stride=2, padding=1)]
        )
        side = -(-pixels // 4)
        self.full = nn.Linear(side * side * 16, self.feature_dims)
        self.drop = Dropout(self.feature_dims, dropout)
        self.last = nn.Linear(self.feature_dims, factors)

    def features(self, images: Tensor) -> Tensor:
        x = images
        for convolution in self.convolutions:
            x = torch.relu(convolution(x))
        dropped: Tensor = self.drop(torch.relu(self.full(x.flatten(1))))
        return dropped
