"""Where a number comes from: versions, git state, hardware, peak memory."""

import functools
import hashlib
import importlib.metadata
import inspect
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bench
from bench import evaluation
from bench.device import available_threads
from bench.generator import Generator
from bench.recommender import Recommender
from bench.registry import GENERATORS_GROUP, RECOMMENDERS_GROUP

__all__ = [
    "PeakMemory",
    "describe_machine",
    "generator_version",
    "loaded_version",
    "measured_peak_memory",
    "package_versions",
    "recommender_version",
    "suite_code",
    "suite_version",
    "utc_now",
]

DISTRIBUTION = "dvbpr-bench"

PACKAGES = (
    "implicit",
    "joblib",
    "lightfm-next",
    "numba",
    "numpy",
    "pandas",
    "pillow",
    "pyarrow",
    "scipy",
    "torch",
)

_SHOWING = ("cli", "report", "regression", "testing", "pytest_plugin")
"""Parts of `bench` that change no number."""


def utc_now() -> str:
    """Give the time as ISO 8601 in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def suite_version() -> str:
    """Give the suite's version."""
    return importlib.metadata.version(DISTRIBUTION)


def package_versions() -> dict[str, str]:
    """Give the installed versions of the packages that make numbers."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions


@functools.cache
def suite_code() -> str:
    """Hash the suite's own code that can move a number: `bench` without what only shows numbers.

    A cell's key has a hash of its recommender and of the evaluation; this one also has the
    interface, the data sets and the runner.
    """
    root = Path(inspect.getfile(bench)).parent
    digest = hashlib.sha256()
    for source in sorted(root.rglob("*.py")):
        name = source.relative_to(root).as_posix()
        if name.partition("/")[0].removesuffix(".py") not in _SHOWING:
            digest.update(name.encode() + source.read_bytes())
    return digest.hexdigest()[:12]


def recommender_version(recommender: type[Recommender]) -> str:
    """Name the code of a recommender: its distribution's version and a hash of its source files.

    The files are all of the packages (or the plug-in file) that the class and its bases outside
    `bench` stand in, and the suite's evaluation, so a result is made anew when any of them changes,
    also while the version stays the same.
    """
    places = _places(recommender) | {Path(inspect.getfile(evaluation)).parent}
    return _version(recommender.name, RECOMMENDERS_GROUP, places)


@functools.cache
def loaded_version(recommender: type[Recommender]) -> str:
    """Give `recommender_version` of the code that this process runs, whatever has become of files.

    The files of a package are read when the first of its recommenders is asked for, and those of a
    plug-in once for each class: a process that lives long keeps the code it has loaded.
    """
    places = _places(recommender) | {Path(inspect.getfile(evaluation)).parent}

    def read(place: Path) -> Sources:
        return _first_seen(place) if place.is_dir() else _sources(place)

    return _version(recommender.name, RECOMMENDERS_GROUP, places, read)


def generator_version(generator: type[Generator]) -> str:
    """Name the code of a generator, as `recommender_version` does; nothing is evaluated in it."""
    return _version(generator.name, GENERATORS_GROUP, _places(generator))


def _places(plugged: type[Any]) -> set[Path]:
    """Give the packages, or the files, that a class and its bases outside `bench` stand in."""
    places = set()
    for base in plugged.__mro__:
        package = base.__module__.partition(".")[0]
        if package in ("bench", "builtins", "abc", "typing"):
            continue
        file = Path(inspect.getfile(base))
        depth = base.__module__.count(".")
        places.add(file.parents[depth - 1] if depth else file)
    return places


Sources = Mapping[Path, bytes]
"""Source files and what stands in them."""


def _sources(place: Path) -> Sources:
    """Read the source files of a package, or the one of a plug-in."""
    return {f: f.read_bytes() for f in (place.rglob("*.py") if place.is_dir() else [place])}


_first_seen = functools.cache(_sources)


def _version(
    name: str, group: str, places: set[Path], read: Callable[[Path], Sources] = _sources
) -> str:
    """Give the version of the distribution that registers `name`, or "file", and a hash of code."""
    files = {path: content for place in places for path, content in read(place).items()}
    digest = hashlib.sha256()
    for source in sorted(files, key=lambda path: (path.parent.name, path.name)):
        digest.update(files[source])
    points = importlib.metadata.entry_points(group=group, name=name)
    versions = [point.dist.version for point in points if point.dist is not None]
    return f"{versions[0] if versions else 'file'}+{digest.hexdigest()[:12]}"


def describe_machine() -> dict[str, Any]:
    """Give platform, Python, processor, memory, and the suite's git state if it is a checkout."""
    import psutil

    return {
        "suite_version": suite_version(),
        "suite_code": suite_code(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": _cpu_name(),
        "cores": available_threads(),
        "memory_bytes": psutil.virtual_memory().total,
        "versions": package_versions(),
        "git": _git_state(),
    }


def _cpu_name() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    found = re.search(r"^model name\s*:\s*(.+)$", text, flags=re.MULTILINE)
    return found.group(1).strip() if found else platform.machine()


def _git_state() -> str | None:
    """Give the commit the suite runs from, with "-dirty" where files differ; None if installed."""
    here = Path(__file__).resolve().parents[2]
    if not (here / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


@dataclass
class PeakMemory:
    """Peak resident memory of this process; the numbers are there once the block has ended.

    Attributes
    ----------
    n_bytes, scope
        Resident memory, and since when its peak counts.
    n_gpu_bytes
        What PyTorch had allocated on one GPU; None where it has used none.
    """

    n_bytes: int = 0
    scope: str = ""
    n_gpu_bytes: int | None = None


@contextmanager
def measured_peak_memory() -> Iterator[PeakMemory]:
    """Measure the peak resident memory of this process inside the block.

    Linux can reset its high-water mark, so that the peak is the block's own; elsewhere it is the
    process's since its start, and `scope` says so.
    """
    peak = PeakMemory()
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        peak.scope = "cell"
    except OSError:
        peak.scope = "process since start"
    if (cuda := _cuda_in_use()) is not None:
        for device in range(cuda.device_count()):
            cuda.reset_peak_memory_stats(device)
    try:
        yield peak
    finally:
        peak.n_bytes = _peak_resident_bytes(since_reset=peak.scope == "cell")
        if (cuda := _cuda_in_use()) is not None:
            allocated = [cuda.max_memory_allocated(k) for k in range(cuda.device_count())]
            peak.n_gpu_bytes = max(allocated, default=0) or None


def _cuda_in_use() -> Any:
    """Give `torch.cuda` if this process has a GPU open, else None; nothing is imported for it."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_initialized() else None


def _peak_resident_bytes(*, since_reset: bool) -> int:
    if since_reset:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        found = re.search(r"^VmHWM:\s*(\d+) kB", status, flags=re.MULTILINE)
        if found:
            return int(found.group(1)) * 1024
    if os.name == "nt":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, Linux kilobytes
