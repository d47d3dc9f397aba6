"""Toy: Gaussian blobs in classes and conditions, generated here; the only dataset whose every property is known.

A row of class k under condition c is m_k + c * s + e with e ~ N(0, I): the noise has unit standard deviation, so that
all distances are in standard deviations. The values are not rescaled; their likelihood is normal.
"""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd


def read(
    raw: Path | None = None,
    seed: int = 0,
    n_features: int = 16,
    n_classes: int = 5,
    n_per_group: int = 125,
    distance: float = 10.0,
    shift: float = 2.0,
) -> anndata.AnnData:
    """Generate the toy dataset.

    Args:
        raw: Ignored, nothing is read.
        seed: Seed of centres, shift and noise.
        n_features: Number of features D.
        n_classes: Number of classes.
        n_per_group: Number of rows in each combination of class and condition.
        distance: Distance of the two nearest centres, in standard deviations of the noise.
        shift: Length of the shift between the conditions, in the same unit.

    Returns:
        Rows [n_classes * 2 * n_per_group, D].
    """
    generator = np.random.default_rng(seed)
    centres = class_centres(generator, n_classes, n_features, distance)
    direction = condition_shift(generator, centres, shift)
    label = np.repeat(np.arange(n_classes), 2 * n_per_group)
    condition = np.tile(np.repeat([0, 1], n_per_group), n_classes)
    noise = generator.standard_normal((len(label), n_features))
    adata = anndata.AnnData(
        X=(centres[label] + condition[:, None] * direction + noise).astype(np.float32),
        obs=pd.DataFrame(
            {
                "label": pd.Categorical([f"class {k}" for k in label]),
                "condition": pd.Categorical([("control", "shifted")[c] for c in condition]),
            },
            index=[f"row {i:04d}" for i in range(len(label))],
        ),
        var=pd.DataFrame(index=[f"feature {j:02d}" for j in range(n_features)]),
    )
    adata.uns = {"likelihood": "normal", "shape": np.array([], dtype=np.int64)}
    return adata


def class_centres(generator: np.random.Generator, n_classes: int, n_features: int, distance: float) -> np.ndarray:
    """Random centres [n_classes, n_features] with mean zero, scaled so that the nearest two are `distance` apart."""
    centres = generator.standard_normal((n_classes, n_features))
    centres -= centres.mean(axis=0)
    gaps = np.linalg.norm(centres[:, None] - centres[None], axis=-1)
    return centres * (distance / gaps[np.triu_indices(n_classes, k=1)].min())


def condition_shift(generator: np.random.Generator, centres: np.ndarray, length: float) -> np.ndarray:
    """A random shift [n_features] of that length, orthogonal to every line between two centres.

    So the shift moves no row towards another class, whether or not a model knows the condition.
    """
    direction = generator.standard_normal(centres.shape[1])
    spanned, _ = np.linalg.qr((centres[1:] - centres[0]).T)  # [n_features, n_classes - 1], orthonormal
    direction -= spanned @ (spanned.T @ direction)
    return direction * (length / np.linalg.norm(direction))
