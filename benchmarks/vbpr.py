"""Pairs per second and AUC of VBPR training: this suite against Cornac, in one run.

    pip install cornac
    python benchmarks/vbpr.py [--epochs 10] [--users 5000] [--items 20000]

Both train VBPR with 25 latent and 25 visual factors on the same purchases and the same 512 features
(drawn here: users choose by a taste over 16 hidden style dimensions that the features show through
a random ReLU layer), with batches of 128 triples, for the same number of epochs; both are judged by
this suite's exact AUC on the same held-out items. Cornac runs with its default learning rate and
penalties, ours with a learning rate of 0.3 and a penalty of 0.003 on these data. Cornac's pass over
its own data is timed as its `fit` does it, its initialisation left out by timing 1 and 1 + epochs
and taking the difference.
"""

import argparse
import contextlib
import io
import time

import numpy as np
from scipy.special import softmax

from baselines.vbpr import Vbpr, VbprParams
from bench.datasets.dataset import NO_ITEM, FeatureInfo, Interactions, TrainingSet
from bench.evaluation.auc import mean_auc
from bench.evaluation.fused import count_factors
from bench.experiment.provenance import describe_machine
from bench.recommender import Factors, Runtime

N_FEATURES, LATENT, VISUAL, BATCH = 512, 25, 25, 128


def purchases(n_users: int, n_items: int, seed: int = 0) -> tuple[TrainingSet, np.ndarray]:
    """Draw a training set with features, and one test item per user."""
    rng = np.random.default_rng(seed)
    style = rng.standard_normal((n_items, 16)).astype(np.float32)
    layer = rng.standard_normal((16, N_FEATURES)).astype(np.float32)
    features = np.maximum(style @ layer, 0.0)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    popularity = rng.gumbel(size=n_items).astype(np.float32)
    taste = rng.standard_normal((n_users, 16)).astype(np.float32) * 0.7
    users, items = [], []
    test = np.full(n_users, NO_ITEM, dtype=np.int32)
    for user in range(n_users):
        chances = softmax((style @ taste[user] + popularity).astype(np.float64))
        bought = rng.choice(n_items, size=13, replace=False, p=chances)
        test[user] = bought[0]
        users.append(np.full(12, user))
        items.append(bought[1:])
    train = Interactions.from_pairs(
        np.concatenate(users), np.concatenate(items), n_users=n_users, n_items=n_items
    )
    return TrainingSet(
        name="drawn", train=train, features=features, feature_info=FeatureInfo("own", "drawn")
    ), test


def auc(factors: Factors, dataset: TrainingSet, test: np.ndarray) -> float:
    """Give the exact AUC on the test items."""
    known = dataset.train.with_pairs(np.arange(dataset.n_users), test)
    return mean_auc(count_factors(factors, [test], known)[0], "half").mean


def ours(dataset: TrainingSet, epochs: int, batch: int) -> tuple[float, Factors]:
    """Train our VBPR; give seconds per epoch and the factors."""
    ends = []

    class Clock:
        def __call__(
            self, epoch: int, *, loss: float | None = None, rate: float | None = None
        ) -> bool:
            ends.append(time.perf_counter())
            return True

        def pause(self) -> None:
            pass

        def resume(self) -> None:
            return None

    params = VbprParams(
        factors=LATENT,
        visual_factors=VISUAL,
        batch_size=batch,
        epochs=epochs + 1,
        learning_rate=0.3,
        regularization=0.003,
    )
    model = Vbpr(params, runtime=Runtime(seed=0, device="cpu"))
    kept: list[Factors] = []

    class KeepFactors(Clock):
        def __call__(
            self, epoch: int, *, loss: float | None = None, rate: float | None = None
        ) -> bool:
            super().__call__(epoch, loss=loss)
            if epoch == epochs:
                kept.append(model.factors())
                ends[-1] = time.perf_counter()  # looking is not training
            return True

    model.fit(dataset, watch=KeepFactors())
    return float(np.median(np.diff(ends))), kept[0]


def cornac(dataset: TrainingSet, epochs: int) -> tuple[float, Factors]:
    """Train Cornac's VBPR; give seconds per epoch and the factors."""
    from cornac.data import Dataset, ImageModality
    from cornac.models import VBPR

    train = dataset.train
    pairs = [(int(u), int(i), 1.0) for u, i in zip(train.users, train.indices, strict=True)]
    uid = {user: user for user in range(dataset.n_users)}
    iid = {item: item for item in range(dataset.n_items)}
    data = Dataset.build(pairs, global_uid_map=uid, global_iid_map=iid)
    data.add_modalities(
        item_image=ImageModality(
            features=dataset.features, ids=list(range(dataset.n_items)), normalized=True
        ).build(id_map=iid)
    )

    def fit(n_epochs: int) -> tuple[float, VBPR]:
        model = VBPR(
            k=LATENT, k2=VISUAL, n_epochs=n_epochs, batch_size=BATCH, seed=0, verbose=False
        )
        started = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            model.fit(data)
        return time.perf_counter() - started, model

    short, _ = fit(1)
    long, model = fit(1 + epochs)
    _, same = fit(epochs)
    del model
    user_factors = np.concatenate([same.gamma_user, same.theta_user], axis=1)
    item_factors = np.concatenate([same.gamma_item, same.theta_item], axis=1)
    bias = same.beta_item + same.visual_bias
    return (long - short) / epochs, Factors(
        np.ascontiguousarray(user_factors[: dataset.n_users], dtype=np.float32),
        np.ascontiguousarray(item_factors[: dataset.n_items], dtype=np.float32),
        np.ascontiguousarray(bias[: dataset.n_items], dtype=np.float32),
    )


def main() -> None:
    """Run the comparison and print a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--users", type=int, default=5000)
    parser.add_argument("--items", type=int, default=20000)
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()
    dataset, test = purchases(options.users, options.items)
    n_pairs = dataset.train.n_pairs
    rows = []
    for name, (seconds, factors) in {
        "Cornac, batch 128": cornac(dataset, options.epochs),
        "ours, batch 128": ours(dataset, options.epochs, BATCH),
        "ours, batch 256 (default)": ours(dataset, options.epochs, 256),
        "ours, batch 512": ours(dataset, options.epochs, 512),
    }.items():
        rows.append((name, n_pairs / seconds, auc(factors, dataset, test)))
    machine = describe_machine()
    versions = {name: machine["versions"][name] for name in ("torch", "numpy")}
    print(f"{machine['cpu']}, {machine['cores']} cores, {versions}, commit {machine['git']}")
    print(f"{options.users} users, {options.items} items, {n_pairs} pairs, {options.epochs} epochs")
    print("\n| VBPR | pairs/s | times Cornac | AUC |\n|---|---:|---:|---:|")
    for name, speed, value in rows:
        print(f"| {name} | {speed:,.0f} | {speed / rows[0][1]:.1f} | {value:.4f} |")


if __name__ == "__main__":
    main()
