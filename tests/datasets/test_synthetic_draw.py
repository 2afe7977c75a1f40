import io
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from bench.datasets.synthetic.color import rgb_to_oklab
from bench.datasets.synthetic.draw import draw_garment, encode_jpeg
from bench.datasets.synthetic.style import KINDS, PATTERNS, Garment

_LENGTHS = {kind.name: kind.length for kind in KINDS}


def _garment(kind: str, **changes: object) -> Garment:
    low, high = _LENGTHS[kind]
    plain = Garment(
        kind=kind,
        womens=kind in ("blouse", "tunic", "skirt", "leggings", "pump", "flat"),
        pattern="plain",
        neckline="crew" if kind in ("T-shirt", "jumper", "tank top", "tunic") else "none",
        main=(60, 120, 190),
        second=(250, 240, 200),
        length=(low + high) / 2,
        cut=0.5,
        pattern_size=0.4,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]  # the tests' own keywords


def _draw(garment: Garment, pixels: int = 96, seed: int = 1) -> npt.NDArray[np.uint8]:
    return np.asarray(draw_garment(garment, pixels, np.random.default_rng(seed)))


def _n_covered(image: npt.NDArray[np.uint8]) -> int:
    return int((image.min(axis=2) < 235).sum())


@pytest.mark.parametrize("kind", [kind.name for kind in KINDS])
@pytest.mark.parametrize("pixels", [64, 96, 128])
def test_every_kind_fills_its_picture_and_leaves_the_border_white(kind: str, pixels: int) -> None:
    image = _draw(_garment(kind), pixels)
    assert image.shape == (pixels, pixels, 3)
    border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    assert (border > 245).all(axis=1).mean() > 0.97
    assert 0.06 < _n_covered(image) / pixels**2 < 0.75


@pytest.mark.parametrize("kind", [kind.name for kind in KINDS])
def test_the_main_colour_is_what_one_sees(kind: str) -> None:
    for main in ((60, 120, 190), (190, 60, 70), (90, 150, 80)):
        image = _draw(_garment(kind, main=main))
        lab = rgb_to_oklab(image[image.min(axis=2) < 235])
        target = rgb_to_oklab(np.array(main, np.uint8))
        near = np.abs(lab[:, 1:] - target[1:]).max(axis=1) < 0.045
        # Sandals are mostly sole; everything else is mostly cloth or leather.
        assert near.mean() > (0.25 if kind == "sandal" else 0.4)


@pytest.mark.parametrize("kind", ["shirt", "blouse", "T-shirt", "trousers", "skirt", "boot"])
def test_longer_covers_more(kind: str) -> None:
    low, high = _LENGTHS[kind]
    covered = [_n_covered(_draw(_garment(kind, length=at))) for at in np.linspace(low, high, 3)]
    assert covered[0] < covered[1] < covered[2]


@pytest.mark.parametrize("kind", ["T-shirt", "jumper", "jeans", "shorts", "skirt"])
def test_wider_covers_more(kind: str) -> None:
    slim, wide = (_n_covered(_draw(_garment(kind, cut=cut))) for cut in (0.0, 1.0))
    assert wide > 1.1 * slim


def test_each_pattern_looks_different_and_shows_the_second_colour() -> None:
    images = [_draw(_garment("T-shirt", pattern=pattern)) for pattern in PATTERNS]
    second = np.array([250, 240, 200])
    for number, image in enumerate(images):
        for other in images[:number]:
            assert np.abs(image.astype(int) - other).mean() > 3
        inside = image[30:80, 35:60].astype(int)
        shown = (np.abs(inside - second).max(axis=2) < 40).mean()
        assert (shown > 0.04) == (number > 0)


def test_necklines_and_genders_differ() -> None:
    crew = _draw(_garment("T-shirt"))
    for other in (
        _garment("T-shirt", neckline="v-neck"),
        _garment("T-shirt", neckline="scoop"),
        _garment("T-shirt", womens=True),
    ):
        assert (np.abs(crew.astype(int) - _draw(other)).max(axis=2) > 40).sum() > 20


def test_drawing_depends_on_style_and_generator_alone() -> None:
    garment = _garment("blouse", pattern="floral")
    np.testing.assert_array_equal(_draw(garment), _draw(garment))
    assert (_draw(garment) != _draw(garment, seed=2)).any()


def test_jpeg_is_close_to_the_drawing() -> None:
    image = draw_garment(_garment("polo"), 96, np.random.default_rng(3))
    with Image.open(io.BytesIO(encode_jpeg(image))) as decoded:
        assert (decoded.format, decoded.mode, decoded.size) == ("JPEG", "RGB", (96, 96))
        error = np.abs(np.asarray(decoded).astype(int) - np.asarray(image))
    assert error.mean() < 2
