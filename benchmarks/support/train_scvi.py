"""Train SCVI of scvi-tools in a process of its own and print the seconds of its epochs as one JSON line."""

import json
import time
from pathlib import Path

import anndata
import numpy as np
import scvi
import torch
from lightning.pytorch.callbacks import Callback

from benchmarks.support.memory import peak_megabytes
from gmvae.pipeline.command import run_step


class EpochClock(Callback):
    """When each epoch started and the last one ended: pairs of wall time and processor time, in seconds."""

    def __init__(self):
        self.starts: list[tuple[float, float]] = []
        self.end = (0.0, 0.0)

    def on_train_epoch_start(self, *_):
        self.starts.append((time.perf_counter(), time.process_time()))

    def on_train_epoch_end(self, *_):
        self.end = (time.perf_counter(), time.process_time())


def train_scvi(
    data: Path, n_hidden: int, n_layers: int, n_latent: int, epochs: int, threads: int = 1, dense: bool = False
) -> None:
    """Train SCVI and print {"seconds", "busy", "rows", "megabytes"}.

    `seconds` and `busy` are the wall time and the processor time from the start of the second epoch to the end of the
    last; `rows` counts the rows shown in that time; `megabytes` is the peak memory of the process. The likelihood is a
    negative binomial with one dispersion per gene; there is no batch norm and no dropout; a batch has 128 rows.

    Args:
        data: A prepared dataset of counts. All of its training rows are used; none is set aside for validation.
        n_hidden: The units of a hidden layer.
        n_layers: The number of hidden layers.
        n_latent: The dimensions of the latent space.
        epochs: The number of epochs that are timed; one more runs before them.
        threads: The number of compute threads.
        dense: Pass the counts as a dense matrix.
    """
    torch.set_num_threads(threads)
    scvi.settings.seed = 0
    adata = anndata.read_h5ad(data)
    counts = adata[adata.obs["split"] == "train"].layers["counts"]
    cells = anndata.AnnData(counts.toarray() if dense else counts.copy())
    scvi.model.SCVI.setup_anndata(cells)
    model = scvi.model.SCVI(
        cells,
        n_hidden=n_hidden,
        n_layers=n_layers,
        n_latent=n_latent,
        dropout_rate=0.0,
        dispersion="gene",
        gene_likelihood="nb",
        use_batch_norm="none",
        use_layer_norm="none",
    )
    clock = EpochClock()
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    model.train(
        max_epochs=epochs + 1,
        batch_size=128,
        train_size=1.0,
        accelerator="cpu",
        devices=1,
        early_stopping=False,
        callbacks=[clock],
        **quiet,
    )
    assert len(clock.starts) == epochs + 1 and np.isfinite(model.module.px_r.detach().numpy()).all()
    seconds, busy = (end - start for start, end in zip(clock.starts[1], clock.end, strict=True))
    print(json.dumps({"seconds": seconds, "busy": busy, "rows": epochs * cells.n_obs, "megabytes": peak_megabytes()}))


if __name__ == "__main__":
    run_step(train_scvi)
