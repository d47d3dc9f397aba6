"""How time and memory of preparing cells grow with their number: `python -m benchmarks.scale --output scale.csv`.

Counts are drawn from a negative binomial with the gene means and dispersions of a real set (PBMC 3k from the mirror,
else those of pbmc68k_reduced), scaled until 5 % of 30,000 genes are seen in a cell. They are written sparse, in chunks,
to a temporary folder that is removed after; each set is then prepared by the step's own command, on two cores.
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

from benchmarks.simulated import CHUNK, chunk, gene_parameters
from gmvae.formats.writing import write_csv
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused

N_GENES, DENSITY = 30_000, 0.05
BATCH = 20_000  # cells: the most that doublets are looked for in
BYTES_PER_CELL = 30_000  # of disk, with room: 1,500 counts of 8 bytes twice, and the result


def scale(output: Path, cells: list[int] | None = None, doublets: bool = False, folder: Path | None = None) -> None:
    """Write seconds, processor time per cell and peak memory in MB of preparing simulated sets, as csv.

    output: the csv. cells: how many cells each set has (default 10,000 and 1,000,000). doublets: look for them, in
    batches of 20,000 cells. folder: for the temporary files (default: the system's). Raises Refused where the disk has
    too little room.
    """
    sizes = cells or [10_000, 1_000_000]
    folder = folder or Path(tempfile.gettempdir())
    needed, free = BYTES_PER_CELL * max(sizes) / 1e9, shutil.disk_usage(folder).free / 1e9
    if free < needed:
        raise Refused(
            f"{folder}: {free:.1f} GB are free, {max(sizes)} cells need {needed:.1f} GB; give another --folder"
        )
    means, dispersion = gene_parameters(N_GENES, DENSITY)
    rows = []
    for n in sizes:
        with tempfile.TemporaryDirectory(dir=folder, prefix="scale.") as temporary:
            simulate(Path(temporary, "raw.h5ad"), n, means, dispersion)
            rows.append({"cells": n, "genes": N_GENES, "doublets": doublets} | measured(Path(temporary), doublets))
            print(rows[-1], flush=True)
    write_csv(pd.DataFrame(rows), output)


def simulate(path: Path, n: int, mean: np.ndarray, dispersion: np.ndarray) -> None:
    """Write n cells in chunks of rows: X as CSR, obs with ten types and batches of BATCH cells."""
    generator = np.random.default_rng(n)
    obs = pd.DataFrame(
        {
            "type": pd.Categorical.from_codes(generator.integers(10, size=n), [f"type {k}" for k in range(10)]),
            "batch": pd.Categorical([f"batch {i // BATCH}" for i in range(n)]),
        },
        index=[f"cell {i}" for i in range(n)],
    )
    with h5py.File(path, "w") as file:
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        write_elem(file, "obs", obs)
        write_elem(file, "var", pd.DataFrame(index=[f"gene {j}" for j in range(N_GENES)]))
        for start in range(0, n, CHUNK):
            rows = chunk(generator, min(CHUNK, n - start), mean, dispersion)
            if start:
                sparse_dataset(file["X"]).append(rows)
            else:
                write_elem(file, "X", rows)


def measured(folder: Path, doublets: bool) -> dict[str, float]:
    """Seconds, processor time per cell and peak memory in MB of the step prepare on raw.h5ad, on at most two cores."""
    options = {"source": "h5ad", "name": "Simulated", "output": folder / "prepared.h5ad", "test-share": "0.2"}
    options["settings"] = json.dumps({"path": str(folder / "raw.h5ad"), "label": "type", "batch": "batch"})
    options["cells"] = json.dumps({"max_doublet": 0.25 if doublets else None, "n_top_genes": 2000})
    given = [str(part) for key, value in options.items() for part in (f"--{key}", value)]
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "gmvae.data.prepare", *given],
        preexec_fn=lambda: os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2]),
    )
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"prepare failed with status {os.waitstatus_to_exitcode(status)}")
    seconds = time.perf_counter() - start
    n = anndata.read_h5ad(options["output"], backed="r").n_obs
    busy = used.ru_utime + used.ru_stime  # what a busy machine does not change
    return {"seconds": seconds, "cpu_microseconds_per_cell": 1e6 * busy / n, "megabytes": used.ru_maxrss / 1024}


if __name__ == "__main__":
    run_step(scale)
