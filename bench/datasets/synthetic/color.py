"""Colours in OKLab, where equal steps look about equally large.

Source: B. Ottosson, "A perceptual color space for image processing", 2020,
https://bottosson.github.io/posts/oklab/ (the two matrices).
"""

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["lch_to_lab", "oklab_to_rgb", "rgb_to_oklab", "to_gamut"]

_LAB_TO_LMS = np.array(
    [
        [1.0, 0.3963377774, 0.2158037573],
        [1.0, -0.1055613458, -0.0638541728],
        [1.0, -0.0894841775, -1.2914855480],
    ]
)
_LMS_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


def _linear_rgb(lab: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    lms = (lab.astype(np.float64) @ _LAB_TO_LMS.T) ** 3
    linear: npt.NDArray[np.float64] = lms @ _LMS_TO_RGB.T
    return linear


def lch_to_lab(
    lightness: npt.ArrayLike, chroma: npt.ArrayLike, hue: npt.ArrayLike
) -> npt.NDArray[np.float32]:
    """Turn lightness (0..1), chroma (0..0.3) and hue (radians) into OKLab: float32 (..., 3)."""
    light, strength, angle = np.broadcast_arrays(lightness, chroma, hue)
    parts = (light, strength * np.cos(angle), strength * np.sin(angle))
    return np.stack(parts, axis=-1).astype(np.float32)


def to_gamut(lab: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Weaken colours (n, 3) that no screen shows until they fit, at the same lightness and hue."""
    fitted = lab.copy()
    for _ in range(24):
        linear = _linear_rgb(fitted)
        outside = ((linear < -1e-4) | (linear > 1 + 1e-4)).any(axis=-1)
        if not outside.any():
            break
        fitted[outside, 1:] *= 0.9
    return fitted


def oklab_to_rgb(lab: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.uint8]:
    """Turn OKLab (..., 3) into sRGB bytes of the same shape; what does not fit is clipped."""
    linear = np.clip(_linear_rgb(lab), 0.0, 1.0)
    gamma = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    rgb: npt.NDArray[np.uint8] = np.rint(gamma * 255).astype(np.uint8)
    return rgb


def rgb_to_oklab(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Turn sRGB bytes (..., 3) into OKLab: float32 of the same shape."""
    gamma = rgb.astype(np.float64) / 255
    linear = np.where(gamma <= 0.04045, gamma / 12.92, ((gamma + 0.055) / 1.055) ** 2.4)
    lms = np.cbrt(linear @ np.linalg.inv(_LMS_TO_RGB).T)
    lab: npt.NDArray[np.float32] = (lms @ np.linalg.inv(_LAB_TO_LMS).T).astype(np.float32)
    return lab
