"""Image evaluations per second of preference maximisation, and where the time goes.

    python benchmarks/design_speed.py --device cuda --presets paper release
    python benchmarks/design_speed.py --device cpu --presets slim --trials 2

Networks have their random start: no number of a step depends on what they have learnt. An image
evaluation is one step of one start: G, Delta and Phi, D, and the way back through all of them to
the code. Table IV takes 1000 trials x 64 starts x 50 steps of them, 3.2 million. Shares are those
of the six passes of one batch run one after another, each waited for and with all threads. Work is
counted in multiply-adds from the layers' shapes: one per weight and output place, twice that with
the way back, where only the gradients of the inputs are wanted.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from bench.device import available_threads, resolve_device, torch_threads
from bench.experiment.provenance import describe_machine
from bench.generator import DesignOptions
from bench.progress import Progress
from dvbpr.ascent import Batch, start_codes
from dvbpr.design import Networks, assemble, design
from dvbpr.gan_presets import GanParams
from dvbpr.gan_start import start_discriminator, start_generator
from dvbpr.preference import Preference
from dvbpr.presets import DvbprParams
from dvbpr.torch_tools import has_fast_bf16
from dvbpr.weights import start_network

PREFERENCE = {"paper": "paper", "release": "release", "slim": "slim"}
"""DVBPR's preset beside each of the GAN's."""

N_USERS, N_CATEGORIES = 1000, 6

Precision = Literal["float32", "bf16"]


def wait(device: torch.device) -> None:
    """Let the device finish what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def timed(work: Callable[[], Any], device: torch.device) -> tuple[float, Any]:
    """Give the seconds `work` takes, on the device too, and its result."""
    wait(device)
    started = time.perf_counter()
    result = work()
    wait(device)
    return time.perf_counter() - started, result


