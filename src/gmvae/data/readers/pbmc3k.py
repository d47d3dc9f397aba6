"""PBMC 3k: 2,700 blood cells of a healthy donor (10x Genomics 2016), with the types of Seurat's tutorial.

The types are named clusters of a Louvain clustering, corrected by marker genes: they favour methods that cluster in a
similar way. The 62 cells that the tutorial's quality control removes have no type.
"""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from gmvae.data.readers.raw_files import check_published, read_r_data, read_whole

TYPES = {
    "Naive CD4 T": 697,
    "Memory CD4 T": 483,
    "CD14+ Mono": 480,
    "B": 344,
    "CD8 T": 271,
    "FCGR3A+ Mono": 162,
    "NK": 155,
    "DC": 32,
    "Platelet": 14,
}


def read(raw: Path | None, condition: str = "") -> anndata.AnnData:
    """Read the cells and their types.

    Args:
        raw: Folder of the two downloaded files.
        condition: Condition of all cells, for a join with a source that has conditions.

    Returns:
        Cells [2700, 32738] with their counts as CSR in layers["counts"].

    Raises:
        Refused: A file is missing, damaged or not the known one.
    """
    matrix = read_whole(raw / "pbmc3k.rda", read_r_data)["pbmc3k"]
    genes, barcodes = matrix.Dimnames  # genes by cells, stored by columns: as CSR, cells by genes
    counts = sparse.csr_matrix((matrix.x.astype(np.float32), matrix.i, matrix.p), shape=(len(barcodes), len(genes)))
    check_published(f"{raw / 'pbmc3k.rda'}: cells and genes", counts.shape, (2700, 32738))
    annotation = read_whole(raw / "pbmc3k_meta.rds", read_r_data)
    types = pd.Series(annotation["cell_type"])
    check_published(f"{raw / 'pbmc3k_meta.rds'}: cells of each type", types.value_counts().to_dict(), TYPES)
    check_published("pbmc3k: barcodes in both files", [name[:-2] for name in barcodes], list(annotation["colnames"]))
    adata = anndata.AnnData(
        obs=pd.DataFrame({"label": pd.Categorical(types.astype(object))}, index=[str(name) for name in barcodes]),
        var=pd.DataFrame(index=[str(name) for name in genes]),
        layers={"counts": counts},
    )
    if condition:
        adata.obs["condition"] = pd.Categorical([condition] * adata.n_obs)
    adata.uns = {"likelihood": "negative_binomial", "shape": np.array([], dtype=np.int64)}
    return adata
