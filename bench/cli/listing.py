"""`bench list`: every recommender with its source and hyper-parameters."""

import dataclasses
import json
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
    """List recommenders with their source and hyper-parameters.

    One that cannot be imported is listed with the reason.
    """
    from bench.registry import Registry

    registry = Registry(plugins)
    # A default of a type that JSON lacks is shown as its text.
    described = [_describe(registry, name) for name in registry.recommender_names()]
    if as_json:
        click.echo(json.dumps(described, indent=2, ensure_ascii=False, default=str))
        return
    click.echo("\n\n".join(_as_text(entry) for entry in described))


def _describe(registry: Any, name: str) -> dict[str, Any]:
    from bench.recommender import default_of, is_required

    try:
        found = registry.recommender(name)
    except BenchError as error:
        return {"name": name, "unavailable": str(error)}
    if not dataclasses.is_dataclass(found.Params):
        return {"name": name, "unavailable": "its Params must be a frozen dataclass"}
    return {
        "name": name,
        "label": found.label,
        "source": found.source,
        "needs": sorted(found.needs),
        "hyper_parameters": [
            {
                "name": field.name,
                "required": is_required(field),
                "default": None if is_required(field) else default_of(field),
                "grid": list(found.grid.get(field.name, ())),
            }
            for field in dataclasses.fields(found.Params)
            if field.init
        ],
    }


def _as_text(entry: dict[str, Any]) -> str:
    if "unavailable" in entry:
        return f"{entry['name']}\n    unavailable: {entry['unavailable']}"
    lines = [f"{entry['name']}  ({entry['label']})", f"    {entry['source']}"]
    if entry["needs"]:
        lines.append(f"    needs {', '.join(entry['needs'])}")
    presets = any(p["name"] == "preset" for p in entry["hyper_parameters"])
    width = max((len(p["name"]) for p in entry["hyper_parameters"]), default=0)
    for parameter in entry["hyper_parameters"]:
        grid = f"   searched: {', '.join(map(str, parameter['grid']))}" if parameter["grid"] else ""
        value = f"= {parameter['default']}"
        if presets and parameter["default"] is None:
            value = "as in the preset"
        if parameter["required"]:
            value = f"must be given: --set {entry['name']}.{parameter['name']}=VALUE"
        lines.append(f"    {parameter['name']:<{width}} {value}{grid}")
    return "\n".join(lines)
