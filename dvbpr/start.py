"""Where the network's weights come from: chance, a classifier's training, or a saved model."""

import logging
import zipfile
from pathlib import Path

import numpy as np

from bench.datasets.dataset import TrainingSet
from bench.errors import BenchError, user_io_errors
from bench.recommender import Runtime, State
from dvbpr.backbones import Backbone
from dvbpr.classifier import pretrain
from dvbpr.presets import Settings
from dvbpr.weights import load_network, network_state, start_network

__all__ = ["starting_network"]

_log = logging.getLogger(__name__)


def starting_network(
    dataset: TrainingSet, settings: Settings, runtime: Runtime, *, resumed: bool
) -> Backbone:
    """Make the network as `settings.start` says.

    Parameters
    ----------
    dataset
        What a classifier is trained on, if it is.
    settings, runtime
        Those of the fit.
    resumed
        The weights are about to be replaced by a checkpoint's: no work is spent on them.

    Raises
    ------
    BenchError
        A classifier is asked for without categories; a file is no saved model of this network.
    """
    network = start_network(settings, runtime.seed)
    if settings.start == "random" or resumed:
        return network
    if settings.start == "classifier":
        learnt = pretrain(dataset, settings.backbone, runtime=runtime, pixels=settings.pixels)
        learnt.start(network)
        _log.info("dvbpr starts from a classifier: %s", learnt.report)
    else:
        _take_over(network, _read(Path(settings.start)), where=settings.start)
    return network


def _take_over(network: Backbone, start: State, *, where: str) -> None:
    """Copy all layers but the last, whose outputs mean something else."""
    own = network_state(network)
    kept = {name for name in own if name.startswith("last.")}
    for name, value in own.items():
        if name in kept:
            continue
        if name not in start or start[name].shape != value.shape:
            raise BenchError(
                f"{where}: not the weights of this network: {name} must have shape {value.shape}"
            )
    load_network(network, {name: own[name] if name in kept else start[name] for name in own})


def _read(path: Path) -> State:
    try:
        with user_io_errors("read weights", path), np.load(path, allow_pickle=False) as stored:
            return {
                name.removeprefix("network."): stored[name]
                for name in stored.files
                if name.startswith("network.")
            }
    except (ValueError, OSError, EOFError, AttributeError, zipfile.BadZipFile):
        raise BenchError(
            f"{path}: not a saved model (give the state.npz of a cell of dvbpr)"
        ) from None
