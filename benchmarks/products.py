"""The matrix products of a training run by themselves: prints one JSON line, their time beside the training's."""

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.fitted import loaded
from gmvae.pipeline.command import run_step
from gmvae.training.loop import train_to_end
from gmvae.training.state import TrainingState

aten = torch.ops.aten
FIRST = {aten.mm.default: 0, aten.addmm.default: 1, aten.bmm.default: 0, aten.baddbmm.default: 1}  # factor's place


class Part(NamedTuple):
    """What of a tensor decides how long a product with it takes."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype


Call = tuple[Callable, tuple]


class Recorder(TorchDispatchMode):
    """The products that are asked for inside: each operation and its arguments, tensors by their description."""

    def __init__(self):
        super().__init__()
        self.calls: list[Call] = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function in FIRST:
            self.calls.append((function, tuple(described(part) for part in args)))
        return function(*args, **(kwargs or {}))


def products(
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
    """Print {"seconds", "product_seconds", "products", "gigaflop"}: medians over `times` turns of training, then the
    same products in a plain loop.

    The options are those of benchmarks.fitted. The loop makes every product of the training, forward and backward, in
    its order, on random numbers in tensors of the same shapes, strides and types that stay where they are.
    """
    model, rows, plan, seeds = loaded(data, observed, module, settings, training, n_components, n_seeds, threads)
    with Recorder() as recorder:
        train_to_end(TrainingState(model, plan, seeds), rows, plan)
    tensors = {call: [filled(part) for part in call[1]] for call in set(recorder.calls)}
    trained, alone = [], []
    for _ in range(times):
        started = time.perf_counter()
        train_to_end(TrainingState(model, plan, seeds), rows, plan)
        trained.append(time.perf_counter() - started)
        started = time.perf_counter()
        for call in recorder.calls:
            call[0](*tensors[call])
        alone.append(time.perf_counter() - started)
    found = {"seconds": sorted(trained)[times // 2], "product_seconds": sorted(alone)[times // 2]}
    found |= {"products": len(recorder.calls), "gigaflop": sum(map(operations, recorder.calls)) / 1e9}
    print(json.dumps(found))


def described(part: object) -> Part:
    """A tensor's shape, stride and type; of the other arguments a list as a tuple, and anything else as it is."""
    if isinstance(part, Tensor):
        return Part(tuple(part.shape), part.stride(), part.dtype)
    return tuple(part) if isinstance(part, list) else part


def filled(part: object) -> object:
    """Random numbers in a tensor as described; any other argument as it was."""
    if isinstance(part, Part):
        return torch.empty_strided(part.shape, part.stride, dtype=part.dtype).copy_(torch.randn(part.shape))
    return list(part) if isinstance(part, tuple) else part


def operations(call: Call) -> int:
    """Multiplications and additions of a product: twice its three sizes, and that times the seeds."""
    function, parts = call
    first, second = parts[FIRST[function]].shape, parts[FIRST[function] + 1].shape
    return 2 * math.prod(first) * second[-1]


if __name__ == "__main__":
    run_step(products)
