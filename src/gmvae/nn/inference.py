"""A trained model applied to all rows of a dataset, in chunks, without gradients."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from gmvae.nn.batches import Batch, Rows, make_batch
from gmvae.nn.objective import elbo
from gmvae.nn.random_streams import draw_normals

CHUNK = 512  # rows times draws that are processed at once


def row_chunks(rows: Rows, model: nn.Module, draws: list[torch.Generator] | None, k: int) -> Iterator[Batch]:
    """All rows in order, in batches with k noise vectors per row; all zeros, the posterior mean, if `draws` is None."""
    n_seeds, n = rows.label.shape
    for index in torch.arange(n, device=rows.device).split(max(1, CHUNK // k)):
        shape = (k, len(index), model.n_noise)
        noise = torch.zeros(n_seeds, *shape, device=rows.device) if draws is None else draw_normals(draws, *shape)
        yield make_batch(rows, index.expand(n_seeds, -1), noise)


@torch.no_grad()
def apply_to_rows(
    function: Callable[[Batch], Tensor], rows: Rows, model: nn.Module, draws: list[torch.Generator] | None, k: int = 1
) -> Tensor:
    """The values of a function of a batch for all rows.

    Args:
        function: From a batch to a tensor [S, B, ...], such as a method of the model.
        rows: N rows.
        model: It is put into evaluation mode.
        draws: One generator per seed for the noise; None for the posterior mean.
        k: Noise vectors per row.

    Returns:
        The values, [S, N, ...].
    """
    model.eval()
    return torch.cat([function(batch) for batch in row_chunks(rows, model, draws, k)], 1)


def embed_rows(model: nn.Module, rows: Rows) -> Tensor:
    """The latent of every row, [S, N, L]."""
    return apply_to_rows(model.embed, rows, model, None)


def cluster_rows(model: nn.Module, rows: Rows, draws: list[torch.Generator] | None, k: int = 1) -> Tensor:
    """q(y|x) of every row.

    Args:
        model: A model with K components.
        rows: N rows.
        draws: One generator per seed, to average over draws of z; None to take z at the posterior mean.
        k: Number of draws.

    Returns:
        Probabilities, [S, N, K].
    """
    return apply_to_rows(model.cluster, rows, model, draws, k)


def row_terms(model: nn.Module, rows: Rows, draws: list[torch.Generator], k: int = 1) -> dict[str, Tensor]:
    """Every term of the objective except `label`, and the ELBO.

    Args:
        model: The model.
        rows: N rows.
        draws: One generator per seed for the noise.
        k: Draws per row.

    Returns:
        The terms by name and `elbo`, [S, N] each.
    """
    names: list[str] = []

    def stack_terms(batch: Batch) -> Tensor:
        terms = {name: value for name, value in model.terms(batch).items() if name != "label"}
        names[:] = terms
        return torch.stack(list(terms.values()), -1)

    values = apply_to_rows(stack_terms, rows, model, draws, k)
    terms = dict(zip(names, values.unbind(-1), strict=True))
    return terms | {"elbo": elbo(terms)}


def importance_bounds(model: nn.Module, rows: Rows, draws: list[torch.Generator], k: int) -> Tensor:
    """The importance-weighted lower bound on log p(x), log 1/k sum_i weight_i.

    Args:
        model: A model with `log_weights`.
        rows: N rows.
        draws: One generator per seed for the noise.
        k: Draws per row.

    Returns:
        The bound of every row, [S, N].

    Source: Burda et al. 2016.
    """

    def bound(batch: Batch) -> Tensor:
        return model.log_weights(batch).logsumexp(1) - torch.tensor(k).log()

    return apply_to_rows(bound, rows, model, draws, k)
