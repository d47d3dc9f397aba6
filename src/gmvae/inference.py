"""A trained model over all rows of a data set, in chunks, without gradients."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from gmvae.batches import Batch, Rows, batch_of
from gmvae.objective import elbo
from gmvae.randomness import normal

CHUNK = 512  # rows times draws at once


def chunks(rows: Rows, model: nn.Module, draws: list[torch.Generator] | None, k: int) -> Iterator[Batch]:
    """All rows in order, in batches with k noise vectors a row; zeros, the posterior mean, where `draws` is None."""
    n_seeds, n = rows.label.shape
    for index in torch.arange(n, device=rows.device).split(max(1, CHUNK // k)):
        shape = (k, len(index), model.n_noise)
        noise = torch.zeros(n_seeds, *shape, device=rows.device) if draws is None else normal(draws, *shape)
        yield batch_of(rows, index.expand(n_seeds, -1), noise)


@torch.no_grad()
def over_rows(
    function: Callable[[Batch], Tensor], rows: Rows, model: nn.Module, draws: list[torch.Generator] | None, k: int = 1
) -> Tensor:
    """function(batch) [S, B, ...] joined over all rows, [S, N, ...]."""
    model.eval()
    return torch.cat([function(batch) for batch in chunks(rows, model, draws, k)], 1)


def embedding(model: nn.Module, rows: Rows) -> Tensor:
    """The latent of every row, [S, N, L]."""
    return over_rows(model.embed, rows, model, None)


def clusters(model: nn.Module, rows: Rows, draws: list[torch.Generator] | None, k: int = 1) -> Tensor:
    """q(y|x), averaged over k draws of z, or at the posterior mean where `draws` is None, [S, N, K]."""
    return over_rows(model.cluster, rows, model, draws, k)


def terms(model: nn.Module, rows: Rows, draws: list[torch.Generator], k: int = 1) -> dict[str, Tensor]:
    """Every term of the objective but `label`, and the ELBO they make, [S, N] each."""
    names: list[str] = []

    def stacked(batch: Batch) -> Tensor:
        found = {name: value for name, value in model.terms(batch).items() if name != "label"}
        names[:] = found
        return torch.stack(list(found.values()), -1)

    values = over_rows(stacked, rows, model, draws, k)
    found = dict(zip(names, values.unbind(-1), strict=True))
    return found | {"elbo": elbo(found)}


def bounds(model: nn.Module, rows: Rows, draws: list[torch.Generator], k: int) -> Tensor:
    """The importance-weighted bound on log p(x) from k draws, log 1/k sum_i weight_i (Burda 2016), [S, N]."""

    def bound(batch: Batch) -> Tensor:
        return model.log_weights(batch).logsumexp(1) - torch.tensor(k).log()

    return over_rows(bound, rows, model, draws, k)
