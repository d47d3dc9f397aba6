"""Where a model of counts starts: its decoder gives the training rows' mean profile, with dispersions from moments.

With T_g the total of gene g over the training rows, T their sum and D the number of genes, the decoder's last layer
starts with weights 0 and the biases log p_g,
    p_g = (T_g + 1/2) / (T + D/2),
so that the mean at every z is library · p: training need not first learn which genes are expressed at all. With m the
means library · p of the rows, a gene's inverse dispersion starts at
    r_g = 3 · sum m² / sum((x - m)² - m)    within [0.1, 100],
the estimate by moments times 3, as the rows' variance contains differences between types, which z explains.

A decoder with a bias b_c for each condition starts with log p_c less the mean over the conditions, p_c the profile of
the rows of c. `balanced`: p_c is the weighted mean of the types' profiles under c, each a distribution over genes. A
type with n_c rows under each c has the weight 1 / sum_c 1/n_c (for two conditions n m / (n + m)), so a type that is
missing under one condition has none, and composition does not count as response. This uses the observed labels.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from gmvae.formats.likelihoods import COUNT_LIKELIHOODS
from gmvae.models.interface import LatentModel
from gmvae.nn.batches import Rows
from gmvae.nn.layers import ConditionBias
from gmvae.nn.row_storage import CsrRows, Matrix, find_entries, take_rows
from gmvae.pipeline.errors import Refused

BLOCK = 4096  # rows whose counts are read at once
BETWEEN_TYPES = 3.0
SMALLEST_R, LARGEST_R = 0.1, 100.0


@torch.no_grad()
def start_at_data(model: LatentModel, rows: Rows, balanced: bool = False) -> None:
    """Set the decoder's last layer, its dispersions and its biases of conditions by the training rows, for every seed.

    A model whose likelihood is not one of counts stays as it is.

    Args:
        model: The model, before its first step; it is changed in place.
        rows: The training rows.
        balanced: Whether the biases of conditions come from type-balanced profiles, which use the observed labels.

    Raises:
        Refused: The model has no decoder, or no observed label occurs under all conditions.
    """
    if model.p.name not in COUNT_LIKELIHOODS:
        return
    log_profile, log_r = profile_and_dispersion(rows.target)
    layer, n_genes = model.output_layer(), model.p.n_features
    layer.weight.zero_()
    layer.bias[..., :n_genes] = log_profile.to(layer.bias)
    model.p.log_r.copy_(log_r)
    for bias in (part.bias for part in model.modules() if isinstance(part, ConditionBias)):
        profiles = balanced_profiles(rows) if balanced else condition_profiles(rows)
        bias[..., :n_genes] = (profiles - profiles.mean(0)).to(bias)


def profile_and_dispersion(counts: Matrix) -> tuple[Tensor, Tensor]:
    """The log profile and log dispersion of every gene, [D] each in float64, from counts [N, D]."""
    sums = torch.zeros(3, counts.shape[1], dtype=torch.float64, device=counts.device)  # of x, x² and x · library
    squares = 0.0
    for _, row, feature, value in count_blocks(counts):
        library = torch.zeros(BLOCK, dtype=value.dtype, device=value.device).index_add_(0, row, value)
        squares += float(library.square().sum())
        for total, increment in zip(sums, (value, value**2, value * library[row]), strict=True):
            total.index_add_(0, feature, increment)
    log_p, p = log_profiles(sums[0]), log_profiles(sums[0]).exp()
    square_means = p**2 * squares  # sum m²
    excess = sums[1] - 2 * p * sums[2] + square_means - p * sums[0].sum()  # sum((x - m)² - m)
    r = BETWEEN_TYPES * square_means / excess.clamp(min=1e-6)
    return log_p, r.clamp(SMALLEST_R, LARGEST_R).log()


def log_profiles(totals: Tensor) -> Tensor:
    """log((T_g + 1/2) / (T + D/2)) of total counts, [..., D] -> [..., D]."""
    return ((totals + 0.5) / (totals.sum(-1, keepdim=True) + totals.shape[-1] / 2)).log()


def condition_profiles(rows: Rows) -> Tensor:
    """The log profile of the rows of each condition, [C, D]."""
    return log_profiles(group_totals(rows.target, rows.condition, rows.n_conditions))


def balanced_profiles(rows: Rows) -> Tensor:
    """The log profile of each condition from type-balanced profiles, [C, D]. Raises Refused without a shared type."""
    label, condition = (codes.to(rows.target.device) for codes in (rows.label[0], rows.condition))
    n_types, n_conditions = int(label.max()) + 1, rows.n_conditions
    group = torch.where((label >= 0) & (condition >= 0), label * n_conditions + condition, -1)
    sizes = torch.bincount(group[group >= 0], minlength=n_types * n_conditions).view(n_types, n_conditions)
    shared = (sizes > 0).all(1)
    if not shared.any():
        raise Refused(
            "training.start: found balanced, but no observed label occurs under all conditions; allowed: data, zero"
        )
    totals = group_totals(rows.target, group, n_types * n_conditions).view(n_types, n_conditions, -1)[shared]
    weight = 1 / (1 / sizes[shared].double()).sum(1)  # of each shared type
    profiles = totals / totals.sum(-1, keepdim=True).clamp(min=1)
    mean = (weight[:, None, None] * profiles).sum(0) / weight.sum()  # C, D
    return log_profiles(mean * (totals.sum() / n_conditions))  # as many counts under each condition


def group_totals(counts: Matrix, group: Tensor, n_groups: int) -> Tensor:
    """The total counts of the rows of each group, float64 [n_groups, D]; rows of group -1 do not count.

    Sums of whole numbers are exact in float64, so neither their order nor the device matters.
    """
    group = group.to(counts.device)
    totals = torch.zeros(n_groups + 1, counts.shape[1], dtype=torch.float64, device=counts.device)
    for first, row, feature, value in count_blocks(counts):
        code = group[first + row]
        place = torch.where(code >= 0, code, n_groups) * counts.shape[1] + feature
        totals.view(-1).index_add_(0, place, value)
    return totals[:-1]


def count_blocks(counts: Matrix) -> Iterator[tuple[int, Tensor, Tensor, Tensor]]:
    """For each block of rows: its first row, and of its nonzero counts the row in the block, the gene and the value."""
    for rows in torch.arange(len(counts), device=counts.device).split(BLOCK):
        if isinstance(counts, CsrRows):
            entries = find_entries(counts.layout, rows.unsqueeze(0))
            yield int(rows[0]), entries.row, entries.feature, counts.values_at(entries).double()
        else:
            block = take_rows(counts, rows.unsqueeze(0))[0]
            row, feature = block.nonzero(as_tuple=True)
            yield int(rows[0]), row, feature, block[row, feature].double()
