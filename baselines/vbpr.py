"""VBPR: matrix factorisation with a visual part on fixed CNN features (eq. 2), in PyTorch.

    x_ui = beta_i + gamma_u . gamma_i + theta_u . (E f_i) + beta' . f_i                     (eq. 2)
    loss = sum over triples of -ln sigma(x_ui - x_uj) + penalties                        (eq. 4, 5)

The gradients are written out, which a step of a few small products repays fivefold over automatic
differentiation; a test compares them with it. L2 is on the rows a triple touches: penalising whole
tables would shrink the rows of users and items that are not in the batch to nothing.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from baselines.features import FeatureScaling, feature_blocks, scale_factor
from bench.datasets.dataset import TrainingSet
from bench.datasets.sampling import PairSampling, draw_negatives, draw_pairs
from bench.device import resolve_device, torch_threads
from bench.recommender import FactorRecommender, Factors, State, Watch
from bench.rng import child_generator

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Vbpr", "VbprParams"]


@dataclass(frozen=True, kw_only=True)
class VbprParams:
    """Hyper-parameters of VBPR.

    Attributes
    ----------
    factors
        Latent factors (gamma); with `visual_factors` the paper searches 10, 30, 50 in total.
    visual_factors
        Visual factors (theta), the rows of E.
    regularization
        L2 weight lambda on the rows a triple touches: gamma_u, theta_u, gamma_i, gamma_j and the
        item biases; the penalty of a triple is lambda / 2 times their squared lengths.
    regularization_visual
        L2 weight on E and beta', per triple, as a share of the triples of an epoch.
    learning_rate
        Initial step of Adagrad.
    batch_size
        Triples per step.
    epochs
        At most; an epoch draws as many triples as there are training pairs.
    feature_scaling
        How the features are scaled; see `baselines.features`.
    sampling
        "pairs": each training pair once per epoch; "users": a uniform user, then one of her items,
        as in the authors' code.
    """

    factors: int = 10
    visual_factors: int = 20
    regularization: float = 0.1
    regularization_visual: float = 1.0
    learning_rate: float = 0.1
    batch_size: int = 256
    epochs: int = 50
    feature_scaling: FeatureScaling = "unit"
    sampling: PairSampling = "pairs"

    def __post_init__(self) -> None:
        if self.factors < 0 or self.visual_factors < 1:
            raise ValueError("factors must be >= 0 and visual_factors >= 1")
        if self.batch_size < 1 or self.epochs < 1:
            raise ValueError("batch_size and epochs must be at least 1")
        if min(self.regularization, self.regularization_visual) < 0 or self.learning_rate <= 0:
            raise ValueError("regularisation must be >= 0 and learning_rate > 0")


class Vbpr(FactorRecommender):
    """Visual BPR (paper, section IV-B (g))."""

    name: ClassVar[str] = "vbpr"
    label: ClassVar[str] = "VBPR"
    source: ClassVar[str] = "He and McAuley 2016; this suite, in PyTorch"
    Params: ClassVar[type[Any]] = VbprParams
    grid: ClassVar[dict[str, tuple[object, ...]]] = {
        "factors": (5, 15, 25),
        "visual_factors": (5, 15, 25),
        "regularization": (0.0, 0.001, 0.01, 0.1, 1.0, 10.0, 30.0),
    }
    # The paper's 10, 30 and 50 factors in all, half of them visual.
    tied: ClassVar[tuple[tuple[str, ...], ...]] = (("factors", "visual_factors"),)
    needs: ClassVar[frozenset[str]] = frozenset({"features"})

    @property
    def device_used(self) -> str:
        """The CPU or a GPU, as the run says."""
        return resolve_device(self.runtime.device).type

    def _threads(self, dataset: TrainingSet) -> int:
        """Give small steps one thread: handing them over costs more than they do."""
        elements = self.params.batch_size * dataset.need_features().shape[1]
        return self.runtime.threads if elements >= _WORTH_THREADS else 1

    def factors(self) -> Factors:
        """Join latent and visual factors: [gamma_u, theta_u] and [gamma_i, E f_i]."""
        p = self._parameters
        latent, n_items = self.params.factors, self.n_items
        items = np.empty((n_items, latent + self.params.visual_factors), dtype=np.float32)
        bias = p["item_rows"][:, latent].copy()
        items[:, :latent] = p["item_rows"][:, :latent]
        for part, block in feature_blocks(self._features):
            visual = block @ p["visual"]
            items[part, latent:] = visual[:, :-1]
            bias[part] += visual[:, -1]
        return Factors(p["user_rows"].copy(), items, bias)

    def state(self) -> State:
        """Copy the parameters; E and beta' include the feature scale."""
        return {name: value.copy() for name, value in self._parameters.items()}

    def load_state(self, state: State, dataset: TrainingSet) -> None:
        """Take over the parameters."""
        self._features = dataset.need_features()
        self._parameters = state

    def training_state(self) -> State:
        """Copy parameters, Adagrad's sums and the epoch; generators are derived per epoch."""
        return self._trainer.state()

    def _fit(self, dataset: TrainingSet, watch: Watch) -> None:
        self._features = dataset.need_features()
        with torch_threads(self._threads(dataset)):
            self._trainer = _Trainer(dataset, self.params, self.runtime.seed, self.runtime.device)
            if stored := watch.resume():
                self._trainer.load(stored)
            while self._trainer.epoch < self.params.epochs:
                loss = self._trainer.run_epoch()
                self._parameters = self._trainer.parameters()
                if not watch(self._trainer.epoch, loss=loss):
                    break
            self._parameters = self._trainer.parameters()
        del self._trainer  # frees the features' copy and Adagrad's sums


