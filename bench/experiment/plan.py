"""What is to be run: options, and the cells they unfold into."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.datasets.dataset import Dataset
from bench.device import available_threads, resolve_device
from bench.distributed import world_size
from bench.errors import BenchError
from bench.experiment.provenance import recommender_version
from bench.experiment.record import CellKey
from bench.recommender import Recommender, Runtime, parse_params
from bench.registry import Registry

__all__ = ["Cell", "RunOptions", "parse_settings", "plan_cells"]

COLD_BELOW = 5
"""An item is cold with fewer training interactions than this (section IV-C)."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How cells are run.

    Attributes
    ----------
    seeds
        Root seeds, one cell each.
    device
        `auto`, `cpu`, `cuda` or `cuda:N`.
    threads
        Processor threads.
    deterministic
        Libraries that race between threads get one.
    patience
        Validations without a new best before a fit stops; 0 never stops early.
    validate_every
        Epochs between validations; None validates about fifty times in a full fit.
    sampled
        None ranks against the whole catalogue; a number ranks against so many random items, as
        the authors' released code does with 100.
    checkpoint_seconds
        Least time between two checkpoints of a fit that can be resumed.
    force
        Run finished cells again.
    """

    seeds: tuple[int, ...] = (0,)
    device: str = "auto"
    threads: int = field(default_factory=available_threads)
    deterministic: bool = True
    patience: int = 10
    validate_every: int | None = None
    sampled: int | None = None
    checkpoint_seconds: float = 60.0
    force: bool = False

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise BenchError(f"seeds must be given and differ, got {list(self.seeds)}")
        if min(self.seeds) < 0:
            raise BenchError(f"seeds must not be negative, got {min(self.seeds)}")
        if self.threads < 1:
            raise BenchError(f"--threads must be at least 1, got {self.threads}")
        if self.patience < 0:
            raise BenchError(f"--patience must be 0 or more, got {self.patience}")
        for name in ("validate_every", "sampled"):
            value = getattr(self, name)
            if value is not None and value < 1:
                option = name.replace("_", "-")
                raise BenchError(f"--{option} must be at least 1, got {value}")

    def protocol(self) -> dict[str, Any]:
        """Give the settings that move a number, for the cell's key."""
        settings: dict[str, Any] = {
            "device": str(resolve_device(self.device).type),
            "threads": self.threads,
            "patience": self.patience,
            "validate_every": self.validate_every,
            "sampled": self.sampled,
        }
        # Only where there are several, so that the cells of one process keep their names.
        return settings if world_size() == 1 else settings | {"processes": world_size()}

    def epochs_between_validations(self, max_epochs: int | None) -> int:
        """Say after how many epochs a fit is validated."""
        if self.validate_every is not None:
            return self.validate_every
        return max(1, -(-(max_epochs or 1) // 50))


@dataclass(frozen=True)
class Cell:
    """One recommender with its hyper-parameters on one data set with one seed."""

    key: CellKey
    recommender: type[Recommender]
    params: Any
    runtime: Runtime


def parse_settings(texts: Sequence[str]) -> dict[str, dict[str, str]]:
    """Read `NAME.PARAMETER=VALUE` settings into one mapping per recommender.

    Raises
    ------
    BenchError
        A text of another form, or a parameter given twice.
    """
    settings: dict[str, dict[str, str]] = {}
    for text in texts:
        left, equals, value = text.partition("=")
        name, dot, parameter = left.partition(".")
        if not (equals and dot and name and parameter):
            raise BenchError(
                f"--set {text!r}: write NAME.PARAMETER=VALUE, for example vbpr.factors=20"
            )
        if parameter in settings.setdefault(name, {}):
            raise BenchError(f"--set {left} is given twice")
        settings[name][parameter] = value
    return settings


def plan_cells(
    dataset: Dataset,
    names: Sequence[str],
    registry: Registry,
    options: RunOptions,
    settings: Mapping[str, Mapping[str, str]],
) -> list[Cell]:
    """Unfold recommenders and seeds into cells.

    Raises
    ------
    BenchError
        An unknown recommender or hyper-parameter, or settings for one that is not run.
    """
    for name in settings:
        if name not in names:
            registry.recommender(name)  # an unknown name gets its own message
            raise BenchError(f"--set {name}.…: {name} is not among the recommenders of this run")
    cells = []
    for name in names:
        recommender = registry.recommender(name)
        asked = parse_params(recommender, settings.get(name, {}))
        version = recommender_version(recommender)
        for seed in options.seeds:
            runtime = Runtime(
                seed=seed,
                device=options.device,
                threads=options.threads,
                deterministic=options.deterministic,
            )
            params = recommender.settled(asked, runtime)
            key = CellKey(
                dataset=dataset.name,
                data_hash=dataset.data_hash,
                split_hash=dataset.split_hash,
                recommender=name,
                recommender_version=version,
                params=dataclasses.asdict(params),
                seed=seed,
                deterministic=options.deterministic,
                protocol=options.protocol(),
            )
            cells.append(Cell(key, recommender, params, runtime))
    return cells
