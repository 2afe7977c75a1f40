"""Table IV: preference, quality and diversity of real, random, retrieved and designed images."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from bench.errors import BenchError
from bench.experiment.generation.record import SOURCES, DesignsRecord
from bench.report.layout import DASH, Cell, Column, Notes, Row, Table
from bench.report.published import OTHER_ITEM_SET, DesignRow, Published, load_published
from bench.report.shown_designs import SOURCE_NAMES, Shown
from bench.report.table4_foot import table4_foot

__all__ = ["table4"]

PAPER_DATASET = "amazon_fashion"
"""The data set of the paper's Table IV: six categories of men's and women's garments."""

PAPER_JUDGE = "inception"

_COUNTS = ("n_trials", "n_images", "n", "subset_size")
"""What a value may rest on, the first of them that it has."""

_GROUPS = {
    "real": "Random Methods",
    "generated": "Random Methods",
    "retrieved": "Personalized Methods",
    "designed": "Personalized Methods",
}


def table4(shown: Sequence[Shown], *, ci: bool = False) -> Table:
    """Lay Table IV out: four rows per data set, the paper's rows below them.

    Quality and distances have a column for each judge that judged; two judges never share one.

    Parameters
    ----------
    shown
        Sets of designs that are judged.
    ci
        Put the 95 % bootstrap interval over trials under each improvement.

    Raises
    ------
    BenchError
        Nothing is judged.
    """
    judged = [one for one in shown if one.judged]
    if not judged:
        raise BenchError("the stored designs are not judged; `bench run` judges them")
    published = load_published()
    order = list(published.table2)
    judged.sort(
        key=lambda one: (
            order.index(one.record.key.dataset) if one.record.key.dataset in order else len(order),
            one.record.dataset_title,
            one.record.key.data_hash,
        )
    )
    return _Layout(judged, published, ci=ci).build()


