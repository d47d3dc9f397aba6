"""Which device a run computes on."""

import os

import torch

from gmvae.pipeline.errors import Refused


def choose_device(name: str) -> torch.device:
    """The device of a name in the configuration.

    Args:
        name: cpu, cuda, or auto: the GPU if there is one.

    Returns:
        The device.

    Raises:
        Refused: The name is unknown, or it is cuda and there is no GPU.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise Refused(f"device: found {name!r}; allowed: auto, cpu, cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise Refused("device: found cuda, but torch finds no GPU; set `device: auto` or `device: cpu`")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        compute_deterministically()
    return torch.device(name)


def compute_deterministically() -> None:
    """Make a GPU give the same bytes twice; must run before the first matrix product on it."""
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # every step writes what it reads
    torch.backends.cuda.matmul.allow_tf32 = False
