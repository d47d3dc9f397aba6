"""How many components a sweep chooses for cells of known types: `python -m benchmarks.components --output FILE.csv`.

Beside the choice it counts the components in use of two over-complete mixtures with as many components as the largest
candidate: the model's own, whose Dirichlet law is one of each row, and a mixture of Gaussians on ten principal
components with a Dirichlet law over the whole set, which empties surplus components (`BayesianGaussianMixture`).
"""

import json
import tempfile
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from gmvae.data.normalisation import normalise_counts
from gmvae.data.principal_components import store_components
from gmvae.formats.dataset import load_dataset
from gmvae.formats.writing import write_csv, write_h5ad
from gmvae.pipeline.command import run_step
from gmvae.runs.choices.choose import choose_components

TYPES_AND_CELLS = {3: 900, 6: 1500, 12: 2500}
SETTINGS = {"n_latent": 10, "n_hidden": 128}
TRAINING = {
    "epochs": 60,
    "batch_size": 128,
    "learning_rate": 1e-3,
    "schedule": "cosine",
    "autoencode_epochs": 12,
    "guide_epochs": 12,
}


def choose_known_numbers(
    output: Path, types: list[int] | None = None, candidates: list[int] | None = None, seed: int = 1
) -> None:
    """Write what the rule chooses for simulated cells of 3, 6 and 12 types, and what over-complete mixtures keep.

    Args:
        output: The csv file.
        types: Other numbers of types, each with 2,500 cells if it is none of these three.
        candidates: The numbers to choose from; by default those of the step.
        seed: Seed of the simulation.
    """
    rows = []
    for k in types or TYPES_AND_CELLS:
        with tempfile.TemporaryDirectory(prefix="components.") as folder:
            data, choice, table = (Path(folder, name) for name in ("data.h5ad", "choice.json", "table.csv"))
            write_h5ad(simulate_types(k, TYPES_AND_CELLS.get(k, 2500), seed), data)
            choose_components(data, choice, table, "gmdvae", SETTINGS, TRAINING, candidates, device="cpu")
            lines, chosen = pd.read_csv(table), json.loads(choice.read_text())
            last = lines.iloc[-1]
            rows.append(
                {"types": k, "seed": seed, "candidates": " ".join(map(str, lines["n_components"]))}
                | {"chosen": chosen["n_components"], "reason": chosen["reason"]}
                | {"communities": last["communities"], "candidate": last["n_components"], "in_use": last["n_used"]}
                | {"bayesian": count_bayesian(load_dataset(data), int(last["n_components"]))}
            )
            print(rows[-1], flush=True)
    write_csv(pd.DataFrame(rows), output)


def simulate_types(k: int, n: int, seed: int, n_genes: int = 400) -> anndata.AnnData:
    """Cells of k types of unequal sizes: negative binomial counts with dispersion 2, and depths that vary by a third.

    Args:
        k: Number of types; in each, an eighth of the genes has another mean, by a factor exp(N(0, 1)).
        n: Number of cells; each fifth is a test cell.
        seed: Seed of the draws.
        n_genes: Number of genes.

    Returns:
        A prepared dataset.
    """
    draws = np.random.default_rng(seed)
    changes = np.where(draws.random((k, n_genes)) < 0.12, draws.normal(0, 1, (k, n_genes)), 0)
    profiles = draws.lognormal(0, 1.2, n_genes) * np.exp(changes)
    shares = np.maximum(draws.dirichlet(np.full(k, 5.0)), 0.3 / k)
    label = draws.choice(k, n, p=shares / shares.sum())
    means = (profiles / profiles.sum(1, keepdims=True))[label] * 1200 * draws.lognormal(0, 0.3, (n, 1))
    counts = sparse.csr_matrix(draws.poisson(means * draws.gamma(2, 0.5, means.shape)).astype(np.float32))
    split = pd.Categorical(np.where(np.arange(n) % 5 == 0, "test", "train"))
    obs = pd.DataFrame(
        {"label": pd.Categorical(label.astype(str)), "split": split}, index=[f"cell {i}" for i in range(n)]
    )
    adata = anndata.AnnData(counts, obs=obs, layers={"counts": counts.copy()})
    adata.uns = {"name": "Simulated", "likelihood": "negative_binomial", "shape": np.array([], dtype=np.int64)}
    normalise_counts(adata)
    store_components(adata)
    return adata


def count_bayesian(adata: anndata.AnnData, most: int, share: float = 0.005) -> int:
    """The components with 0.5 % of the training rows or more, of a variational mixture that begins with `most`."""
    from sklearn.mixture import BayesianGaussianMixture  # a slow import, for this comparison only

    z = adata.obsm["X_pca"][(adata.obs["split"] == "train").to_numpy(), :10]
    mixture = BayesianGaussianMixture(
        n_components=most, weight_concentration_prior=1e-3, n_init=3, max_iter=1000, random_state=0
    )
    return int((np.bincount(mixture.fit_predict(z), minlength=most) >= share * len(z)).sum())


if __name__ == "__main__":
    run_step(choose_known_numbers)