class _Layout:
    """Puts the table together."""

    def __init__(self, shown: Sequence[Shown], published: Published, *, ci: bool) -> None:
        self.shown, self.published, self.ci = shown, published, ci
        self.notes = Notes()
        self.tidy: list[dict[str, Any]] = []
        # In the order in which they came in; the paper's last, if nobody here is it.
        self.judges = list(dict.fromkeys(name for one in shown for name in sorted(one.judged)))
        self.quality = list(dict.fromkeys([*self.judges, PAPER_JUDGE]))
        first = [next(iter(one.judged.values())) for one in shown]
        self.agreement = any(j.sources["real"]["agreement"] is not None for j in first)
        self.utility = any(j.sources["real"]["utility"] is not None for j in first)

    def build(self) -> Table:
        rows = [row for one in self.shown for row in self._block(one)]
        rows += self._paper()
        foot = table4_foot(
            [(one.record, one.judged, one.others) for one in self.shown],
            other_item_set=self._other_item_set,
            published=self.published,
            ci=self.ci,
        )
        tops = {int(one.record.key.options["top"]) for one in self.shown}
        counts = {one.record.trials for one in self.shown}
        trials = f" ({counts.pop():,} trials)" if len(counts) == 1 else ""
        return Table(
            name="table4",
            caption=(
                f"Comparison of top-{'/'.join(map(str, sorted(tops)))} returned images for a given "
                f"user and category{trials}. For preference, quality and diversity a larger value "
                "is better; after the ± stands the standard deviation."
            ),
            columns=self._columns(),
            rows=tuple(rows),
            foot=foot,
            notes=self.notes.texts(),
            wide=True,
            tidy=tuple(self.tidy),
            facts={
                "paper": self.published.source,
                "experiments": [_experiment(one) for one in self.shown],
            },
        )

    def _columns(self) -> tuple[Column, ...]:
        columns = [
            Column("Dataset", align="left"),
            Column("Item Source", align="left"),
            Column("Preference Score", align="center"),
            *(Column(name, "Quality", "center") for name in self.quality),
            Column("Diversity", align="center"),
            *(Column(self._label(name, "frechet"), "Fréchet") for name in self.judges),
            *(Column(self._label(name, "kernel"), "Kernel") for name in self.judges),
        ]
        if self.agreement:
            columns.append(Column("Category"))
        if self.utility:
            columns.append(Column("True Utility", align="center"))
        return tuple(columns)

    def _label(self, judge: str, measure: str) -> str:
        """Name a distance by a judge under its heading: "FID", or the judge."""
        facts = next(one.judged[judge].facts for one in self.shown if judge in one.judged)
        name = str(facts[f"{measure}_label"])
        return name.partition(" ")[0]

    def _block(self, one: Shown) -> list[Row]:
        rows = []
        for number, source in enumerate(SOURCES):
            cells = [Cell(self._title(one) if number == 0 else ""), Cell(SOURCE_NAMES[source])]
            first = next(iter(one.judged.values())).sources[source]
            cells.append(_spread(first["preference"], 4))
            for name in self.quality:
                judged = one.judged.get(name)
                cells.append(
                    self._missing(self._unjudged(name))
                    if judged is None
                    else _spread(judged.sources[source]["quality"], 4)
                )
            cells.append(_spread(first["diversity"], 4))
            for measure, show in (("frechet", _frechet), ("kernel", _kernel)):
                for name in self.judges:
                    judged = one.judged.get(name)
                    if judged is None:
                        cells.append(self._missing(self._unjudged(name)))
                    elif (value := judged.sources[source][measure]) is None:
                        cells.append(self._missing("too few other real images to compare with"))
                    else:
                        cells.append(show(value))
            if self.agreement:
                cells.append(self._share(first["agreement"]))
            if self.utility:
                cells.append(self._utility(first["utility"]))
            rows.append(Row(tuple(cells), rule_above=number == 0 and one is not self.shown[0]))
            self._note_values(one, source)
        return [*rows, self._gains(one)]

    def _gains(self, one: Shown) -> Row:
        """Give the improvement of the designed over the retrieved images."""
        first = next(iter(one.judged.values())).improvement
        cells = [Cell(""), Cell(f"{SOURCE_NAMES['designed']} vs. δ(u, c)")]
        cells.append(self._gain(first.get("preference"), 4))
        for name in self.quality:
            judged = one.judged.get(name)
            cells.append(self._gain(judged.improvement.get("quality") if judged else None, 4))
        cells.append(self._gain(first.get("diversity"), 4))
        cells += [Cell("")] * (2 * len(self.judges) + self.agreement)
        if self.utility:
            cells.append(self._gain(first.get("utility"), 3))
        for number, (judge, judged) in enumerate(one.judged.items()):
            for name, gain in judged.improvement.items():
                if number and name != "quality":  # said by the first
                    continue
                self.tidy.append(
                    {
                        **self._place(one, None),
                        "source": "designed vs. retrieved",
                        "measure": name,
                        "judge": judge if name == "quality" else None,
                        "value": gain["difference"],
                        "ci_low": gain["ci_low"],
                        "ci_high": gain["ci_high"],
                        "percent": gain["percent"],
                    }
                )
        return Row(tuple(cells))

    def _gain(self, gain: Mapping[str, Any] | None, digits: int) -> Cell:
        if gain is None:
            return Cell("")
        difference = f"{gain['difference']:+.{digits}f}"
        details = []
        if gain["percent"] is None:
            text = difference
        else:
            text, details = f"{gain['percent']:+.1f}%", [difference]
        if self.ci and gain["ci_low"] is not None:
            details.append(f"[{gain['ci_low']:+.{digits}f}, {gain['ci_high']:+.{digits}f}]")
        return Cell(text, tuple(details))

    def _paper(self) -> list[Row]:
        """Give the paper's own rows; its numbers stand in its own judge's columns."""
        other = [one for one in self.shown if one.record.key.dataset == PAPER_DATASET]
        same = any(not self._other_item_set(one.record) for one in other)
        title = f"Paper: {self.published.table2[PAPER_DATASET].title}"
        mark = None if same else OTHER_ITEM_SET if other else "other data set"
        heads = (title, f"({mark})" if mark else "", "", "")
        rows = []
        for number, paper in enumerate(self.published.table4):
            cells = [
                Cell(heads[number]),
                Cell(paper.item_source),
                Cell(f"{paper.preference_score.value:.4f} ±{paper.preference_score.sd:g}"),
            ]
            for name in self.quality:
                value = paper.quality
                cells.append(
                    Cell(f"{value.value:.4f} ±{value.sd:.2f}")
                    if name == PAPER_JUDGE
                    else Cell(DASH)
                )
            cells.append(Cell(f"{paper.diversity.value:.4f} ±{paper.diversity.sd:.2f}"))
            n_more = 2 * len(self.judges) + self.agreement + self.utility
            rows.append(Row((*cells, *[Cell(DASH)] * n_more), rule_above=number == 0))
            self._note_paper(paper, SOURCES[number], mark)
        return [*rows, self._paper_gains()]

    def _paper_gains(self) -> Row:
        *_, retrieved, designed = self.published.table4
        gains = [
            f"{100 * (after.value / before.value - 1):+.1f}%"
            for after, before in (
                (designed.preference_score, retrieved.preference_score),
                (designed.quality, retrieved.quality),
                (designed.diversity, retrieved.diversity),
            )
        ]
        quality = [Cell(gains[1] if name == PAPER_JUDGE else "") for name in self.quality]
        n_more = 2 * len(self.judges) + self.agreement + self.utility
        name = f"{SOURCE_NAMES['designed']} vs. δ(u, c)"
        cells = (Cell(""), Cell(name), Cell(gains[0]), *quality, Cell(gains[2]))
        return Row((*cells, *[Cell("")] * n_more))

    def _title(self, one: Shown) -> str:
        same = [o for o in self.shown if o.record.key.dataset == one.record.key.dataset]
        title = one.record.dataset_title
        if len(same) == 1:
            return title
        return f"{title} [data {one.record.key.data_hash[:8]}]"

    def _missing(self, reason: str) -> Cell:
        return Cell(DASH, note=self.notes.number(reason))

    def _unjudged(self, name: str) -> str:
        if name == PAPER_JUDGE:
            return f"not judged by {name}, whose weights --inception-weights of `bench run` takes"
        return f"not judged by {name}"

    def _share(self, agreement: Mapping[str, Any] | None) -> Cell:
        if agreement is None:
            return self._missing("no classifier of the categories")
        return Cell(f"{100 * agreement['share']:.1f}%")

    def _utility(self, utility: Mapping[str, Any] | None) -> Cell:
        if utility is None:
            return self._missing("nobody knows these users' true taste")
        return _spread(utility, 3)

    def _other_item_set(self, record: DesignsRecord) -> bool:
        facts = record.dataset_facts
        return self.published.is_other_item_set(
            record.key.dataset, facts.get("n_users"), facts.get("n_items")
        )

    def _place(self, one: Shown | None, source: str | None) -> dict[str, Any]:
        key = None if one is None else one.record.key
        return {
            "dataset": PAPER_DATASET if key is None else key.dataset,
            "title": self.published.table2[PAPER_DATASET].title
            if one is None
            else one.record.dataset_title,
            "from": "paper" if one is None else "ours",
            "data_hash": None if key is None else key.data_hash,
            "split_hash": None if key is None else key.split_hash,
            "seed": None if key is None else key.seed,
            "trials": 1000 if one is None else one.record.trials,
            "group": None if source is None else _GROUPS[source],
            "source": source,
            "measure": None,
            "judge": None,
            "value": None,
            "sd": None,
            "n": None,
            "ci_low": None,
            "ci_high": None,
            "percent": None,
            "note": None,
        }

    def _note_values(self, one: Shown, source: str) -> None:
        """Put every number of a row into what CSV and JSON give."""
        for number, (judge, judged) in enumerate(one.judged.items()):
            for measure, value in judged.sources[source].items():
                of_judge = measure in ("quality", "frechet", "kernel")
                if value is None or (number and not of_judge):
                    continue
                row = {**self._place(one, source), "measure": measure}
                row["judge"] = judge if of_judge else None
                row["value"] = value.get("mean", value.get("value", value.get("share")))
                row["sd"] = value.get("std")
                row["n"] = next(value[n] for n in _COUNTS if n in value)
                self.tidy.append(row)

    def _note_paper(self, paper: DesignRow, source: str, mark: str | None) -> None:
        values = {
            "preference": (paper.preference_score, None),
            "quality": (paper.quality, PAPER_JUDGE),
            "diversity": (paper.diversity, None),
        }
        for measure, (value, judge) in values.items():
            self.tidy.append(
                {**self._place(None, source), "measure": measure, "judge": judge}
                | {"value": value.value, "sd": value.sd, "note": mark}
            )


def _spread(value: Mapping[str, Any], digits: int) -> Cell:
    """Give mean and standard deviation, the latter with two digits that count, as the paper's."""
    sd = value["std"]
    decimals = 1 - math.floor(math.log10(sd)) if sd > 0 else 2
    return Cell(f"{value['mean']:.{digits}f} ±{sd:.{min(max(decimals, 0), digits)}f}")


def _frechet(value: Mapping[str, Any]) -> Cell:
    return Cell(f"{value['value']:.3g}")


def _kernel(value: Mapping[str, Any]) -> Cell:
    return Cell(f"{value['mean']:.3g}")


def _experiment(one: Shown) -> dict[str, Any]:
    return {
        "folder": one.stored.folder.name,
        "record": one.record.to_json(),
        "judged": {name: judged.to_json() for name, judged in one.judged.items()},
    }
