"""A training step as one CUDA graph: the card replays its hundreds of operations without the processor's help.

A graph repeats fixed operations on fixed memory. So the random numbers of each block of steps are copied into the same
tensors, the place of a step in its block is a number on the card, and every shape is constant. Where the weight of a
term or the kind of views changes, a new graph is captured.
"""

import gc
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from gmvae.models.interface import LatentModel
from gmvae.nn.batches import Rows
from gmvae.nn.layers import Dropout
from gmvae.nn.row_storage import keep_dense
from gmvae.nn.views import ViewDraws

Step = Callable[["Block", "Tensor | int"], Tensor]
SHARE = 0.25  # of the card's free memory that dense rows may take; other runs use the card, too


class Block(NamedTuple):
    """The random numbers of T steps that follow each other; a step is the position of its own on the axis T."""

    index: Tensor  # S, T, B   positions of the rows
    weight: Tensor  # S, T, B
    noise: Tensor  # S, T, k, B, n_noise
    views: ViewDraws | None


class ReplayedStep:
    """A step that runs plainly once, is captured at its second call, and is replayed from then on.

    Args:
        step: The operations of a step, which returns one tensor; it reads nothing back from the device.
        capture: Records a function without arguments and returns a function that repeats it.
    """

    def __init__(self, step: Step, capture: Callable[[Callable[[], None]], Callable[[], None]]):
        self.step, self.capture = step, capture
        self.replay: Callable[[], None] | None = None
        self.filled: Block | None = None  # the block whose numbers `block` holds
        self.block: Block | None = None
        self.position: Tensor | None = None
        self.result: Tensor | None = None

    def __call__(self, block: Block, position: int) -> Tensor:
        """Take a step and return its result, in memory of its own."""
        if self.block is None:
            self.block, self.filled = copy_tensors(block), block
            self.position = torch.zeros(1, dtype=torch.long, device=block.index.device)
            return self.step(block, self.position.fill_(position))
        if self.filled is not block:
            fill_tensors(self.block, block)
            self.filled = block
        self.position.fill_(position)
        if self.replay is None:
            self.replay = self.capture(self.run)
        self.replay()
        return self.result.clone()

    def run(self) -> None:
        """Take the step on the fixed block."""
        self.result = self.step(self.block, self.position)


class Steps:
    """The step of each epoch; on a GPU a captured one serves again while nothing that it fixed has changed.

    Attributes:
        names: The names of a step's terms, once a step has been taken.
    """

    def __init__(self):
        self.names: list[str] = []
        self.take: Step = None
        self.fixed: tuple | None = None

    def prepare(self, step: Step, fixed: tuple, model: LatentModel, rows: Rows, views: tuple[str, ...] | None) -> None:
        """Make `take` the step of an epoch.

        Args:
            step: The step, from a block and a position.
            fixed: What it computes with beside tensors that keep their memory; while it is equal, a capture serves.
            model: The model.
            rows: The training rows.
            views: The kinds of views; thinning draws by generators of each step, which no graph can repeat.
        """
        if not is_replayable(model, rows, views):
            self.take = step
        elif self.fixed != fixed:
            self.take, self.fixed = ReplayedStep(step, capture_on_gpu), fixed


def capture_on_gpu(function: Callable[[], None]) -> Callable[[], None]:
    """Record the GPU's operations of a function as a graph, without running them, and return what replays it."""
    graph = torch.cuda.CUDAGraph()
    gc.collect()  # a graph or a memory block that is freed during the capture would end it
    gc.disable()
    try:
        with torch.cuda.graph(graph):
            function()
    finally:
        gc.enable()
    return graph.replay


def is_replayable(model: LatentModel, rows: Rows, views: tuple[str, ...] | None) -> bool:
    """Whether a step is the same operations each time: on a GPU, with dense rows there, no dropout and no thinning."""
    dense = all(isinstance(matrix, Tensor) and matrix.device.type == "cuda" for matrix in (rows.x, rows.target))
    return dense and "thinning" not in (views or ()) and not any(isinstance(m, Dropout) for m in model.modules())


def place_rows(rows: Rows, free: int | None = None) -> Rows:
    """The rows, dense on the GPU where they fit; elsewhere unchanged.

    Args:
        rows: The training rows.
        free: Bytes of memory that are free on the device; asked of a GPU if None.

    Returns:
        Rows of the same values.
    """
    if isinstance(rows.x, Tensor) and isinstance(rows.target, Tensor):
        return rows
    if free is None:
        if rows.device.type != "cuda":
            return rows
        free = torch.cuda.mem_get_info(rows.device)[0]
    matrices = {id(matrix): matrix for matrix in (rows.x, rows.target)}
    if sum(4 * matrix.shape[0] * matrix.shape[1] for matrix in matrices.values()) > SHARE * free:
        return rows
    dense = {key: keep_dense(matrix, rows.device) for key, matrix in matrices.items()}
    return rows._replace(x=dense[id(rows.x)], target=dense[id(rows.target)])


def copy_tensors(value):
    """A copy of a block, or of a part of it."""
    if isinstance(value, Tensor):
        return value.clone()
    return value if value is None else type(value)(*map(copy_tensors, value))


def fill_tensors(own, new) -> None:
    """Copy the numbers of a block into the first steps of one that is as long or longer."""
    if isinstance(own, Tensor):
        own[:, : new.shape[1]].copy_(new)
    elif own is not None:
        for mine, other in zip(own, new, strict=True):
            fill_tensors(mine, other)
