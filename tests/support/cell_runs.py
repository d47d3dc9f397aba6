"""A finished run on made-up cells, through the steps prepare, observe, train and embed: for the tests of what is
exported of it."""

from pathlib import Path

import anndata
import numpy as np
import pytest
from support.cells import raw_cells

from gmvae.data import prepare
from gmvae.runs.embed import embed
from gmvae.runs.observe import observe
from gmvae.runs.train import train

CELLS = {"min_genes": 60, "max_mito": 0.08, "n_top_genes": 80}
PLAN = {"epochs": 12, "batch_size": 64, "learning_rate": 5e-3, "autoencode_epochs": 3, "guide_epochs": 3}
K = 4


def finish_run(
    folder: Path,
    module: str = "gmdvae",
    labels: str = "none",
    seeds: tuple[int, ...] = (0, 1, 2),
    rows: dict | None = None,
) -> Path:
    """Fill a folder with raw.h5ad (all genes), data.h5ad, observed.csv and the files of the run."""
    raw = raw_cells()
    everything = anndata.AnnData(raw.layers["counts"].astype(np.int32), obs=raw.obs, var=raw.var)
    everything.write_h5ad(folder / "raw.h5ad")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prepare, "read_source", lambda source, raw, settings: raw_cells())
        prepare.prepare("made", folder / "data.h5ad", "Cells", test_share=0.2, cells=CELLS, rows=rows)
    observe(folder / "data.h5ad", folder / "observed.csv", labels)
    where = {"weights": folder / "weights.safetensors", "history": folder / "h.csv"}
    train(
        folder / "data.h5ad",
        folder / "observed.csv",
        **where,
        provenance=folder / "provenance.json",
        module=module,
        settings={"n_latent": 4, "n_hidden": 32},
        training=PLAN,
        n_components=K,
        seeds=list(seeds),
        device="cpu",
        progress=False,
    )
    inputs = folder / "data.h5ad", folder / "observed.csv", where["weights"]
    embed(*inputs, folder / "latent.h5ad", "made", module, device="cpu", n_importance=4)
    return folder
