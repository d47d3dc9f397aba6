"""Rows of a data set, and the batches that are drawn from them."""

from typing import NamedTuple

import anndata
import numpy as np
import torch
from torch import Tensor

from gmvae.formats.likelihoods import COUNT_LIKELIHOODS
from gmvae.nn.random_streams import draw_permutations
from gmvae.nn.row_packing import pack_counts, pack_rows
from gmvae.nn.row_storage import CsrRows, Matrix, find_entries, take_rows, to_coo, to_dense


class Batch(NamedTuple):
    """What a model sees of B rows, for S seeds; `noise` holds k standard normal vectors per row."""

    x: Tensor  # S, B, D   what the encoder sees
    target: Tensor  # S, B, D   what the likelihood scores: the counts where there are (dense or sparse), else x
    condition: Tensor  # S, B, C   one-hot, C = 0 without conditions
    label: Tensor  # S, B, K   one-hot, zeros where the label is hidden
    noise: Tensor  # S, k, B, n_noise
    weight: Tensor  # S, B   of the row in the loss; 0 for a row that only fills the batch
    index: Tensor  # S, B   of the row among the rows that the batch is drawn from


class Rows(NamedTuple):
    """A data set in its compact form; categories as integer codes on the models' device, -1 where there is none."""

    x: Matrix  # N, D
    target: Matrix  # N, D
    condition: Tensor  # N
    label: Tensor  # S, N   what each seed may see
    n_conditions: int
    n_components: int

    @property
    def device(self) -> torch.device:
        """Where batches are made for; x and target may be kept elsewhere."""
        return self.condition.device


class Order(NamedTuple):
    """Which rows make up the batches of an epoch, and with which weight."""

    rows: Tensor  # S, steps, B
    weight: Tensor  # S, steps, B


def rows_from_dataset(
    adata: anndata.AnnData,
    label: np.ndarray,
    n_seeds: int,
    n_components: int,
    device: torch.device,
    some: np.ndarray | None = None,
) -> Rows:
    """The rows `some` (positions; all by default) of an AnnData that keeps the data contract, as N rows on the device;
    `label` are their codes or -1, [N]. On the CPU the large arrays are the AnnData's own."""
    some = np.arange(adata.n_obs) if some is None else some
    if adata.uns["likelihood"] in COUNT_LIKELIHOODS:
        x, target = pack_counts(adata.X, adata.layers["counts"], some, device)
    else:
        x = target = pack_rows(adata.X, some, device)
    conditions = (
        adata.obs["condition"].cat.codes.to_numpy()[some] if "condition" in adata.obs else np.full(len(some), -1)
    )
    return Rows(
        x,
        target,
        torch.as_tensor(conditions.astype(np.int64), device=device),
        torch.as_tensor(np.array(label), dtype=torch.long, device=device).expand(n_seeds, -1),
        len(adata.obs["condition"].cat.categories) if "condition" in adata.obs else 0,
        n_components,
    )


def select_rows(rows: Rows, some: Tensor) -> Rows:
    """The rows at these positions, few enough to be dense."""
    x, target = x_and_target(rows, some.unsqueeze(0))
    target = target.to_dense() if target.is_sparse else target
    return rows._replace(x=x[0], target=target[0], condition=rows.condition[some], label=rows.label[:, some])


def one_hot(codes: Tensor, n: int) -> Tensor:
    """One-hot rows of integer codes, all zeros where the code is -1, [...] -> [..., n]."""
    return (codes.unsqueeze(-1) == torch.arange(n, device=codes.device)).to(torch.get_default_dtype())


def make_batch(rows: Rows, index: Tensor, noise: Tensor, weight: Tensor | None = None) -> Batch:
    """The batch of rows `index` [S, B] with its noise [S, k, B, n_noise]."""
    x, target = x_and_target(rows, index)
    return Batch(
        x,
        target,
        one_hot(rows.condition[index], rows.n_conditions),
        one_hot(rows.label.gather(1, index), rows.n_components),
        noise,
        torch.ones(index.shape, dtype=x.dtype, device=x.device) if weight is None else weight,
        index,
    )


def x_and_target(rows: Rows, index: Tensor) -> tuple[Tensor, Tensor]:
    """x and target of rows `index` [S, B], on its device, [S, B, D] each; counts are sparse."""
    at = index.to(rows.x.device)
    if not isinstance(rows.target, CsrRows) or rows.target is rows.x:
        x = take_rows(rows.x, at).to(index.device)
        return x, x if rows.target is rows.x else take_rows(rows.target, at).to(index.device)
    entries = find_entries(rows.target.places, at)
    target = to_coo(entries, rows.target.at(entries)).to(index.device)
    if isinstance(rows.x, CsrRows) and rows.x.places is rows.target.places:
        return to_dense(entries, rows.x.at(entries)).to(index.device), target
    return take_rows(rows.x, at).to(index.device), target


def epoch_order(label: Tensor, batch_size: int, generators: list[torch.Generator]) -> Order:
    """A new order of the rows for one epoch of every seed.

    The batches are of one size, the largest that does not exceed `batch_size` and leaves the fewest places to fill;
    those are filled with rows of weight 0. Where some rows are labelled and others not, every batch holds its share of
    labelled rows, at least one: a labelled row that appears r times an epoch has weight 1/r, so that the weighted
    sum over the epoch is the sum over the rows.

    Args:
        label: what each seed sees, codes or -1, [S, N]; the number of labelled rows is the same for all seeds.
        batch_size: rows a batch, at most; may exceed N.
        generators: each seed's own.
    """
    n = label.shape[1]
    shuffled = draw_permutations(generators, n)  # S, N
    n_labelled = int((label[0] >= 0).sum())
    steps = -(-n // batch_size)
    if n_labelled in (0, n):
        return Order(*deal_rows(shuffled, steps))
    first = label.gather(1, shuffled).lt(0).to(torch.uint8).argsort(dim=1, stable=True)  # labelled rows first
    shuffled = shuffled.gather(1, first)
    labelled, hidden = deal_rows(shuffled[:, :n_labelled], steps), deal_rows(shuffled[:, n_labelled:], steps)
    return Order(torch.cat([labelled[0], hidden[0]], -1), torch.cat([labelled[1], hidden[1]], -1))


def deal_rows(rows: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Rows [S, n] in `steps` equal batches [S, steps, B], and their weights.

    Fewer rows than steps are repeated, so that no batch goes without; else what fills the last places has weight 0.
    """
    n_seeds, n = rows.shape
    size = -(-n // steps)
    places = steps * size
    position = torch.arange(places, device=rows.device)
    times = torch.bincount(position % n, minlength=n)
    weight = 1 / times[position % n] if n < steps else (position < n).to(torch.get_default_dtype())
    spread = position.unflatten(0, (size, steps)).T.flatten()  # batch b takes places b, b + steps, ...
    return (
        rows[:, (position % n)[spread]].unflatten(1, (steps, size)),
        weight[spread].expand(n_seeds, -1).unflatten(1, (steps, size)).to(torch.get_default_dtype()),
    )
