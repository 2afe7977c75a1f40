"""The process's thread count is lent, not taken."""

import pytest
import torch
from threadpoolctl import threadpool_info

from baselines.torch_tools import torch_threads


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
