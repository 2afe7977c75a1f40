import numpy as np

from bench.datasets.synthetic.color import lch_to_lab, oklab_to_rgb, rgb_to_oklab, to_gamut


def test_published_values_of_the_primaries() -> None:
    # Ottosson's own figures for sRGB red and white, to the digits he gives.
    lab = rgb_to_oklab(np.array([[255, 0, 0], [255, 255, 255]], np.uint8))
    np.testing.assert_allclose(lab[0], [0.628, 0.225, 0.126], atol=1e-3)
    np.testing.assert_allclose(lab[1], [1.0, 0.0, 0.0], atol=1e-3)


def test_every_byte_colour_comes_back(rng: np.random.Generator) -> None:
    rgb = rng.integers(0, 256, (500, 3)).astype(np.uint8)
    np.testing.assert_array_equal(oklab_to_rgb(rgb_to_oklab(rgb)), rgb)


def test_gamut_keeps_lightness_and_hue_and_leaves_what_fits() -> None:
    lab = lch_to_lab([0.5, 0.9], [0.05, 0.3], [1.0, 4.5])
    fitted = to_gamut(lab)
    np.testing.assert_array_equal(fitted[0], lab[0])
    assert fitted[1, 0] == lab[1, 0]
    np.testing.assert_allclose(np.arctan2(fitted[1, 2], fitted[1, 1]) % (2 * np.pi), 4.5, atol=1e-5)
    # What fits survives the way through bytes; the far too strong blue did not.
    np.testing.assert_allclose(rgb_to_oklab(oklab_to_rgb(fitted)), fitted, atol=0.01)
    assert np.abs(rgb_to_oklab(oklab_to_rgb(lab[1])) - lab[1]).max() > 0.05
