"""Grids of one's own from a TOML or YAML file; a mistake is told with its line.

    [vbpr]                                     vbpr:
    regularization = [0.01, 0.1]                 regularization: [0.01, 0.1]
    epochs = 30                                  epochs: 30

A section given several times (`[[vbpr]]`, or a list of mappings in YAML) is searched one after the
other, for values that belong together.
"""

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from bench.errors import BenchError, one_line, user_io_errors
from bench.recommender import Recommender, parse_values
from bench.registry import Registry

__all__ = ["OwnGrid", "read_grids"]

UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)
"""What the parsers raise for scalars that are none of the type they seem to be of, for numbers of
thousands of digits, and for thousands of brackets."""


@dataclass(frozen=True)
class OwnGrid:
    """A grid of a file.

    Attributes
    ----------
    values
        Hyper-parameter to values.
    path
        The file.
    line
        Where it begins, from 1.
    lines
        Hyper-parameter to the line of its values.
    """

    values: Mapping[str, tuple[object, ...]]
    path: Path
    line: int
    lines: Mapping[str, int]

    def where(self, name: str | None = None) -> str:
        """Say where the grid, or one hyper-parameter of it, stands."""
        return _where(self.path, self.line if name is None else self.lines[name])


@dataclass(frozen=True)
class _Section:
    """One grid as written: lines count from 1."""

    name: str
    line: int
    entries: tuple[tuple[str, int, Any], ...]


def read_grids(path: Path, registry: Registry) -> dict[str, tuple[OwnGrid, ...]]:
    """Read the grids of a file, per recommender.

    Raises
    ------
    BenchError
        The file cannot be read; it is no TOML or YAML; a recommender or hyper-parameter is unknown
        (the nearest one is named); a value is of another type. The message has the line.
    """
    readers = {".toml": _toml_sections, ".yaml": _yaml_sections, ".yml": _yaml_sections}
    if path.suffix.lower() not in readers:
        raise BenchError(f"grid {path}: the name must end in .toml, .yaml or .yml")
    with user_io_errors("read the grid", path):
        content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise BenchError(
            f"grid {path}: not UTF-8 text ({error.reason}); save it as UTF-8"
        ) from None
    grids: dict[str, tuple[OwnGrid, ...]] = {}
    for section in readers[path.suffix.lower()](text, path):
        with _at(path, section.line):
            recommender = registry.recommender(section.name)
        grid = _grid(section, recommender, path)
        grids[section.name] = (*grids.get(section.name, ()), grid)
    if not grids:
        raise BenchError(f"grid {path}: names no recommender; write [vbpr] and lists of values")
    return grids


def _where(path: Path, line: int) -> str:
    return f"grid {path}, line {line}"


class _at:  # noqa: N801  # reads as a word of the `with` statement
    """Puts file and line before the message of an error inside the block."""

    def __init__(self, path: Path, line: int) -> None:
        self._where = _where(path, line)

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, BenchError):
            raise BenchError(f"{self._where}: {error}") from None
        if isinstance(error, UNREADABLE):
            # A ValueError is about the value; the others are about the parser's own steps.
            why = f" ({one_line(error)[:120]})" if isinstance(error, ValueError) else ""
            raise BenchError(
                f"{self._where}: a value is not what it is written as{why}; write a plain number, "
                "true, false, or a text in quotes"
            ) from None


def _grid(section: _Section, recommender: type[Recommender], path: Path) -> OwnGrid:
    grid: dict[str, tuple[object, ...]] = {}
    for key, line, value in section.entries:
        with _at(path, line):
            values = value if isinstance(value, list) else [value]
            if not values:
                raise BenchError(f"{section.name}.{key} has no values; give at least one")
            texts = [_text(f"{section.name}.{key}", one) for one in values]
            grid[key] = tuple(parse_values(recommender, {key: text})[key] for text in texts)
    if not grid:
        with _at(path, section.line):
            raise BenchError(f"{section.name} has no hyper-parameters; `bench list` shows them")
    return OwnGrid(grid, path, section.line, {key: line for key, line, _ in section.entries})


