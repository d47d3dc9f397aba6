"""Which rows make up each batch of an epoch: every row counts once, and every batch has labelled rows."""

from typing import NamedTuple

import torch
from torch import Tensor

from gmvae.nn.random_streams import draw_permutations

MIN_LABELLED = 32  # labelled rows of a batch where only some rows are labelled: fewer teach the classes too noisily


class Order(NamedTuple):
    """The rows of an epoch's batches and their weights."""

    rows: Tensor  # S, steps, B
    weight: Tensor  # S, steps, B


def epoch_order(label: Tensor, batch_size: int, generators: list[torch.Generator]) -> Order:
    """A new order of the rows for one epoch of every seed.

    All batches have one size, the largest that does not exceed `batch_size` and leaves the fewest places to fill; the
    places left over are filled with rows of weight 0. If only some rows are labelled, every batch has its share of the
    labelled rows, and at least MIN_LABELLED: more of them than their share come on top of `batch_size`. A labelled row
    that appears r times in an epoch has weight 1/r, so the weighted sum over the epoch is the sum over the rows.

    Args:
        label: Labels that each seed sees, codes or -1, [S, N]; all seeds see the same number of labels.
        batch_size: Largest number of rows in a batch; may exceed N.
        generators: One for each seed.

    Returns:
        Positions and weights of the rows of all batches.
    """
    n = label.shape[1]
    shuffled = draw_permutations(generators, n)  # S, N
    n_labelled = int((label[0] >= 0).sum())
    steps = -(-n // batch_size)
    if n_labelled in (0, n):
        return Order(*deal_rows(shuffled, steps))
    first = label.gather(1, shuffled).lt(0).to(torch.uint8).argsort(dim=1, stable=True)  # labelled rows first
    shuffled = shuffled.gather(1, first)
    labelled = deal_rows(shuffled[:, :n_labelled], steps, min(MIN_LABELLED, n_labelled, batch_size))
    hidden = deal_rows(shuffled[:, n_labelled:], steps)
    return Order(torch.cat([labelled[0], hidden[0]], -1), torch.cat([labelled[1], hidden[1]], -1))


def deal_rows(rows: Tensor, steps: int, least: int = 1) -> tuple[Tensor, Tensor]:
    """Rows [S, n] in `steps` batches of equal size [S, steps, B], and their weights.

    If the rows do not fill `least` <= n places of each batch, they are repeated, none twice in a batch; else the rows
    that fill the last places have weight 0.
    """
    n_seeds, n = rows.shape
    size = max(-(-n // steps), least)
    places = steps * size
    position = torch.arange(places, device=rows.device)
    if n < steps * least:  # the batches go on through all rows, again and again
        dealt = position % n
        weight = 1 / torch.bincount(dealt, minlength=n)[dealt]
    else:
        dealt = position.unflatten(0, (size, steps)).T.flatten()  # batch b takes places b, b + steps, ...
        dealt, weight = dealt % n, (dealt < n).to(torch.get_default_dtype())
    return (
        rows[:, dealt].unflatten(1, (steps, size)),
        weight.expand(n_seeds, -1).unflatten(1, (steps, size)).to(torch.get_default_dtype()),
    )
