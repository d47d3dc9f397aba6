"""Digits: 1,797 handwritten digits of 8 x 8 pixels, shipped inside scikit-learn (UCI, test part of Optdigits)."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from sklearn.datasets import load_digits

from gmvae.pipeline.errors import Refused


def read(raw: Path | None = None) -> anndata.AnnData:
    """Read the images from scikit-learn's own file.

    Args:
        raw: Ignored, nothing is downloaded.

    Returns:
        Images [1797, 64], with grey values scaled to [0, 1].

    Raises:
        Refused: scikit-learn's file is not the known one.
    """
    pixels, digit = load_digits(return_X_y=True)
    if pixels.shape != (1797, 64) or pixels.min() != 0 or pixels.max() != 16:
        raise Refused(
            f"digits: scikit-learn's images have shape {pixels.shape} and values {pixels.min():g} to {pixels.max():g}; "
            "expected (1797, 64) and 0 to 16; install the pinned scikit-learn"
        )
    adata = anndata.AnnData(
        X=(pixels / 16).astype(np.float32),
        obs=pd.DataFrame(
            {"label": pd.Categorical([str(k) for k in digit])},
            index=[f"digit {i:04d}" for i in range(len(digit))],
        ),
        var=pd.DataFrame(index=[f"pixel {row},{column}" for row in range(8) for column in range(8)]),
    )
    adata.uns = {"likelihood": "normal", "shape": np.array([8, 8], dtype=np.int64)}
    return adata
