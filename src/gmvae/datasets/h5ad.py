"""h5ad: any AnnData file of cells, named by one config entry: a local path, or a file that step fetch downloaded."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from gmvae import data
from gmvae.errors import Refused


def read(
    raw: Path | None = None,
    path: str = "",
    file: str = "",
    label: str | None = None,
    condition: str | None = None,
    batch: str | None = None,
    counts: str = "X",
    likelihood: str = "negative_binomial",
    drop_unlabelled: bool = False,
) -> anndata.AnnData:
    """The cells [N, D] of one AnnData file, their raw counts as CSR in layers["counts"].

    path: a local file; or file: its name among the downloaded ones in `raw`. label, condition, batch: the columns of
    obs that hold them. counts: where the raw counts are: X, raw, or the name of a layer. likelihood: negative_binomial
    or zero_inflated_negative_binomial. drop_unlabelled: leave out the cells without a label.
    Raises Refused where the file is missing, damaged, lacks a named part, or the counts are none.
    """
    if likelihood not in data.COUNT_LIKELIHOODS:
        raise Refused(f"likelihood is '{likelihood}'; allowed for counts: {', '.join(data.COUNT_LIKELIHOODS)}")
    place = location(raw, path, file)
    found = data.opened(place)
    matrix, var_names = count_matrix(found, counts, place)
    data.check_counts(matrix, f"{place}: {counts}")
    columns = {"label": label, "condition": condition, "batch": batch}
    adata = anndata.AnnData(
        obs=pd.DataFrame(
            {key: column(found.obs, name, key, place) for key, name in columns.items() if name},
            index=unique(found.obs_names, "obs names", place),
        ),
        var=pd.DataFrame(index=unique(var_names, "var names", place)),
        layers={"counts": matrix},
    )
    adata.uns = {"likelihood": likelihood, "shape": np.array([], dtype=np.int64)}
    return without_gaps(adata, columns, place, drop_unlabelled)


def location(raw: Path | None, path: str, file: str) -> Path:
    """The file to read: the local path, or the downloaded file in `raw`."""
    if bool(path) == bool(file):
        raise Refused(
            "settings of source h5ad: give either path (a local file) or file (one listed under downloads), "
            f"found {'both' if path else 'neither'}"
        )
    if path:
        return Path(path)
    if raw is None:
        raise Refused(f"settings of source h5ad: file is '{file}' but nothing was downloaded; list it under downloads")
    return raw / file


def count_matrix(found: anndata.AnnData, counts: str, place: Path) -> tuple[sparse.csr_matrix, pd.Index]:
    """The counts [N, D] as float32 CSR, and the names of their genes [D]; dense, CSR and CSC files alike."""
    if counts == "X":
        matrix, names = found.X, found.var_names
    elif counts == "raw" and found.raw is not None:
        matrix, names = found.raw.X, found.raw.var_names
    elif counts in found.layers:
        matrix, names = found.layers[counts], found.var_names
    else:
        raise Refused(f"{place}: counts is '{counts}', which the file lacks; allowed: {', '.join(holders(found))}")
    if matrix is None:
        raise Refused(f"{place}: counts is 'X', which is empty there; allowed: {', '.join(holders(found))}")
    return sparse.csr_matrix(matrix, dtype=np.float32), names


def holders(found: anndata.AnnData) -> list[str]:
    """What the file could hold counts in."""
    return ["X"] * (found.X is not None) + ["raw"] * (found.raw is not None) + sorted(found.layers)


def column(obs: pd.DataFrame, name: str, key: str, place: Path) -> pd.Categorical:
    """The named column of obs [N] as a categorical of str, its categories sorted; gaps stay gaps."""
    if name not in obs:
        raise Refused(
            f"{place}: {key} is '{name}', no column of obs; allowed: {', '.join(map(str, obs.columns)) or 'none'}"
        )
    values = obs[name]
    return pd.Categorical(values.astype(object).where(values.isna(), values.astype(str)))


def unique(names: pd.Index, kind: str, place: Path) -> pd.Index:
    """The names as str. Raises Refused where one repeats."""
    if not names.is_unique:
        raise Refused(
            f"{place}: {int(names.duplicated().sum())} {kind} repeat; call {kind.replace(' ', '_')}_make_unique()"
        )
    return names.astype(str)


def without_gaps(adata: anndata.AnnData, columns: dict, place: Path, drop_unlabelled: bool) -> anndata.AnnData:
    """The cells whose annotations are all there. Gaps in the label are dropped if asked, any other gap is refused."""
    for key in adata.obs:
        gaps = int(adata.obs[key].isna().sum())
        if gaps and not (key == "label" and drop_unlabelled):
            remedy = "set drop_unlabelled: true, or fill them" if key == "label" else "fill them"
            raise Refused(f"{place}: {key} column '{columns[key]}' has {gaps} gaps among {adata.n_obs} cells; {remedy}")
    kept = adata[adata.obs.notna().all(axis=1).to_numpy()]
    return kept.copy()
