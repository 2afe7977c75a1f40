"""How fast the AUC of a factor model is, against the bare matrix product in the same run.

    python benchmarks/auc.py [--users N] [--items N] [--factors K] [--repeats N]

Prints Markdown for benchmarks/README.md. The floor is the fastest of several blocked float32
products of the same size, without bias, target or comparison: each block shape with one Python
thread per core, and with PyTorch's own threads. Floor and evaluator take turns, so that a busy
machine slows both, and the ratio is taken within the quietest of the rounds.
"""

import argparse
import platform
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product

import numba
import numpy as np
import numpy.typing as npt
import torch

from bench.datasets.dataset import Interactions
from bench.device import available_threads
from bench.evaluation import count_factors, mean_auc
from bench.recommender import Factors

SHAPES = ((128, 2048), (256, 2048), (512, 1024), (512, 4096), (1024, 1024))
SAMPLE_USERS = 200


def main() -> None:
    """Measure and print."""
    options = _parse()
    threads = available_threads()
    rng = np.random.default_rng(0)
    factors, test, known = _problem(rng, options.users, options.items, options.factors)
    second = np.roll(test, 1)  # stands for the validation items
    known = known.with_pairs(np.arange(options.users), second)

    started = time.perf_counter()
    few = np.where(np.arange(options.users) < 128, test, -1)
    count_factors(factors, [few], known)
    first_call = time.perf_counter() - started

    floors = _floors(factors, threads)
    # A look at a tenth of the users tells which layouts are worth a full run.
    trial = max(options.users // 10, 512)
    speed = {name: _seconds(partial(run, trial)) for name, run in floors.items()}
    candidates = sorted(speed, key=lambda name: speed[name])[:2]
    rounds = []
    for _ in range(options.repeats):
        bare = {name: _seconds(partial(floors[name], options.users)) for name in candidates}
        fused = {}
        for n_targets in (1, 2):
            targets = [test, second][:n_targets]
            started = time.perf_counter()
            counts = count_factors(factors, targets, known, threads=threads)
            fused[n_targets] = time.perf_counter() - started
        rounds.append((bare, fused, counts))
    # All figures come from one round, the one that the machine's other work disturbed least.
    bare, fused, counts = min(rounds, key=lambda one: sum(one[0].values()) + sum(one[1].values()))
    unit = 1 if sys.platform == "darwin" else 1024
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

    floor_name = min(bare, key=lambda name: bare[name])
    floor = bare[floor_name]
    flops = 2.0 * options.users * options.items * options.factors
    per_user = _per_user_numpy(factors, test, known, rng) * options.users
    auc = mean_auc(counts[0], "half")
    print(f"{options.users:,} users x {options.items:,} items, K={options.factors}; {_machine()}\n")
    print("| what | seconds | GFLOP/s | ratio to the product |")
    print("|---|---|---|---|")
    rows = [(f"bare product, {floor_name}", floor)]
    rows += [(f"AUC, {n} held-out item{'s' * (n > 1)} per user", s) for n, s in fused.items()]
    rows += [(f"per-user NumPy, from {SAMPLE_USERS} users", per_user)]
    for name, seconds in rows:
        print(f"| {name} | {seconds:.2f} | {flops / seconds / 1e9:.0f} | {seconds / floor:.2f} |")
    print(
        f"\nPeak resident memory {peak_bytes / 2**30:.2f} GiB; first call, kernels compiled or "
        f"read from Numba's cache, {first_call:.1f} s; AUC of random factors {auc.mean:.4f} over "
        f"{auc.n_users:,} users; the quietest of {options.repeats} rounds."
    )


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    # The counts of the paper's Amazon Fashion (Table II) and its number of factors (IV-B).
    parser.add_argument("--users", type=int, default=64_583, help="users, one test item each")
    parser.add_argument("--items", type=int, default=234_892, help="size of the catalogue")
    parser.add_argument("--factors", type=int, default=50, help="factors of the model")
    parser.add_argument("--repeats", type=int, default=3, help="rounds; the quietest counts")
    return parser.parse_args()


def _problem(
    rng: np.random.Generator, n_users: int, n_items: int, n_factors: int
) -> tuple[Factors, npt.NDArray[np.int32], Interactions]:
    """Draw a model, test items and eight known items per user, as in Amazon Fashion."""
    factors = Factors(
        rng.standard_normal((n_users, n_factors), dtype=np.float32),
        rng.standard_normal((n_items, n_factors), dtype=np.float32),
        rng.standard_normal(n_items, dtype=np.float32),
    )
    items = rng.integers(0, n_items, size=(n_users, 8), dtype=np.int32)
    users = np.repeat(np.arange(n_users), 8)
    known = Interactions.from_pairs(users, items.ravel(), n_users=n_users, n_items=n_items)
    return factors, items[:, 0], known


def _floors(factors: Factors, threads: int) -> dict[str, Callable[[int], None]]:
    """Give the bare products by name; each takes the number of users to multiply."""
    users = torch.from_numpy(factors.user_factors)
    tiled = {width: _tiles(factors.item_factors, width) for _, width in SHAPES}

    def blocks(rows: int, width: int, starts: range) -> None:
        tile = torch.empty(rows, width)
        for start in starts:
            block = users[start : start + rows]
            for columns in tiled[width]:
                torch.mm(block, columns, out=tile[: len(block)])

    def python_threads(rows: int, width: int, n_users: int) -> None:
        torch.set_num_threads(1)
        with ThreadPoolExecutor(threads) as executor:
            shares = [range(w * rows, n_users, threads * rows) for w in range(threads)]
            list(executor.map(partial(blocks, rows, width), shares))
        torch.set_num_threads(threads)

    def torch_threads(rows: int, width: int, n_users: int) -> None:
        torch.set_num_threads(threads)
        blocks(rows, width, range(0, n_users, rows))

    floors: dict[str, Callable[[int], None]] = {}
    layouts = (("Python", python_threads), ("PyTorch", torch_threads))
    for (label, run), (rows, width) in product(layouts, SHAPES):
        name = f"{threads} {label} threads, {rows} x {width} tiles"
        floors[name] = partial(run, rows, width)
    return floors


def _tiles(item_factors: npt.NDArray[np.float32], width: int) -> list[torch.Tensor]:
    starts = range(0, len(item_factors), width)
    parts = (torch.from_numpy(item_factors[start : start + width].T.copy()) for start in starts)
    # The last, narrower one is filled up, as in the evaluator: the floor must not pay for an edge.
    return [torch.nn.functional.pad(part, (0, width - part.shape[1])) for part in parts]


def _per_user_numpy(
    factors: Factors, test: npt.NDArray[np.int32], known: Interactions, rng: np.random.Generator
) -> float:
    """Give the seconds per user of the obvious loop."""
    users = rng.choice(len(test), min(SAMPLE_USERS, len(test)), replace=False)
    started = time.perf_counter()
    for user in users:
        scores = factors.item_factors @ factors.user_factors[user] + factors.item_bias
        negative = np.ones(len(scores), dtype=bool)
        negative[known.of(int(user))] = False
        others = scores[negative]
        np.mean(others < scores[test[user]]) + 0.5 * np.mean(others == scores[test[user]])
    return (time.perf_counter() - started) / len(users)


def _seconds(run: Callable[[], None]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def _machine() -> str:
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123 - not a file on disk
            name = next(line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        pass
    return (
        f"{name}, {available_threads()} cores, Python {platform.python_version()}, "
        f"torch {torch.__version__}, NumPy {np.__version__}, Numba {numba.__version__}"
    )


if __name__ == "__main__":
    main()
