"""The rows of a dataset, and the batches that are made of them."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from gmvae.formats.likelihoods import COUNT_LIKELIHOODS
from gmvae.nn.row_packing import pack_counts, pack_rows
from gmvae.nn.row_storage import CsrRows, Matrix, find_entries, take_rows, to_coo, to_dense
from gmvae.pipeline.errors import Refused

if TYPE_CHECKING:  # only an annotation needs AnnData
    import anndata


class View(NamedTuple):
    """Another look at each row of a batch, which is taken to be of the row's class; nn/views.py makes it."""

    x: Tensor  # S, B, D   input of the encoder
    condition: Tensor  # S, B, C   one-hot; that of a neighbour may differ from the row's
    noise: Tensor  # S, k, B, n_noise


class Batch(NamedTuple):
    """What a model sees of B rows, for S seeds; `noise` holds k standard normal vectors per row."""

    x: Tensor  # S, B, D   input of the encoder; as many numbers as `Model` has `n_inputs`
    target: Tensor  # S, B, D   what the likelihood scores: counts (dense or sparse) if there are any, else x
    condition: Tensor  # S, B, C   one-hot, C = 0 without conditions
    label: Tensor  # S, B, K   one-hot, zeros if the label is hidden
    noise: Tensor  # S, k, B, n_noise
    weight: Tensor  # S, B   of the row in the loss; 0 for a row that only fills the batch
    index: Tensor  # S, B   position of the row among all rows
    view: View | None = None  # in training with views only


class Rows(NamedTuple):
    """The rows of a dataset in compact form; categories are integer codes on the models' device, -1 for unknown."""

    x: Matrix  # N, D, or as many numbers as there are principal components
    target: Matrix  # N, D
    condition: Tensor  # N
    label: Tensor  # S, N   the labels that each seed may see
    n_conditions: int
    n_components: int
    shape: tuple[int, ...] = ()  # of a row that is an image
    neighbours: Tensor | None = None  # N, k   positions of each row's nearest rows, nearest first, never the row itself

    @property
    def device(self) -> torch.device:
        """The device of the batches; x and target may be kept elsewhere."""
        return self.condition.device


def rows_from_dataset(
    adata: "anndata.AnnData",
    label: np.ndarray,
    n_seeds: int,
    n_components: int,
    device: torch.device,
    positions: np.ndarray | None = None,
    encode: str = "genes",
) -> Rows:
    """Rows of a dataset that keeps the contract of formats/dataset.py. On the CPU, CSR arrays are not copied.

    Args:
        adata: The dataset.
        label: Codes of the labels that the models may see, -1 where hidden, [N].
        n_seeds: S.
        n_components: K.
        device: The models' device.
        positions: Positions of the N rows in the dataset; all rows by default.
        encode: What becomes x: genes, the dataset's X; or components, its principal components.

    Returns:
        N rows on the device.

    Raises:
        Refused: The dataset has no principal components.
    """
    positions = np.arange(adata.n_obs) if positions is None else positions
    if adata.uns["likelihood"] in COUNT_LIKELIHOODS:
        x, target = pack_counts(adata.X, adata.layers["counts"], positions, device)
    else:
        x = target = pack_rows(adata.X, positions, device)
    if encode == "components":
        if "X_pca" not in adata.obsm:
            raise Refused("encode: found components, but the dataset has no obsm['X_pca']; prepare it again")
        x = pack_rows(adata.obsm["X_pca"], positions, device)
    has_conditions = "condition" in adata.obs
    condition = (
        adata.obs["condition"].cat.codes.to_numpy()[positions] if has_conditions else np.full(len(positions), -1)
    )
    return Rows(
        x,
        target,
        torch.as_tensor(condition.astype(np.int64), device=device),
        torch.as_tensor(np.array(label), dtype=torch.long, device=device).expand(n_seeds, -1),
        len(adata.obs["condition"].cat.categories) if has_conditions else 0,
        n_components,
        tuple(int(size) for size in adata.uns.get("shape", ())),
    )


def select_rows(rows: Rows, positions: Tensor) -> Rows:
    """Some of the rows, as dense tensors.

    Args:
        rows: N rows.
        positions: Positions of the rows to select, few enough to be dense, [n].

    Returns:
        n rows, without neighbours.
    """
    x, target = x_and_target(rows, positions.unsqueeze(0))
    target = target.to_dense() if target.is_sparse else target
    condition, label = rows.condition[positions], rows.label[:, positions]
    return rows._replace(x=x[0], target=target[0], condition=condition, label=label, neighbours=None)


def one_hot(codes: Tensor, n: int) -> Tensor:
    """One-hot rows of integer codes, all zeros where the code is -1, [...] -> [..., n]."""
    return (codes.unsqueeze(-1) == torch.arange(n, device=codes.device)).to(torch.get_default_dtype())


def at_step(values: Tensor, step: Tensor | int) -> Tensor:
    """The values [S, T, ...] of one step of T, [S, ...]; `step` is a number, or on the device one of shape [1]."""
    return values[:, step] if isinstance(step, int) else values.index_select(1, step).squeeze(1)


def make_batch(rows: Rows, index: Tensor, noise: Tensor, weight: Tensor | None = None) -> Batch:
    """The batch of some rows.

    Args:
        rows: N rows.
        index: Positions of the batch's rows, [S, B].
        noise: Standard normal draws, [S, k, B, n_noise].
        weight: Weights of the rows in the loss, [S, B]; 1 by default.

    Returns:
        The batch, on the models' device.
    """
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
    """x and target of rows `index` [S, B], on the index's device, [S, B, D] each; counts are sparse."""
    stored = index.to(rows.x.device)
    if not isinstance(rows.target, CsrRows) or rows.target is rows.x:
        x = take_rows(rows.x, stored).to(index.device)
        return x, x if rows.target is rows.x else take_rows(rows.target, stored).to(index.device)
    entries = find_entries(rows.target.layout, stored)
    target = to_coo(entries, rows.target.values_at(entries)).to(index.device)
    if isinstance(rows.x, CsrRows) and rows.x.layout is rows.target.layout:
        return to_dense(entries, rows.x.values_at(entries)).to(index.device), target
    return take_rows(rows.x, stored).to(index.device), target
