"""The least time that a step can take: its products at the card's matrix rate, or its bytes at the card's bandwidth.

Needs only PyTorch and NumPy.
"""

import time
from typing import NamedTuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.support.synthetic import Shape, start_state, synthetic_rows, wait_for
from gmvae.nn.objective import loss
from gmvae.training.loop import batch_at, epoch_steps, step_once

MATRIX, COPIED = {"cuda": 8192, "cpu": 2048}, {"cuda": 2**28, "cpu": 2**26}  # side of square matrices; floats copied
DRY_MATRIX, DRY_COPIED = 64, 2**10
BYTES_OF_PARAMETER = (
    40  # read forward and backward, its gradient written; Adam reads 4 numbers and writes 3, of 4 bytes
)


class Rates(NamedTuple):
    """What a device can do."""

    operations: float  # float32 operations a second in a product of large matrices
    bytes: float  # read and written a second in a copy


class ProductCounter(TorchDispatchMode):
    """Counts the operations of the batched matrix products in a block, two for each multiplication."""

    def __init__(self):
        super().__init__()
        self.operations = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function in (torch.ops.aten.bmm.default, torch.ops.aten.baddbmm.default):
            left, right = args[-2:]  # S, n, m and S, m, p
            self.operations += 2 * left.numel() * right.shape[-1]
        return function(*args, **(kwargs or {}))


def measure_rates(device: torch.device, dry: bool = False) -> Rates:
    """The rates of a device, by its own product and copy of large float32 tensors; of tiny ones if `dry`."""
    n, size = (DRY_MATRIX, DRY_COPIED) if dry else (MATRIX[device.type], COPIED[device.type])
    matrix, values = torch.rand(n, n, device=device), torch.rand(size, device=device)
    return Rates(2 * n**3 / seconds_of(lambda: matrix @ matrix, device), 8 * size / seconds_of(values.clone, device))


def seconds_of(function, device: torch.device, times: int = 5) -> float:
    """The mean seconds of a function, after three calls that warm up."""
    for _ in range(3):
        function()
    wait_for(device)
    start = time.perf_counter()
    for _ in range(times):
        function()
    wait_for(device)
    return (time.perf_counter() - start) / times


def floor_milliseconds(shape: Shape, module: str, n_seeds: int, rates: Rates) -> float:
    """The floor of a step of a model, in milliseconds.

    Args:
        shape: The shape of the rows.
        module: The file of the model.
        n_seeds: S.
        rates: Those of the device.

    Returns:
        The longer of the times of its products and of its bytes: parameters, and the rows as the encoder and the
        likelihood read them.
    """
    few = shape._replace(rows=shape.batch_size)
    state, training = start_state(few, module, n_seeds, torch.device("cpu"), epochs=1)
    rows = synthetic_rows(few, n_seeds, torch.device("cpu"))
    _, _, block, position = next(epoch_steps(rows, training, state.draws, state.model.n_noise))
    batch = batch_at(rows, block, position, None)
    with ProductCounter() as counter:
        step_once(state, training, lambda terms, own: loss(terms, own, 1.0, 1.0), few.rows, [], batch)
    n_parameters = sum(parameter.numel() for parameter in state.model.parameters())
    n_bytes = BYTES_OF_PARAMETER * n_parameters + 8 * n_seeds * shape.batch_size * shape.features
    return 1000 * max(counter.operations / rates.operations, n_bytes / rates.bytes)
