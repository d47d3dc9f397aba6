"""How many jobs use the graphics cards of this machine at once, and which card each.

The Snakefile asks, so this module starts without PyTorch. workflow/choose_gpu.sh gives each job its card.
"""

import os
import subprocess
from itertools import takewhile

MEBIBYTES_PER_JOB = 8192
MOST = 8  # more jobs than this only wait for each other


def jobs_by_card(setting: str | int, device: str) -> dict[str, int]:
    """The number of jobs that may compute on each card at once.

    Args:
        setting: `share_gpu` of the configuration: a number, or auto: one per 8 GiB of a card's memory, at most 8.
        device: `device` of the configuration: auto, cpu or cuda.

    Returns:
        Numbers by card, as CUDA_VISIBLE_DEVICES names it; empty where no card is used.
    """
    memory = {} if device == "cpu" else visible_cards()
    if isinstance(setting, int):
        return dict.fromkeys(memory, setting)
    return {card: min(MOST, max(1, mebibytes // MEBIBYTES_PER_JOB)) for card, mebibytes in memory.items()}


def job_places(jobs: dict[str, int]) -> list[str]:
    """The card of each job that may run at once.

    Args:
        jobs: What `jobs_by_card` returns.

    Returns:
        Each card as often as it takes jobs; the first job of every card comes before the second of any.
    """
    return [card for turn in range(max(jobs.values(), default=0)) for card, most in jobs.items() if turn < most]


def visible_cards() -> dict[str, int]:
    """The memory in MiB of each card that this process may use; none without nvidia-smi or a card.

    A user's own CUDA_VISIBLE_DEVICES counts, up to a number below 0, as CUDA reads it. It may name a part of a card
    (MIG), for which the memory of the smallest card is taken.
    """
    cards = all_cards()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None or not cards:
        return {uuid: mebibytes for _, uuid, mebibytes in cards}
    least = min(mebibytes for _, _, mebibytes in cards)
    by_name = {name: mebibytes for index, uuid, mebibytes in cards for name in (index, uuid)}
    names = takewhile(lambda name: not name.startswith("-"), map(str.strip, visible.split(",")))
    return {name: by_name.get(name, least) for name in names if name}


def all_cards() -> list[tuple[str, str, int]]:
    """Number, UUID and memory in MiB of each card, as nvidia-smi tells them."""
    command = ["nvidia-smi", "--query-gpu=index,uuid,memory.total", "--format=csv,noheader,nounits"]
    try:
        process = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    lines = process.stdout.splitlines() if process.returncode == 0 else []
    parts = [[part.strip() for part in line.split(",")] for line in lines]
    return [(part[0], part[1], int(part[2])) for part in parts if len(part) == 3 and part[2].isdigit()]
