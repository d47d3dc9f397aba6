"""The one place where terms become a loss, and where the ELBO is put together."""

from torch import Tensor


def elbo(terms: dict[str, Tensor]) -> Tensor:
    """reconstruction - sum kl_*: all weights 1 and no label term, [...] as the terms are."""
    return terms["reconstruction"] - sum(value for name, value in terms.items() if name.startswith("kl_"))


def objective(terms: dict[str, Tensor], kl_weight: float) -> Tensor:
    """What a model without labels maximises: reconstruction - kl_weight · sum kl_* - penalty, [...] as the terms are.

    `penalty`, of the few models that have one, falls on the parameters, at the weight that the model gives it.
    """
    divergence = sum(value for name, value in terms.items() if name.startswith("kl_"))
    return terms["reconstruction"] - kl_weight * divergence - terms.get("penalty", 0.0)


def loss(terms: dict[str, Tensor], kl_weight: float, label_weight: float, row_weight: Tensor) -> Tensor:
    """-(objective + label_weight · label), the mean over the batch of each seed, [S].

    Args:
        terms: named terms per row, [S, B] each, unweighted.
        row_weight: the rows' weights, [S, B]; they average to 1 over an epoch's rows, and fillers have 0.
    """
    reward = objective(terms, kl_weight) + label_weight * terms.get("label", 0.0)
    return -(row_weight * reward).sum(-1) / row_weight.sum(-1)
