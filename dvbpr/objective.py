"""The Siamese BPR objective (eq. 4 to 6) under two conventions, and with shared negatives.

    x_ui = theta_u . Phi(X_i)                                                              (eq. 6)
    x_uij = x_ui - x_uj                                                                    (eq. 4)
    maximise  sum over (u, i, j) of  ln sigma(x_uij) - lambda_Theta |Theta|^2              (eq. 5)

Equation 5 leaves open how its sum relates to a batch. What a step minimises, for B triples:

    release   sum_b [ -ln sigma(x_b) + lambda / 2 |theta_u(b)|^2 ] + decay / 2 sum_W |W|^2
    paper     1/B sum_b [ -ln sigma(x_b) + lambda |theta_u(b)|^2 ] + decay / 2 sum_W |W|^2

"release" is the released code to the letter: the data term is summed. "paper" is our reading of
the text: lambda_Theta acts on the user row of each triple as eq. 5 writes it, and "the weight decay
term" (III-A) is what the word means for stochastic gradients of a mean loss. In both, W are the
weight tensors without biases, and a user's row is penalised only where a triple has that user:
penalties on whole tables would shrink the rows of users outside the batch to nothing.

Shared negatives use each encoded image more than once: N items drawn uniformly from the catalogue
are compared with every user of the batch. Where an item is one of the user's own training items the
pair is left out, and the mean over the user's other pairs takes the place of the one term of her
triple. Given at least one such pair, each of them is uniform over I without I_u+; dividing by the
probability that there is one makes the expectation the triple's own, exactly.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from dvbpr.backbones import decayed
from dvbpr.presets import Convention

__all__ = ["Objective", "shared_losses", "triple_losses"]


def triple_losses(users: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
    """Give -ln sigma(x_uij) of each triple, the mean over its negatives where it has several.

    Parameters
    ----------
    users
        float (B, K): theta_u.
    positives
        float (B, K): Phi(X_i).
    negatives
        float (B, n, K): Phi(X_j).

    Returns
    -------
    float (B,). Source: eq. 4 to 6.
    """
    margins = (users * positives).sum(dim=1, keepdim=True) - torch.einsum(
        "bk,bnk->bn", users, negatives
    )
    return softplus(-margins).mean(dim=1)


def shared_losses(
    users: Tensor, positives: Tensor, negatives: Tensor, known: Tensor, owned_share: Tensor
) -> Tensor:
    """Estimate each triple's expected loss over its negatives from negatives shared by the batch.

    Parameters
    ----------
    users, positives
        float (B, K): theta_u and Phi(X_i).
    negatives
        float (N, K): Phi of items drawn uniformly, with replacement, from the whole catalogue.
    known
        bool (B, N): whether the negative is one of the user's training items.
    owned_share
        float (B,): training items of the user per item of the catalogue.

    Returns
    -------
    float (B,): expectation over the draw equals that of -ln sigma(x_uij) over j uniform outside the
    user's training items; 0 for a user who has every item.
    """
    margins = (users * positives).sum(dim=1, keepdim=True) - users @ negatives.T  # (B, N)
    usable = ~known
    n_usable = usable.sum(dim=1).clamp(min=1)
    any_usable = 1.0 - owned_share ** negatives.shape[0]
    scale = torch.where(any_usable > 0.0, 1.0 / any_usable, 0.0) / n_usable
    return (softplus(-margins) * usable).sum(dim=1) * scale


@dataclass(frozen=True, kw_only=True)
class Objective:
    """How losses and penalties of a batch become what is minimised.

    Attributes
    ----------
    convention
        "paper" or "release"; see the module.
    lambda_theta
        Weight of the penalty on user rows.
    weight_decay
        Weight of the penalty on the network's weight tensors.
    """

    convention: Convention
    lambda_theta: float
    weight_decay: float

    def user_penalty(self, users: Tensor) -> Tensor:
        """Give the penalty of each triple's user row; `users` is float (B, K)."""
        factor = self.lambda_theta * (0.5 if self.convention == "release" else 1.0)
        return users.square().sum(dim=1) * factor

    def batch(self, losses: Tensor, users: Tensor) -> Tensor:
        """Give the terms of a batch that go through the data: all but the weight decay.

        Parameters
        ----------
        losses
            float (B,) of `triple_losses` or `shared_losses`.
        users
            float (B, K): the gathered rows of the batch's users.
        """
        terms = losses + self.user_penalty(users)
        return terms.sum() if self.convention == "release" else terms.mean()

    def weight_penalty(self, network: nn.Module) -> Tensor:
        """Give decay / 2 sum |W|^2 over the weight tensors.

        Training leaves its gradient, decay * W, to the optimiser.
        """
        weights, _ = decayed(network)
        return 0.5 * self.weight_decay * torch.stack([w.square().sum() for w in weights]).sum()
