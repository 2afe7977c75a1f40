"""Trials that run at once do not share a GPU; PyTorch's count of them is replaced."""

import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bench.experiment.tuning import gpus
from bench.experiment.tuning.gpus import own_gpu


@pytest.fixture(autouse=True)
def two_gpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(gpus, "_is_local_process", lambda: True)
    monkeypatch.setattr(gpus, "_POLL_SECONDS", 0.01)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    yield
    assert not list(tmp_path.glob("*/*.lock"))


def test_each_trial_has_its_own_whichever_process_ends_first() -> None:
    with ExitStack() as first, ExitStack() as second:
        assert first.enter_context(own_gpu("cuda")) == "cuda:0"
        assert second.enter_context(own_gpu("cuda")) == "cuda:1"
        first.close()
        with own_gpu("cuda") as third:
            assert third == "cuda:0"
        second.close()


def test_where_all_are_taken_one_is_waited_for() -> None:
    got: list[str] = []

    def trial() -> None:
        with own_gpu("cuda") as device:
            got.append(device)

    with own_gpu("cuda"):
        with own_gpu("cuda"):
            thread = threading.Thread(target=trial)
            thread.start()
            thread.join(0.2)
            assert got == []
        thread.join(60)
    assert got == ["cuda:1"]


def test_what_this_process_calls_0_may_be_another_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    with own_gpu("cuda") as first:
        assert first == "cuda:0"
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,0")
        with own_gpu("cuda") as other:
            assert other == "cuda:0"
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0, 1")
            with own_gpu("cuda") as third:
                assert third == "cuda:1"


@pytest.mark.parametrize("device", ["cpu", "cuda:1"])
def test_a_device_that_is_named_is_taken(device: str) -> None:
    with own_gpu(device) as one, own_gpu(device) as other:
        assert one == other == device


def test_the_command_itself_and_a_cluster_s_worker_take_what_they_see(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.undo()
    with own_gpu("cuda") as device:
        assert device == "cuda"
