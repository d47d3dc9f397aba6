"""Train SCVI of scvi-tools on a GPU, on synthetic cells of the same shape as ours; needs scvi-tools."""

import time

import anndata
import numpy as np
import scvi
import torch
from lightning.pytorch.callbacks import Callback

from benchmarks.support.synthetic import Run, Shape, synthetic_rows


class EpochStarts(Callback):
    """The seconds at which each epoch started."""

    def __init__(self):
        self.seconds: list[float] = []

    def on_train_epoch_start(self, *_):
        torch.cuda.synchronize()
        self.seconds.append(time.perf_counter())


def train_scvi_on_gpu(shape: Shape, epochs: int) -> Run:
    """Train one model with dense counts, and time whole epochs after the first one.

    Args:
        shape: The shape of the cells, and of the networks.
        epochs: Epochs that are timed.

    Returns:
        The run, without weights and losses.
    """
    scvi.settings.seed = 0
    counts = synthetic_rows(shape, 1, torch.device("cpu")).target
    dense = np.zeros((shape.rows, shape.features), np.float32)
    row = np.repeat(np.arange(shape.rows), counts.layout.length.numpy())
    dense[row, counts.layout.feature.numpy()] = counts.values.numpy()
    cells = anndata.AnnData(dense)
    scvi.model.SCVI.setup_anndata(cells)
    network = {"n_hidden": shape.hidden, "n_layers": 2, "n_latent": 10, "dropout_rate": 0.0}
    options = {"dispersion": "gene", "gene_likelihood": "nb", "use_batch_norm": "none", "use_layer_norm": "none"}
    model, clock = scvi.model.SCVI(cells, **network, **options), EpochStarts()
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False, "callbacks": [clock]}
    model.train(
        max_epochs=epochs + 2,
        batch_size=shape.batch_size,
        train_size=1.0,
        accelerator="gpu",
        devices=1,
        early_stopping=False,
        **quiet,
    )
    seconds = clock.seconds[epochs + 1] - clock.seconds[1]
    return Run(seconds, epochs * shape.rows, epochs * -(-shape.rows // shape.batch_size), b"", [])
