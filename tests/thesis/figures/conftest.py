"""A folder with stand-ins for all files that figures read."""

import numpy as np
import pandas as pd
import pytest
from support.drawing import random_history, random_latent, random_metrics, random_projection, striped_images


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Stand-ins of three models: ae has a plane and no components, gmdvae has both, kmeans does not decode."""
    path = tmp_path_factory.mktemp("results")
    generator = np.random.default_rng(0)
    adata = striped_images()
    adata.write_h5ad(path / "data.h5ad")
    for model, k, decodes in (("ae", 0, True), ("gmdvae", 4, True), ("kmeans", 5, False)):
        run = random_latent(adata, model, k, decodes=decodes)
        run.obs["condition"] = pd.Categorical(np.where(np.arange(adata.n_obs) % 3, "control", "treated"))
        for seed in (0, 1):
            run.uns |= {f"plane_{seed}": generator.normal(size=(16, 2))} if decodes else {}
            run.obsm[f"w_{seed}"] = generator.normal(size=(adata.n_obs, 2))
        run.write_h5ad(path / f"{model}.h5ad")
        random_history(k).to_csv(path / f"{model}.csv", index=False)
    random_metrics(["ae", "gmdvae", "kmeans"]).to_csv(path / "metrics.csv", index=False)
    random_projection(adata, ["ae", "gmdvae", "kmeans"]).to_csv(path / "projection.csv", index=False)
    return path
