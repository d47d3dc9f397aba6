"""Files of cells as users have them, in each form that a reader takes: of 700 blood cells that scanpy ships."""

import gzip
from functools import cache
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
from scipy import io, sparse

from gmvae.data.readers import pbmc68k

N_ANTIBODIES = 3


@cache
def blood_counts() -> sparse.csr_matrix:
    """Raw counts [700, 765]."""
    return sparse.csr_matrix(pbmc68k.read().layers["counts"]).astype(np.float32)


@cache
def blood_tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """obs with true labels, clusters, donors and conditions; var with the symbols as names, and identifiers."""
    shipped = pbmc68k.read()
    n_cells, n_genes = shipped.shape
    obs = pd.DataFrame(
        {
            "n_genes": np.diff(blood_counts().indptr),
            "percent_mito": np.linspace(0, 0.1, n_cells),
            "louvain": pd.Categorical([str(i % 9) for i in range(n_cells)]),
            "bulk_labels": pd.Categorical(shipped.obs["label"].astype(str)),
            "donor_id": pd.Categorical([f"D{i % 2}" for i in range(n_cells)]),
            "stim": pd.Categorical(np.where(np.arange(n_cells) % 3, "ctrl", "stim")),
        },
        index=[f"{i:07d}-1" for i in range(n_cells)],
    )
    var = pd.DataFrame({"gene_ids": [f"ENSG{j:011d}" for j in range(n_genes)]}, index=shipped.var_names.to_numpy())
    return obs, var


def logarithms(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    """log1p of counts scaled to a total of 10,000 in each cell."""
    scale = sparse.diags_array(1e4 / np.asarray(counts.sum(axis=1)).ravel())
    return sparse.csr_matrix((scale @ counts).log1p().astype(np.float32))


def blood_cells(matrix: object = None) -> anndata.AnnData:
    """The cells with a matrix in X, by default the counts as CSR."""
    obs, var = blood_tables()
    return anndata.AnnData(blood_counts().copy() if matrix is None else matrix, obs=obs.copy(), var=var.copy())


def write_tenx_h5(path: Path, version: int = 3, cells: anndata.AnnData | None = None) -> None:
    """An .h5 of Cell Ranger, from version 3 on with antibodies; of the blood cells, or of others with gene_ids."""
    cells = blood_cells() if cells is None else cells
    obs, var = cells.obs, cells.var
    counts = sparse.hstack([cells.X, cells.X[:, :N_ANTIBODIES]]) if version == 3 else cells.X
    counts = sparse.csr_matrix(counts).astype(np.int32)
    antibodies = [f"CD{j}" for j in range(N_ANTIBODIES)] if version == 3 else []
    columns = {
        "id": [*var["gene_ids"], *antibodies],
        "name": [*var.index, *antibodies],
        "feature_type": ["Gene Expression"] * len(var) + ["Antibody Capture"] * len(antibodies),
        "genome": ["GRCh38"] * len(var) + [""] * len(antibodies),
    }
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix" if version == 3 else "GRCh38")
        group["data"], group["indices"] = counts.data, counts.indices.astype(np.int64)
        group["indptr"], group["shape"] = counts.indptr.astype(np.int64), np.array(counts.shape[::-1], dtype=np.int32)
        group["barcodes"] = np.array(obs.index, dtype="S")
        names = (
            {f"features/{name}": name for name in columns} if version == 3 else {"genes": "id", "gene_names": "name"}
        )
        for part, name in names.items():
            group[part] = np.array(columns[name], dtype="S")


def write_tenx_folder(
    folder: Path, prefix: str = "", packed: bool = True, cells: anndata.AnnData | None = None
) -> None:
    """A folder with a matrix, features by cells, and its two lists of names; of the cells as above."""
    folder.mkdir(exist_ok=True)
    cells = blood_cells() if cells is None else cells
    obs, var = cells.obs, cells.var
    rows = [f"{name}\t{symbol}" for symbol, name in var["gene_ids"].items()]
    texts = {"barcodes.tsv": list(obs.index)}
    texts["features.tsv" if packed else "genes.tsv"] = [f"{row}\tGene Expression" for row in rows] if packed else rows
    io.mmwrite(folder / "m.mtx", sparse.coo_matrix(cells.X.T.astype(np.int32)), field="integer")
    contents = {name: "\n".join(lines) + "\n" for name, lines in texts.items()}
    contents["matrix.mtx"] = (folder / "m.mtx").read_text()
    (folder / "m.mtx").unlink()
    for name, content in contents.items():
        if packed:
            (folder / f"{prefix}{name}.gz").write_bytes(gzip.compress(content.encode(), mtime=0))
        else:
            (folder / f"{prefix}{name}").write_text(content)


def write_many_cells(path: Path, n_cells: int, n_genes: int, n_entries: int, by_columns: bool = False) -> None:
    """An .h5ad with `n_entries` counts in each cell, as CSR or CSC, written chunk by chunk: most are the same bytes."""
    genes = np.arange(n_entries) * (n_genes // n_entries)
    counts = np.arange(n_entries, dtype=np.float32) % 7 + 1
    if by_columns:  # a chunk is a column: of each of these genes all cells
        chunks = {
            "data": np.repeat(counts[:7, None], n_cells, axis=1),
            "indices": np.arange(n_cells, dtype=np.int32)[None],
        }
        pointers = np.searchsorted(genes, np.arange(n_genes + 1)) * n_cells
    else:  # a thousand cells
        chunks = {"data": np.tile(counts, 1000)[None], "indices": np.tile(genes.astype(np.int32), 1000)[None]}
        pointers = np.arange(n_cells + 1, dtype=np.int64) * n_entries
    with h5py.File(path, "w") as file:
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        anndata.io.write_elem(file, "var", pd.DataFrame(index=[f"GENE{j}" for j in range(n_genes)]))
        types = pd.Categorical.from_codes(np.arange(n_cells) % 12, [f"type {k}" for k in range(12)])
        obs = pd.DataFrame({"cell_type": types, "n_counts": np.arange(n_cells)}, index=np.arange(n_cells).astype(str))
        anndata.io.write_elem(file, "obs", obs)
        group = file.create_group("X")
        encoding = "csc_matrix" if by_columns else "csr_matrix"
        group.attrs.update({"encoding-type": encoding, "encoding-version": "0.1.0", "shape": [n_cells, n_genes]})
        group["indptr"] = pointers
        for name, values in chunks.items():
            write_packed_chunks(group, name, values, n_cells * n_entries)


def write_packed_chunks(group: h5py.Group, name: str, chunks: np.ndarray, n: int) -> None:
    """An array [n] of these chunks [c, m] in turn; each is packed once."""
    m = chunks.shape[1]
    options = {"chunks": (m,), "compression": "gzip", "compression_opts": 4}
    array = group.create_dataset(name, (n,), chunks.dtype, **options)
    array[: chunks[: n // m].size] = chunks[: n // m].ravel()
    packed = [array.id.read_direct_chunk((i * m,))[1] for i in range(min(len(chunks), n // m))]
    for i in range(len(packed), n // m):
        array.id.write_direct_chunk((i * m,), packed[i % len(packed)])
