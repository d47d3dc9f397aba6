"""A training step as one CUDA graph: the card replays its hundreds of operations without the processor's help.

A graph repeats fixed operations on fixed memory. So each batch is copied into the same tensors, and every shape is
constant. What changes between epochs (weights of terms, a model's buffers) needs a new graph: each epoch captures one.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from gmvae.models.interface import LatentModel
from gmvae.nn.batches import Batch, Rows
from gmvae.nn.layers import Dropout
from gmvae.nn.row_storage import keep_dense

Step = Callable[[Batch], Tensor]
SHARE = 0.25  # of the card's free memory that dense rows may take; other runs use the card, too


class ReplayedStep:
    """A step that runs plainly once, is captured at its second call, and is replayed from then on.

    Args:
        step: The operations of a step, which returns one tensor; it reads nothing back from the device.
        capture: Records a function without arguments and returns a function that repeats it.
    """

    def __init__(self, step: Step, capture: Callable[[Callable[[], None]], Callable[[], None]]):
        self.step, self.capture = step, capture
        self.replay: Callable[[], None] | None = None
        self.batch: Batch | None = None
        self.result: Tensor | None = None

    def __call__(self, batch: Batch) -> Tensor:
        """Take a step and return its result, in memory of its own."""
        if self.batch is None:
            self.batch = copy_tensors(batch, {})
            return self.step(batch)
        fill_tensors(self.batch, batch)
        if self.replay is None:
            self.replay = self.capture(self.run)
        self.replay()
        return self.result.clone()

    def run(self) -> None:
        """Take the step on the fixed batch."""
        self.result = self.step(self.batch)


def capture_on_gpu(function: Callable[[], None]) -> Callable[[], None]:
    """Record the GPU's operations of a function as a graph, without running them, and return what replays it."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        function()
    return graph.replay


def step_for_device(step: Step, model: LatentModel, rows: Rows) -> Step:
    """The step itself, or its replay where that is possible: on a GPU, with dense rows there and without dropout."""
    dense = all(isinstance(matrix, Tensor) and matrix.device.type == "cuda" for matrix in (rows.x, rows.target))
    draws_masks = any(isinstance(layer, Dropout) for layer in model.modules())
    return ReplayedStep(step, capture_on_gpu) if dense and not draws_masks else step


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


def copy_tensors(value, copies: dict[int, Tensor]):
    """A copy of a batch, or of a part of it; one tensor in two places stays one."""
    if isinstance(value, Tensor):
        return copies.setdefault(id(value), value.clone())
    return value if value is None else type(value)(*(copy_tensors(part, copies) for part in value))


def fill_tensors(own, new) -> None:
    """Copy the values of a batch into one of the same shapes."""
    if isinstance(own, Tensor):
        own.copy_(new)
    elif own is not None:
        for mine, other in zip(own, new, strict=True):
            fill_tensors(mine, other)
