"""CNN-F (Chatfield et al. 2014) as section III-A changes it: K outputs instead of 1,000.

    conv1   64 x 11 x 11, stride 4    2 x 2 pool
    conv2  256 x  5 x  5, padding 2   2 x 2 pool
    conv3  256 x  3 x  3, padding 1
    conv4  256 x  3 x  3, padding 1
    conv5  256 x  3 x  3, padding 1   2 x 2 pool
    full6  4,096, dropout
    full7  4,096, dropout
    full8  K

Rectifiers follow all layers but the last; the local response normalisation of the original is left
out, as in the released code. For conv1 and the pools the paper and that code differ: padding 0
there (54, 27, 13, 6 pixels a side), the same size before and after padding in the code
(56, 28, 14, 7).
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.errors import BenchError
from dvbpr.backbones import Backbone, Dropout

__all__ = ["CnnF", "Conv1"]

Conv1 = Literal["paper", "release"]


class CnnF(Backbone):
    """The paper's network.

    Parameters
    ----------
    factors
        Number of outputs K.
    dropout
        Rate after full6 and full7.
    conv1
        "paper": conv1 without padding; "release": padded like TensorFlow's SAME, 3 rows above and
        4 below, 3 columns left and 4 right.
    pixels
        Side of the images; 224 in the paper.

    Raises
    ------
    BenchError
        The images are too small for the pools to leave anything.
    """

    feature_dims = 4096

    def __init__(
        self, factors: int, *, dropout: float = 0.5, conv1: Conv1 = "paper", pixels: int = 224
    ) -> None:
        super().__init__()
        self.pixels = pixels
        # SAME: as many outputs as the stride has room for, what is missing shared by both sides.
        missing = max((-(-pixels // 4) - 1) * 4 + 11 - pixels, 0) if conv1 == "release" else 0
        before, after = missing // 2, missing - missing // 2
        self._padding = (before, after, before, after)
        side = ((pixels + missing - 11) // 4 + 1) // 8
        if side < 1:
            raise BenchError(f"cnn-f needs images of 39 pixels or more, got {pixels}")
        self.conv1 = nn.Conv2d(3, 64, 11, stride=4)
        self.conv2 = nn.Conv2d(64, 256, 5, padding=2)
        self.conv3 = nn.Conv2d(256, 256, 3, padding=1)
        self.conv4 = nn.Conv2d(256, 256, 3, padding=1)
        self.conv5 = nn.Conv2d(256, 256, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.full6 = nn.Linear(side * side * 256, 4096)
        self.drop6 = Dropout(4096, dropout)
        self.full7 = nn.Linear(4096, 4096)
        self.drop7 = Dropout(4096, dropout)
        self.last = nn.Linear(4096, factors)  # full8

    def features(self, images: Tensor) -> Tensor:
        """Give full7 behind its rectifier (and dropout, in training); see `Backbone.features`."""
        x = functional.pad(images, self._padding) if any(self._padding) else images
        # A rectifier and a maximum commute; the pool first leaves it a quarter of the work.
        x = torch.relu(self.pool(self.conv1(x)))
        x = torch.relu(self.pool(self.conv2(x)))
        x = torch.relu(self.conv3(x))
        x = torch.relu(self.conv4(x))
        x = torch.relu(self.pool(self.conv5(x)))
        x = self.drop6(torch.relu(self.full6(x.flatten(1))))
        dropped: Tensor = self.drop7(torch.relu(self.full7(x)))
        return dropped
