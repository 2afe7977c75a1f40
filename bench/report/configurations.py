"""Configurations of a recommender: cells that may be averaged over seeds, and choosing among them.

A configuration is everything of a cell's key that its seeds share: hyper-parameters, version of the
code, determinism, protocol. All are named alike, so that `--set` chooses by any of them:
`vbpr.factors=20`, `vbpr.version=1.0+abc`, `vbpr.protocol.patience=5`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.errors import BenchError, unknown_name
from bench.experiment.record import CellRecord
from bench.experiment.store import StoredCell

__all__ = ["Configuration", "choose", "configurations", "described", "made_at", "remark"]

Settings = Mapping[str, Mapping[str, str]]
"""Recommender to the settings asked for, as text."""

_SHOWN = 4
"""Alternatives that a line names; `bench table 3 --configurations` lists all."""


@dataclass(frozen=True)
class Configuration:
    """Cells of one recommender in one block that differ in their seeds only.

    Attributes
    ----------
    settings
        What they share, by the names that `--set` takes.
    cells
        By seed.
    """

    settings: Mapping[str, Any]
    cells: tuple[StoredCell, ...]

    @property
    def made(self) -> str:
        """When its last cell was made."""
        return max(made_at(cell.record) for cell in self.cells)

    @property
    def finished_seeds(self) -> list[int]:
        """Seeds of the cells that did not fail."""
        return [c.record.key.seed for c in self.cells if c.record.status == "finished"]


def made_at(record: CellRecord) -> str:
    """Say when a cell was finished, as text that sorts by time."""
    # ISO times of one zone sort as text; a record without one counts as oldest.
    return str(record.provenance.get("finished_at", ""))


def configurations(cells: Iterable[StoredCell]) -> list[Configuration]:
    """Sort cells of one recommender into configurations; the one to show comes first.

    That is the one made last among those with a finished cell.
    """
    groups: dict[str, list[StoredCell]] = {}
    for cell in cells:
        text = json.dumps(_settings(cell.record), sort_keys=True)
        groups.setdefault(text, []).append(cell)
    found = [
        Configuration(
            _settings(group[0].record),
            tuple(sorted(group, key=lambda cell: cell.record.key.seed)),
        )
        for group in groups.values()
    ]
    return sorted(found, key=lambda c: (bool(c.finished_seeds), c.made), reverse=True)


def choose(cells: Sequence[StoredCell], wanted: Settings) -> list[StoredCell]:
    """Keep of each recommender in `wanted` the cells with these settings, and all others' cells.

    Raises
    ------
    BenchError
        No cell of that recommender, no setting of that name, or no cell with that value: the
        message says what there is.
    """
    kept = list(cells)
    for name, settings in wanted.items():
        mine = [cell for cell in cells if cell.record.key.recommender == name]
        if not mine:
            stored = {cell.record.key.recommender for cell in cells}
            raise unknown_name("stored recommender", name, stored, see="bench table 3")
        found = configurations(mine)
        known = {setting for one in found for setting in one.settings}
        for setting in settings:
            if setting not in known:
                raise unknown_name(
                    f"setting of {name}", setting, known, see="bench table 3 --configurations"
                )
        fitting = [c for c in mine if _fits(_settings(c.record), settings)]
        if not fitting:
            asked = " ".join(f"{setting}={text}" for setting, text in settings.items())
            raise BenchError(
                f"no stored cell of {name} has {asked}; there is {_list(found, found)}"
            )
        kept = [c for c in kept if c.record.key.recommender != name or c in fitting]
    return kept


def _differing(found: Sequence[Configuration]) -> list[str]:
    """Name the settings that configurations of one recommender do not share."""
    names = sorted({name for one in found for name in one.settings})
    first = found[0].settings
    return [n for n in names if any(one.settings.get(n) != first.get(n) for one in found)]


def described(one: Configuration, among: Sequence[Configuration]) -> str:
    """Describe a configuration by what tells it from others: "factors=20, epochs=5"."""
    return ", ".join(f"{name}={one.settings.get(name)}" for name in _differing(among))


def remark(label: str, found: Sequence[Configuration]) -> str | None:
    """Say which of several configurations is shown, what else there is, and how to choose."""
    if len(found) == 1:
        return None
    shown, *others = found
    later = "" if shown.made == max(c.made for c in found) else "; a later one has no finished cell"
    recommender = shown.cells[0].record.key.recommender
    name = _differing(found)[0]
    return (
        f"{label}: {len(found)} configurations are stored; shown is the one made last "
        f"({described(shown, found)}){later}. There is also {_list(others, found)}; choose with "
        f"--set {recommender}.{name}={others[0].settings.get(name)}."
    )


def _list(some: Sequence[Configuration], among: Sequence[Configuration]) -> str:
    if len(among) == 1:
        settings = some[0].settings
        params = [f"{k}={v}" for k, v in settings.items() if not k.startswith("protocol.")]
        return ", ".join(params)
    texts = [described(one, among) for one in some[:_SHOWN]]
    more = len(some) - _SHOWN
    if more > 0:
        texts.append(f"{more} more (bench table 3 --configurations)")
    return "; ".join(texts)


def _settings(record: CellRecord) -> dict[str, Any]:
    """Everything of a key that two seeds of one configuration share."""
    key = record.key
    return {
        **key.params,
        "version": key.recommender_version,
        "deterministic": key.deterministic,
        **{f"protocol.{name}": value for name, value in key.protocol.items()},
    }


def _fits(settings: Mapping[str, Any], wanted: Mapping[str, str]) -> bool:
    return all(name in settings and _equals(settings[name], text) for name, text in wanted.items())


def _equals(stored: Any, text: str) -> bool:
    """Compare a stored value with text as `bench run --set` reads it."""
    if isinstance(stored, bool) or stored is None:
        return str(stored).lower() == text.lower()
    if isinstance(stored, int | float):
        try:
            return float(text) == stored
        except ValueError:
            return False
    return text in (str(stored), json.dumps(stored))
