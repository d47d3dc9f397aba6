"""Digits: 1,797 handwritten digits of 8 x 8 pixels, shipped inside scikit-learn (UCI, test part of Optdigits)."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from sklearn.datasets import load_digits


def read(raw: Path | None = None) -> anndata.AnnData:
    """The images [1797, 64] with grey values scaled to [0, 1]. `raw` is ignored: the file is scikit-learn's own."""
    pixels, digit = load_digits(return_X_y=True)
    assert pixels.shape == (1797, 64) and pixels.min() == 0 and pixels.max() == 16
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
