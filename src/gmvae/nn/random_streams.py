"""Random numbers keyed by a seed and a purpose, so that a seed gives the same run alone or among other seeds."""

import hashlib

import torch
from torch import Tensor


def derive_key(seed: int, purpose: str) -> int:
    """A key for a random number generator; seeds that are close to each other give unrelated streams.

    Args:
        seed: The seed of a run.
        purpose: What the numbers are for, such as "init" or "noise".

    Returns:
        An integer of 63 bits.
    """
    return int.from_bytes(hashlib.sha256(f"{purpose}:{seed}".encode()).digest()[:8]) >> 1


def make_generators(seeds: list[int], purpose: str, device: torch.device | str = "cpu") -> list[torch.Generator]:
    """One generator per seed.

    Args:
        seeds: The S seeds of a run.
        purpose: What the numbers are for; see `derive_key`.
        device: Where the numbers are drawn.

    Returns:
        S generators.
    """
    return [torch.Generator(device).manual_seed(derive_key(seed, purpose)) for seed in seeds]


def generator_states(generators: list[torch.Generator]) -> Tensor:
    """The states of S generators as bytes, [S, n]."""
    return torch.stack([generator.get_state() for generator in generators])


def restore_generators(states: Tensor, device: torch.device | str) -> list[torch.Generator]:
    """New generators in the states that `generator_states` returned, [S, n]."""
    generators = [torch.Generator(device) for _ in states]
    for generator, state in zip(generators, states, strict=True):
        generator.set_state(state.clone())  # for a view, PyTorch would read the wrong memory
    return generators


def draw_normals(generators: list[torch.Generator], *shape: int, dtype: torch.dtype | None = None) -> Tensor:
    """Standard normal draws, each seed's from its own generator.

    Args:
        generators: S generators.
        *shape: The shape of one seed's draws.
        dtype: Their precision; the default precision if None.

    Returns:
        The draws, [S, *shape].
    """
    return torch.stack([torch.randn(shape, generator=g, device=g.device, dtype=dtype) for g in generators])


def draw_uniforms(generators: list[torch.Generator], *shape: int) -> Tensor:
    """Uniform draws from [0, 1), each seed's from its own generator, [S, *shape]."""
    return torch.stack([torch.rand(shape, generator=g, device=g.device) for g in generators])


def draw_permutations(generators: list[torch.Generator], n: int) -> Tensor:
    """One permutation of n rows per generator, [S, n]."""
    return torch.stack([torch.randperm(n, generator=g, device=g.device) for g in generators])
