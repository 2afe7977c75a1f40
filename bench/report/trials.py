"""The trials of a search as a table, and how its budget reads."""

from collections.abc import Mapping
from typing import Any

from bench.experiment.tuning.record import SearchRecord
from bench.report.layout import DASH, Cell, Column, Notes, Row, Table

__all__ = ["budget", "settings_of", "trials_table"]


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
    settings = {**record.key.pinned, **record.winner}
    return " ".join(
        f"--set {record.key.recommender}.{name}={_text(value)}" for name, value in settings.items()
    )


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)


def trials_table(record: SearchRecord) -> Table:
    """Lay out every trial of a search, the best first."""
    names = list(record.winner)
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
        name=f"trials-{record.key.recommender}",
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
        facts={"winner": dict(record.winner), "tuning": record.note()},
    )


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
            "Successive halving: the better third of the points goes on with three times as many "
            "epochs; longer fits stand above shorter ones, whatever their AUC."
        )
    if record.key.pinned:
        pinned = ", ".join(f"{name}={value}" for name, value in record.key.pinned.items())
        lines.append(f"Given, not searched: {pinned}.")
    won = ", ".join(f"{name}={_text(value)}" for name, value in record.winner.items())
    lines.append(
        f"Won: {won or 'the only point'}. `bench run --recommenders {record.key.recommender} "
        f"{settings_of(record)}` runs it."
    )
    return tuple(lines)


def _result(trial: Mapping[str, Any]) -> dict[str, Any]:
    names = ("validation_auc", "epochs", "best_epoch", "budget", "seconds", "status", "error")
    return {name: trial[name] for name in names}
