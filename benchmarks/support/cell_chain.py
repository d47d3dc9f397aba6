"""The steps from raw cells to a page, each measured in a process of its own."""

import json
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from anndata.io import write_elem

from benchmarks.support.child_cost import command_cost
from benchmarks.support.commands import option_list
from benchmarks.support.simulation import CHUNK, draw_counts, gene_parameters

TRAINING = {"epochs": 1, "batch_size": 512, "learning_rate": 1e-3, "guide": "none"}
NETWORK = {"n_latent": 10, "n_hidden": 64}
N_TYPES = 10
# The map is left out: UMAP of at most 50,000 cells, whatever their number, would take most of the time.
EXPORT = """
from gmvae.cells import export
from gmvae.pipeline.command import run_step
export.place_cells = lambda z: z[:, :2].copy()
run_step(export.export)
"""


def measure_cells(folder: Path, n: int, genes: int) -> list[dict]:
    """Run the steps on n cells in a folder.

    Args:
        folder: An empty folder.
        n: The number of cells, a multiple of CHUNK.
        genes: The number of genes.

    Returns:
        A row for each step: of, n, step, seconds and megabytes.
    """
    write_repeated_cells(folder / "raw.h5ad", n, genes)
    rows = []
    for step, command in chain_commands(folder, genes).items():
        rows.append({"of": "cells", "n": n, "step": step} | command_cost([sys.executable, *command]))
        print(json.dumps(rows[-1]), flush=True)
    return rows


def chain_commands(folder: Path, genes: int) -> dict[str, list[str]]:
    """The words behind `python` of each step, by its short name."""
    path = {name: str(folder / name) for name in ("raw.h5ad", "observed.csv", "latent.h5ad", "provenance.json")}
    data, weights, cells = str(folder / "data.h5ad"), str(folder / "weights.safetensors"), str(folder / "cells.h5ad")
    prepare = {"source": "h5ad", "name": "Simulated", "output": data, "test-share": 0.2}
    prepare |= {"settings": json.dumps({"path": path["raw.h5ad"], "label": "type"})}
    prepare |= {"cells": json.dumps({"n_top_genes": genes // 5, "min_genes": 1, "min_cells": 1})}
    run = {"data": data, "observed": path["observed.csv"], "weights": weights}
    train = run | {"history": str(folder / "history.csv"), "provenance": path["provenance.json"], "module": "gmdvae"}
    train |= {"settings": json.dumps(NETWORK), "training": json.dumps(TRAINING), "n-components": N_TYPES}
    train |= {"seeds": 0, "device": "cpu"}
    embed = run | {"output": path["latent.h5ad"], "task": "simulated", "model": "gmdvae", "device": "cpu"}
    export = {"data": data, "latent": path["latent.h5ad"], "provenance": path["provenance.json"], "output": cells}
    export |= {"cells": str(folder / "cells.csv"), "markers": str(folder / "markers.csv")}
    inspect = {"path": path["raw.h5ad"], "output": str(folder / "mine.yaml")}
    page = {"data": cells, "output": str(folder / "page.html")}
    observe = {"data": data, "output": path["observed.csv"]}
    return {
        "inspect": ["-m", "gmvae.cells.inspect", *option_list(inspect)],
        "prepare": ["-m", "gmvae.data.prepare", *option_list(prepare)],
        "observe": ["-m", "gmvae.runs.observe", *option_list(observe)],
        "train": ["-m", "gmvae.runs.train", *option_list(train)],
        "embed": ["-m", "gmvae.runs.embed", *option_list(embed)],
        "export": ["-c", EXPORT, *option_list(export)],
        "page": ["-m", "gmvae.cells.page", *option_list(page)],
    }


def write_repeated_cells(path: Path, n: int, genes: int) -> None:
    """Write n cells of N_TYPES types as CSR: a block of simulated cells, again and again, as drawing costs more."""
    generator = np.random.default_rng(genes)
    mean, dispersion = gene_parameters(genes, 0.05)
    of_type = CHUNK // N_TYPES
    orders = [generator.permutation(genes) for _ in range(N_TYPES)]  # a gene's mean and dispersion stay together
    parts = [draw_counts(generator, of_type, mean[order], dispersion[order]) for order in orders]
    lengths = np.tile(np.concatenate([np.diff(part.indptr) for part in parts]), n // CHUNK)
    types = pd.Categorical.from_codes(np.tile(np.repeat(np.arange(N_TYPES), of_type), n // CHUNK), list("abcdefghij"))
    with h5py.File(path, "w") as file:
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        write_elem(file, "obs", pd.DataFrame({"type": types}, index=[f"cell {i}" for i in range(n)]))
        write_elem(file, "var", pd.DataFrame(index=[f"gene {j}" for j in range(genes)]))
        matrix = file.create_group("X")
        matrix.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": (n, genes)})
        matrix["indptr"] = np.concatenate([[0], np.cumsum(lengths)])
        for name, block in (
            ("data", np.concatenate([part.data for part in parts])),
            ("indices", np.concatenate([part.indices for part in parts]).astype(np.int32)),
        ):
            stored = matrix.create_dataset(name, (len(block) * (n // CHUNK),), block.dtype)
            for start in range(0, len(stored), len(block)):
                stored[start : start + len(block)] = block
