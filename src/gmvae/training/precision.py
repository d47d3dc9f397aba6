"""The floating-point numbers of a run's products, decided by the processor from a fixed table, never by a timing.

With bfloat16 the networks' products have 16 bits, everything else 32 (training/loop.py). A processor without units for
it emulates the products, and that is no saving: on one with AVX2 alone (AMD Milan) the product of (3, 256, 784) and
(3, 784, 256) took 0.65 s in bfloat16 and 0.019 s in float32.

    processor                                  `auto` becomes   an explicit bfloat16
    AMX tiles (Intel since Sapphire Rapids)    bfloat16         allowed: products take a third of float32's time
    AVX-512 or SVE units (AMD since Zen 4)     float32          allowed: benchmarks/precision.csv has little gain
    none of these                              float32          refused
    GPU of compute capability 8 or more        tf32             allowed: slower than tf32 (H200: benchmarks/gpu.csv)
    GPU below that                             float32          refused
    unknown                                    float32          allowed: nothing says that it is emulated

tf32 are a GPU's products of 32-bit numbers of which 19 bits are multiplied; only a GPU of capability 8 or more has it.
"""

from pathlib import Path

import torch

from gmvae.pipeline.errors import Refused

FAST = {"amx_bf16"}  # flags of processors on which bfloat16 gains
UNITS = {*FAST, "avx512_bf16", "bf16", "svebf16"}  # and of those that do not emulate it
GPU_WITH_UNITS = (8, 0)  # compute capability
SLOWDOWN = 34  # of emulated products, as measured above


def choose_precision(setting: str, device: torch.device, flags: frozenset[str] | None = None) -> str:
    """Decide the precision of a run.

    Args:
        setting: training.precision: auto, float32, float64, tf32 or bfloat16.
        device: Where the run is trained.
        flags: The processor's flags; this one's if None.

    Returns:
        float32, float64, tf32 or bfloat16.

    Raises:
        Refused: The setting is bfloat16 and the device would emulate it, or tf32 and the device does not have it.
    """
    if device.type == "cuda":
        fast, emulated = False, torch.cuda.get_device_capability(device) < GPU_WITH_UNITS
        if setting == "auto" and not emulated:
            return "tf32"
    else:
        flags = processor_flags() if flags is None else flags
        fast, emulated = bool(flags & FAST), bool(flags) and not flags & UNITS
    if setting == "auto":
        return "bfloat16" if fast else "float32"
    if setting == "tf32" and (device.type != "cuda" or emulated):
        raise Refused("training.precision: found tf32, which only a GPU has; allowed: auto, float32, float64")
    if setting == "bfloat16" and emulated:
        what = "GPU" if device.type == "cuda" else "processor"
        raise Refused(
            f"training.precision: found bfloat16, which this {what} has no units for: products would take up to "
            f"{SLOWDOWN} times as long as in float32; allowed: auto, float32, float64"
        )
    return setting


def set_precision(precision: str) -> None:
    """Make the parameters of models built from now on, and a GPU's products, have what `choose_precision` returned."""
    torch.set_default_dtype(torch.float64 if precision == "float64" else torch.float32)
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"


def processor_flags(file: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """The flags of this machine's processor, as Linux names them; none where they are not known.

    Args:
        file: Where Linux lists them: the line `flags` on x86, `Features` on ARM.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    words = [line.partition(":")[2].split() for line in lines if line.startswith(("flags", "Features"))]
    return frozenset(words[0]) if words else frozenset()
