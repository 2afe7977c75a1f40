"""`bench doctor`: what is installed, which device would be used, and how to mend what is not."""

import importlib
import json
import tempfile
from pathlib import Path
from typing import Any

import click

from bench.cli.options import data_option, plugin_option, results_option
from bench.errors import BenchError

__all__ = ["doctor"]

_REMEDIES = {
    "lightfm": "pip install lightfm-next (needs a C compiler); WARP and FM use it",
    "implicit": "pip install implicit; BPR-MF uses it",
    "torch": "pip install torch; VBPR and VisRank use it",
    "numba": "pip install numba; the evaluator uses it",
}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="JSON instead of text.")
@plugin_option
@results_option
@data_option
def doctor(as_json: bool, plugins: tuple[Path, ...], results: Path, data: Path | None) -> int:
    """Say what is installed, which device would be used and, if not the GPU, why not.

    Exit code 1 if something that a recommender needs is missing.
    """
    from bench.datasets.library import default_data_dir
    from bench.device import explain_device
    from bench.experiment.provenance import describe_machine
    from bench.registry import Registry

    problems: list[str] = []
    for module, remedy in _REMEDIES.items():
        try:
            importlib.import_module(module)
        except Exception as error:  # a broken binary raises anything
            problems.append(f"{module} cannot be imported ({error}): {remedy}")
    try:
        device, reason = explain_device()
    except ImportError:
        device, reason = "none", "PyTorch is not installed"
    registry = Registry(plugins)
    for name in registry.recommender_names():
        try:
            registry.recommender(name)
        except BenchError as error:
            problems.append(str(error))
    folders = {"results": results, "data sets": data or default_data_dir()}
    for what, folder in folders.items():
        if (trouble := _cannot_write(folder)) is not None:
            problems.append(f"the folder of {what} ({folder}) cannot be written: {trouble}")
    report = {
        "machine": describe_machine(),
        "device": device,
        "device_reason": reason,
        "recommenders": registry.recommender_names(),
        "folders": {what: str(folder.resolve()) for what, folder in folders.items()},
        "problems": problems,
    }
    click.echo(json.dumps(report, indent=2) if as_json else _as_text(report))
    return 1 if problems else 0


def _cannot_write(folder: Path) -> str | None:
    """Try to write beside what is there; make nothing that stays."""
    place = next((path for path in (folder, *folder.absolute().parents) if path.exists()), folder)
    try:
        with tempfile.TemporaryFile(dir=place):
            return None
    except OSError as error:
        return error.strerror or str(error)


def _as_text(report: dict[str, Any]) -> str:
    machine = report["machine"]
    gib = machine["memory_bytes"] / 2**30
    lines = [
        f"bench {machine['suite_version']}  (git {machine['git'] or 'no checkout'})",
        f"Python {machine['python']} on {machine['platform']}",
        f"{machine['cpu']}, {machine['cores']} cores, {gib:.1f} GiB memory",
        "",
        f"device: {report['device']}  ({report['device_reason']})",
        "",
        *(f"{name:<14} {version}" for name, version in machine["versions"].items()),
        "",
        f"recommenders: {', '.join(report['recommenders'])}",
        *(f"{what} in {folder}" for what, folder in report["folders"].items()),
        "",
    ]
    if report["problems"]:
        lines += [f"problem: {problem}" for problem in report["problems"]]
    else:
        lines.append("no problems found")
    return "\n".join(lines)
