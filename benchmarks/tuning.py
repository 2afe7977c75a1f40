"""Trials per second of a search, one process against several, in one run.

    python benchmarks/tuning.py [--jobs 2] [--trials 12] [--turns 3]

A data set is drawn and stored (users buy items of their own group, 512 features show the group);
then the same VBPR trials are run by one process and by several, in turns, each time from an empty
store. A trial has one thread in both. Before a turn counts, each worker runs one other trial, so
that starting processes and importing libraries is timed apart. All turns must find the same
validation AUCs, to the last bit.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from baselines.vbpr import Vbpr
from bench.datasets.dataset import FeatureInfo, Interactions
from bench.datasets.store import open_dataset, write_dataset
from bench.experiment.plan import RunOptions
from bench.experiment.provenance import describe_machine
from bench.experiment.tuning.batch import TrialRunner
from bench.experiment.tuning.grid import grid_points
from bench.experiment.tuning.search import SearchOptions
from bench.experiment.tuning.store import TuningStore
from bench.experiment.tuning.tune import Search, Tuner
from bench.experiment.tuning.workers import Workers

N_FEATURES, N_GROUPS, N_TRAINING = 512, 16, 10


def store_purchases(folder: Path, n_users: int, n_items: int) -> None:
    """Draw and store a data set."""
    rng = np.random.default_rng(0)
    group = rng.integers(N_GROUPS, size=n_items)
    centres = rng.random((N_GROUPS, N_FEATURES), dtype=np.float32)
    noise = rng.random((n_items, N_FEATURES), dtype=np.float32)
    bought = np.empty((n_users, N_TRAINING + 2), dtype=np.int64)
    for user in range(n_users):
        own = np.flatnonzero(group == user % N_GROUPS)
        bought[user] = rng.choice(own, N_TRAINING + 2, replace=False)
    users = np.repeat(np.arange(n_users), N_TRAINING)
    items = bought[:, 2:].ravel()
    write_dataset(
        folder,
        name=folder.name,
        title="Drawn",
        source="benchmarks/tuning.py",
        licence="none",
        train=Interactions.from_pairs(users, items, n_users=n_users, n_items=n_items),
        validation=bought[:, 0].astype(np.int32),
        test=bought[:, 1].astype(np.int32),
        user_ids=[f"u{user}" for user in range(n_users)],
        item_ids=[f"i{item}" for item in range(n_items)],
        split_rule="drawn",
        split_seed=0,
        features=centres[group] + noise,
        feature_info=FeatureInfo("own", "drawn"),
    )


def search_of(points: int, seed: int, epochs: int) -> Search:
    """Give a search over so many points of VBPR's own grid."""
    pinned = {"epochs": str(epochs)}
    options = SearchOptions(kind="random", trials=points, seed=seed)
    return Search(
        recommender=Vbpr,
        points=grid_points(Vbpr, pinned=pinned, options=options),
        grids=(Vbpr.grid,),
        pinned=pinned,
        grid=None,
        options=options,
    )


def timed(
    folder: Path, jobs: int, trials: int, epochs: int
) -> tuple[float, float, dict[str, float]]:
    """Run a search from an empty store; give seconds to start, seconds, and the AUCs by trial."""
    with tempfile.TemporaryDirectory() as results, Workers(jobs=jobs).open(threads=1) as pool:
        store = TuningStore(Path(results))
        tuner = Tuner(
            dataset=open_dataset(folder),
            folder=folder,
            title="Drawn",
            plugins=(),
            run=RunOptions(device="cpu", threads=1, patience=0),
            store=store,
            runner=TrialRunner(store, force=False),
        )
        started = time.perf_counter()
        tuner.search(search_of(jobs, seed=1, epochs=1), pool)
        ready = time.perf_counter()
        record = tuner.search(search_of(trials, seed=0, epochs=epochs), pool).record
        ended = time.perf_counter()
        return (
            ready - started,
            ended - ready,
            {trial["trial"]: trial["validation_auc"] for trial in record.ranking},
        )


def main() -> None:
    """Run the comparison and print a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--users", type=int, default=5000)
    parser.add_argument("--items", type=int, default=10000)
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()
    machine = describe_machine()
    versions = {name: machine["versions"][name] for name in ("joblib", "torch", "numpy")}
    print(f"{machine['cpu']}, {machine['cores']} cores, {versions}, commit {machine['git']}")
    print(
        f"{options.trials} trials of VBPR, {options.epochs} epochs, one thread each; "
        f"{options.users} users, {options.items} items"
    )
    print("\n| turn | processes | start, s | trials, s | trials per minute | times one process |")
    print("|---:|---:|---:|---:|---:|---:|")
    ratios, found = [], []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "drawn"
        store_purchases(folder, options.users, options.items)
        for turn in range(1, options.turns + 1):
            one = 0.0
            for jobs in (1, options.jobs):
                start, seconds, aucs = timed(folder, jobs, options.trials, options.epochs)
                one = one or seconds
                found.append(aucs)
                rate = 60 * options.trials / seconds
                ratio = one / seconds
                print(
                    f"| {turn} | {jobs} | {start:.1f} | {seconds:.1f} | {rate:.1f} | {ratio:.2f} |",
                    flush=True,
                )
            ratios.append(ratio)
    print(f"\nMedian: {np.median(ratios):.2f} times one process.")
    print("Same AUCs in all turns:", all(aucs == found[0] for aucs in found))


if __name__ == "__main__":
    main()
