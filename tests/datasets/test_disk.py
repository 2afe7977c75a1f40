"""Room on the disk."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.datasets.disk import bytes_text, need_disk_space
from bench.errors import StorageError


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.00 kB"),
        (999_994, "999.99 kB"),
        (999_995, "1.00 MB"),
        (3_500_384_500, "3.50 GB"),
        (999_995_000_000, "1.00 TB"),
        (5 * 10**15, "5000.00 TB"),
    ],
)
def test_bytes_as_text(n_bytes: int, text: str) -> None:
    assert bytes_text(n_bytes) == text


def test_room_is_asked_of_the_disk_that_the_folder_will_be_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def usage(path: Path) -> SimpleNamespace:
        asked.append(path)
        return SimpleNamespace(free=5_000_000_000)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    folder = tmp_path / "not" / "there"
    need_disk_space(folder, 4_900_000_000, "convert amazon_men")
    need_disk_space(folder, 5_000_000_000, "convert amazon_men", margin=0)
    assert asked == [tmp_path, tmp_path]
    message = (
        rf"cannot convert amazon_men at {folder}: the disk has 5.00 GB free and 5.10 GB are needed"
    )
    with pytest.raises(StorageError, match=message):
        need_disk_space(folder, 4_999_000_000, "convert amazon_men")


def test_the_real_disk_has_no_exabyte(tmp_path: Path) -> None:
    need_disk_space(tmp_path, 0, "work", margin=0)
    with pytest.raises(StorageError, match="free some space"):
        need_disk_space(tmp_path, 10**18, "work")
