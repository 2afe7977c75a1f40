"""Batch normalisation: alone it is PyTorch's; two processes have the statistics of both."""

import os
import subprocess
import sys
from pathlib import Path

import torch

from dvbpr.normalisation import BatchNorm2d


def test_one_process_is_pytorchs() -> None:
    own, theirs = BatchNorm2d(3), torch.nn.BatchNorm2d(3)
    x = torch.rand(4, 3, 5, 5, generator=torch.Generator().manual_seed(1))
    for _ in range(2):
        assert torch.equal(own(x), theirs(x))
    assert torch.equal(own.running_var, theirs.running_var)
    own.eval(), theirs.eval()
    assert torch.equal(own(x), theirs(x))


SCRIPT = """
import torch
from bench.distributed import process_group, rank, sum_over_processes
from dvbpr.normalisation import BatchNorm2d

generator = torch.Generator().manual_seed(1)
images = torch.randn(7, 3, 4, 4, generator=generator) * 3 + 1
wanted = torch.randn(7, 3, 4, 4, generator=generator)
alone = torch.nn.BatchNorm2d(3)
shared = BatchNorm2d(3)
for norm in (alone, shared):
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([0.5, 1.0, 2.0]))
        norm.bias.copy_(torch.tensor([0.1, 0.0, -1.0]))
whole = images.clone().requires_grad_()
expected = alone(whole)
(expected * wanted).sum().backward()
with process_group("cpu"):
    part = slice(0, 5) if rank() == 0 else slice(5, 7)  # uneven, on purpose
    own = images[part].clone().requires_grad_()
    out = shared(own)
    (out * wanted[part]).sum().backward()
    torch.testing.assert_close(out, expected[part], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(own.grad, whole.grad[part], rtol=1e-4, atol=1e-5)
    for name in ("weight", "bias"):
        total = sum_over_processes(getattr(shared, name).grad.clone())
        torch.testing.assert_close(total, getattr(alone, name).grad, rtol=1e-4, atol=1e-5)
    for name in ("running_mean", "running_var"):
        torch.testing.assert_close(getattr(shared, name), getattr(alone, name))
    shared.eval(), alone.eval()
    torch.testing.assert_close(shared(images), alone(images))
"""


def test_two_processes_normalise_as_one(tmp_path: Path) -> None:
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
