"""`bench doctor`: what is installed, which device would be used, and how to mend what is not."""

import importlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import click

from bench.cli.options import data_option, plugin_option, results_option
from bench.errors import BenchError
from bench.files import check_writable

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
def doctor(as_json: bool, plugins: tuple[Path, ...], results: Path, data_dir: Path | None) -> int:
    """Say what is installed, which device would be used and, if not the GPU, why not.

    Stored data sets and results are looked through, too. Exit code 1 if something that a
    recommender needs is missing, or something stored cannot be read.
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
    data_dir = data_dir or default_data_dir()
    folders = {"results": results, "data sets": data_dir}
    for what, folder in folders.items():
        try:
            check_writable(f"write the folder of {what}", folder)
        except BenchError as error:
            problems.append(str(error))
    datasets: list[str] = []
    if data_dir.is_dir():  # else it was named above, or nothing is stored yet
        datasets, unreadable = _stored_datasets(data_dir)
        problems += unreadable
    cells, failed, unreadable = _stored_results(results)
    problems += unreadable
    report = {
        "machine": describe_machine(),
        "device": device,
        "device_reason": reason,
        "recommenders": registry.recommender_names(),
        "stored_datasets": datasets,
        "stored_results": cells,
        "failed_results": failed,
        "folders": {what: str(folder.resolve()) for what, folder in folders.items()},
        "problems": problems,
    }
    click.echo(json.dumps(report, indent=2) if as_json else _as_text(report))
    return 1 if problems else 0


def _stored_datasets(data_dir: Path) -> tuple[list[str], list[str]]:
    """Name the stored data sets that can be opened, and say what is wrong with the others."""
    from bench.datasets.library import stored_names
    from bench.datasets.store import open_dataset

    sound, problems = [], []
    for name in stored_names(data_dir):
        try:
            open_dataset(data_dir / name, name=name)
        except BenchError as error:
            problems.append(f"stored data set {name}: {error}")
        else:
            sound.append(name)
    return sound, problems


def _stored_results(results: Path) -> tuple[dict[str, int], list[str], list[str]]:
    """Count the stored cells, name the failed ones, and say which cannot be read and why."""
    from bench.experiment.store import ResultStore

    store = ResultStore(results)
    cells, errors = store.check()
    states = Counter(cell.record.status for cell in cells)
    counts = {
        "finished": states["finished"],
        "failed": states["failed"],
        "damaged": len(errors),
        "unfinished": store.n_unfinished(),
    }
    failed = [
        f"{key.recommender} on {key.dataset}, seed {key.seed}: {cell.record.error}"
        for cell in cells
        if cell.record.status == "failed"
        for key in [cell.record.key]
    ]
    return counts, failed, [f"stored result {error}" for error in errors]


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
        f"data sets in {report['folders']['data sets']}: "
        f"{', '.join(report['stored_datasets']) or 'none stored'}",
        f"results in {report['folders']['results']}: "
        + ", ".join(f"{count} {state}" for state, count in report["stored_results"].items()),
        *(f"failed: {cell}; the next bench run tries again" for cell in report["failed_results"]),
        "",
    ]
    if report["problems"]:
        lines += [f"problem: {problem}" for problem in report["problems"]]
    else:
        lines.append(f"no {'other ' if report['failed_results'] else ''}problems found")
    return "\n".join(lines)
