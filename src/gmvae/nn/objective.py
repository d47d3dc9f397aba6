"""The one place where terms become a loss or the ELBO."""

from torch import Tensor

from gmvae.nn.batches import Batch


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


def loss(
    terms: dict[str, Tensor], batch: Batch, kl_weight: float, label_weight: float, information_weight: float = 0.0
) -> Tensor:
    """-(mean objective + label_weight · mean label + information_weight · information) of each seed's batch.

    The objective is averaged over all rows, the label over the labelled rows: so `label_weight` does not depend on the
    share of the rows that are labelled. It is in nats of a row's objective.

    Args:
        terms: Named terms per row, unweighted, [S, B] each; `information` is the same for all rows.
        batch: The B rows. Their weights average to 1 over an epoch's rows, and fillers have 0.
        kl_weight: Weight of all `kl_*` terms.
        label_weight: Weight of the mean of the term `label`, which teaches a classifier.
        information_weight: Weight of the term `information`, which asks that a row and its view agree on the class.

    Returns:
        The loss of each seed, [S].
    """
    reward = mean_over_rows(objective(terms, kl_weight), batch.weight)
    if "label" in terms:
        reward = reward + label_weight * mean_over_rows(terms["label"], batch.weight * batch.label.sum(-1))
    if information_weight and "information" in terms:
        reward = reward + information_weight * terms["information"][:, 0]
    return -reward


def mean_over_rows(values: Tensor, weight: Tensor) -> Tensor:
    """The weighted mean over the rows, [S, B] twice -> [S]; 0 where no row has a weight."""
    return (weight * values).sum(-1) / weight.sum(-1).clamp(min=1e-12)
