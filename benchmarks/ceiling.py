"""How much of a training run its matrix products alone would take: `python -m benchmarks.ceiling --output ceiling.csv`.

The products are timed on the spot, in the same process and in turn with the training; one thread.
"""

import tempfile
from pathlib import Path

from benchmarks.inputs import cells, digits, images
from benchmarks.processes import alternated
from benchmarks.records import record
from benchmarks.trained import run
from gmvae.pipeline.command import run_step


def ceiling(output: Path) -> None:
    """Write seconds of training and of its products alone, their number and their operations in 10^9, as csv."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="ceiling.") as folder:
        sets = {"cells": cells(Path(folder), 10_000), "images": images(Path(folder)), "digits": digits(Path(folder))}
        for of, module, n_seeds, precision in (
            ("cells", "vae", 1, "float32"),
            ("cells", "vae", 1, "bfloat16"),
            ("images", "gmdvae", 1, "float32"),
            ("images", "gmdvae", 10, "float32"),
            ("digits", "gmdvae", 1, "float32"),
            ("digits", "gmdvae", 10, "float32"),
        ):
            timed = run(sets[of], module, n_seeds=n_seeds, precision=precision, epochs=10 if of == "digits" else 1)
            case = f"{precision}, {n_seeds} seeds" if n_seeds > 1 else precision
            rows += alternated({case: ["benchmarks.products", *timed[1:]]}, 1, of=f"{of} {module}")
    record(rows, output)


if __name__ == "__main__":
    run_step(ceiling)
