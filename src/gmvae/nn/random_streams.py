"""Random numbers keyed by a seed and what they are for, so that a seed gives the same run alone or among others."""

import hashlib

import torch
from torch import Tensor


def derive_key(seed: int, purpose: str) -> int:
    """A 63-bit integer from a seed and a purpose ("init", "noise", ...): close seeds give unrelated streams."""
    return int.from_bytes(hashlib.sha256(f"{purpose}:{seed}".encode()).digest()[:8]) >> 1


def make_generators(seeds: list[int], purpose: str, device: torch.device | str = "cpu") -> list[torch.Generator]:
    """One generator per seed."""
    return [torch.Generator(device).manual_seed(derive_key(seed, purpose)) for seed in seeds]


def generator_states(generators: list[torch.Generator]) -> Tensor:
    """Where the generators stand, as bytes, [S, n]."""
    return torch.stack([generator.get_state() for generator in generators])


def restore_generators(states: Tensor, device: torch.device | str) -> list[torch.Generator]:
    """Generators that stand where others stood, from their `states`."""
    found = [torch.Generator(device) for _ in states]
    for generator, state in zip(found, states, strict=True):
        generator.set_state(state.clone())  # of a view it would read other memory
    return found


def draw_normals(generators: list[torch.Generator], *shape: int, dtype: torch.dtype | None = None) -> Tensor:
    """Standard normals [S, *shape], each seed's from its own generator, in the default precision unless told."""
    return torch.stack([torch.randn(shape, generator=g, device=g.device, dtype=dtype) for g in generators])


def draw_permutations(generators: list[torch.Generator], n: int) -> Tensor:
    """One permutation of n rows per seed, [S, n]."""
    return torch.stack([torch.randperm(n, generator=g, device=g.device) for g in generators])
