"""Time the matrix products of a training run by themselves, beside the training, and print one JSON line."""

import json
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.support.train_ours import load_run
from gmvae.pipeline.command import run_step
from gmvae.training.loop import train_to_end
from gmvae.training.state import TrainingState

aten = torch.ops.aten
# The operations that are matrix products, each with the position of its first factor among the arguments.
FIRST_FACTOR = {aten.mm.default: 0, aten.addmm.default: 1, aten.bmm.default: 0, aten.baddbmm.default: 1}
LINEAR = getattr(torch.ops.mkldnn, "_linear_pointwise", None)  # oneDNN's product: its second factor is transposed
if LINEAR is not None:
    FIRST_FACTOR[LINEAR.default] = 0


class TensorForm(NamedTuple):
    """What decides how long a product with a tensor takes."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype


Call = tuple[Callable, tuple]  # an operation and its arguments, tensors as TensorForm


class ProductRecorder(TorchDispatchMode):
    """Records the matrix products that run inside its `with` block, in `calls`."""

    def __init__(self):
        super().__init__()
        self.calls: list[Call] = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function in FIRST_FACTOR:
            self.calls.append((function, tuple(describe_argument(argument) for argument in args)))
        return function(*args, **(kwargs or {}))


def time_products(
    data: Path,
    observed: Path,
    module: str,
    settings: dict,
    training: dict,
    n_components: int = 1,
    n_seeds: int = 1,
    threads: int = 1,
    times: int = 3,
) -> None:
    """Print {"seconds", "product_seconds", "products", "gigaflop"}: the medians of training and of its products alone.

    The second time is that of a plain loop over all matrix products of the training, forward and backward, in their
    order. Its tensors hold random numbers, have the shapes, strides and types of the training's, and are made once.

    Args:
        data: The prepared dataset.
        observed: The csv with the columns row and label.
        module: The file of the model, as in the step train.
        settings: The model's settings, as in the step train.
        training: The settings of training, as in the step train.
        n_components: The number of clusters.
        n_seeds: The number of seeds that are trained together: 0, 1, ...
        threads: The number of compute threads.
        times: How often training and loop are timed, in turn.
    """
    model, rows, plan, seeds = load_run(data, observed, module, settings, training, n_components, n_seeds, threads)
    with ProductRecorder() as recorder:
        train_to_end(TrainingState(model, plan, seeds), rows, plan)
    arguments = {call: [restore_argument(argument) for argument in call[1]] for call in set(recorder.calls)}
    training_seconds, product_seconds = [], []
    for _ in range(times):
        started = time.perf_counter()
        train_to_end(TrainingState(model, plan, seeds), rows, plan)
        training_seconds.append(time.perf_counter() - started)
        started = time.perf_counter()
        for call in recorder.calls:
            call[0](*arguments[call])
        product_seconds.append(time.perf_counter() - started)
    result = {
        "seconds": statistics.median_high(training_seconds),
        "product_seconds": statistics.median_high(product_seconds),
        "products": len(recorder.calls),
        "gigaflop": sum(map(count_operations, recorder.calls)) / 1e9,
    }
    print(json.dumps(result))


def describe_argument(argument: object) -> object:
    """The form of a tensor, a list as a tuple, any other argument unchanged: something that can be a key of a dict."""
    if isinstance(argument, Tensor):
        return TensorForm(tuple(argument.shape), argument.stride(), argument.dtype)
    return tuple(argument) if isinstance(argument, list) else argument


def restore_argument(argument: object) -> object:
    """The reverse of describe_argument: a tensor of that form holds random numbers."""
    if isinstance(argument, TensorForm):
        random = torch.randn(argument.shape)
        return torch.empty_strided(argument.shape, argument.stride, dtype=argument.dtype).copy_(random)
    return list(argument) if isinstance(argument, tuple) else argument


def count_operations(call: Call) -> int:
    """The multiplications and additions of a product: twice rows by inner size by columns, times the seeds."""
    function, arguments = call
    first, second = (arguments[FIRST_FACTOR[function] + place].shape for place in (0, 1))
    columns = second[-2] if LINEAR is not None and function == LINEAR.default else second[-1]
    return 2 * math.prod(first) * columns


if __name__ == "__main__":
    run_step(time_products)
