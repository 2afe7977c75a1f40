"""What was trained once and is wanted again: kept in a folder, taken from it while it is whole.

<folder>/weights.npz    arrays by name
        /report.json    what is told of them, and the hash of both
"""

import hashlib
import io
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.errors import one_line
from bench.files import atomic_folder, one_at_a_time

__all__ = ["Trained", "recall_or_train"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """A network's weights and what is told of them.

    Attributes
    ----------
    weights
        Arrays by name.
    report
        What JSON holds.
    """

    weights: Mapping[str, npt.NDArray[Any]]
    report: Mapping[str, Any]


def recall_or_train(folder: Path | None, train: Callable[[], Trained], *, what: str) -> Trained:
    """Give what `folder` keeps, or train it and keep it there.

    Of several processes that want the same folder one trains and the others wait.

    Parameters
    ----------
    folder
        Named after everything that moves a weight; None: nothing is kept.
    train
        Does the work.
    what
        As messages name it: "the classifier".

    Raises
    ------
    BenchError
        The folder cannot be written; or what `train` raises.
    """
    if folder is None:
        return train()
    lock = folder.with_name(f"{folder.name}.lock")
    with one_at_a_time(lock, f"{what} is being trained"):
        found = _stored(folder, what)
        if found is None:
            found = train()
            _store(folder, found)
    return found


def _store(folder: Path, trained: Trained) -> None:
    report = dict(trained.report)
    with atomic_folder(folder) as temporary:
        np.savez(temporary / "weights.npz", **trained.weights)  # type: ignore[arg-type]  # names
        digest = _digest((temporary / "weights.npz").read_bytes(), report)
        text = json.dumps({"sha256": digest, "report": report}, allow_nan=False)
        (temporary / "report.json").write_text(text, encoding="utf-8")


def _stored(folder: Path, what: str) -> Trained | None:
    """Give what an earlier call stored, if it is whole."""
    if not folder.is_dir():
        return None
    try:
        content = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        whole = (folder / "weights.npz").read_bytes()
        if _digest(whole, content["report"]) != content["sha256"]:
            raise ValueError("weights and report do not match their hash")
        with np.load(io.BytesIO(whole), allow_pickle=False) as stored:
            return Trained(dict(stored.items()), content["report"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        _log.warning("%s: %s; training %s again", folder, one_line(error), what)
        return None


def _digest(weights: bytes, report: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(weights)
    digest.update(json.dumps(report, sort_keys=True).encode())
    return digest.hexdigest()
