"""One training run of scvi-tools' SCVI in a process of its own: prints one JSON line with the seconds of its epochs."""

import json
import time
from pathlib import Path

import anndata
import numpy as np
import scvi
import torch
from lightning.pytorch.callbacks import Callback

from benchmarks.memory import peak_megabytes
from gmvae.pipeline.command import run_step


class Clock(Callback):
    """When each epoch began, and when the last one ended, in seconds of the clock and of the processor."""

    def __init__(self):
        self.began: list[tuple[float, float]] = []
        self.ended = (0.0, 0.0)

    def on_train_epoch_start(self, *_):
        self.began.append((time.perf_counter(), time.process_time()))

    def on_train_epoch_end(self, *_):
        self.ended = (time.perf_counter(), time.process_time())


def fitted(
    data: Path, n_hidden: int, n_layers: int, n_latent: int, epochs: int, threads: int = 1, dense: bool = False
) -> None:
    """Train and print {"seconds", "busy", "rows", "megabytes"}: wall and processor time from the second epoch's start
    to the last's end; how many rows were shown in it; the process's peak memory.

    data: a prepared data set of counts; its training rows are all trained on, none is kept for validation. The
    likelihood is the negative binomial with one dispersion a gene, without batch norm or dropout; batches are of 128.
    epochs: after one that is not counted. dense: hand the counts over as a dense matrix.
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
    clock = Clock()
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
    assert len(clock.began) == epochs + 1 and np.isfinite(model.module.px_r.detach().numpy()).all()
    seconds, busy = (end - start for start, end in zip(clock.began[1], clock.ended, strict=True))
    print(json.dumps({"seconds": seconds, "busy": busy, "rows": epochs * cells.n_obs, "megabytes": peak_megabytes()}))


if __name__ == "__main__":
    run_step(fitted)
