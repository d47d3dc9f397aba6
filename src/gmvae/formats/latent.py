"""latent.h5ad, the one form in which every run, trained or baseline, hands on its result: reading it, and what it says.

Rows are the data set's, in order; per seed s: obsm z_{s} [N, L], q_y_{s} [N, K] and obs cluster_{s} where there are
components, obsm terms_{s} (a frame) where there is an objective, obs disagree_{s} where a prediction is averaged;
uns: task, model, seeds, n_components, labels_observed, and showcase for runs that decode.
"""

from pathlib import Path

import anndata
import numpy as np

from gmvae.formats.dataset import open_h5ad
from gmvae.pipeline.errors import Refused

PROMISED = ("task", "model", "seeds", "n_components", "labels_observed")


def read_latent(path: Path) -> anndata.AnnData:
    """The run's latent; Refused where the file is absent, broken, or lacks what every run promises."""
    latent = open_h5ad(path)
    missing = [f"uns[{key}]" for key in PROMISED if key not in latent.uns]
    missing += [] if "split" in latent.obs else ["obs[split]"]
    missing += [f"obsm[z_{seed}]" for seed in latent.uns.get("seeds", []) if f"z_{seed}" not in latent.obsm]
    if missing:
        raise Refused(f"{path} lacks {', '.join(missing)}: delete it and run the step `embed` or `baseline` again")
    return latent


def run_seeds(latent: anndata.AnnData) -> list[int]:
    """The seeds of the run, in its own order."""
    return [int(seed) for seed in latent.uns["seeds"]]


def run_clusters(latent: anndata.AnnData, seed: int) -> np.ndarray | None:
    """Component of each row [N]; None where the run has no components."""
    if int(latent.uns["n_components"]) == 0 or f"cluster_{seed}" not in latent.obs:
        return None
    return latent.obs[f"cluster_{seed}"].to_numpy(dtype=np.int64)


def pick_seed(latent: anndata.AnnData) -> int:
    """The seed with the largest mean training `objective`; the first where there is none, or all are alike.

    Labels have no part in it.
    """
    train = (latent.obs["split"] == "train").to_numpy()
    return run_seeds(latent)[int(np.argmax([mean_objective(latent, seed, train) for seed in run_seeds(latent)]))]


def mean_objective(latent: anndata.AnnData, seed: int, rows: np.ndarray) -> float:
    """Mean `objective` of one seed over the rows (a mask [N]); minus infinity where the run has none."""
    terms = latent.obsm.get(f"terms_{seed}")
    if terms is None or "objective" not in terms:
        return float("-inf")
    mean = float(np.mean(terms["objective"].to_numpy(dtype=np.float64)[rows]))
    return mean if np.isfinite(mean) else float("-inf")


def showcase_rows(adata: anndata.AnnData, n_rows: int = 10) -> np.ndarray:
    """Positions of up to `n_rows` test rows to show: the first of every class in turn, then the second, and so on.

    Without labels the first test rows.
    """
    test = np.flatnonzero(adata.obs["split"] == "test")
    if "label" in adata.obs:
        codes = adata.obs["label"].cat.codes.to_numpy()[test]
        turn = np.array([np.count_nonzero(codes[:i] == code) for i, code in enumerate(codes)], dtype=np.int64)
        test = test[np.lexsort((codes, turn))]
    return test[:n_rows]
