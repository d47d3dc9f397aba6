"""What bfloat16 products save beside float32: `python -m benchmarks.precision --output precision.csv`.

The model gmdvae on images of MNIST's size and on cells, the model vae on cells; one seed, one thread. How much there is
to save depends on the processor: matrix units for bfloat16 are what it takes.
"""

import tempfile
from pathlib import Path

from benchmarks.inputs import cells, images
from benchmarks.processes import alternated
from benchmarks.records import record
from benchmarks.trained import run
from gmvae.pipeline.command import run_step


def precision(output: Path, rounds: int = 5, epochs: int = 2) -> None:
    """Write seconds, rows shown and peak memory of runs in both precisions, as csv.

    output: the csv. rounds: how often each case runs, in turn. epochs: of each run.
    """
    rows = []
    with tempfile.TemporaryDirectory(prefix="precision.") as folder:
        sets = {"images": images(Path(folder)), "cells": cells(Path(folder), 10_000)}
        for of, module in (("images", "gmdvae"), ("cells", "gmdvae"), ("cells", "vae")):
            kinds = ("float32", "bfloat16")
            cases = {kind: run(sets[of], module, epochs=epochs, precision=kind) for kind in kinds}
            rows += alternated(cases, rounds, of=f"{of} {module}")
    record(rows, output)


if __name__ == "__main__":
    run_step(precision)
