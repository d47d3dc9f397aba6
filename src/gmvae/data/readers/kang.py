"""Kang: blood cells of lupus patients, half of them stimulated with interferon beta (Kang et al. 2018).

This is a public subset: 2,800 of about 24,700 cells, in 13 types, with the genes expressed in the full set. The
publisher has already removed doublets by genotype.
"""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from gmvae.data.readers.raw_files import check_published, read_r_data, read_whole

CONDITIONS = {"CTRL": "control", "STIM": "stimulated"}
TYPES = {  # numbers of control and of stimulated cells
    "CD14 Mono": (477, 435),
    "CD4 Naive T": (208, 327),
    "CD4 Memory T": (155, 178),
    "CD16 Mono": (112, 113),
    "B": (70, 108),
    "CD8 T": (63, 85),
    "T activated": (61, 69),
    "NK": (56, 51),
    "DC": (41, 48),
    "B Activated": (33, 33),
    "Mk": (18, 28),
    "pDC": (10, 13),
    "Eryth": (6, 2),
}


def read(raw: Path | None) -> anndata.AnnData:
    """Read the cells, their types and their conditions.

    Args:
        raw: Folder of the downloaded file.

    Returns:
        Cells [2800, 14053] with their counts as CSR in layers["counts"], 13 types and two conditions.

    Raises:
        Refused: The file is missing, damaged or not the known one.
    """
    path = raw / "ifnb_2800.rda"
    published = read_whole(path, read_r_data)["ifnb_2800"]
    counts, table = published["expr"], published["meta"]
    check_published(f"{path}: genes and cells", counts.shape, (14053, 2800))
    check_published(f"{path}: cells in both parts", counts.coords["dim_1"].values.tolist(), table.index.tolist())
    obs = pd.DataFrame(
        {
            "label": pd.Categorical(table["cell_type"].astype(str)),
            "condition": pd.Categorical(table["sample"].astype(str).map(CONDITIONS)),
        },
        index=table.index.astype(str),
    )
    sizes = obs.groupby(["label", "condition"], observed=True).size().unstack()
    check_published(f"{path}: cells of each type", {key: tuple(sizes.loc[key].tolist()) for key in sizes.index}, TYPES)
    adata = anndata.AnnData(
        obs=obs,
        var=pd.DataFrame(index=[str(name) for name in counts.coords["dim_0"].values]),
        layers={"counts": sparse.csr_matrix(counts.values.T.astype(np.float32))},
    )
    adata.uns = {"likelihood": "negative_binomial", "shape": np.array([], dtype=np.int64)}
    return adata
