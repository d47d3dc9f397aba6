"""Derived sets, as entries of the config: other rows, or other names for them, of what a source holds."""

from collections.abc import Iterable

import anndata
import numpy as np
import pandas as pd
from scipy.sparse import vstack

from gmvae.formats.dataset import ANNOTATIONS
from gmvae.pipeline.errors import Refused

KEYS = ("join", "merge", "coarse", "keep", "condition", "train_only", "tested", "hold_out")


def merge_labels(obs: pd.DataFrame, merge: dict[str, list[str]]) -> pd.DataFrame:
    """obs [N] with the labels of each list under its one new name; the old ones stay in the column `type`."""
    labels = obs["label"].astype(object)
    renamed = {old: new for new, olds in merge.items() for old in olds}
    check_occurs("merge", renamed, obs["label"].cat.categories)
    return obs.assign(type=obs["label"], label=pd.Categorical(labels.map(lambda label: renamed.get(label, label))))


def group_labels(obs: pd.DataFrame, coarse: dict[str, list[str]]) -> pd.DataFrame:
    """obs [N] with a column `coarse`: the name of the list that a label is in, a gap where it is in none."""
    groups = {label: group for group, labels in coarse.items() for label in labels}
    check_occurs("coarse", groups, obs["label"].cat.categories)
    return obs.assign(coarse=pd.Categorical(obs["label"].astype(object).map(groups)))


def rows_to_keep(obs: pd.DataFrame, keep: dict[str, list[str]], step: str = "keep") -> np.ndarray:
    """A mask [N] of the rows whose annotations are all among those listed."""
    mask = np.ones(len(obs), dtype=bool)
    for key, values in keep.items():
        mask &= matching_rows(obs, step, key, values)
    return mask


def matching_rows(obs: pd.DataFrame, step: str, key: str, values: Iterable[str]) -> np.ndarray:
    """A mask [N] of the rows whose annotation `key` is one of the values."""
    if key not in obs:
        raise Refused(
            f"rows.{step}: '{key}' is no annotation; allowed: {', '.join(a for a in ANNOTATIONS if a in obs)}"
        )
    check_occurs(f"{step}.{key}", values, obs[key].cat.categories)
    return obs[key].isin(list(values)).to_numpy()


def check_occurs(key: str, values: Iterable[str], allowed: Iterable[str]) -> None:
    """Raise Refused where a value is none of the allowed."""
    for value in values:
        if value not in allowed:
            raise Refused(f"rows.{key}: '{value}' does not occur; allowed: {', '.join(allowed) or 'none'}")


def select_subset(adata: anndata.AnnData, mask: np.ndarray) -> anndata.AnnData:
    """The rows where the mask [N] is true, without categories that no row has, or annotations that all rows share."""
    found = adata[mask].copy()
    for key in found.obs.select_dtypes("category"):
        found.obs[key] = found.obs[key].cat.remove_unused_categories()
    for key in ("condition", "batch"):
        if key in found.obs and found.obs[key].nunique() < 2:
            del found.obs[key]
    return found


def join_sources(parts: dict[str, anndata.AnnData]) -> anndata.AnnData:
    """The cells of several sources on their common genes, in the order of the first; `batch` says which source.

    An annotation must be there in all of them or in none: what half of the rows lack cannot be used.
    """
    first = next(iter(parts.values()))
    common = [name for name in first.var_names if all(name in part.var_names for part in parts.values())]
    if not common:
        raise Refused(f"rows.join: {' and '.join(parts)} have no gene in common; name genes alike")
    for key in ("label", "condition"):
        having = [name for name, part in parts.items() if key in part.obs]
        if having and len(having) < len(parts):
            raise Refused(f"rows.join: only {', '.join(having)} has a {key}; give the other one by its settings")
    tables = []
    for source, part in parts.items():
        table = part.obs[[key for key in ("label", "condition") if key in part.obs]].astype(object)
        tables.append(table.assign(batch=source).set_axis([f"{source} {name}" for name in part.obs_names]))
    obs = pd.concat(tables).apply(pd.Categorical)
    counts = [part[:, common].layers["counts"] for part in parts.values()]
    found = anndata.AnnData(obs=obs, var=pd.DataFrame(index=common), layers={"counts": vstack(counts, format="csr")})
    found.uns = dict(first.uns)
    return found
