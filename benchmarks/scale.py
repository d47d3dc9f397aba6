"""Measure preparing cells, time and memory, as their number grows: `python -m benchmarks.scale --output scale.csv`.

Counts are drawn from negative binomials with the means and dispersions of real genes (PBMC 3k from the mirror, else
PBMC 68k, reduced), scaled until 5 % of 30,000 genes are seen in a cell. They are written as CSR, in chunks, to a
temporary folder; each dataset is then prepared by the command of the step, on two cores.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
from anndata.io import sparse_dataset, write_elem

from benchmarks.support.commands import option_list
from benchmarks.support.simulation import CHUNK, draw_counts, gene_parameters
from gmvae.formats.writing import write_csv
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused

N_GENES, DENSITY = 30_000, 0.05
BATCH = 20_000  # cells: the largest batch in which doublets are looked for
BYTES_PER_CELL = 30_000  # of disk: 1,500 counts of 8 bytes, twice, the result, and some room


def measure_preparation(
    output: Path, cells: list[int] | None = None, doublets: bool = False, folder: Path | None = None
) -> None:
    """Write the seconds, the processor time per cell and the peak memory in MB of preparing simulated datasets.

    Args:
        output: The csv file.
        cells: The number of cells of each dataset; 10,000 and 1,000,000 by default.
        doublets: Look for doublets, in batches of 20,000 cells.
        folder: The folder for temporary files; the system's by default.

    Raises:
        Refused: The disk has too little room.
    """
    sizes = cells or [10_000, 1_000_000]
    folder = folder or Path(tempfile.gettempdir())
    needed, free = BYTES_PER_CELL * max(sizes) / 1e9, shutil.disk_usage(folder).free / 1e9
    if free < needed:
        raise Refused(
            f"{folder}: {free:.1f} GB are free, {max(sizes)} cells need {needed:.1f} GB; give another --folder"
        )
    means, dispersions = gene_parameters(N_GENES, DENSITY)
    rows = []
    for n in sizes:
        with tempfile.TemporaryDirectory(dir=folder, prefix="scale.") as temporary:
            write_raw_cells(Path(temporary, "raw.h5ad"), n, means, dispersions)
            cost = preparation_cost(Path(temporary), doublets)
            rows.append({"cells": n, "genes": N_GENES, "doublets": doublets} | cost)
            print(rows[-1], flush=True)
    write_csv(pd.DataFrame(rows), output)


def write_raw_cells(path: Path, n: int, means: np.ndarray, dispersions: np.ndarray) -> None:
    """Write n cells in chunks of rows: X as CSR, obs with ten types and batches of BATCH cells."""
    generator = np.random.default_rng(n)
    types = pd.Categorical.from_codes(generator.integers(10, size=n), [f"type {k}" for k in range(10)])
    batches = pd.Categorical([f"batch {i // BATCH}" for i in range(n)])
    obs = pd.DataFrame({"type": types, "batch": batches}, index=[f"cell {i}" for i in range(n)])
    with h5py.File(path, "w") as file:
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        write_elem(file, "obs", obs)
        write_elem(file, "var", pd.DataFrame(index=[f"gene {j}" for j in range(N_GENES)]))
        for start in range(0, n, CHUNK):
            counts = draw_counts(generator, min(CHUNK, n - start), means, dispersions)
            if start:
                sparse_dataset(file["X"]).append(counts)
            else:
                write_elem(file, "X", counts)


def preparation_cost(folder: Path, doublets: bool) -> dict[str, float]:
    """Seconds, processor time per cell and peak memory in MB of the step prepare on raw.h5ad, on at most two cores."""
    output = folder / "prepared.h5ad"
    settings = {"path": str(folder / "raw.h5ad"), "label": "type", "batch": "batch"}
    cells = {"max_doublet": 0.25 if doublets else None, "n_top_genes": 2000}
    options = {"source": "h5ad", "name": "Simulated", "output": output, "test-share": "0.2"}
    options |= {"settings": json.dumps(settings), "cells": json.dumps(cells)}
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "gmvae.data.prepare", *option_list(options)],
        preexec_fn=lambda: os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2]),
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"prepare failed with status {os.waitstatus_to_exitcode(status)}")
    seconds = time.perf_counter() - start
    n = anndata.read_h5ad(output, backed="r").n_obs
    busy = usage.ru_utime + usage.ru_stime  # other work on the machine does not change it
    return {"seconds": seconds, "cpu_microseconds_per_cell": 1e6 * busy / n, "megabytes": usage.ru_maxrss / 1024}


if __name__ == "__main__":
    run_step(measure_preparation)
