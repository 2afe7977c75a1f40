import threading

import numpy as np
import pytest
import torch

from dvbpr import device_images as module
from dvbpr.device_images import DeviceImages, normalise

CPU = torch.device("cpu")


@pytest.fixture
def array() -> np.ndarray:
    made = np.random.default_rng(0).integers(256, size=(30, 6, 5, 3), dtype=np.uint8)
    made.flags.writeable = False  # as the cache's map is
    return made


def test_a_batch_is_the_rows_asked_for_channels_last(array: np.ndarray) -> None:
    items = torch.tensor([4, 29, 0, 4])
    batch = DeviceImages(array, CPU).batch(items)
    assert batch.shape == (4, 3, 6, 5)
    assert batch.dtype == torch.uint8
    assert batch.is_contiguous(memory_format=torch.channels_last)
    for row, item in enumerate([4, 29, 0, 4]):
        for channel in range(3):
            np.testing.assert_array_equal(batch[row, channel].numpy(), array[item, :, :, channel])


def test_a_batch_is_a_copy(array: np.ndarray) -> None:
    before = array.copy()
    images = DeviceImages(array, CPU)
    batch = images.batch(torch.arange(30))
    batch.zero_()
    np.testing.assert_array_equal(array, before)
    assert images.batch(torch.arange(30)).any()


@pytest.mark.parametrize("bad", [-1, 30])
def test_there_is_no_such_item(array: np.ndarray, bad: int) -> None:
    images = DeviceImages(array, CPU)
    with pytest.raises(IndexError, match=r"0\.\.29"):
        images.batch(torch.tensor([0, bad]))
    with pytest.raises(IndexError, match=r"0\.\.29"):
        images.prefetch(torch.tensor([bad]))


def test_an_empty_batch(array: np.ndarray) -> None:
    assert DeviceImages(array, CPU).batch(torch.empty(0, dtype=torch.int64)).shape == (0, 3, 6, 5)


def test_prefetching_changes_nothing_but_who_gathers(
    array: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(1)
    batches = [torch.from_numpy(rng.integers(30, size=8)) for _ in range(50)]
    plain = DeviceImages(array, CPU)
    expected = [plain.batch(items) for items in batches]
    threads: list[str] = []
    real = DeviceImages._copy_rows

    def noting(self: DeviceImages, rows: np.ndarray, out: torch.Tensor) -> None:
        threads.append(threading.current_thread().name)
        real(self, rows, out)

    monkeypatch.setattr(DeviceImages, "_copy_rows", noting)
    with DeviceImages(array, CPU) as images:
        images.prefetch(batches[0])
        found = []
        for number, items in enumerate(batches):
            found.append(images.batch(items))
            if number + 1 < len(batches):
                images.prefetch(batches[number + 1])
    assert len(threads) == 50
    assert all(name.startswith("images") for name in threads)
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one, other)


def test_another_batch_than_the_prefetched_is_still_right(array: np.ndarray) -> None:
    with DeviceImages(array, CPU) as images:
        first, second = torch.tensor([1, 2, 3]), torch.tensor([3, 2, 1])
        images.prefetch(first)
        images.prefetch(second)
        np.testing.assert_array_equal(images.batch(first).permute(0, 2, 3, 1), array[[1, 2, 3]])
        np.testing.assert_array_equal(images.batch(second).permute(0, 2, 3, 1), array[[3, 2, 1]])


def test_closing_ends_the_thread(array: np.ndarray) -> None:
    before = threading.active_count()
    with DeviceImages(array, CPU) as images:
        images.prefetch(torch.tensor([1]))
        assert threading.active_count() == before + 1
    assert threading.active_count() == before
    assert images.batch(torch.tensor([1])).shape[0] == 1


def test_normalised_bytes_lie_in_minus_one_to_one() -> None:
    bytes_ = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    floats = normalise(bytes_)
    assert floats.dtype == torch.float32
    assert floats.flatten()[0] == -1.0
    assert floats.flatten()[255] == 1.0
    expected = (np.arange(256) - 127.5) / 127.5
    np.testing.assert_allclose(floats.flatten().numpy(), expected, rtol=1e-6)
    assert bytes_.flatten()[7] == 7
    half = normalise(bytes_, torch.bfloat16)
    assert half.dtype == torch.bfloat16
    # All of k - 127.5 have eight significant bits at most: one rounding, in the division.
    assert torch.equal(half, torch.from_numpy(expected).reshape(1, 1, 16, 16).to(torch.bfloat16))


def test_normalising_keeps_channels_last(array: np.ndarray) -> None:
    batch = DeviceImages(array, CPU).batch(torch.arange(4))
    assert normalise(batch).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("share", [module.DEVICE_SHARE, 0.0])
def test_a_gpu_gets_the_same_bytes_resident_or_streamed(array: np.ndarray, share: float) -> None:
    device = torch.device("cuda")
    rng = np.random.default_rng(2)
    with DeviceImages(array, device, share=share) as images:
        assert images.resident == (share > 0)
        for size in (3, 8, 8, 5, 20, 1):
            rows = rng.integers(30, size=size)
            items = torch.from_numpy(rows)
            if size != 5:
                images.prefetch(items)
            batch = images.batch(items)
            assert batch.device.type == "cuda"
            assert batch.is_contiguous(memory_format=torch.channels_last)
            np.testing.assert_array_equal(batch.permute(0, 2, 3, 1).cpu(), array[rows])
