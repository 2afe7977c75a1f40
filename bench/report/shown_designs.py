"""Which of the stored sets of designs a table or a figure shows."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from bench.errors import BenchError, unknown_name
from bench.experiment.generation.record import DesignsRecord, Judged
from bench.experiment.generation.store import StoredDesigns

__all__ = ["SOURCE_NAMES", "Shown", "choose_designs"]

SOURCE_NAMES = {
    "real": "X_c",
    "generated": "G(·, c)",
    "retrieved": "δ(u, c)",
    "designed": "δ\u0302(u, c)",
}
"""The sources of Table IV, as the paper prints them."""


@dataclass(frozen=True)
class Shown:
    """A set of designs as a table or a figure shows it.

    Attributes
    ----------
    stored
        Record and images.
    judged
        Numbers by judge.
    others
        How many more sets there are for the same data.
    """

    stored: StoredDesigns
    judged: Mapping[str, Judged]
    others: int

    @property
    def record(self) -> DesignsRecord:
        """Its record."""
        return self.stored.record


def choose_designs(
    stored: Iterable[StoredDesigns], settings: Mapping[str, str] | None = None
) -> list[Shown]:
    """Pick one set of designs per data set and split: the one made last of those that fit.

    Parameters
    ----------
    stored
        What the store holds.
    settings
        What the set must have, as text: an option of the experiment, `seed`, `recommender` or
        `generator`.

    Raises
    ------
    BenchError
        There is none, none fits, or no set has a setting of that name.
    """
    every = list(stored)
    if not every:
        raise BenchError("no designs are stored; `bench run` makes them, after its fits")
    wanted = dict(settings or {})
    known = {name for one in every for name in _settings(one.record)}
    for name in wanted:
        if name not in known:
            raise unknown_name("setting of design", name, known, see="bench table 4 --format json")
    groups: dict[tuple[str, str, str], list[StoredDesigns]] = {}
    for one in every:
        if all(_equals(_settings(one.record).get(name), text) for name, text in wanted.items()):
            key = one.record.key
            groups.setdefault((key.dataset, key.data_hash, key.split_hash), []).append(one)
    if not groups:
        asked = ", ".join(f"{name}={text}" for name, text in wanted.items())
        options = {name for one in every for name in one.record.key.options}
        how = "".join(f" --set design.{k}={text}" for k, text in wanted.items() if k in options)
        raise BenchError(f"no stored designs have {asked}; `bench run{how}` makes them")
    shown = []
    for group in groups.values():
        newest = max(group, key=lambda one: str(one.record.provenance.get("finished_at", "")))
        shown.append(Shown(newest, newest.judged(), len(group) - 1))
    return shown


def _settings(record: DesignsRecord) -> dict[str, Any]:
    """Everything that one set of designs can be chosen by."""
    key = asdict(record.key)
    options = key.pop("options")
    return {**options, **key}


def _equals(stored: Any, text: str) -> bool:
    if isinstance(stored, int | float) and not isinstance(stored, bool):
        try:
            return float(text) == stored
        except ValueError:
            return False
    return text in (str(stored), json.dumps(stored))
