"""Which device a name means, and why not the GPU."""

import os

import pytest
import torch
from threadpoolctl import threadpool_info

from bench.device import available_threads, explain_device, resolve_device, torch_threads
from bench.errors import BenchError


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: f"GPU number {index}")
    monkeypatch.setattr(torch.version, "cuda", "12.4")


@pytest.mark.usefixtures("no_gpu")
def test_names_without_a_gpu() -> None:
    assert resolve_device("auto") == resolve_device("cpu") == torch.device("cpu")


@pytest.mark.usefixtures("two_gpus")
def test_names_with_two_gpus() -> None:
    assert resolve_device("auto") == resolve_device("cuda") == torch.device("cuda")
    assert resolve_device("cuda:1") == torch.device("cuda", 1)
    assert resolve_device("cpu") == torch.device("cpu")
    with pytest.raises(
        BenchError, match=r"'cuda:2' does not exist: this machine has cuda:0 to cuda:1"
    ):
        resolve_device("cuda:2")


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize(
    "name",
    [
        "",
        "gpu",
        "CPU",
        "cpu:",
        "cpu:0",
        "cuda:",
        "cuda:-1",
        "cuda:one",
        "cuda:²",
        "cuda:0\n",
        "mps",
    ],
)
def test_unknown_names(name: str) -> None:
    with pytest.raises(BenchError, match=r"unknown device .*: choose auto, cpu, cuda or cuda:N"):
        resolve_device(name)


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize("name", ["cuda", "cuda:0"])
def test_cuda_without_a_gpu_says_why(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(BenchError, match=f"device '{name}' cannot be used: .* without CUDA"):
        resolve_device(name)


@pytest.mark.usefixtures("no_gpu")
def test_a_build_without_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    device, why = explain_device()
    assert device == "cpu"
    assert torch.__version__ in why
    assert "install a CUDA build" in why


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize("hidden", ["", "-1"])
def test_gpus_hidden_by_the_environment(hidden: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", "12.4")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert explain_device() == ("cpu", "CUDA_VISIBLE_DEVICES hides every GPU; unset it")


@pytest.mark.usefixtures("no_gpu")
def test_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", "12.4")
    device, why = explain_device()
    assert device == "cpu"
    assert "built for CUDA 12.4 but sees no GPU" in why
    assert "`nvidia-smi`" in why


@pytest.mark.usefixtures("two_gpus")
def test_the_gpu_is_named() -> None:
    assert explain_device() == ("cuda", "GPU number 0, CUDA 12.4")


def test_threads_are_those_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 3, 5}, raising=False)
    assert available_threads() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert available_threads() == 8
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_threads() == 1


def blas_threads() -> list[int]:
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_threads_are_given_back() -> None:
    before, before_blas = torch.get_num_threads(), blas_threads()
    assert before_blas
    with torch_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    with torch_threads(1):
        assert set(blas_threads()) == {1}
    assert (torch.get_num_threads(), blas_threads()) == (before, before_blas)
    with pytest.raises(KeyError), torch_threads(before + 1):
        raise KeyError
    assert torch.get_num_threads() == before


@pytest.mark.usefixtures("two_gpus")
def test_each_process_of_torchrun_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for local, index in (("0", 0), ("1", 1), ("3", 1)):
        monkeypatch.setenv("LOCAL_RANK", local)
        assert resolve_device("auto") == resolve_device("cuda") == torch.device("cuda", index)
        assert resolve_device("cuda:0") == torch.device("cuda", 0)
        assert resolve_device("cpu") == torch.device("cpu")
