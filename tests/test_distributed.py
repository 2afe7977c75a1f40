"""Alone nothing is exchanged; two processes add up, and both have what the leader says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from bench.distributed import from_leader, is_leader, process_group, sum_over_processes, world_size


def test_one_process_is_the_leader_and_waits_for_nobody() -> None:
    assert is_leader()
    assert world_size() == 1
    with process_group("cpu"):
        tensor = torch.arange(3.0)
        assert sum_over_processes(tensor) is tensor
        assert from_leader({"a": 1}) == {"a": 1}
    assert not torch.distributed.is_initialized()


SCRIPT = """
import sys
import torch
from bench.distributed import from_leader, is_leader, process_group, rank, sum_over_processes
with process_group("cpu"):
    total = sum_over_processes(torch.tensor([1.0, 10.0]) * (rank() + 1))
    word = from_leader(f"said by {rank()}")
    sys.stdout.write(f"{rank()} {is_leader()} {total.tolist()} {word}\\n")
assert not torch.distributed.is_initialized()
"""


def test_two_processes(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    done = subprocess.run(
        [*command, "--nproc-per-node", "2", str(script)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == [
        "0 True [3.0, 30.0] said by 0",
        "1 False [3.0, 30.0] said by 0",
    ]


@pytest.mark.parametrize(("value", "leader"), [("0", True), ("1", False)])
def test_rank_decides(monkeypatch: pytest.MonkeyPatch, value: str, leader: bool) -> None:
    monkeypatch.setenv("RANK", value)
    assert is_leader() is leader
