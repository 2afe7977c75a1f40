"""The record of Table IV's experiment: what was asked, what was made, what the judge made of it."""

import dataclasses
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from bench.errors import BenchError

__all__ = [
    "GENERATION_SCHEMA_VERSION",
    "SOURCES",
    "DesignsRecord",
    "GenerationKey",
    "Judged",
    "Source",
]

GENERATION_SCHEMA_VERSION = 1

Source = Literal["real", "generated", "retrieved", "designed"]

SOURCES: tuple[Source, ...] = ("real", "generated", "retrieved", "designed")
"""The rows of Table IV: X_c, G(·, c), delta(u, c) of eq. 8, delta-hat(u, c) of eq. 9 to 11."""


@dataclass(frozen=True, kw_only=True)
class GenerationKey:
    """What identifies a set of designs: change any of these and it is another.

    Attributes
    ----------
    dataset, data_hash, split_hash
        The data set by name and by content.
    recommender, recommender_cell
        Its registered name, and the hash of the key of the fit that gave the preferences.
    generator, generator_cell
        The same of the generator.
    options
        Every number of `GenerationOptions` that makes images, settled.
    seed
        Root seed of trials, samples and starts.
    device, threads
        Type of device and number of threads: they move the last bits.
    version
        Of the code that asks and draws.
    """

    dataset: str
    data_hash: str
    split_hash: str
    recommender: str
    recommender_cell: str
    generator: str
    generator_cell: str
    options: Mapping[str, Any]
    seed: int
    device: str
    threads: int
    version: str


@dataclass(frozen=True, kw_only=True)
class DesignsRecord:
    """A set of designs, as designs.json holds it; the images lie beside it.

    Attributes
    ----------
    key
        What it is.
    dataset_title, dataset_facts
        The data set's name in tables; its counts of users, items and categories.
    category_names
        In the order of their numbers.
    recommender_label, generator_label
        Names in tables and figures.
    models
        Hyper-parameters of both and how well the recommender ranks: what a foot says of them.
    pixels
        Side of the images.
    trials, eta_trials
        How many there are; fewer than asked for where too few users can be asked.
    seconds
        Wall time by stage; of an experiment that was resumed, the time since then.
    provenance
        Versions, git state, hardware, time of day.
    """

    schema_version: int = GENERATION_SCHEMA_VERSION
    key: GenerationKey
    dataset_title: str
    dataset_facts: Mapping[str, Any]
    category_names: tuple[str, ...]
    recommender_label: str
    generator_label: str
    models: Mapping[str, Any]
    pixels: int
    trials: int
    eta_trials: int
    seconds: Mapping[str, float]
    provenance: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Give the record as plain containers."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Any, *, where: str) -> Self:
        """Read what `to_json` gave.

        Raises
        ------
        BenchError
            Another schema version, or not such a record at all.
        """
        fields = _checked(cls, value, where)
        try:
            fields["key"] = GenerationKey(**fields["key"])
            fields["category_names"] = tuple(fields["category_names"])
            return cls(**fields)
        except TypeError as error:
            raise BenchError(f"{where}: not a record of designs ({error}); remove it") from None


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The numbers of a set of designs by one judge.

    Attributes
    ----------
    judge
        Its registered name.
    facts
        `bench.judge.JudgeFacts`: network, hash of its weights, preprocessing, score label.
    options
        Splits and SSIM settings.
    sources
        By source: `preference`, `quality`, `diversity`, `frechet`, `kernel`, `agreement` and
        `utility`; each a mapping that says on how many images or trials it rests, or None where it
        cannot be had. `utility` is read off the pixels; of real items `on_record` is the truth.
    improvement
        Of the designed over the retrieved images, by measure: `difference` with `ci_low` and
        `ci_high` over trials where the measure has a value per trial, and `percent`.
    etas
        Figure 3: for each eta its `preference`, `quality` and `diversity`, over the first
        `eta_trials` trials; and the same of the retrieved images, with `eta` None.
    neighbours
        Distances to the nearest real image: of `generated` and of `real` images; how far their
        medians are apart, `median_difference`, and the share of generated ones that are `near`.
    agreement
        Facts of the classifier that says which category it sees; None without one.
    reader
        Facts of the independent reader of the true utility; None where none is known.
    version, seconds, provenance
        Of the measuring.
    """

    schema_version: int = GENERATION_SCHEMA_VERSION
    judge: str
    facts: Mapping[str, Any]
    options: Mapping[str, Any]
    sources: Mapping[str, Mapping[str, Any]]
    improvement: Mapping[str, Mapping[str, Any]]
    etas: tuple[Mapping[str, Any], ...]
    neighbours: Mapping[str, Any]
    agreement: Mapping[str, Any] | None
    reader: Mapping[str, Any] | None
    version: str
    seconds: float
    provenance: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Give the record as plain containers."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Any, *, where: str) -> Self:
        """Read what `to_json` gave.

        Raises
        ------
        BenchError
            Another schema version, or not such a record at all.
        """
        fields = _checked(cls, value, where)
        try:
            fields["etas"] = tuple(fields["etas"])
            return cls(**fields)
        except TypeError as error:
            raise BenchError(f"{where}: not a judgement ({error}); remove it") from None


def _checked(kind: type[Any], value: Any, where: str) -> dict[str, Any]:
    version = value.get("schema_version") if isinstance(value, dict) else None
    if version != GENERATION_SCHEMA_VERSION:
        raise BenchError(
            f"{where}: schema version {version!r}, this suite reads {GENERATION_SCHEMA_VERSION}; "
            "remove the folder or use the matching version"
        )
    missing = [f.name for f in dataclasses.fields(kind) if f.name not in value]
    if missing:
        raise BenchError(f"{where}: {', '.join(missing)} missing; remove the folder")
    return dict(value)
