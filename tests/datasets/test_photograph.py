"""Photographs of one's own: upright, on white, or a clear error."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.datasets.photograph import read_photograph
from bench.errors import BenchError, StorageError


def saved(folder: Path, image: Image.Image, form: str, **options: object) -> Path:
    path = folder / f"photograph.{form.lower()}"
    image.save(path, form, **options)
    return path


def test_colours_greys_and_palettes(tmp_path: Path, rng: np.random.Generator) -> None:
    pixels = rng.integers(256, size=(5, 9, 3), dtype=np.uint8)
    found = read_photograph(saved(tmp_path, Image.fromarray(pixels), "PNG"))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, pixels)
    grey = Image.fromarray(pixels[:, :, 0])
    found = read_photograph(saved(tmp_path, grey, "PNG"))
    np.testing.assert_array_equal(found, pixels[:, :, [0, 0, 0]])
    palette = Image.fromarray(pixels).quantize(16)
    found = read_photograph(saved(tmp_path, palette, "GIF"))
    np.testing.assert_array_equal(found, np.asarray(palette.convert("RGB")))


def test_held_upright(tmp_path: Path) -> None:
    """A camera on its side notes so (6: turn by 90 degrees) and leaves the pixels as they are."""
    pixels = np.zeros((8, 16, 3), dtype=np.uint8)
    pixels[:, :8] = 255  # the left half, which is the upper one
    exif = Image.Exif()
    exif[0x0112] = 6
    found = read_photograph(saved(tmp_path, Image.fromarray(pixels), "PNG", exif=exif))
    assert found.shape == (16, 8, 3)
    assert (found[:8] == 255).all()
    assert (found[8:] == 0).all()


def test_transparent_is_white(tmp_path: Path) -> None:
    pixels = np.zeros((4, 4, 4), dtype=np.uint8)
    pixels[1, 2] = (10, 20, 30, 255)
    pixels[0, 0] = (0, 0, 0, 128)
    found = read_photograph(saved(tmp_path, Image.fromarray(pixels), "PNG"))
    assert found[1, 2].tolist() == [10, 20, 30]
    assert found[3, 3].tolist() == [255, 255, 255]
    assert abs(int(found[0, 0, 0]) - 127) <= 1


def test_files_that_are_no_photographs(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StorageError, match=r"cannot read the photograph at .*no such file"):
        read_photograph(tmp_path / "none.jpg")
    with pytest.raises(StorageError, match="it is a folder"):
        read_photograph(tmp_path)
    path = tmp_path / "a.jpg"
    path.write_bytes(b"not an image")
    with pytest.raises(BenchError, match=r"a\.jpg.* cannot be decoded \(no image format"):
        read_photograph(path)
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(256, size=(60, 60, 3), dtype=np.uint8)).save(buffer, "JPEG")
    path.write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
    with pytest.raises(BenchError, match="cannot be decoded"):
        read_photograph(path)
    path.write_bytes(buffer.getvalue())
    assert read_photograph(path).shape == (60, 60, 3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 3000)
    with pytest.raises(BenchError, match="60"):
        read_photograph(path)