def multiply_adds(network: nn.Module, run: Callable[[], Any]) -> int:
    """Count those of one image's forward pass, which `run` makes."""
    counts: list[int] = []

    def note(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        weight = layer.weight
        assert isinstance(weight, Tensor)
        # A transposed convolution spreads each input place over the kernel.
        spread = inputs[0] if isinstance(layer, nn.ConvTranspose2d) else output
        counts.append(weight.numel() * (spread[0, 0].numel() if spread.ndim == 4 else 1))

    kinds = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
    hooks = [m.register_forward_hook(note) for m in network.modules() if isinstance(m, kinds)]
    with torch.no_grad():
        run()
    for hook in hooks:
        hook.remove()
    return sum(counts)


def passes(networks: Networks, n: int, eta: float) -> dict[str, float]:
    """Time each network's way there and back for `n` images, in seconds."""
    device = networks.device
    rng = np.random.default_rng(0)
    codes = torch.tanh(torch.from_numpy(start_codes(n, networks.code_dims, rng))).to(device)
    users = torch.from_numpy(rng.integers(N_USERS, size=n)).to(device)
    categories = torch.from_numpy(rng.integers(N_CATEGORIES, size=n)).to(device)
    spent: dict[str, float] = {}
    codes.requires_grad_()
    spent["G"], images = timed(lambda: networks.generate(codes, categories), device)
    leaf = images.detach().requires_grad_()
    spent["Phi"], scores = timed(lambda: networks.prefer(users, leaf), device)
    back = lambda values: torch.autograd.grad(values.sum(), leaf)[0]  # noqa: E731
    spent["Phi back"], gradient = timed(lambda: back(scores), device)
    if eta:
        spent["D"], judged = timed(lambda: networks.judge(leaf, categories), device)
        loss = eta * (judged - 1.0).square()
        spent["D back"], more = timed(lambda: back(-loss), device)
        gradient = gradient + more
    spent["G back"], _ = timed(lambda: torch.autograd.grad(images, codes, gradient), device)
    return spent


def measure(preset: str, precision: Precision, options: argparse.Namespace) -> dict[str, Any]:
    """Time whole trials, then the passes of a step."""
    device = resolve_device(options.device)
    gan = GanParams(preset=preset).settings(device.type)  # type: ignore[arg-type]
    settings = DvbprParams(preset=PREFERENCE[preset]).settings(device.type)  # type: ignore[arg-type]
    draws = torch.Generator().manual_seed(0)
    generator = start_generator(gan, N_CATEGORIES, draws)
    discriminator = start_discriminator(gan, N_CATEGORIES, draws)
    theta = torch.randn(N_USERS, settings.factors, generator=draws)
    preference = Preference(
        start_network(settings, 0).to(device), theta.to(device), precision=precision
    )
    networks = assemble(
        generator.to(device), discriminator.to(device), preference, precision=precision
    )
    how = DesignOptions(
        eta=options.eta, starts=options.starts, steps=options.steps, batch=options.batch
    )
    rng = np.random.default_rng(1)

    def trials(count: int, steps: int) -> None:
        users = rng.integers(N_USERS, size=count)
        categories = rng.integers(N_CATEGORIES, size=count)
        chosen = DesignOptions(
            eta=how.eta, starts=how.starts, steps=steps, batch=how.batch, top=min(3, how.starts)
        )
        design(networks, users, categories, chosen, seed=0)

    batch = Batch(how.batch, device, Progress("batches")).size
    together = max(1, batch // how.starts)
    trials(together, 2)
    used = time.process_time()
    seconds, _ = timed(lambda: trials(options.trials, options.steps), device)
    used = time.process_time() - used
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    n = min(batch, together * how.starts)
    passes(networks, n, how.eta)
    runs = [passes(networks, n, how.eta) for _ in range(options.repeats)]
    memory = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
    spent = {name: float(np.median([run[name] for run in runs])) for name in runs[0]}
    code = torch.zeros(1, gan.code_dims, device=device)
    label, who = torch.zeros(2, 1, dtype=torch.int64, device=device)
    image = networks.generate(code, label)
    counted = {
        "G": multiply_adds(generator, lambda: networks.generate(code, label)),
        "D": multiply_adds(discriminator, lambda: networks.judge(image, label)),
        "Phi": multiply_adds(preference.network, lambda: networks.prefer(who, image)),
    }
    evaluations = options.trials * how.starts * options.steps
    return {
        "pixels": f"{gan.pixels} to {settings.pixels}",
        "counted": counted,
        "rate": evaluations / seconds,
        "per_core": evaluations / used,
        "flops": 2 * 2 * sum(counted.values()) * evaluations / seconds,
        "batch": n,
        "spent": spent,
        "memory": memory,
    }


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--device", default="auto")
    parser.add_argument("--presets", nargs="+", default=None, choices=sorted(PREFERENCE))
    parser.add_argument("--precision", action="append", choices=["float32", "bf16"])
    parser.add_argument("--trials", type=int, default=None, help="queries that are designed for")
    parser.add_argument("--starts", type=int, default=64)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--eta", type=float, default=1.0)
    parser.add_argument(
        "--batch", type=int, default=0, help="images of a batch; 0: what design takes"
    )
    parser.add_argument("--repeats", type=int, default=5, help="of the single passes")
    parser.add_argument("--threads", type=int, default=available_threads())
    options = parser.parse_args()
    device = resolve_device(options.device)
    gpu = device.type == "cuda"
    options.trials = options.trials or (64 if gpu else 2)
    precisions: list[Precision] = options.precision or (
        ["float32", "bf16"] if has_fast_bf16(device) else ["float32"]
    )
    machine = describe_machine()
    name = torch.cuda.get_device_name(device) if gpu else machine["cpu"]
    print(f"{name}, {options.threads} threads, torch {torch.__version__}, commit {machine['git']}")
    print(f"{options.trials} trials x {options.starts} starts x {options.steps} steps, ", end="")
    print(f"eta {options.eta:g}\n")
    names = ("G", "G back", "D", "D back", "Phi", "Phi back")
    head = "| preset | pixels | M multiply-adds G, D, Phi | precision | at once | evaluations/s |"
    head += " per processor second | TFLOP/s | 1000 x 64 x 50, minutes | GB |"
    print(f"{head} {' | '.join(names)} |\n|---|---|---|---|" + "---:|" * 12)
    with torch_threads(options.threads):
        for preset in options.presets or (["paper", "release"] if gpu else ["slim"]):
            for precision in precisions:
                got = measure(preset, precision, options)
                whole = sum(got["spent"].values())
                cells = [
                    preset,
                    got["pixels"],
                    ", ".join(f"{count / 1e6:,.0f}" for count in got["counted"].values()),
                    precision,
                    str(got["batch"]),
                    f"{got['rate']:,.0f}",
                    "-" if gpu else f"{got['per_core']:,.0f}",
                    f"{got['flops'] / 1e12:.2f}",
                    f"{1000 * 64 * 50 / got['rate'] / 60:,.1f}",
                    f"{got['memory'] / 1e9:.1f}" if gpu else "-",
                    *(f"{got['spent'].get(part, 0.0) / whole:.0%}" for part in names),
                ]
                print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
