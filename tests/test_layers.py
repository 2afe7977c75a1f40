"""Who may import whom: downwards only; and reading tables loads no PyTorch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import baselines
import bench
import dvbpr

PACKAGES = {
    name: Path(package.__file__).parent
    for name, package in {"bench": bench, "baselines": baselines, "dvbpr": dvbpr}.items()
    if package.__file__ is not None
}

LAYERS = (
    # What cuts across: knows nothing of the suite but each other.
    {
        "bench.errors",
        "bench.rng",
        "bench.compiled",
        "bench.device",
        "bench.distributed",
        "bench.progress",
        "bench.files",
        "bench.trained",
        "bench",
    },
    # Data and the interface that sees it.
    {"bench.datasets", "bench.recommender", "bench.generator", "bench.judge", "bench.registry"},
    {"bench.evaluation"},
    {"bench.experiment", "bench.testing"},
    {"bench.regression"},
    {"bench.report"},
    {"bench.cli", "bench.pytest_plugin"},
)
"""From the ground up; a module imports from its own layer and from those below."""

FOR_MODELS = {
    *("errors", "rng", "device", "compiled", "distributed", "progress", "files", "trained"),
    *("recommender", "generator", "judge", "datasets"),
}
"""What of `bench` the recommenders' packages know."""


UPWARD = {("bench.datasets.synthetic.source", "bench.evaluation.oracle.oracle_auc")}
"""The one import that goes up: simulated data store the best AUC there is, which the evaluator
computes as it does for any recommender."""


def modules(package: str) -> dict[str, Path]:
    root = PACKAGES[package]
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = (package, *path.relative_to(root).with_suffix("").parts)
        found[".".join(part for part in parts if part != "__init__")] = path
    return found


def imports(path: Path) -> set[str]:
    """List what a file imports anywhere, in functions too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            # `from bench import cli` imports bench.cli.
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def layer(module: str) -> int:
    heads = (module, ".".join(module.split(".")[:2]))
    return next(n for n, names in enumerate(LAYERS) if any(head in names for head in heads))


def test_every_module_of_bench_has_a_layer() -> None:
    assert len(modules("bench")) > 40
    for module in modules("bench"):
        assert layer(module) >= 0


@pytest.mark.parametrize("module", modules("bench"))
def test_bench_imports_downwards(module: str) -> None:
    for name in imports(modules("bench")[module]):
        assert name.split(".")[0] not in ("baselines", "dvbpr", "tests"), f"{module}: {name}"
        if name.split(".")[0] == "bench" and (module, name) not in UPWARD:
            assert layer(name) <= layer(module), f"{module} imports {name}, which is above it"


@pytest.mark.parametrize(
    ("package", "module"),
    [(package, module) for package in ("baselines", "dvbpr") for module in modules(package)],
)
def test_models_know_the_interface_and_the_data_only(package: str, module: str) -> None:
    others = {"baselines", "dvbpr", "tests"} - {package}
    for name in imports(modules(package)[module]):
        head, *rest = name.split(".")
        assert head not in others, f"{module}: {name}"
        assert head != "bench" or rest[0] in FOR_MODELS, f"{module} imports {name}"


def test_the_static_check_sees_upward_imports(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text(
        "def f():\n    from bench import cli\n    import bench.report.text\n"
    )
    assert imports(tmp_path / "x.py") == {"bench.cli", "bench.report.text"}
    assert layer("bench.cli.run") > layer("bench.report.text") > layer("bench.files")


def loaded_after(code: str, *, folder: Path) -> set[str]:
    """Run Python code in a process of its own; list the top-level packages it imported."""
    script = f"{code}\nimport sys\nsys.stderr.write('\\nLOADED ' + ' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return {name.split(".")[0] for name in done.stderr.rsplit("LOADED ", 1)[1].split()}


def importing(names: list[str]) -> str:
    return "\n".join(f"import {name}" for name in names)


def test_bench_alone(tmp_path: Path) -> None:
    loaded = loaded_after(importing(list(modules("bench"))), folder=tmp_path)
    assert "bench" in loaded
    assert not loaded & {"baselines", "dvbpr", "lightfm", "implicit"}


def test_baselines_alone_load_no_model_library(tmp_path: Path) -> None:
    """`bench list` imports every recommender's module: libraries wait for the fit."""
    loaded = loaded_after(importing(list(modules("baselines"))), folder=tmp_path)
    assert not loaded & {"dvbpr", "torch", "lightfm", "implicit"}


def test_dvbprs_plug_ins_and_presets_load_no_pytorch(tmp_path: Path) -> None:
    names = ["dvbpr.model", "dvbpr.presets", "dvbpr.lsgan", "dvbpr.gan_presets", "dvbpr.judge"]
    loaded = loaded_after(importing(names), folder=tmp_path)
    assert "dvbpr" in loaded
    assert not loaded & {"baselines", "torch"}


def test_help_tables_and_reports_load_no_pytorch(tmp_path: Path) -> None:
    report = [
        name for name in modules("bench") if name.startswith(("bench.report", "bench.cli.main"))
    ]
    code = f"""
{importing(report)}
from bench.cli.main import main
assert main(["--help"]) == 0
assert main(["table", "--help"]) == 0
assert main(["table", "3", "--results", "runs"]) in (0, 2)
assert main(["list"]) == 0
"""
    loaded = loaded_after(code, folder=tmp_path)
    assert {"bench", "click"} <= loaded
    assert not loaded & {"torch", "lightfm", "implicit", "numba"}
