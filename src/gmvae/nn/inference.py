"""A trained model over all rows of a data set, in chunks, without gradients."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from gmvae.nn.batches import Batch, Rows, make_batch
from gmvae.nn.objective import elbo
from gmvae.nn.random_streams import draw_normals

CHUNK = 512  # rows times draws at once


def row_chunks(rows: Rows, model: nn.Module, draws: list[torch.Generator] | None, k: int) -> Iterator[Batch]:
    """All rows in order, in batches with k noise vectors a row; zeros, the posterior mean, where `draws` is None."""
    n_seeds, n = rows.label.shape
    for index in torch.arange(n, device=rows.device).split(max(1, CHUNK // k)):
        shape = (k, len(index), model.n_noise)
        noise = torch.zeros(n_seeds, *shape, device=rows.device) if draws is None else draw_normals(draws, *shape)
        yield make_batch(rows, index.expand(n_seeds, -1), noise)


@torch.no_grad()
def apply_to_rows(
    function: Callable[[Batch], Tensor], rows: Rows, model: nn.Module, draws: list[torch.Generator] | None, k: int = 1
) -> Tensor:
    """function(batch) [S, B, ...] joined over all rows, [S, N, ...]."""
    model.eval()
    return torch.cat([function(batch) for batch in row_chunks(rows, model, draws, k)], 1)


def embed_rows(model: nn.Module, rows: Rows) -> Tensor:
    """The latent of every row, [S, N, L]."""
    return apply_to_rows(model.embed, rows, model, None)


def cluster_rows(model: nn.Module, rows: Rows, draws: list[torch.Generator] | None, k: int = 1) -> Tensor:
    """q(y|x), averaged over k draws of z, or at the posterior mean where `draws` is None, [S, N, K]."""
    return apply_to_rows(model.cluster, rows, model, draws, k)


def row_terms(model: nn.Module, rows: Rows, draws: list[torch.Generator], k: int = 1) -> dict[str, Tensor]:
    """Every term of the objective but `label`, and the ELBO they make, [S, N] each."""
    names: list[str] = []

    def stacked(batch: Batch) -> Tensor:
        found = {name: value for name, value in model.terms(batch).items() if name != "label"}
        names[:] = found
        return torch.stack(list(found.values()), -1)

    values = apply_to_rows(stacked, rows, model, draws, k)
    found = dict(zip(names, values.unbind(-1), strict=True))
    return found | {"elbo": elbo(found)}


def importance_bounds(model: nn.Module, rows: Rows, draws: list[torch.Generator], k: int) -> Tensor:
    """The importance-weighted bound on log p(x) from k draws, log 1/k sum_i weight_i (Burda 2016), [S, N]."""

    def bound(batch: Batch) -> Tensor:
        return model.log_weights(batch).logsumexp(1) - torch.tensor(k).log()

    return apply_to_rows(bound, rows, model, draws, k)
