"""`bench list`: every recommender and generator with its source and hyper-parameters."""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from bench.cli.options import plugin_option
from bench.errors import BenchError

__all__ = ["list_recommenders"]


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of text.")
@plugin_option
def list_recommenders(as_json: bool, plugins: tuple[Path, ...]) -> None:
    """List recommenders and generators with their source and hyper-parameters.

    Last comes `design`: what can be set of Table IV's experiment. What cannot be imported is listed
    with the reason.
    """
    from bench.experiment.generation.options import GenerationSettings
    from bench.registry import Registry

    registry = Registry(plugins)
    described = [
        *(_describe(registry.recommender, n, "recommender") for n in registry.recommender_names()),
        *(_describe(registry.generator, n, "generator") for n in registry.generator_names()),
        {
            "name": GenerationSettings.name,
            "kind": "experiment",
            "label": "Table IV, Figures 3 to 6",
            "source": "how images are designed and measured",
            "needs": ["categories", "images"],
            "hyper_parameters": _hyper_parameters(GenerationSettings.Params, {}),
        },
    ]
    if as_json:
        # A default of a type that JSON lacks is shown as its text.
        click.echo(json.dumps(described, indent=2, ensure_ascii=False, default=str))
        return
    click.echo("\n\n".join(_as_text(entry) for entry in described))


def _describe(find: Callable[[str], Any], name: str, kind: str) -> dict[str, Any]:
    try:
        found = find(name)
    except BenchError as error:
        return {"name": name, "kind": kind, "unavailable": str(error)}
    if not dataclasses.is_dataclass(found.Params):
        reason = "its Params must be a frozen dataclass"
        return {"name": name, "kind": kind, "unavailable": reason}
    return {
        "name": name,
        "kind": kind,
        "label": found.label,
        "source": found.source,
        "needs": sorted(found.needs),
        "hyper_parameters": _hyper_parameters(found.Params, found.grid),
    }


def _hyper_parameters(params: Any, grid: Mapping[str, Sequence[object]]) -> list[dict[str, Any]]:
    from bench.recommender import default_of, is_required

    return [
        {
            "name": field.name,
            "required": is_required(field),
            "default": None if is_required(field) else default_of(field),
            "grid": list(grid.get(field.name, ())),
        }
        for field in dataclasses.fields(params)
        if field.init
    ]


def _as_text(entry: dict[str, Any]) -> str:
    if "unavailable" in entry:
        return f"{entry['name']}\n    unavailable: {entry['unavailable']}"
    lines = [f"{entry['name']}  ({entry['label']})", f"    {entry['source']}"]
    if entry["needs"]:
        lines.append(f"    needs {', '.join(entry['needs'])}")
    left_open = None
    if entry["kind"] == "experiment":
        left_open = "as suits the device"
    elif any(p["name"] == "preset" for p in entry["hyper_parameters"]):
        left_open = "as in the preset"
    width = max((len(p["name"]) for p in entry["hyper_parameters"]), default=0)
    for parameter in entry["hyper_parameters"]:
        grid = f"   searched: {', '.join(map(str, parameter['grid']))}" if parameter["grid"] else ""
        value = f"= {parameter['default']}"
        if left_open is not None and parameter["default"] is None:
            value = left_open
        if parameter["required"]:
            value = f"must be given: --set {entry['name']}.{parameter['name']}=VALUE"
        lines.append(f"    {parameter['name']:<{width}} {value}{grid}")
    return "\n".join(lines)
