"""A recommender whose validation AUC follows a hyper-parameter, as a plug-in file for searches."""

import json
from pathlib import Path
from typing import Any

from bench.experiment.store import read_json
from bench.experiment.tuning.record import TrialRecord
from bench.experiment.tuning.store import TuningStore

PLUGIN = '''
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.recommender import FactorRecommender, Factors

HERE = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Params:
    quality: float = 1.0
    noise: int = 0
    epochs: int = 9

    def __post_init__(self):
        if self.epochs < 0:
            raise ValueError("epochs must not be negative")


class Graded(FactorRecommender):
    """Group times quality times epoch, plus noise; each fit leaves a line in fits.txt."""

    name = "graded"
    label = "Graded"
    source = "a test"
    Params = Params
    grid = {"quality": (0.1, 4.0, 1.0), "noise": (0, 1)}

    def factors(self):
        groups = np.eye(3, dtype=np.float32)
        rng = np.random.default_rng([self.params.noise, self.runtime.seed])
        noise = rng.standard_normal(self.n_items).astype(np.float32)
        strength = np.float32(self.params.quality * self._epoch / 9)
        users, items = np.arange(self.n_users) % 3, np.arange(self.n_items) % 3
        return Factors(groups[users] * strength, groups[items], noise)

    def state(self):
        return {"epoch": np.array(self._epoch)}

    def load_state(self, state, dataset):
        self._epoch = int(state["epoch"])

    def _fit(self, dataset, watch):
        with (HERE / "fits.txt").open("a") as file:
            file.write(f"{self.params.quality} {self.params.noise} {os.getpid()}\\n")
        for self._epoch in range(1, self.params.epochs + 1):
            if self._epoch == 3:
                self._misbehave()
            late = 66 <= self.params.quality < 67 and self._epoch > 6
            loss = float("nan") if self.params.quality == 77 or late else 1.0 / self._epoch
            if not watch(self._epoch, loss=loss):
                break

    def _misbehave(self):
        if self.params.quality == 13:
            raise RuntimeError("out of\\nideas")
        if self.params.quality == 99:
            raise KeyboardInterrupt
        if (HERE / "hold").exists():
            try:
                with (HERE / "victim").open("x") as file:
                    file.write(str(os.getpid()))
            except FileExistsError:
                return
            time.sleep(60)
'''


def write_plugin(folder: Path) -> Path:
    """Write the plug-in file; give its path."""
    path = folder / "graded_model.py"
    path.write_text(PLUGIN)
    return path


def fits(folder: Path) -> list[str]:
    """List the fits that were begun: quality and noise of each, in order."""
    log = folder / "fits.txt"
    lines = log.read_text().splitlines() if log.exists() else []
    return [line.rsplit(" ", 1)[0] for line in lines]


def stored_trials(results: Path) -> list[TrialRecord]:
    """Read all trials of a results folder, in the order of their folders' names."""
    paths = sorted(results.glob("tuning/*/*/seed*/trial.json"))
    return [TrialRecord.from_json(read_json(path), where=str(path)) for path in paths]


def numbers(results: Path) -> dict[str, Any]:
    """All that trials say but for times and places, by their folders' names."""
    store = TuningStore(results)
    return {
        store.folder(trial.key).name: (
            *(trial.status, trial.validation_auc, trial.epochs, trial.best_epoch),
            tuple(tuple(epoch.items()) for epoch in trial.history),
        )
        for trial in stored_trials(results)
    }


def winners(results: Path) -> list[Any]:
    paths = sorted(results.rglob("search-*.json"))
    return [(path.name, json.loads(path.read_text())["winner"]) for path in paths]
