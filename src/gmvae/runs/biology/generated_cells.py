"""Cells that a model makes up, and whether a classifier can tell them from real ones."""

import anndata
import numpy as np
import pandas as pd
import torch
from scipy import sparse
from torch import Tensor, nn

from gmvae.cells.unlike import rows_of
from gmvae.data.normalisation import log_normalise
from gmvae.metrics.project import umap_plane
from gmvae.nn.batches import Batch, one_hot
from gmvae.nn.inference import apply_to_rows
from gmvae.nn.negative_binomial import library_size
from gmvae.nn.random_streams import derive_key, make_generators

AXES = 30  # principal components that the classifiers see
FOLDS = 5
CHUNK = 512  # cells that are decoded at once
LIKELIHOOD = "negative_binomial"  # the only one whose counts are drawn here


def can_generate(model: nn.Module) -> bool:
    """Whether cells of counts can be drawn from the model."""
    return model.has_bound and model.p.name == LIKELIHOOD


def take_cells(adata: anndata.AnnData, rows: np.ndarray) -> anndata.AnnData:
    """Some cells of a dataset, with all its conditions, as a model numbers them.

    Args:
        adata: The dataset [N, D].
        rows: Positions of the cells [n].

    Returns:
        A copy of the cells [n, D]; AnnData itself drops the conditions that none of them has.
    """
    part = adata[rows].copy()
    if "condition" in adata.obs:
        part.obs["condition"] = part.obs["condition"].cat.set_categories(adata.obs["condition"].cat.categories)
    return part


@torch.no_grad()
def generate_counts(model: nn.Module, arguments: dict, adata: anndata.AnnData) -> np.ndarray:
    """Draw as many cells as there are real ones, each with the library and the condition of a real one.

    Args:
        model: The model of one seed.
        arguments: Its arguments.
        adata: n real cells, with counts in layers["counts"].

    Returns:
        Counts [n, D]: z from the prior, the mean from the decoder, counts from the negative binomial.
    """
    model.eval()
    seed, device = arguments["seeds"][0], next(model.parameters()).device
    draws = make_generators([seed], "generated cells", device)
    generator = np.random.default_rng(derive_key(seed, "generated counts"))
    libraries = np.asarray(adata.layers["counts"].sum(axis=1), dtype=np.float64).ravel()
    conditional = bool(model.n_conditions)
    codes = adata.obs["condition"].cat.codes.to_numpy() if conditional else np.zeros(adata.n_obs, dtype=np.int64)
    counts = np.zeros(adata.shape)
    for code in np.unique(codes):
        places = np.flatnonzero(codes == code)
        for start in range(0, len(places), CHUNK):
            part = places[start : start + CHUNK]
            z = model.sample(len(part), condition=int(code) if conditional else None, draws=draws)
            conditions = one_hot(torch.full((1, len(part)), int(code) if conditional else -1), model.n_conditions)
            library = torch.as_tensor(libraries[part], dtype=z.dtype, device=device).clamp(min=1)[None, :, None]
            mean = model.decode(z, conditions.to(device), library)[0].double().cpu().numpy()
            counts[part] = draw_counts(model, mean, generator)
    return counts


def redraw_counts(model: nn.Module, arguments: dict, adata: anndata.AnnData) -> np.ndarray:
    """Draw the counts of each cell anew, given its own latent: what the decoder alone makes of real cells.

    Args:
        model: The model of one seed.
        arguments: Its arguments.
        adata: n real cells.

    Returns:
        Counts [n, D]: z at the posterior mean, the mean from the decoder, counts from the negative binomial.
    """

    def decode_own(batch: Batch) -> Tensor:
        return model.decode(model.embed(batch), batch.condition, library_size(batch.target))

    rows = rows_of(adata, arguments, next(model.parameters()).device)
    mean = apply_to_rows(decode_own, rows, model, None)[0].double().cpu().numpy()
    return draw_counts(model, mean, np.random.default_rng(derive_key(arguments["seeds"][0], "redrawn counts")))


def draw_counts(model: nn.Module, mean: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Counts [n, D] of the negative binomial with these means and the dispersions of the model of one seed."""
    r = model.p.log_r[0].detach().double().exp().cpu().numpy()  # 1, D
    return generator.poisson(mean * generator.gamma(np.broadcast_to(r, mean.shape), 1 / r))


def compare_generated(
    adata: anndata.AnnData, counts: np.ndarray, own: np.ndarray
) -> tuple[pd.DataFrame, dict[str, float]]:
    """Lay real and generated cells side by side, and let classifiers guess which are which.

    Args:
        adata: n real cells [n, D], log-normalised in X, with obs["total"].
        counts: Counts of n generated cells [n, D].
        own: Counts of the real cells that are drawn anew [n, D].

    Returns:
        A table of kind (real or generated), u and v, one UMAP of all; and the areas under the curve: `auc_linear` and
        `auc_boosted` of the two classifiers; of the second one `auc_redrawn`, for cells whose own counts are drawn
        anew, and `auc_control`, where half of the real cells stand for generated ones. At 0.5 the classifier guesses,
        at 1 it is always right.
    """
    real = np.asarray(adata.X.toarray() if sparse.issparse(adata.X) else adata.X, dtype=np.float32)
    total = adata.obs["total"].to_numpy()
    both = np.concatenate([real, log_normalise(counts, total)])
    points = principal_scores(both)
    redrawn = principal_scores(np.concatenate([real, log_normalise(own, total)]))
    is_generated = np.arange(len(both)) >= len(real)
    halves = np.random.default_rng(0).permutation(len(real)) % 2 == 0
    areas = {
        "auc_linear": area_under_curve(points, is_generated, "linear"),
        "auc_boosted": area_under_curve(points, is_generated, "boosted"),
        "auc_redrawn": area_under_curve(redrawn, is_generated, "boosted"),
        "auc_control": area_under_curve(points[: len(real)], halves, "boosted"),
    }
    plane = umap_plane(np.ascontiguousarray(points, dtype=np.float32), 0)
    kinds = np.where(is_generated, "generated", "real")
    return pd.DataFrame({"kind": kinds, "u": plane[:, 0], "v": plane[:, 1]}), areas


def principal_scores(x: np.ndarray) -> np.ndarray:
    """The first principal components of rows [n, D] -> [n, L]."""
    from sklearn.decomposition import PCA  # slow, for this step only

    return PCA(min(AXES, *x.shape), svd_solver="randomized", random_state=0).fit_transform(x)


def area_under_curve(points: np.ndarray, groups: np.ndarray, kind: str) -> float:
    """How well a classifier tells two groups apart, on cells that it was not fitted to.

    Args:
        points: Coordinates of the cells [n, L].
        groups: Which of two groups each is in [n].
        kind: linear, a logistic regression; or boosted, gradient boosting of trees.

    Returns:
        The area under the ROC curve of the probabilities in five-fold cross-validation.

    Source: Fawcett 2006.
    """
    # slow, for this step only
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    classifier = linear if kind == "linear" else HistGradientBoostingClassifier(max_iter=50, random_state=0)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    guesses = cross_val_predict(classifier, points, groups, cv=folds, method="predict_proba")[:, 1]
    return float(roc_auc_score(groups, guesses))
