"""The datasets to train on, each as the options of a run: --data and --observed."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from sklearn.datasets import load_digits

from benchmarks.support.simulation import write_prepared_cells
from gmvae.data.prepare import prepare
from gmvae.formats.writing import write_atomically
from gmvae.runs.neighbours import neighbours


def simulated_cells(folder: Path, n: int) -> list[str]:
    """n simulated cells of 2,000 genes for training and a hundred for the test split; 7 % of the counts are not 0."""
    path = folder / f"cells{n}.h5ad"
    write_prepared_cells(path, n + 100)
    return data_options(path)


def study_digits(folder: Path) -> list[str]:
    """The digits of scikit-learn, prepared as in the study."""
    path = folder / "digits.h5ad"
    prepare("digits", path, "Digits", test_share=0.2)
    return data_options(path)


def digits_and_graph(folder: Path) -> list[str]:
    """The digits and the graph of their nearest neighbours, which the study's models start from."""
    options, graph = study_digits(folder), folder / "digits.safetensors"
    neighbours(folder / "digits.h5ad", graph)
    return [*options, "--graph", str(graph)]


def large_digits(folder: Path, n: int = 10_000) -> list[str]:
    """n images of 28 by 28 pixels in [0, 1], as in MNIST: the digits of scikit-learn, three times as large, framed."""
    small = load_digits().images / 16
    large = np.pad(small.repeat(3, axis=1).repeat(3, axis=2), ((0, 0), (2, 2), (2, 2)))
    rows = np.random.default_rng(0).integers(len(large), size=n + 100)
    obs = pd.DataFrame({"split": pd.Categorical(np.where(np.arange(n + 100) < n, "train", "test"))})
    obs.index = obs.index.map(str)
    adata = anndata.AnnData(large[rows].reshape(n + 100, 784).astype(np.float32), obs=obs)
    adata.uns = {"name": "Images", "likelihood": "bernoulli", "shape": np.array([28, 28])}
    path = folder / "images.h5ad"
    with write_atomically(path) as temporary:
        adata.write_h5ad(temporary)
    return data_options(path)


def data_options(path: Path) -> list[str]:
    """The options that name a dataset, and a table that it writes, in which no training row has a label."""
    obs = anndata.read_h5ad(path, backed="r").obs
    observed = path.with_suffix(".csv")
    pd.DataFrame({"row": obs.index[obs["split"] == "train"], "label": ""}).to_csv(observed, index=False)
    return ["--data", str(path), "--observed", str(observed)]
