"""Which device a run computes on."""

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
    return torch.device(name)
