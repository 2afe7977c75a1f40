"""User rows fitted to convergence for given outputs of the network: eq. 5 in theta alone.

Steps of training move a user's row a few dozen times while the network's outputs move under it.
With the outputs held fixed, eq. 5 falls apart into one convex problem per user, logistic regression
with a penalty, which is solved here. Its penalty is one of its own: the network has fitted its
outputs to the training pairs, so these look easier than pairs to come, and a row that believes them
as much as training did is too sure of itself.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bench.datasets.dataset import Interactions
from bench.errors import BenchError
from bench.rng import child_generator
from dvbpr.known_pairs import KnownPairs
from dvbpr.objective import Objective, shared_losses

__all__ = ["refitted_rows"]

_log = logging.getLogger(__name__)

_NEGATIVES = 256
"""Items that every user's own are compared with; from 150 to 1,200 of them it made no difference to
the AUC: benchmarks/README.md."""
_PAIRS = 16_384
"""Training pairs of the users that are solved together: bounds the memory of the margins."""
_ITERATIONS = 200
"""At most; a penalty like the presets' needs some 15."""


def refitted_rows(
    outputs: Tensor, train: Interactions, known: KnownPairs, objective: Objective, *, seed: int
) -> Tensor:
    """Minimise the objective over user rows, for fixed Phi.

    For each user, with j uniform outside her training items and P her row's penalty,

        mean over i in I_u+ of  [ mean over j of -ln sigma(x_uij) ]  +  P(theta_u)

    The mean over j is estimated from items drawn once, the same for all users. The minimum does not
    depend on where the search starts, nor on the rows that training left.

    Parameters
    ----------
    outputs
        float32 (n_items, K): Phi of the whole catalogue, on the device that computes.
    train
        The training interactions.
    known
        The same, for look-up on that device.
    objective
        Gives P; its `lambda_theta` must be above 0, else there need not be a minimum.
    seed
        Root seed of the fit; the negatives follow from it.

    Returns
    -------
    float32 (n_users, K). A user without training items has a row of zeros, the minimum of P.

    Raises
    ------
    BenchError
        The penalty is nothing against the spread of the outputs.

    Source: eq. 4 to 6, with the network fixed.
    """
    rows = torch.zeros((train.n_users, outputs.shape[1]), device=outputs.device)
    if not train.n_pairs:
        return rows
    drawn = child_generator(seed, "dvbpr", "refit").integers(train.n_items, size=_NEGATIVES)
    negatives = torch.from_numpy(drawn).to(outputs.device)
    change = _preconditioner(outputs[negatives], objective)
    transformed = outputs @ change
    for users in _blocks(train):
        first = int(train.indptr[users.start])
        last = int(train.indptr[users.stop])
        counts = torch.from_numpy(np.diff(train.indptr[users.start : users.stop + 1]))
        owners = torch.from_numpy(train.users[first:last].astype(np.int64))
        bought = torch.from_numpy(train.indices[first:last].astype(np.int64))
        owners, bought, counts = (t.to(outputs.device) for t in (owners, bought, counts))
        known_of, share = known.of(owners, negatives)
        of_block = owners - users.start
        loss = _Loss(
            of_block,
            transformed[bought],
            transformed[negatives],
            known_of,
            share,
            weights=1.0 / counts[of_block].to(outputs.dtype),
            objective=objective,
            change=change,
        )
        rows[users] = _minimum(loss, rows[users]) @ change.T
    return rows


@dataclass(frozen=True)
class _Loss:
    """What the users of a block minimise, all together, as a function of v; theta = C v.

    Attributes
    ----------
    users
        int64 (B,): the user of each training pair, counted from the block's first.
    positives, negatives
        float (B, K) and (N, K): C' Phi.
    known, owned_share
        As `shared_losses` takes them.
    weights
        float (B,): one over the number of the user's pairs.
    objective, change
        The penalty, and C.
    """

    users: Tensor
    positives: Tensor
    negatives: Tensor
    known: Tensor
    owned_share: Tensor
    weights: Tensor
    objective: Objective
    change: Tensor

    def __call__(self, v: Tensor) -> Tensor:
        """Add up over users in float64: near the minimum, losses differ in their last digits."""
        # The gradient adds up a user's pairs. Of the two forms each is the one that adds in the
        # same order every time on its kind of device, however many threads there are.
        rows = v[self.users] if v.is_cuda else v.index_select(0, self.users)
        losses = shared_losses(rows, self.positives, self.negatives, self.known, self.owned_share)
        penalties = self.objective.user_penalty(v @ self.change.T)
        return (losses * self.weights).double().sum() + penalties.double().sum()


def _minimum(loss: _Loss, zeros: Tensor) -> Tensor:
    """Find v by L-BFGS; the start is Newton's step from zero, were the curvature at its bound."""
    with torch.enable_grad():
        origin = zeros.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(origin), origin)
        v = (-gradient).requires_grad_()
        search = torch.optim.LBFGS(
            [v],
            max_iter=_ITERATIONS,
            max_eval=25 * _ITERATIONS,  # as many as a line search may take in each
            history_size=8,
            tolerance_grad=1e-4,
            tolerance_change=1e-7,
            line_search_fn="strong_wolfe",
        )

        def closure() -> Tensor:
            search.zero_grad()
            value = loss(v)
            value.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            return value

        search.step(closure)  # type: ignore[no-untyped-call]
    if search.state[v]["n_iter"] >= _ITERATIONS:
        _log.warning(
            "dvbpr: refitted user rows have not converged after %d iterations (largest gradient "
            "%.1g); a greater refit_lambda helps",
            _ITERATIONS,
            float(v.grad.abs().max()) if v.grad is not None else float("nan"),
        )
    return v.detach()


def _preconditioner(negatives: Tensor, objective: Objective) -> Tensor:
    """Give C, (K, K): rows theta = C v are searched by v, in which all directions curve alike.

    A sigmoid's slope is a quarter at most, so the Hessian is at most a quarter of the second moment
    of Phi_i - Phi_j and the penalty's (Böhning and Lindsay 1988); C C' is the inverse of that, with
    the negatives' covariance for the moment.
    """
    spread = torch.cov(negatives.double().T, correction=0).view(negatives.shape[1], -1) / 4.0
    identity = torch.eye(negatives.shape[1], dtype=torch.float64, device=negatives.device)
    curvature = 2.0 * float(objective.user_penalty(torch.ones((1, 1), dtype=torch.float64)))
    try:
        lower: Tensor = torch.linalg.cholesky(spread + curvature * identity)
    except torch.linalg.LinAlgError:  # type: ignore[attr-defined]  # not in the stubs
        raise BenchError(
            f"dvbpr: user rows cannot be refitted with refit_lambda={objective.lambda_theta:g}: "
            "against the spread of the outputs it is nothing; choose a greater one"
        ) from None
    inverse: Tensor = torch.linalg.solve_triangular(lower, identity, upper=False)
    return inverse.T.to(negatives.dtype)


def _blocks(train: Interactions) -> Iterator[slice]:
    """Part the users into ranges of at most `_PAIRS` pairs each, or of one user."""
    first = 0
    while first < train.n_users:
        limit = train.indptr[first] + _PAIRS
        last = int(np.searchsorted(train.indptr, limit, side="right")) - 1
        last = min(max(first + 1, last), train.n_users)
        yield slice(first, last)
        first = last
