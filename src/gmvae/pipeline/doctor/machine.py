"""The graphics card, what the processor can do, the disk and the folder."""

import os
import shutil
import subprocess
from pathlib import Path

from gmvae.pipeline.doctor.findings import FAULT, NOTE, OK, Finding

FAST = {"amx_bf16"}  # flags of processors, as in training/precision.py, which takes seconds to import
UNITS = {*FAST, "avx512_bf16", "bf16", "svebf16"}
LEAST_FREE, ENOUGH_FREE = 1, 5  # gigabytes


def check_card(device: str, torch_version: str) -> Finding:
    """Whether there is a graphics card, and whether the configuration asks for one.

    Args:
        device: `device` of the configuration; "" where it is not known.
        torch_version: The version of the installed torch, "" for none.
    """
    command = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        answer = ""
    cards = [line.strip() for line in answer.splitlines() if line.strip()]
    if not cards and device == "cuda":
        return Finding(
            FAULT, "GPU: none, but config.yaml has device: cuda", "sed -i 's/^device: cuda/device: auto/' config.yaml"
        )
    if cards and torch_version.endswith("+cpu"):
        return Finding(NOTE, f"GPU: {'; '.join(cards)}, which torch {torch_version} cannot use", "pip install torch")
    return Finding(OK, f"GPU: {'; '.join(cards)}" if cards else "GPU: none; models are trained on the processor")


def check_precision(cpuinfo: Path = Path("/proc/cpuinfo")) -> Finding:
    """Which numbers the processor computes with where training.precision is auto."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    flags = {
        flag for line in lines if line.startswith(("flags", "Features")) for flag in line.partition(":")[2].split()
    }
    if flags & FAST:
        return Finding(OK, "precision: bfloat16 on this processor (AMX), where training.precision is auto")
    what = "allowed, and no faster" if flags & UNITS else "unknown" if not flags else "refused, as it would be emulated"
    return Finding(OK, f"precision: float32 on this processor; bfloat16 is {what}")


def check_disk(folder: Path) -> Finding:
    """The free space for results."""
    free = shutil.disk_usage(folder).free / 1e9
    text = f"disk: {free:.1f} GB are free at {folder.absolute()}"
    if free < LEAST_FREE:
        return Finding(FAULT, f"{text}; {LEAST_FREE} GB or more are needed", "make clean SURE=yes")
    return Finding(OK if free >= ENOUGH_FREE else NOTE, text)


def check_folders(root: Path) -> Finding:
    """Whether the checkout and its results can be written."""
    closed = [
        str(folder)
        for folder in (root, root / "results", root / ".snakemake")
        if folder.exists() and not os.access(folder, os.W_OK | os.X_OK)
    ]
    if closed:
        return Finding(FAULT, f"folders that cannot be written: {', '.join(closed)}", f"chmod -R u+w {closed[0]}")
    return Finding(OK, f"folder: {root} can be written")
