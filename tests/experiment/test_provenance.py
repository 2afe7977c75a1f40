"""Versions, git state, hardware and peak memory."""

import importlib
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from baselines.vbpr import Vbpr
from baselines.warp import Warp
from bench.experiment import provenance
from bench.registry import Registry

PEAKS = """
import numpy as np
from bench.experiment import provenance
with provenance.measured_peak_memory() as large:
    np.ones(40_000_000)  # 320 MB
with provenance.measured_peak_memory() as small:
    pass
print(large.n_bytes, small.n_bytes, small.scope)
"""


def test_peak_memory_is_the_blocks_own() -> None:
    # In a process of its own: after other tests the allocator has so much free memory in hand that
    # the array needs no more of it from the system.
    done = subprocess.run(
        [sys.executable, "-c", PEAKS], capture_output=True, text=True, check=True, timeout=120
    )
    large, small, scope = done.stdout.split(maxsplit=2)
    assert int(large) > 320e6
    if scope.strip() == "cell":
        assert int(large) - int(small) > 250e6


def test_the_version_follows_the_code_of_a_plug_in(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    text = "from baselines.rand import Rand\nclass Mine(Rand):\n    name = 'mine'\n"
    versions = []
    for extra in ("", "# changed\n"):
        file.write_text(text + extra)
        versions.append(provenance.recommender_version(Registry((file,)).recommender("mine")))
    assert versions[0] != versions[1]
    assert versions[0].startswith("file+")


def test_baselines_carry_the_suites_version() -> None:
    versions = {provenance.recommender_version(model) for model in (Vbpr, Warp)}
    assert len(versions) == 1  # what the baselines share is part of the version
    assert all(v.startswith(f"{provenance.suite_version()}+") for v in versions)


def test_the_version_follows_the_modules_beside_a_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "third_party_models"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "model.py").write_text(
        "from baselines.rand import Rand\nclass Other(Rand):\n    name = 'other'\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    other = importlib.import_module("third_party_models.model").Other
    before = provenance.recommender_version(other)
    (package / "sampling.py").write_text("x = 1\n")
    assert provenance.recommender_version(other) != before


def test_what_is_loaded_keeps_its_version_while_files_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a package as its first class was asked for; a plug-in's class by class."""
    package = tmp_path / "lasting_models"
    package.mkdir()
    for name in ("__init__", "one", "two"):
        (package / f"{name}.py").write_text(
            f"from baselines.rand import Rand\nclass Kept(Rand):\n    name = '{name}'\n"
        )
    monkeypatch.syspath_prepend(tmp_path)
    one = importlib.import_module("lasting_models.one").Kept
    before = provenance.loaded_version(one)
    assert before == provenance.recommender_version(one)
    (package / "two.py").write_text((package / "two.py").read_text() + "# changed\n")
    two = importlib.import_module("lasting_models.two").Kept
    assert provenance.loaded_version(one) == provenance.loaded_version(two) == before
    assert provenance.recommender_version(one) != before

    file = tmp_path / "mine.py"
    versions = []
    for extra in ("", "# changed\n"):
        text = "from baselines.rand import Rand\nclass Mine(Rand):\n    name = 'mine'\n"
        file.write_text(text + extra)
        mine = Registry((file,)).recommender("mine")
        versions.append(provenance.loaded_version(mine))
        assert versions[-1] == provenance.recommender_version(mine)
    assert versions[0] != versions[1]


def test_git_state_says_when_files_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *arguments], check=True)

    module = tmp_path / "bench" / "experiment" / "provenance.py"
    module.parent.mkdir(parents=True)
    module.write_text("x = 1\n")
    monkeypatch.setattr(provenance, "__file__", str(module))
    assert provenance._git_state() is None
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "one")
    clean = provenance._git_state()
    assert clean is not None
    assert len(clean) == 12
    module.write_text("x = 2\n")
    assert provenance._git_state() == f"{clean}-dirty"


def test_the_machine_is_described() -> None:
    machine = provenance.describe_machine()
    assert machine["python"] == ".".join(map(str, sys.version_info[:3]))
    assert machine["memory_bytes"] > 2**30
    assert machine["versions"]["numpy"] == np.__version__


class _Cuda:
    """A stand-in for `torch.cuda` on a machine with two GPUs."""

    def __init__(self) -> None:
        self.peaks = [7_000, 5_000]

    def is_initialized(self) -> bool:
        return True

    def device_count(self) -> int:
        return 2

    def reset_peak_memory_stats(self, device: int) -> None:
        self.peaks[device] = 0

    def max_memory_allocated(self, device: int) -> int:
        return self.peaks[device]


def test_gpu_memory_is_the_blocks_own(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = _Cuda()
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(cuda=cuda))
    with provenance.measured_peak_memory() as used:
        cuda.peaks[1] = 3_000
    with provenance.measured_peak_memory() as idle:
        pass
    assert used.n_gpu_bytes == 3_000
    assert idle.n_gpu_bytes is None


def test_no_gpu_no_gpu_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    with provenance.measured_peak_memory() as peak:
        pass
    assert peak.n_gpu_bytes is None
    assert "torch" not in sys.modules
