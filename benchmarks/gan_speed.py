"""Real images per second of the GAN's training.

    python benchmarks/gan_speed.py --device cuda --presets paper release
    python benchmarks/gan_speed.py --device cpu --presets slim

Images are drawn at random: no number of a step depends on them. A step is one of D and one of G;
the first few, in which libraries choose their algorithms, do not count. The median and the fastest
step are told, because other work on the machine makes steps slower and never faster.
"""

import argparse
import time

import numpy as np
import torch

from bench.device import available_threads, resolve_device, torch_threads
from bench.experiment.provenance import describe_machine
from dvbpr.gan_presets import PRESETS, GanParams
from dvbpr.gan_training import GanTrainer
from dvbpr.torch_tools import has_fast_bf16

N_IMAGES, N_CATEGORIES = 4500, 6

PUBLISHED = 166_270
"""Images of the published Amazon Fashion archive."""


def step_seconds(preset: str, device: torch.device, precision: str, steps: int) -> list[float]:
    """Time each of so many steps."""
    settings = GanParams(preset=preset).settings(device.type)  # type: ignore[arg-type]
    rng = np.random.default_rng(0)
    shape = (N_IMAGES, settings.pixels, settings.pixels, 3)
    trainer = GanTrainer(
        rng.integers(256, size=shape, dtype=np.uint8),
        rng.integers(N_CATEGORIES, size=N_IMAGES),
        N_CATEGORIES,
        settings,
        precision=precision,  # type: ignore[arg-type]
        seed=0,
        device=device,
    )
    seconds: list[float] = []
    moves = np.zeros((2, 2), dtype=np.int64)
    for _ in range(steps + 5):
        items = torch.from_numpy(rng.integers(N_IMAGES, size=settings.batch_size))
        started = time.perf_counter()
        trainer.take_step(items, moves)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - started)
    trainer.close()
    return seconds[5:]


def main() -> None:
    """Measure the presets asked for and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=available_threads())
    parser.add_argument("--presets", nargs="+", choices=list(PRESETS), default=list(PRESETS))
    parser.add_argument("--precision", choices=("auto", "float32", "bf16"), default="auto")
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args()
    device = resolve_device(options.device)
    precision = options.precision
    if precision == "auto":
        precision = "bf16" if has_fast_bf16(device) else "float32"
    name = (
        torch.cuda.get_device_name(device) if device.type == "cuda" else describe_machine()["cpu"]
    )
    print(f"{name}, {options.threads} threads, {precision}")
    for preset in options.presets:
        settings = PRESETS[preset]
        with torch_threads(options.threads):
            seconds = step_seconds(preset, device, precision, options.steps)
        rates = [settings.batch_size / s for s in (float(np.median(seconds)), min(seconds))]
        hours = settings.epochs * PUBLISHED / rates[1] / 3600
        print(
            f"{preset}: {rates[0]:.0f} images/s (median step), {rates[1]:.0f} (fastest); "
            f"{settings.epochs} epochs of {PUBLISHED:,} images at best {hours:.2f} h"
        )


if __name__ == "__main__":
    main()
