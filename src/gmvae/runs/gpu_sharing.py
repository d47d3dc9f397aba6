"""How many jobs use one graphics card at once. The Snakefile asks, so this module starts without PyTorch."""

import subprocess

MEBIBYTES_PER_JOB = 8192
MOST = 8  # more jobs than this only wait for each other


def jobs_on_gpu(setting: str | int, device: str) -> int | None:
    """The limit on jobs that hold the resource `gpu`.

    All jobs use the first card.

    Args:
        setting: `share_gpu` of the configuration: a number, or auto: one per 8 GiB of the card's memory, at most 8.
        device: `device` of the configuration: auto, cpu or cuda.

    Returns:
        The number of jobs; None where no card is used.
    """
    memory = [] if device == "cpu" else card_memory()
    if not memory:
        return None
    return setting if isinstance(setting, int) else min(MOST, max(1, memory[0] // MEBIBYTES_PER_JOB))


def card_memory() -> list[int]:
    """The memory of each graphics card in MiB, as nvidia-smi tells it; an empty list without nvidia-smi or a card."""
    command = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        process = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    lines = process.stdout.split() if process.returncode == 0 else []
    return [int(line) for line in lines if line.isdigit()]
