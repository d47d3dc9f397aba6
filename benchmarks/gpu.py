"""Measure training on a GPU beside the CPU of the same machine: `python -m benchmarks.gpu --output benchmarks/gpu.csv`.

Needs only PyTorch and NumPy; where scvi-tools is there, too, its model SCVI is trained on the same cells. The data are
synthetic, of the shapes of MNIST and of two datasets of cells. Rows are counted once for each seed. The floor of a step
is told in support/floor.py. `--dry` runs tiny shapes on the CPU through the same code, and writes nothing.
"""

import csv
import shutil
import subprocess
import threading
import time
from pathlib import Path

import torch

from benchmarks.support.floor import floor_milliseconds, measure_rates
from benchmarks.support.synthetic import SHAPES, Run, Shape, draws_of_the_cpu, synthetic_rows, time_training
from gmvae.pipeline.command import run_step
from gmvae.training.device import choose_device

PRECISIONS = ("tf32", "float32")  # the first is what `precision: auto` means on such a card
CASES = (("cells 18,641 x 1,200", (1, 10)), ("images", (1, 10, 30)), ("cells 10,000 x 2,000", (1, 10)))
EPOCHS, WARM, CPU_SHARE = 2, 1, 0.05  # the CPU trains on this share of the rows
LIMIT = 480.0  # seconds; no case starts after them
TOLERANCE = 2e-3  # relative difference of the epochs' losses between GPU and CPU, with the same draws
NOT_MEASURED = {"floor_milliseconds": None, "busy": None, "same_bytes": "", "loss_apart": None, "agrees": ""}
DRY = Shape(40, 6, "", 4, 16)


def measure_gpu(output: Path, dry: bool = False) -> list[dict]:
    """Train each case on the GPU and on the CPU, and write a row for each.

    Args:
        output: The csv file.
        dry: Run tiny shapes on the CPU in place of the GPU, and write nothing.

    Returns:
        The rows.
    """
    torch.set_num_threads(1)
    started, device = time.monotonic(), choose_device("cpu" if dry else "cuda")
    card = "none" if dry else torch.cuda.get_device_name(device)
    rates, rows = measure_rates(device, dry), []
    print(f"{card}: {rates.operations / 1e12:.1f} TFLOP/s float32, {rates.bytes / 1e12:.2f} TB/s", flush=True)
    made = {"torch": torch.__version__, "commit": current_commit()}
    for name, n_seeds in ((name, n) for name, numbers in CASES for n in numbers):
        if time.monotonic() - started > LIMIT:
            print(f"left out, no time: {name}, {n_seeds} seeds", flush=True)
            continue
        shape = SHAPES[name] if not dry else DRY._replace(likelihood=SHAPES[name].likelihood)
        floor = {"floor_milliseconds": floor_milliseconds(shape, "gmdvae", n_seeds, rates)}
        new = measure_case(shape, n_seeds, device, floor)
        if n_seeds == 1 and shape.likelihood == "negative_binomial" and not dry:
            new += measure_scvi(shape)
        print(*new, sep="\n", flush=True)
        rows += [{"card": card, "of": name} | row | made for row in new]
        if not dry:
            write_rows(rows, output)
    return rows


def measure_case(shape: Shape, n_seeds: int, device: torch.device, floor: dict[str, float]) -> list[dict]:
    """The rows of one case: the GPU on all rows, and the CPU on a share of them; both are compared on that share, with
    the same draws."""
    cpu, few = torch.device("cpu"), shape._replace(rows=max(shape.batch_size, int(CPU_SHARE * shape.rows)))
    with draws_of_the_cpu(cpu):
        own = train(few, n_seeds, cpu)
    rows = []
    for precision in PRECISIONS:
        with BusyShare(device) as busy:
            big = train(shape, n_seeds, device, precision)
        one, again = (train(few, n_seeds, device, precision) for _ in range(2))
        with draws_of_the_cpu(device):
            small = train(few, n_seeds, device, precision)
        apart = max(abs(a - b) / max(1.0, abs(b)) for a, b in zip(small.losses, own.losses, strict=True))
        checks = {
            "same_bytes": "yes" if one.weights == again.weights else "no",
            "loss_apart": apart,
            "agrees": "yes" if apart <= TOLERANCE else "no",
        }
        row = case_row(device.type, precision, n_seeds, big)
        rows.append(row | floor | {"busy": busy.share()} | checks)
    return [*rows, case_row("cpu", "float32", n_seeds, own) | NOT_MEASURED]


def measure_scvi(shape: Shape) -> list[dict]:
    """The row of SCVI on the GPU, one model; none without scvi-tools."""
    try:
        from benchmarks.support.scvi_on_gpu import train_scvi_on_gpu  # optional
    except ImportError as missing:
        print(f"scvi-tools: left out, {missing}", flush=True)
        return []
    run = train_scvi_on_gpu(shape, EPOCHS)
    return [case_row("cuda", "float32", 1, run) | NOT_MEASURED | {"software": "scvi-tools"}]


def train(shape: Shape, n_seeds: int, device: torch.device, precision: str = "float32") -> Run:
    """A training of the model gmdvae."""
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    return time_training(shape, "gmdvae", n_seeds, device, synthetic_rows(shape, n_seeds, device), EPOCHS, WARM)


def case_row(device: str, precision: str, n_seeds: int, run: Run) -> dict:
    """What is written of a run."""
    return {
        "software": "this project",
        "device": device,
        "precision": precision,
        "seeds": n_seeds,
        "seconds": run.seconds,
        "rows": run.rows,
        "rows_per_second": run.rows / run.seconds,
        "milliseconds_per_step": 1000 * run.seconds / run.steps,
    }


def current_commit() -> str:
    """The commit of the checkout; empty where git does not know it."""
    if shutil.which("git") is None:
        return ""
    command = ["git", "rev-parse", "HEAD"]
    return subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True).stdout.strip()


class BusyShare:
    """The share of the time in which the card computes, sampled from nvidia-smi in a thread; nothing on a CPU."""

    def __init__(self, device: torch.device):
        self.samples: list[int] = []
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.sample, daemon=True) if device.type == "cuda" else None

    def sample(self) -> None:
        """Ask twice a second until the block ends."""
        command = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "--id=0"]
        while not self.stopped.wait(0.5):
            said = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
            self.samples += [int(said)] if said.isdigit() else []

    def __enter__(self) -> "BusyShare":
        if self.thread:
            self.thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.stopped.set()
        if self.thread:
            self.thread.join()

    def share(self) -> float | None:
        """The mean of the samples; None without any."""
        return sum(self.samples) / len(self.samples) / 100 if self.samples else None


def write_rows(rows: list[dict], output: Path) -> None:
    """Write the rows as csv."""
    with output.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    run_step(measure_gpu)