def _text(where: str, value: object) -> str:
    """Write a value as `--set` takes it, so that both mean and refuse the same."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float | str):
        return str(value)
    raise BenchError(
        f"{where}: values must be numbers, texts, true or false, got {type(value).__name__}"
    )


def _toml_sections(text: str, path: Path) -> list[_Section]:
    try:
        document = tomllib.loads(text)
    except UNREADABLE as error:
        line = _toml_line(text, lambda document: False)
        raise BenchError(f"{_where(path, line)}: not TOML: {one_line(error)[:200]}") from None
    sections = []
    for name, body in document.items():
        line = _toml_line(text, partial(_contains, name=name))
        parts = body if isinstance(body, list) else [body]
        for number, part in enumerate(parts or [None]):
            if not isinstance(part, dict):
                raise BenchError(f"{_where(path, line)}: {_no_section(name)}")
            entries = []
            for key, value in part.items():
                present = partial(_contains, name=name, number=number, key=key)
                entries.append((key, _toml_line(text, present), value))
            sections.append(_Section(name, line, tuple(entries)))
    return sections


def _contains(document: dict[str, Any], name: str, number: int = 0, key: str | None = None) -> bool:
    if key is None:
        return name in document
    body = document.get(name, [])
    parts = body if isinstance(body, list) else [body]
    return number < len(parts) and key in parts[number]


def _toml_line(text: str, present: Callable[[dict[str, Any]], bool]) -> int:
    """Give the line on which a statement begins: the one `present` sees first, or the first wrong.

    The parser tells no lines; but the text up to the end of a statement is a document too, and the
    first such document that has what is looked for ends with its statement.
    """
    lines = text.split("\n")
    begins = 1
    for end in range(1, len(lines) + 1):
        try:
            document = tomllib.loads("\n".join(lines[:end]))
        except UNREADABLE:  # in the midst of a statement
            continue
        if present(document):
            return begins
        begins = end + 1
    return begins


def _yaml_sections(text: str, path: Path) -> list[_Section]:
    try:
        loader = yaml.SafeLoader(text)
        try:
            return _loaded_sections(loader, path)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}" if mark else ""
        problem = " ".join((error.problem or str(error)).split())
        raise BenchError(f"grid {path}{where}: not plain YAML: {problem}") from None
    except yaml.YAMLError as error:  # a character that no YAML may have
        raise BenchError(f"grid {path}: not YAML: {one_line(error)}") from None
    except RecursionError:
        raise BenchError(f"grid {path}: brackets or blocks are nested too deeply") from None


def _loaded_sections(loader: yaml.SafeLoader, path: Path) -> list[_Section]:
    root = loader.get_single_node()
    if root is None:
        return []
    sections = []
    for name, line, body in _yaml_pairs(loader, root, path):
        parts = body.value if isinstance(body, yaml.SequenceNode) else [body]
        for part in parts or [None]:
            if not isinstance(part, yaml.MappingNode):
                raise BenchError(f"{_where(path, line)}: {_no_section(name)}")
            entries = tuple(
                (key, key_line, _yaml_value(loader, node, path))
                for key, key_line, node in _yaml_pairs(loader, part, path)
            )
            sections.append(_Section(name, line, entries))
    return sections


def _yaml_value(loader: yaml.SafeLoader, node: yaml.Node, path: Path) -> Any:
    """Read a value, or a list of them; 010 and 1:30, which YAML counts by 8 and 60, are refused."""
    if isinstance(node, yaml.SequenceNode) and node.tag == "tag:yaml.org,2002:seq":
        return [_yaml_scalar(loader, part, path) for part in node.value]
    return _yaml_scalar(loader, node, path)


def _yaml_scalar(loader: yaml.SafeLoader, node: yaml.Node, path: Path) -> Any:
    with _at(path, node.start_mark.line + 1):
        value = loader.construct_object(node, deep=True)
        if isinstance(value, int | float) and re.match(r"[-+]?0[0-9_]|.*:", node.value):
            raise BenchError(f"YAML reads {node.value} as {value}; write that, without the 0 or :")
        return value


def _yaml_pairs(
    loader: yaml.SafeLoader, node: yaml.Node, path: Path
) -> Sequence[tuple[str, int, yaml.Node]]:
    """Give the keys of a mapping with their lines; a key given twice is a mistake."""
    if not isinstance(node, yaml.MappingNode):
        where = _where(path, node.start_mark.line + 1)
        raise BenchError(f"{where}: expected recommenders and their grids")
    pairs: dict[str, tuple[str, int, yaml.Node]] = {}
    for key_node, value in node.value:
        line = key_node.start_mark.line + 1
        with _at(path, line):
            key = str(loader.construct_object(key_node, deep=True))
            if key in pairs:
                raise BenchError(f"{key!r} is given twice")
        pairs[key] = (key, line, value)
    return list(pairs.values())


def _no_section(name: str) -> str:
    return f"{name!r} must be a recommender with hyper-parameters and lists of values"
