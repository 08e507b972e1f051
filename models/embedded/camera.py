"""What the camera does to a scene: light, blur, noise and JPEG."""

import io
import math
from statistics import NormalDist

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageFilter

from .textures import Field, Pixels

# 256 equally likely values of the normal distribution: noise is then one byte and one look-up a pixel.
_NORMAL = np.array([NormalDist().inv_cdf((level + 0.5) / 256) for level in range(256)], dtype=np.float32)


def photograph(rng: Generator, scene: Pixels, roughness: float = 1.0) -> Pixels:
    """The scene as a camera would store it: uint8 RGB [h, w, 3] in, the same out.

    `roughness` scales blur, noise and compression; 0 leaves the light only."""
    lit = _expose(rng, scene)
    blurred = _blur(rng, lit, roughness)
    noisy = _noise(rng, blurred, roughness)
    return compress(noisy, int(round(96 - roughness * rng.uniform(2, 60))))


def _expose(rng: Generator, scene: Pixels) -> Pixels:
    """Exposure, gamma and white balance by one table a channel, then a fall-off of light across the picture."""
    levels = np.arange(256, dtype=np.float32) / 255
    gamma, gain = math.exp(rng.normal(0, 0.18)), math.exp(rng.normal(0, 0.13))
    lift = rng.uniform(0, 0.1)
    tables: list[Pixels] = []
    for _ in range(3):
        cast = math.exp(rng.normal(0, 0.05))
        curve = lift + (1 - lift) * levels**gamma * gain * cast
        tables.append(np.clip(curve * 255, 0, 255).astype(np.uint8))
    exposed = np.stack([tables[channel][scene[:, :, channel]] for channel in range(3)], axis=2)
    if rng.random() < 0.5:
        return exposed
    height, width = scene.shape[:2]
    return np.clip(exposed * _fall_off(rng, width, height)[:, :, None], 0, 255).astype(np.uint8)


def _fall_off(rng: Generator, width: int, height: int) -> Field:
    across, down = np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32)
    if rng.random() < 0.5:
        strength = np.float32(rng.uniform(0.1, 0.3) / 2)
        return np.float32(1) - strength * (np.square(across)[None, :] + np.square(down)[:, None])
    angle, strength = rng.uniform(0, 2 * math.pi), rng.uniform(0.1, 0.35)
    slope_x, slope_y = np.float32(math.cos(angle) * strength), np.float32(math.sin(angle) * strength)
    return (1 + across[None, :] * slope_x + down[:, None] * slope_y).astype(np.float32)


def _blur(rng: Generator, scene: Pixels, roughness: float) -> Pixels:
    if rng.random() < 0.55:
        return scene
    unit = math.sqrt(scene.shape[0] * scene.shape[1]) / 288
    radius = roughness * unit * rng.uniform(0.3, 1.1)
    image = Image.fromarray(scene)
    if rng.random() < 0.7:
        return np.asarray(image.filter(ImageFilter.GaussianBlur(radius)))
    smear = np.roll(scene, max(1, round(2 * radius)), axis=int(rng.integers(2)))
    return ((scene.astype(np.uint16) + smear) // 2).astype(np.uint8)


def _noise(rng: Generator, scene: Pixels, roughness: float) -> Pixels:
    sigma = roughness * rng.uniform(0, 11)
    height, width = scene.shape[:2]
    normal = np.round(_NORMAL * sigma).astype(np.int16)
    grain = normal[rng.integers(0, 256, (height, width, 3), dtype=np.uint8)]
    grain += normal[rng.integers(0, 256, (height, width, 1), dtype=np.uint8)] // 2
    return np.clip(grain + scene, 0, 255).astype(np.uint8)


def compress(scene: Pixels, quality: int) -> Pixels:
    """The scene after JPEG at `quality` (1..100)."""
    buffer = io.BytesIO()
    Image.fromarray(scene).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer).convert("RGB"))
