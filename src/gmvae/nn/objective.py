"""The one place where terms become a loss or the ELBO."""

from torch import Tensor


def elbo(terms: dict[str, Tensor]) -> Tensor:
    """reconstruction - sum kl_*: all weights are 1, and the label term is left out.

    Args:
        terms: Named terms, all of one shape.

    Returns:
        The ELBO, of the same shape.
    """
    return terms["reconstruction"] - sum(value for name, value in terms.items() if name.startswith("kl_"))


def objective(terms: dict[str, Tensor], kl_weight: float) -> Tensor:
    """What a model without labels maximises: reconstruction - kl_weight · sum kl_* - penalty.

    Args:
        terms: Named terms, all of one shape. A few models have a `penalty` on their parameters, already weighted.
        kl_weight: Weight of all `kl_*` terms.

    Returns:
        The objective, of the same shape.
    """
    divergence = sum(value for name, value in terms.items() if name.startswith("kl_"))
    return terms["reconstruction"] - kl_weight * divergence - terms.get("penalty", 0.0)


def loss(terms: dict[str, Tensor], kl_weight: float, label_weight: float, row_weight: Tensor) -> Tensor:
    """-(objective + label_weight · label), averaged over each seed's batch.

    Args:
        terms: Named terms per row, unweighted, [S, B] each.
        kl_weight: Weight of all `kl_*` terms.
        label_weight: Weight of the term `label`, which teaches a classifier.
        row_weight: Weights of the rows, [S, B]; they average to 1 over an epoch's rows, and fillers have 0.

    Returns:
        The loss of each seed, [S].
    """
    reward = objective(terms, kl_weight) + label_weight * terms.get("label", 0.0)
    return -(row_weight * reward).sum(-1) / row_weight.sum(-1)
