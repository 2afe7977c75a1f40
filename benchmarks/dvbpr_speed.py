"""Images per second of DVBPR's training, where the time of a step goes, share of the peak.

    python benchmarks/dvbpr_speed.py --device cuda
    python benchmarks/dvbpr_speed.py --device cpu --presets slim

Images and purchases are drawn at random: no number of a step depends on them. Work is counted in
multiply-adds by hand, from the layers' shapes: a forward pass has one per weight and output place,
a training step three times as many, less the gradient with respect to the images, which nobody
needs. The peak is the data sheet's for bf16 where the GPU's name is known, and what a large product
reaches in the same run. The paper's training is 20 epochs of the published Amazon Fashion archive
(267,635 training pairs), with the preset's own batches.
"""

import argparse
import math
import time
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from bench.datasets.dataset import Interactions, TrainingSet
from bench.device import available_threads, resolve_device, torch_threads
from bench.experiment.provenance import describe_machine
from dvbpr.backbones import BACKBONES
from dvbpr.presets import DvbprParams, Settings
from dvbpr.torch_tools import has_fast_bf16
from dvbpr.training import Trainer
from dvbpr.weights import start_network

PEAK_BF16 = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "A10": 125e12}
"""Dense bf16 FLOP/s of data sheets, by a part of the GPU's name; SXM modules of H100 and H200."""

PAIRS = 267_635
"""Training pairs of the published Amazon Fashion archive."""

Precision = Literal["float32", "bf16"]


def multiply_adds(settings: Settings) -> tuple[int, int]:
    """Count those of one image's forward pass, and those of its first layer alone."""
    with torch.device("meta"):
        network = BACKBONES[settings.backbone](
            settings.factors, dropout=0.0, pixels=settings.pixels
        ).eval()
    counts: list[int] = []

    def note(layer: nn.Module, _: Any, output: torch.Tensor) -> None:
        weight = layer.weight
        assert isinstance(weight, torch.Tensor)
        places = output[0, 0].numel() if output.ndim == 4 else 1
        counts.append(weight.numel() * places)

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(note)
    side = settings.pixels
    network.last(network.features(torch.empty(1, 3, side, side, device="meta")))
    return sum(counts), counts[0]


