"""sc_mixology: mixed cell lines with labels from their genotypes, independent of any clustering (Tian et al. 2019).

Three lines by two protocols, or five lines on three plates. Cells with the genotypes of two lines are left out, and so
are wells with two cells on the plates of five lines. Spike-ins (ERCC) are not genes and are left out.
"""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from gmvae.data.readers.raw_files import check_published, read_table, read_whole
from gmvae.pipeline.errors import Refused

# By number of lines: the batches, each with the name of its files and the number of single cells of each line.
BATCHES = {
    3: {
        "CEL-seq2": ("sc_celseq2", {"H1975": 103, "H2228": 67, "HCC827": 70}),
        "Drop-seq": ("sc_dropseq", {"H1975": 79, "H2228": 65, "HCC827": 66}),
    },
    5: {
        "plate 1": ("sc_celseq2_5cl_p1", {"A549": 44, "H1975": 27, "H2228": 27, "H838": 31, "HCC827": 20}),
        "plate 2": ("sc_celseq2_5cl_p2", {"A549": 35, "H1975": 30, "H2228": 22, "H838": 49, "HCC827": 19}),
        "plate 3": ("sc_celseq2_5cl_p3", {"A549": 98, "H1975": 26, "H2228": 34, "H838": 57, "HCC827": 23}),
    },
}


def read(raw: Path | None, lines: int = 3) -> anndata.AnnData:
    """Read the single cells of all batches on the genes that the batches have in common.

    Args:
        raw: Folder of the downloaded files.
        lines: Number of cell lines, 3 or 5.

    Returns:
        Cells [cells, genes] with their counts as CSR in layers["counts"], the cell line as label, and the batch.

    Raises:
        Refused: There is no mixture of so many lines, or a file is missing, damaged or not the known one.
    """
    if lines not in BATCHES:
        raise Refused(f"settings of source sc_mixology: lines is {lines}; allowed: {', '.join(map(str, BATCHES))}")
    parts = {batch: read_single_cells(raw, file, sizes) for batch, (file, sizes) in BATCHES[lines].items()}
    genes = [
        gene
        for gene in next(iter(parts.values()))[0].index
        if not gene.startswith("ERCC-") and all(gene in counts.index for counts, _ in parts.values())
    ]
    cells = [cell for _, cell in parts.values()]
    obs = pd.concat([cell.assign(batch=batch) for batch, cell in zip(parts, cells, strict=True)])
    obs.index = [f"{batch} {name}" for batch, name in zip(obs["batch"], obs.index, strict=True)]
    counts = [sparse.csr_matrix(counts.loc[genes].to_numpy(dtype=np.float32).T) for counts, _ in parts.values()]
    adata = anndata.AnnData(
        obs=obs.assign(label=pd.Categorical(obs["label"]), batch=pd.Categorical(obs["batch"])),
        var=pd.DataFrame(index=genes),
        layers={"counts": sparse.csr_matrix(sparse.vstack(counts, format="csr"))},
    )
    adata.uns = {"likelihood": "negative_binomial", "shape": np.array([], dtype=np.int64)}
    return adata


def read_single_cells(raw: Path, file: str, sizes: dict[str, int]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The counts [genes, cells] of one batch's single cells, and their label and mitochondrial share [cells]."""
    counts = read_whole(raw / f"{file}.count.csv.gz", read_table)
    cells = read_whole(raw / f"{file}.metadata.csv.gz", read_table)
    check_published(f"{raw / file}: cells in both files", counts.columns.tolist(), cells.index.tolist())
    single = cells["demuxlet_cls"] == "SNG"
    if "cell_number" in cells:
        single &= cells["cell_number"] == 1
    label = cells.loc[single, "cell_line_demuxlet"].astype(str)
    check_published(f"{raw / file}: single cells of each line", label.value_counts().sort_index().to_dict(), sizes)
    obs = pd.DataFrame({"label": label, "mito": 1 - cells.loc[single, "non_mt_percent"]})
    return counts.loc[:, single.to_numpy()], obs
