"""Weights drawn at random for the Inception network, and what torch-fidelity's computes with them.

`dvbpr/inception_reference.npz` came with the network (25 November 2026). The same day this script
made it again, equal to the last bit: torch-fidelity 0.4.0 from the package index, unpacked beside
PyTorch 2.13.0 on a CPU, without torchvision. `python tests/inception_reference.py` makes it where
`torch_fidelity` can be found. The weights are random: with the published ones it was never made.
"""

from pathlib import Path

import numpy as np
import torch

from bench.rng import child_generator
from dvbpr.inception import InceptionNet

STORED = Path(__file__).parent / "dvbpr" / "inception_reference.npz"
SIZES = ((64, 64), (40, 310))
"""Heights and widths of the images: enlarged, and one reduced along one side."""


def images() -> list[torch.Tensor]:
    """Smooth blocks with noise, uint8 (1, 3, H, W) each."""
    made = []
    for height, width in SIZES:
        rng = child_generator(0, "inception", "image", height, width)
        blocks = rng.integers(0, 200, (3, height // 8, width // 8 + 1)).repeat(8, 1).repeat(8, 2)
        noise = rng.integers(0, 56, (3, height, width))
        made.append(torch.from_numpy((blocks[:, :, :width] + noise).astype(np.uint8))[None])
    return made


def random_weights(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Weights that keep the activations' size, each tensor drawn by its own name."""
    state = {}
    for name, tensor in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        draws = child_generator(0, "inception", name).random(tuple(tensor.shape), np.float32)
        kind = name.rpartition(".")[2]
        if tensor.ndim > 1:
            reach = np.float32((6 / tensor[0].numel()) ** 0.5)
            value = (2 * draws - 1) * reach
        elif kind in ("weight", "running_var"):
            value = 0.5 + draws
        else:
            value = 0.4 * draws - 0.2
        state[name] = torch.from_numpy(value)
    return state


def _record() -> None:
    # The package's own __init__ wants torchvision, which this part does not need.
    import importlib.util
    import sys
    import tempfile
    import types

    spec = importlib.util.find_spec("torch_fidelity")
    package = types.ModuleType("torch_fidelity")
    package.__path__ = list(spec.submodule_search_locations)
    sys.modules["torch_fidelity"] = package
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    with tempfile.NamedTemporaryFile(suffix=".pth") as file:
        torch.save(random_weights(InceptionNet()), file.name)
        network = FeatureExtractorInceptionV3(
            "reference", ["2048", "logits_unbiased"], feature_extractor_weights_path=file.name
        )
    with torch.inference_mode():
        computed = [network(batch) for batch in images()]
    np.savez_compressed(
        STORED,
        features=np.concatenate([pair[0].numpy() for pair in computed]),
        logits=np.concatenate([pair[1].numpy() for pair in computed]),
    )


if __name__ == "__main__":
    _record()
