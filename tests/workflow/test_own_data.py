"""A user's own .h5ad, local or at an address, becomes a dataset by one entry."""

import functools
import hashlib
import http.server
import threading

import anndata
import numpy as np
import pandas as pd
import pytest
import yaml
from support.checkout import TINY, copied, snakemake


@pytest.fixture
def cells(tmp_path):
    """An AnnData file of 60 cells of two types, raw counts in X, in a folder of its own."""
    draws = np.random.default_rng(0)
    rate = np.where(np.arange(60)[:, None] % 2, 1.0, 4.0) * draws.gamma(1, 1, (1, 20))
    adata = anndata.AnnData(
        draws.poisson(rate).astype(np.float32),
        obs=pd.DataFrame({"cell_type": ["a", "b"] * 30}, index=[f"cell {i}" for i in range(60)]),
        var=pd.DataFrame(index=[f"gene {j}" for j in range(20)]),
    )
    folder = tmp_path / "served"
    folder.mkdir()
    adata.write_h5ad(folder / "cells.h5ad")
    return folder / "cells.h5ad"


@pytest.fixture
def address(cells):
    """The address at which a server of this test offers the file."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=cells.parent)
    with http.server.ThreadingHTTPServer(("localhost", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}/cells.h5ad"
        server.shutdown()


def prepared_dataset(tmp_path, entry):
    """The dataset that Snakemake prepares from the entry `mine`, in a copy of the project."""
    project = copied(tmp_path / "project")
    config = {"datasets": {"mine": {"name": "Mine", "source": "h5ad", "test_share": 0.2} | entry}}
    (project / "mine.yaml").write_text(yaml.safe_dump(config))
    run = snakemake(project, "results/data/mine.h5ad", *TINY, "mine.yaml")
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-3000:]
    return anndata.read_h5ad(project / "results/data/mine.h5ad")


def check_cells(adata):
    """All cells and genes are there, with their labels, a fifth of them tested."""
    assert adata.shape == (60, 20) and set(adata.obs["label"]) == {"a", "b"}
    assert (adata.obs["split"] == "test").sum() == 12


def test_a_local_file_is_one_entry(tmp_path, cells):
    check_cells(prepared_dataset(tmp_path, {"settings": {"path": str(cells), "label": "cell_type"}}))


def test_a_file_at_an_address_is_one_entry(tmp_path, cells, address):
    sha256 = hashlib.sha256(cells.read_bytes()).hexdigest()
    download = {"url": address, "sha256": sha256}
    check_cells(prepared_dataset(tmp_path, {"download": download, "settings": {"label": "cell_type"}}))


def test_thresholds_that_drop_most_cells_are_said_on_the_terminal(tmp_path, cells):
    project = copied(tmp_path / "project")
    settings = {"path": str(cells), "label": "cell_type"}
    n_genes = (anndata.read_h5ad(cells).X > 0).sum(axis=1)
    for name, least in (("most", int(np.quantile(n_genes, 0.7))), ("few", int(np.quantile(n_genes, 0.3)))):
        entry = {"name": "Mine", "source": "h5ad", "test_share": 0.2, "settings": settings}
        entry["cells"] = {"min_genes": least, "min_cells": 1}
        (project / f"{name}.yaml").write_text(yaml.safe_dump({"datasets": {name: entry}}))
        run = snakemake(project, f"results/data/{name}.h5ad", *TINY, f"{name}.yaml")
        assert run.returncode == 0, run.stderr[-3000:]
        warnings = [line for line in (run.stdout + run.stderr).splitlines() if line.startswith("warning: ")]
        assert [f"datasets.{name}.cells" in line for line in warnings] == ([True] if name == "most" else [])
        assert warnings == [
            line
            for line in (project / f"results/logs/prepare/{name}.log").read_text().splitlines()
            if line.startswith("warning: ")
        ]


def test_a_threshold_without_mitochondrial_genes_stops_the_job_in_one_line(tmp_path, cells):
    project = copied(tmp_path / "project")
    entry = {"name": "Mine", "source": "h5ad", "test_share": 0.2, "settings": {"path": str(cells)}}
    entry["cells"] = {"min_genes": 1, "max_mito": 0.05}
    (project / "mine.yaml").write_text(yaml.safe_dump({"datasets": {"mine": entry}}))
    run = snakemake(project, "results/data/mine.h5ad", *TINY, "mine.yaml")
    assert run.returncode == 1 and not (project / "results/data/mine.h5ad").exists()
    assert "error: datasets.mine.cells.max_mito: none of 20 genes" in run.stdout + run.stderr
