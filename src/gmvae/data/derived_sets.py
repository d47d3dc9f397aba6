"""Datasets derived from a source by an entry of the config: other rows, or other labels for them."""

from collections.abc import Iterable

import anndata
import numpy as np
import pandas as pd
from scipy.sparse import vstack

from gmvae.formats.dataset import ANNOTATIONS
from gmvae.pipeline.errors import Refused

KEYS = ("join", "merge", "coarse", "keep", "condition", "train_only", "tested", "hold_out")


def merge_labels(obs: pd.DataFrame, merge: dict[str, list[str]]) -> pd.DataFrame:
    """Give several labels one new name; the old labels stay in a column `type`.

    Args:
        obs: Annotations [N], with a column `label`.
        merge: For each new label, the labels that it replaces. Labels that are not listed stay.

    Returns:
        A copy of obs with new labels and a column `type`.

    Raises:
        Refused: A label does not occur.
    """
    labels = obs["label"].astype(object)
    renamed = {old: new for new, olds in merge.items() for old in olds}
    check_occurs("merge", renamed, obs["label"].cat.categories)
    return obs.assign(type=obs["label"], label=pd.Categorical(labels.map(lambda label: renamed.get(label, label))))


def group_labels(obs: pd.DataFrame, coarse: dict[str, list[str]]) -> pd.DataFrame:
    """Add a column `coarse`: the group of each label.

    Args:
        obs: Annotations [N], with a column `label`.
        coarse: For each group, its labels. A label that is in no group has a gap in the column.

    Returns:
        A copy of obs with the column.

    Raises:
        Refused: A label does not occur.
    """
    groups = {label: group for group, labels in coarse.items() for label in labels}
    check_occurs("coarse", groups, obs["label"].cat.categories)
    return obs.assign(coarse=pd.Categorical(obs["label"].astype(object).map(groups)))


def rows_to_keep(obs: pd.DataFrame, keep: dict[str, list[str]], entry: str = "keep") -> np.ndarray:
    """Find the rows whose annotations all have one of the listed values.

    Args:
        obs: Annotations [N].
        keep: For each annotation, the allowed values.
        entry: The key under `rows` in the config, for messages.

    Returns:
        A mask [N].

    Raises:
        Refused: An annotation or a value does not occur.
    """
    mask = np.ones(len(obs), dtype=bool)
    for key, values in keep.items():
        mask &= matching_rows(obs, entry, key, values)
    return mask


def matching_rows(obs: pd.DataFrame, entry: str, key: str, values: Iterable[str]) -> np.ndarray:
    """Find the rows whose annotation has one of the values.

    Args:
        obs: Annotations [N].
        entry: The key under `rows` in the config, for messages.
        key: Name of the annotation, a column of obs.
        values: The allowed values.

    Returns:
        A mask [N].

    Raises:
        Refused: The annotation or a value does not occur.
    """
    if key not in obs:
        allowed = ", ".join(annotation for annotation in ANNOTATIONS if annotation in obs)
        raise Refused(f"rows.{entry}: '{key}' is not an annotation; allowed: {allowed}")
    check_occurs(f"{entry}.{key}", values, obs[key].cat.categories)
    return obs[key].isin(list(values)).to_numpy()


def check_occurs(key: str, values: Iterable[str], allowed: Iterable[str]) -> None:
    """Check the values of a key under `rows` in the config.

    Raises:
        Refused: A value is not among the allowed ones.
    """
    for value in values:
        if value not in allowed:
            raise Refused(f"rows.{key}: '{value}' does not occur; allowed: {', '.join(allowed) or 'none'}")


def select_subset(adata: anndata.AnnData, mask: np.ndarray) -> anndata.AnnData:
    """Select rows, and drop what has lost its meaning.

    Args:
        adata: A dataset of N rows.
        mask: Which rows to select [N].

    Returns:
        A copy of the rows, without categories that no row has, and without a condition or batch that all rows share.
    """
    subset = adata[mask].copy()
    for key in subset.obs.select_dtypes("category"):
        subset.obs[key] = subset.obs[key].cat.remove_unused_categories()
    for key in ("condition", "batch"):
        if key in subset.obs and subset.obs[key].nunique() < 2:
            del subset.obs[key]
    return subset


def join_sources(parts: dict[str, anndata.AnnData]) -> anndata.AnnData:
    """Join the cells of several sources on their common genes, in the order of the first source.

    Args:
        parts: The sources by name, with raw counts in layers["counts"].

    Returns:
        The cells of all sources one after the other; obs["batch"] is the name of the source.

    Raises:
        Refused: No gene is common to all sources, or an annotation exists in some of them only.
    """
    first = next(iter(parts.values()))
    genes = [gene for gene in first.var_names if all(gene in part.var_names for part in parts.values())]
    if not genes:
        raise Refused(f"rows.join: {' and '.join(parts)} have no gene in common; name genes alike")
    obs = join_annotations(parts)
    counts = [part[:, genes].layers["counts"] for part in parts.values()]
    joined = anndata.AnnData(obs=obs, var=first.var.loc[genes], layers={"counts": vstack(counts, format="csr")})
    joined.uns = dict(first.uns)
    return joined


def join_annotations(parts: dict[str, anndata.AnnData]) -> pd.DataFrame:
    """The obs [N] of the joined sources. Raises Refused where some sources lack an annotation that others have."""
    for key in ("label", "condition"):
        annotated = [source for source, part in parts.items() if key in part.obs]
        if annotated and len(annotated) < len(parts):
            raise Refused(
                f"rows.join: only {', '.join(annotated)} has a {key}; give it to the other source by its settings"
            )
    tables = []
    for source, part in parts.items():
        table = part.obs[[key for key in ("label", "condition") if key in part.obs]].astype(object)
        tables.append(table.assign(batch=source).set_axis([f"{source} {name}" for name in part.obs_names]))
    return pd.concat(tables).apply(pd.Categorical)
