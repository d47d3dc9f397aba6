"""latent.h5ad, the format in which every run, trained or baseline, saves its result.

The rows are those of the dataset, in its order. For every seed s:
- obsm z_{s} [N, L];
- obsm q_y_{s} [N, K] and obs cluster_{s}, for runs with components;
- obsm terms_{s}, a table, for runs with an objective;
- obs disagree_{s}, for runs that average a prediction.
uns has task, model, seeds, n_components and labels_observed, and `showcase` for runs that decode.
"""

from pathlib import Path

import anndata
import numpy as np

from gmvae.formats.dataset import open_h5ad
from gmvae.pipeline.errors import Refused

REQUIRED = ("task", "model", "seeds", "n_components", "labels_observed")


def read_latent(path: Path) -> anndata.AnnData:
    """Read the latent of a run.

    Args:
        path: A latent.h5ad.

    Returns:
        The latent, checked for the parts that every run has.

    Raises:
        Refused: The file is missing or damaged, or lacks such a part.
    """
    latent = open_h5ad(path)
    missing = [f"uns[{key}]" for key in REQUIRED if key not in latent.uns]
    missing += [] if "split" in latent.obs else ["obs[split]"]
    missing += [f"obsm[z_{seed}]" for seed in latent.uns.get("seeds", []) if f"z_{seed}" not in latent.obsm]
    if missing:
        raise Refused(f"{path} lacks {', '.join(missing)}: delete it and run the step `embed` or `baseline` again")
    return latent


def run_seeds(latent: anndata.AnnData) -> list[int]:
    """The seeds of a run, in the order of its latent."""
    return [int(seed) for seed in latent.uns["seeds"]]


def run_clusters(latent: anndata.AnnData, seed: int) -> np.ndarray | None:
    """The component of each row.

    Args:
        latent: The latent of a run, with N rows.
        seed: One of its seeds.

    Returns:
        Numbers of components, [N]; None for a run without components.
    """
    if int(latent.uns["n_components"]) == 0 or f"cluster_{seed}" not in latent.obs:
        return None
    return latent.obs[f"cluster_{seed}"].to_numpy(dtype=np.int64)


def pick_seed(latent: anndata.AnnData) -> int:
    """The seed with the largest mean `objective` on the training split; labels are not used.

    Args:
        latent: The latent of a run.

    Returns:
        The seed; the first one if several are equal, or if the run has no objective.
    """
    train = (latent.obs["split"] == "train").to_numpy()
    return run_seeds(latent)[int(np.argmax([mean_objective(latent, seed, train) for seed in run_seeds(latent)]))]


def mean_objective(latent: anndata.AnnData, seed: int, rows: np.ndarray) -> float:
    """Mean `objective` of one seed over the rows (a mask [N]); minus infinity for runs without one."""
    terms = latent.obsm.get(f"terms_{seed}")
    if terms is None or "objective" not in terms:
        return float("-inf")
    mean = float(np.mean(terms["objective"].to_numpy(dtype=np.float64)[rows]))
    return mean if np.isfinite(mean) else float("-inf")


def showcase_rows(adata: anndata.AnnData, n_rows: int = 10) -> np.ndarray:
    """Some test rows for figures: the first row of every class in turn, then the second, and so on.

    Args:
        adata: A dataset or latent.
        n_rows: Largest number of rows.

    Returns:
        Positions of the rows; without labels, those of the first test rows.
    """
    test = np.flatnonzero(adata.obs["split"] == "test")
    if "label" in adata.obs:
        codes = adata.obs["label"].cat.codes.to_numpy()[test]
        turn = np.array([np.count_nonzero(codes[:i] == code) for i, code in enumerate(codes)], dtype=np.int64)
        test = test[np.lexsort((codes, turn))]
    return test[:n_rows]
