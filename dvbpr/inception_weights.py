"""The published weights of the Inception network: a file of the user's, or a download on demand.

Another file's weights (torchvision's, for one) give other scores and are refused: a file is told by
its hash before anything in it is interpreted.
"""

import hashlib
import io
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from bench.datasets.download import fetch_file
from bench.datasets.fetch import DOWNLOADS
from bench.datasets.hosts import PublishedFile
from bench.datasets.licence import show_licence_once
from bench.errors import BenchError, user_io_errors
from dvbpr.inception import InceptionNet

__all__ = ["WEIGHTS", "load_inception", "locate_weights"]

WEIGHTS = PublishedFile(
    name="weights-inception-2015-12-05-6726825d.pth",
    folder_url="https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/",
    approximate_bytes=95_628_359,
    licence=(
        "The weights are Google's Inception of 2015-12-05, converted by the authors of pytorch-fid "
        "and torch-fidelity; Apache License 2.0."
    ),
    size=95_628_359,
    sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
)
"""Size and hash as those record them in public repositories who downloaded it; the hash begins with
the digits in the name."""


def locate_weights(weights: str, data_dir: Path) -> Path:
    """Give the path of the weights, after a download if that was asked for.

    Parameters
    ----------
    weights
        A file; or "download" for the published address, or a mirror's http or https address.
    data_dir
        Folder of the data sets, in whose `downloads` a download stays. It goes on where it was cut
        off, and is there once for all.

    Raises
    ------
    BenchError
        The file cannot be had, or is not the published one.
    """
    if weights != "download" and not weights.startswith(("http://", "https://")):
        return Path(weights)
    show_licence_once(data_dir, WEIGHTS.licence)
    url = None if weights == "download" else weights
    return fetch_file(WEIGHTS, data_dir / DOWNLOADS, url=url).path


def load_inception(
    path: Path, *, size: int | None = WEIGHTS.size, sha256: str | None = WEIGHTS.sha256
) -> InceptionNet:
    """Load the network with a file's weights.

    Parameters
    ----------
    path
        The published file, under any name.
    size, sha256
        What the file must be, by default the published one: other weights give other scores.

    Raises
    ------
    BenchError
        The file cannot be read, is another one, or does not hold this network's weights.
    """
    content = _checked(path, size, sha256)
    with torch.random.fork_rng(devices=[]):  # its start is drawn and thrown away
        network = InceptionNet()
    state = _unpickled(path, content)
    own = network.state_dict()
    counters = {name for name in own if name.endswith("num_batches_tracked")}
    wanted = own.keys() - counters
    found = {name for name in state if not name.endswith("num_batches_tracked")}
    flaw = ""
    if missing := sorted(wanted - found):
        flaw = f"{missing[0]} is missing{_and_more(missing)}"
    elif unknown := sorted(found - wanted):
        flaw = f"{unknown[0]} belongs to another network{_and_more(unknown)}"
    else:
        flaw = _first_flaw((name, own[name], state[name]) for name in own if name in wanted)
    if flaw:
        raise BenchError(f"{path} does not hold the weights of the Inception network: {flaw}")
    network.load_state_dict({name: state[name] for name in wanted}, strict=False)
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    return network


def _checked(path: Path, size: int | None, sha256: str | None) -> bytes:
    """Read a file and see that it is the expected one; nothing of another is interpreted."""
    remedy = f"give {WEIGHTS.name} as published at {WEIGHTS.folder_url}"
    with user_io_errors("read the Inception weights", path):
        n_bytes = path.stat().st_size
        if size is not None and n_bytes != size:
            kind = "cut off" if n_bytes < size else "another file"
            raise BenchError(
                f"{path} is {kind}: it has {n_bytes:,} bytes, the Inception weights {size:,}; "
                f"{remedy}"
            )
        content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if sha256 is not None and digest != sha256:
        raise BenchError(
            f"{path} does not hold the published Inception weights: its SHA-256 begins with "
            f"{digest[:8]}, expected is {sha256[:8]}; {remedy}"
        )
    return content


def _unpickled(path: Path, content: bytes) -> dict[str, Tensor]:
    try:
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    # A damaged file makes the reader raise what it pleases; whichever it is, these are no weights.
    except Exception:
        raise BenchError(f"{path} is no file of PyTorch weights") from None
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()
    ):
        raise BenchError(f"{path} holds no weights by name")
    return state


def _first_flaw(entries: Iterable[tuple[str, Tensor, Tensor]]) -> str:
    for name, own, given in entries:
        if given.shape != own.shape or given.dtype != own.dtype:
            return (
                f"{name} is {given.dtype} {tuple(given.shape)}, "
                f"expected is {own.dtype} {tuple(own.shape)}"
            )
        if not bool(torch.isfinite(given).all()):
            return f"{name} has values that are not finite"
    return ""


def _and_more(names: list[str]) -> str:
    return f", and {len(names) - 1} more" if len(names) > 1 else ""