class _Trainer:
    """Parameters, optimiser and sampler of one fit.

    Tables, so that one gather serves several parameters of eq. 2:
    user_rows (n_users, K + K') = [gamma_u, theta_u]; item_rows (n_items, K + 1) = [gamma_i,
    beta_i]; visual (d, K' + 1) = [E transposed, beta'].
    """

    def __init__(self, dataset: TrainingSet, params: VbprParams, seed: int, device: str) -> None:
        import torch

        self._train, self._params, self._seed = dataset.train, params, seed
        self.device = resolve_device(device)
        features = dataset.need_features()
        self._scale = scale_factor(features, params.feature_scaling)
        # As stored, float16 stays float16: rows become float32 when they are gathered.
        self._features = torch.from_numpy(np.array(features)).to(self.device)
        d, latent, visual = features.shape[1], params.factors, params.visual_factors
        generator = child_generator(seed, "vbpr", "start")

        def normal(*shape: int, scale: float) -> "Tensor":
            values = generator.standard_normal(shape, dtype=np.float32) * np.float32(scale)
            return torch.from_numpy(values).to(self.device)

        width = latent + visual
        self._tables = {
            "user_rows": normal(dataset.n_users, width, scale=0.1),
            "item_rows": normal(dataset.n_items, latent + 1, scale=0.1),
            "visual": normal(d, visual + 1, scale=0.1),
        }
        self._tables["item_rows"][:, latent] = 0.0  # beta_i
        self._tables["visual"][:, visual] = 0.0  # beta'
        self._sums = {
            name: torch.full_like(table, _ADAGRAD_START) for name, table in self._tables.items()
        }
        self.epoch = 0

    def parameters(self) -> State:
        """Copy the parameters to NumPy, E and beta' scaled so that they take raw features."""
        arrays = {name: table.cpu().numpy().copy() for name, table in self._tables.items()}
        arrays["visual"] *= np.float32(self._scale)
        return arrays

    def state(self) -> State:
        """Copy everything a fit needs to go on."""
        arrays = {f"table.{n}": t.cpu().numpy().copy() for n, t in self._tables.items()}
        arrays |= {f"sum.{n}": t.cpu().numpy().copy() for n, t in self._sums.items()}
        return arrays | {"epoch": np.array(self.epoch)}

    def load(self, state: State) -> None:
        """Go on from what `state` gave."""
        import torch

        for name in self._tables:
            # Copied: steps are taken in place, and the checkpoint is the watcher's.
            self._tables[name] = torch.from_numpy(state[f"table.{name}"].copy()).to(self.device)
            self._sums[name] = torch.from_numpy(state[f"sum.{name}"].copy()).to(self.device)
        self.epoch = int(state["epoch"])

    def run_epoch(self) -> float:
        """Go once over as many triples as there are training pairs; give the mean loss."""
        import torch

        generator = child_generator(self._seed, "vbpr", "epoch", self.epoch)
        users, positives = draw_pairs(self._train, self._params.sampling, generator)
        negatives = draw_negatives(self._train, users, generator)
        u = torch.from_numpy(users.astype(np.int64)).to(self.device)
        ij = torch.from_numpy(np.stack([positives, negatives]).astype(np.int64)).to(self.device)
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        with torch.no_grad():
            for start in range(0, len(users), self._params.batch_size):
                stop = start + self._params.batch_size
                total += self.step(u[start:stop], ij[:, start:stop]).sum()
        self.epoch += 1
        return float(total) / max(len(users), 1)

    def step(self, u: "Tensor", ij: "Tensor") -> "Tensor":
        """Take one Adagrad step on a batch of triples.

        Parameters
        ----------
        u
            int64 (B,): users.
        ij
            int64 (2, B): positive and negative items.

        Returns
        -------
        float32 (B,): -ln sigma(x_uij) of each triple before the step.
        """
        import torch

        loss, (user_gradient, item_gradient, visual_gradient) = self.gradients(u, ij)
        self._step_rows("user_rows", u, user_gradient)
        self._step_rows("item_rows", ij.reshape(-1), item_gradient)
        sums = self._sums["visual"].addcmul_(visual_gradient, visual_gradient)
        self._tables["visual"].addcdiv_(
            visual_gradient, torch.sqrt(sums), value=-self._params.learning_rate
        )
        return loss

    def gradients(self, u: "Tensor", ij: "Tensor") -> "tuple[Tensor, tuple[Tensor, ...]]":
        """Give the losses and the gradients of their sum with penalties.

        Returns
        -------
        losses float32 (B,); gradients of the gathered rows of users (B, K + K') and items
        (2B, K + 1), and of [E transposed, beta'] (d, K' + 1).
        """
        import torch
        from torch.nn.functional import logsigmoid

        latent, weight = self._params.factors, self._params.regularization
        n, items = len(u), ij.reshape(-1)
        user = self._tables["user_rows"].index_select(0, u)  # (B, K + K')
        item = self._tables["item_rows"].index_select(0, items)  # (2B, K + 1)
        f = self._feature_differences(ij)  # (B, d): unscaled, the scale goes to narrower terms
        difference = item[:n] - item[n:]  # (B, K + 1)
        visual = _product(f, self._tables["visual"]).mul_(self._scale)  # (B, K' + 1)
        meets = torch.cat([difference[:, :latent], visual[:, :-1]], dim=1)  # (B, K + K')
        x = (user * meets).sum(dim=1).add_(difference[:, latent]).add_(visual[:, -1])  # eq. 4
        slope = -torch.sigmoid(-x)[:, None]  # (B, 1): d(-ln sigma(x)) / dx
        user_gradient = meets.mul_(slope).add_(user, alpha=weight)
        # What multiplies gamma_i, beta_i and E f, beta' f in x, times the slope.
        ones = torch.ones_like(slope)
        one = torch.cat([user[:, :latent], ones], dim=1).mul_(slope)  # (B, K + 1)
        item_gradient = torch.cat([one, -one]).add_(item, alpha=weight)
        two = torch.cat([user[:, latent:], ones], dim=1).mul_(slope * self._scale)  # (B, K' + 1)
        share = self._params.regularization_visual * n / max(self._train.n_pairs, 1)
        visual_gradient = _product(f.T, two).add_(self._tables["visual"], alpha=share)
        return -logsigmoid(x), (user_gradient, item_gradient, visual_gradient)

    def _feature_differences(self, ij: "Tensor") -> "Tensor":
        """Give f_i - f_j: float32 (B, d)."""
        import torch

        if self.device.type == "cpu" and self._features.dtype == torch.float32:
            from baselines.kernels import row_differences

            difference = torch.empty(ij.shape[1], self._features.shape[1])
            i, j = ij.numpy()
            row_differences(self._features.numpy(), i, j, difference.numpy())
            return difference
        rows = self._features.index_select(0, ij.reshape(-1)).float()  # (2B, d)
        return rows[: ij.shape[1]].sub_(rows[ij.shape[1] :])

    def _step_rows(self, name: str, rows: "Tensor", gradient: "Tensor") -> None:
        """Take Adagrad's step on gathered rows; a row that occurs twice is moved twice."""
        table, sums = self._tables[name], self._sums[name]
        if self.device.type == "cpu":
            from baselines.kernels import adagrad_rows

            rate = np.float32(self._params.learning_rate)
            adagrad_rows(table.numpy(), sums.numpy(), rows.numpy(), gradient.numpy(), rate)
            return
        sums.index_add_(0, rows, gradient * gradient)
        step = gradient / sums.index_select(0, rows).sqrt()
        table.index_add_(0, rows, step, alpha=-self._params.learning_rate)


def _product(a: "Tensor", b: "Tensor") -> "Tensor":
    """Multiply two matrices.

    On a CPU by NumPy: its BLAS is up to three times as fast as PyTorch's where one side has a few
    dozen columns and the processor is not Intel's (benchmarks/README.md).
    """
    import torch

    if a.device.type != "cpu":
        return a @ b
    return torch.from_numpy(a.numpy() @ b.numpy())


_WORTH_THREADS = 2**21
"""Feature values per step from which several threads pay."""

_ADAGRAD_START = 0.1
"""Adagrad's initial sum of squares: keeps the first steps from being all of size learning_rate."""
