"""Which device a run computes on."""

import torch

from gmvae.pipeline.errors import Refused


def choose_device(name: str) -> torch.device:
    """`auto` is the GPU if there is one.

    Raises:
        Refused: `cuda` without a GPU, or an unknown name.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise Refused(f"device: found {name!r}; allowed: auto, cpu, cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise Refused("device: found cuda, but torch sees no GPU here; set `device: auto` or `device: cpu`")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)