def training_set(n_items: int) -> TrainingSet:
    """Draw purchases: a third as many users as items, six items each."""
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(max(n_items // 3, 1)), 6)
    items = rng.integers(n_items, size=len(users))
    train = Interactions.from_pairs(users, items, n_users=users[-1] + 1, n_items=n_items)
    return TrainingSet(name="drawn", train=train)


def wait(device: torch.device) -> None:
    """Let the device finish what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def timed(function: Callable[..., Any], device: torch.device, spent: dict[str, float], name: str):
    """Wrap `function` so that its time, on the device too, is added to `spent[name]`."""

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        wait(device)
        started = time.perf_counter()
        result = function(*args, **kwargs)
        wait(device)
        spent[name] = spent.get(name, 0.0) + time.perf_counter() - started
        return result

    return wrapped


def measured_peak(device: torch.device, precision: Precision) -> float:
    """Give the FLOP/s of a large product, the best of several."""
    size = 8192 if device.type == "cuda" else 2048
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    best = math.inf
    for _ in range(10):
        wait(device)
        started = time.perf_counter()
        a @ b
        wait(device)
        best = min(best, time.perf_counter() - started)
    return 2 * size**3 / best


def measure(
    preset: str, precision: Precision, device: torch.device, options: argparse.Namespace
) -> dict[str, Any]:
    """Time whole steps, then the parts of steps."""
    given: dict[str, Any] = {"compile": options.compile} if options.compile else {}
    if options.batch_size:
        given |= {"batch_size": options.batch_size}
    settings = DvbprParams(preset=preset, **given).settings(device.type)  # type: ignore[arg-type]
    shape = (options.items, settings.pixels, settings.pixels, 3)
    images = np.random.default_rng(1).integers(256, size=shape, dtype=np.uint8)
    trainer = Trainer(
        training_set(options.items),
        images,
        start_network(settings, 0),
        settings,
        precision=precision,
        seed=0,
        device=str(device),
    )
    plan = trainer._epoch_plan()
    full = [
        step for step in range(trainer.steps) if len(plan.batch(step).users) == settings.batch_size
    ]

    def steps(count: int) -> list[float]:
        times = []
        for number in range(count):
            wait(device)
            started = time.perf_counter()
            trainer.take_step(plan.batch(full[number % len(full)]))
            wait(device)
            times.append(time.perf_counter() - started)
        return times

    steps(options.warmup)
    if device.type == "cuda":
        # Steps follow each other without waiting, as in training.
        wait(device)
        started = time.perf_counter()
        for number in range(options.steps):
            trainer.take_step(plan.batch(full[number % len(full)]))
        wait(device)
        seconds = (time.perf_counter() - started) / options.steps
    else:
        seconds = float(np.median(steps(options.steps)))
    spent: dict[str, float] = {}
    encoder, optimiser = trainer.encoder, trainer._optimiser
    encoder._images.batch = timed(encoder._images.batch, device, spent, "gather")  # type: ignore[method-assign]
    encoder._pass = timed(encoder._pass, device, spent, "forward")  # type: ignore[method-assign]
    optimiser.step = timed(optimiser.step, device, spent, "optimiser")  # type: ignore[method-assign]
    trainer.rows.step = timed(trainer.rows.step, device, spent, "optimiser")  # type: ignore[method-assign]
    trainer._average.update = timed(trainer._average.update, device, spent, "optimiser")  # type: ignore[method-assign]
    total = sum(steps(options.steps))
    parts = {name: value / options.steps for name, value in spent.items()}
    parts["loss, backward, rest"] = total / options.steps - sum(parts.values())
    n_images = len(plan.batch(full[0]).items)
    forward, first = multiply_adds(settings)
    flops = 2 * (3 * forward - first) * n_images / seconds
    rate = n_images / seconds
    trainer.close()
    per_epoch = -(-PAIRS // settings.batch_size) * n_images
    return {
        "settings": settings,
        "seconds": seconds,
        "rate": rate,
        "parts": parts,
        "flops": flops,
        "forward": forward,
        "images": n_images,
        "paper": 20 * per_epoch / rate,
    }


def main() -> None:
    """Measure and print Markdown tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--device", default="auto")
    parser.add_argument("--presets", nargs="+", default=None)
    parser.add_argument("--precision", action="append", choices=["float32", "bf16"])
    parser.add_argument("--items", type=int, default=None, help="size of the drawn catalogue")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--warmup", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=None)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--threads", type=int, default=available_threads())
    options = parser.parse_args()
    device = resolve_device(options.device)
    gpu = device.type == "cuda"
    options.items = options.items or (20_000 if gpu else 2_000)
    presets = options.presets or (["paper", "release", "fast", "slim"] if gpu else ["slim"])
    precisions: list[Precision] = options.precision or (
        ["float32", "bf16"] if has_fast_bf16(device) else ["float32"]
    )
    machine = describe_machine()
    name = torch.cuda.get_device_name(device) if gpu else machine["cpu"]
    print(f"{name}, {options.threads} threads, torch {torch.__version__}, commit {machine['git']}")
    sheet = next((peak for part, peak in PEAK_BF16.items() if gpu and part in name), None)
    head = "| preset | network | precision | images/s | TFLOP/s | of a measured product |"
    head += " of the data sheet | ms per step | gather | forward | loss, backward, rest |"
    print(f"\n{head} optimiser | paper's training, hours |\n|---|---|---|" + "---:|" * 10)
    with torch_threads(options.threads):
        peaks = {precision: measured_peak(device, precision) for precision in precisions}
        for preset in presets:
            for precision in precisions:
                got = measure(preset, precision, device, options)
                settings, parts = got["settings"], got["parts"]
                whole = sum(parts.values())
                share = f"{got['flops'] / sheet:.0%}" if sheet and precision == "bf16" else "-"
                cells = [
                    preset,
                    f"{settings.backbone}, {settings.pixels} px, {got['forward'] / 1e6:,.0f} M",
                    precision,
                    f"{got['rate']:,.0f}",
                    f"{got['flops'] / 1e12:.2f}",
                    f"{got['flops'] / peaks[precision]:.0%}",
                    share,
                    f"{1e3 * got['seconds']:.1f}",
                    *(
                        f"{parts.get(part, 0.0) / whole:.0%}"
                        for part in ("gather", "forward", "loss, backward, rest", "optimiser")
                    ),
                    f"{got['paper'] / 3600:.2f}",
                ]
                print(f"| {' | '.join(cells)} |", flush=True)
    for precision, peak in peaks.items():
        print(f"\nMeasured product in {precision}: {peak / 1e12:.2f} TFLOP/s.", end="")
    print("\nM: million multiply-adds of one image's forward pass.")


if __name__ == "__main__":
    main()
