"""Names to recommenders, generators and data-set sources: entry points and `--plugin` files.

A third party's package plugs in exactly as this suite's own models do. Nothing is imported until it
is used, and a plug-in that fails to import is listed with its reason while the others work.
"""

import hashlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError, unknown_name
from bench.recommender import Recommender

if TYPE_CHECKING:
    from bench.datasets.feature_source import FeatureSource
    from bench.datasets.source import DatasetSource
    from bench.generator import Generator
    from bench.judge import ImageJudge

__all__ = [
    "DATASETS_GROUP",
    "FEATURES_GROUP",
    "JUDGES_GROUP",
    "GENERATORS_GROUP",
    "RECOMMENDERS_GROUP",
    "Registry",
]

RECOMMENDERS_GROUP = "bench.recommenders"
DATASETS_GROUP = "bench.datasets"
FEATURES_GROUP = "bench.features"
JUDGES_GROUP = "bench.judges"
GENERATORS_GROUP = "bench.generators"


@dataclass
class Registry:
    """Finds recommenders, generators and data-set sources by name.

    Attributes
    ----------
    plugins
        Python files whose recommender classes join the installed ones; a name that is taken is an
        error, so that a plug-in never stands in for a baseline unnoticed.
    """

    plugins: tuple[Path, ...] = ()
    _from_files: dict[str, type[Recommender]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        for path in self.plugins:
            for found in _recommenders_in(path):
                if found.name in self._from_files or found.name in _points(RECOMMENDERS_GROUP):
                    raise BenchError(
                        f"plug-in {path}: the name {found.name!r} is taken; give the class another"
                    )
                self._from_files[found.name] = found

    def recommender_names(self) -> list[str]:
        """List all names in column order: the paper's columns first, others after them."""
        names = [*_points(RECOMMENDERS_GROUP), *self._from_files]
        return sorted(names, key=lambda name: (_paper_column(name), name))

    def recommender(self, name: str) -> type[Recommender]:
        """Load one recommender class.

        Raises
        ------
        BenchError
            No such name (the nearest one is named), or its package fails to import.
        """
        if name in self._from_files:
            return self._from_files[name]
        found: type[Recommender] = _class(
            RECOMMENDERS_GROUP,
            name,
            Recommender,
            "recommender",
            known=self.recommender_names,
            see="bench list",
            says_its_name=True,
        )
        return found

    def source_names(self) -> list[str]:
        """List the data sets that can be made or fetched by name."""
        return sorted(_points(DATASETS_GROUP))

    def source(self, name: str) -> "DatasetSource":
        """Load where a data set comes from."""
        from bench.datasets.source import DatasetSource

        found: type[DatasetSource] = _class(
            DATASETS_GROUP, name, DatasetSource, "data set", see="bench datasets list"
        )
        return found()

    def feature_source_names(self) -> list[str]:
        """List what computes features of images and is no recommender."""
        return sorted(_points(FEATURES_GROUP))

    def feature_source(self, name: str) -> "type[FeatureSource]":
        """Load what computes features under a name."""
        from bench.datasets.feature_source import FeatureSource

        found: type[FeatureSource] = _class(
            FEATURES_GROUP, name, FeatureSource, "feature source", see="bench features --help"
        )
        return found

    def judge_names(self) -> list[str]:
        """List what judges images."""
        return sorted(_points(JUDGES_GROUP))

    def judge(self, name: str) -> "type[ImageJudge]":
        """Load a judge of images."""
        from bench.judge import ImageJudge

        found: type[ImageJudge] = _class(
            JUDGES_GROUP, name, ImageJudge, "judge", see="bench run --help"
        )
        return found

    def generator_names(self) -> list[str]:
        """List the image generators."""
        return sorted(_points(GENERATORS_GROUP))

    def generator(self, name: str) -> "type[Generator]":
        """Load one generator class.

        Raises
        ------
        BenchError
            No such name (the nearest one is named), or its package fails to import.
        """
        from bench.generator import Generator

        found: type[Generator] = _class(
            GENERATORS_GROUP,
            name,
            Generator,
            "generator",
            see="bench generate train --help",
            says_its_name=True,
        )
        return found


PAPER_COLUMNS = ("rand", "poprank", "warp", "bpr-mf", "visrank", "fm", "vbpr", "dvbpr")
"""The recommenders of Table III in the order of its columns (a) to (h)."""


def _paper_column(name: str) -> int:
    return PAPER_COLUMNS.index(name) if name in PAPER_COLUMNS else len(PAPER_COLUMNS)


def _points(group: str) -> dict[str, list[EntryPoint]]:
    """Give the entry points of each name: more than one where packages claim the same."""
    points: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=group):
        points.setdefault(point.name, []).append(point)
    return points


