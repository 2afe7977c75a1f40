"""The trials of a search as a table, and how its budget reads."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bench.experiment.tuning.record import SearchRecord
from bench.report.layout import DASH, Cell, Column, Notes, Row, Table, joined

__all__ = ["budget", "settings_of", "trials_in_one", "trials_table"]


def budget(note: Mapping[str, Any]) -> str:
    """Say what a search cost, from what a cell's record holds of it: "grid of 21 trials, ..."."""
    n_points, n_trials = note["n_points"], note["n_trials"]
    what = {
        "grid": f"grid of {n_trials} trials",
        "random": f"random search of {n_trials} trials",
        "halving": f"successive halving of {n_points} points in {n_trials} trials",
    }[note["search"]]
    own = "" if note["grid"] is None else f" ({note['grid']})"
    return f"{what}{own}, seed {note['seed']}, {note['seconds']:,.0f} s"


def settings_of(record: SearchRecord) -> str:
    """Write the winner, and what was pinned, as `--set` takes them."""
    settings = {**record.key.pinned, **(record.winner or {})}
    return " ".join(
        f"--set {record.key.recommender}.{name}={_text(value)}" for name, value in settings.items()
    )


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)


def trials_table(record: SearchRecord) -> Table:
    """Lay out every trial of a search, the best first."""
    names = list(record.ranking[0]["values"])
    notes = Notes()
    rows = []
    for rank, trial in enumerate(record.ranking, start=1):
        values = [Cell(_text(trial["values"][name])) for name in names]
        auc = trial["validation_auc"]
        if auc is None:
            result = Cell(DASH, note=notes.number(f"{trial['status']}: {trial['error']}"))
        else:
            result = Cell(f"{auc:.4f}")
        best, run = trial["best_epoch"], trial["epochs"]
        epoch = Cell(DASH if best is None else f"{best} of {run}")
        rows.append(Row((Cell(str(rank)), *values, result, epoch, Cell(f"{trial['seconds']:.1f}"))))
    return Table(
        name=f"trials-{record.key.dataset}-{record.key.recommender}",
        caption=f"Tuning {record.label} on {record.dataset_title}: trials, best first.",
        columns=(
            Column(""),
            *(Column(name) for name in names),
            Column("Validation AUC"),
            Column("Epoch"),
            Column("Seconds"),
        ),
        rows=tuple(rows),
        foot=_foot(record),
        notes=notes.texts(),
        tidy=tuple({**trial["values"], **_result(trial)} for trial in record.ranking),
        facts={"winner": record.note()["winner"], "tuning": record.note()},
    )


def trials_in_one(records: Sequence[SearchRecord]) -> Table:
    """Lay out the trials of several searches for programs: one list, each with its table's name."""
    tables = [trials_table(record) for record in records]
    if len(tables) == 1:
        return tables[0]
    searches = [{"table": table.name, **table.facts} for table in tables]
    return replace(joined("trials", tables), facts={"searches": searches})


def _foot(record: SearchRecord) -> tuple[str, ...]:
    lines = [
        "Validation AUC: mean over users of the share of items outside P, V and T that score lower "
        "than the user's validation item (IV-A); a tie earns nothing; of each fit the best epoch. "
        "Test items were not looked at.",
        f"Tuned on validation: {budget(record.note())}, the times of all fits added up; among "
        "equals the first of the grid wins.",
    ]
    if record.key.search == "halving":
        lines.append(
            "Successive halving: each stage fits the better third of the one before anew, for "
            "three times as many epochs; where a fit diverges or fails, the next point takes its "
            "place; longer fits stand above shorter ones, whatever their AUC."
        )
    if record.key.pinned:
        pinned = ", ".join(f"{name}={value}" for name, value in record.key.pinned.items())
        lines.append(f"Given, not searched: {pinned}.")
    if record.key.protocol.get("drop_repeats"):
        lines.append("Without users whose validation item is one of their training items.")
    if record.winner is None:
        lines.append("Nothing was won: no whole fit came to an end.")
        return tuple(lines)
    won = ", ".join(f"{name}={_text(value)}" for name, value in record.winner.items())
    run = f"bench run --dataset {record.key.dataset} --recommenders {record.key.recommender}"
    lines.append(
        f"Won: {won or 'the only point'}. `{run} {settings_of(record)}` runs it; "
        f"`{run} {_tune_options(record)}` does, too, and its table says what the search cost."
    )
    return tuple(lines)


def _tune_options(record: SearchRecord) -> str:
    """Write the options with which `bench run` finds all trials of the search stored."""
    key = record.key
    words = ["--tune", f"--seed {key.seed}"]
    if record.grid is not None:
        words.append(f"--grid {record.grid}")
    if key.search != "grid":
        words.append(f"--search {key.search}")
    if key.trials is not None:
        words.append(f"--search-trials {key.trials}")
    words += [f"--set {key.recommender}.{name}={value}" for name, value in key.pinned.items()]
    for name in ("patience", "validate_every"):
        # As `RunOptions.protocol` has them: what was not given is told otherwise.
        if isinstance(value := key.protocol.get(name), int):
            words.append(f"--{name.replace('_', '-')} {value}")
    if key.protocol.get("threads", 1) != 1:
        words.append(f"--threads {key.protocol['threads']}")
    if key.protocol.get("drop_repeats"):
        words.append("--drop-repeats")
    if (device := key.protocol.get("device")) is not None:
        words.append(f"--device {device}")
    if not key.deterministic:
        words.append("--no-deterministic")
    return " ".join(words)


def _result(trial: Mapping[str, Any]) -> dict[str, Any]:
    names = ("validation_auc", "epochs", "best_epoch", "budget", "seconds", "status", "error")
    return {name: trial[name] for name in names}