def _class(
    group: str,
    name: str,
    base: type[Any],
    what: str,
    *,
    see: str,
    known: Callable[[], Iterable[str]] | None = None,
    says_its_name: bool = False,
) -> Any:
    """Load the subclass of `base` that is registered under a name.

    Parameters
    ----------
    group
        Entry-point group.
    name
        Of the entry point.
    base
        What it must be a subclass of.
    what
        The kind of thing, for messages.
    see
        Command that lists what there is.
    known
        Gives the names to suggest from; those of the group by default.
    says_its_name
        Whether the class has a `name` of its own, which must be the same.

    Raises
    ------
    BenchError
        No such name (the nearest one is named), its package fails to import, or it is something
        else.
    """
    points = _points(group)
    if name not in points:
        raise unknown_name(what, name, points if known is None else known(), see=see)
    value, loaded = _load(points[name])
    if not (inspect.isclass(loaded) and issubclass(loaded, base)):
        raise BenchError(
            f"{what} {name!r} ({value}) is no subclass of {base.__module__}.{base.__name__}"
        )
    called = getattr(loaded, "name", None)
    if says_its_name and called != name:
        raise BenchError(
            f"{what} {name!r} ({value}) calls itself {called!r}; "
            "the entry point and the class must agree"
        )
    return loaded


def _load(points: list[EntryPoint]) -> tuple[str, Any]:
    """Import what the entry points of one name stand for; give where it is, and it."""
    # The same package found twice (a checkout and its installation) is no conflict.
    values = sorted({point.value for point in points})
    if len(values) > 1:
        raise BenchError(
            f"the name {points[0].name!r} is taken by several packages ({', '.join(values)}); "
            "uninstall all but one"
        )
    point = points[0]
    try:
        return point.value, point.load()
    except Exception as error:  # somebody else's module may raise anything on import
        raise BenchError(
            f"{point.name!r} ({point.value}) cannot be imported: {type(error).__name__}: {error}"
        ) from error


def _recommenders_in(path: Path) -> list[type[Recommender]]:
    """Run a plug-in file and give the concrete recommender classes it defines."""
    if not path.is_file():
        raise BenchError(f"plug-in {path}: no such file")
    # Named after the content's place, so that two files called my_model.py do not collide, and
    # registered, so that what the file defines can be pickled for worker processes.
    tag = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]
    name = f"bench_plugin_{path.stem}_{tag}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BenchError(f"plug-in {path}: not a Python file (its name must end in .py)")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # a user's file may raise anything
        del sys.modules[name]
        raise BenchError(
            f"plug-in {path} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    # Each once, also where the file gives a class a second name.
    classes = dict.fromkeys(value for value in vars(module).values() if inspect.isclass(value))
    own = [v for v in classes if issubclass(v, Recommender) and v.__module__ == name]
    found = [value for value in own if not inspect.isabstract(value)]
    unfinished = [value for value in own if inspect.isabstract(value)]
    if unfinished and not found:
        lacking = ", ".join(sorted(unfinished[0].__abstractmethods__))
        raise BenchError(f"plug-in {path}: class {unfinished[0].__name__} lacks {lacking}")
    if not found:
        raise BenchError(f"plug-in {path} defines no subclass of bench.recommender.Recommender")
    for value in found:
        for attribute in ("name", "label", "source"):
            if not isinstance(getattr(value, attribute, None), str):
                raise BenchError(f"plug-in {path}: class {value.__name__} has no `{attribute}`")
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", value.name):
            raise BenchError(
                f"plug-in {path}: the name {value.name!r} must be lower-case letters, digits, "
                "- and _, because it names a folder of the results"
            )
    return found
