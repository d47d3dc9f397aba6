"""Known marker genes of the cells of blood, and how much of them is among the marker genes of a cluster.

The genes are those of Ding et al. 2020, table of positive markers (PBMC), and of the reference of PBMC of Hao et al.
2021 for regulatory T cells and precursors. A type is recognised by its label.
"""

import re
from typing import NamedTuple

import pandas as pd

from gmvae.cells.markers import LEVEL

COMPARED = 50  # best marker genes of a cluster that are looked up, at most
SUGGESTED_LEVEL = 0.01  # of the p-value, over all known types together, below which a cluster is given their name
COLUMNS = (
    "cluster",
    "type",
    "n_markers",
    "n_known",
    "hits",
    "genes",
    "p",
    "suggested",
    "suggested_genes",
    "suggested_p",
)


class KnownType(NamedTuple):
    """A type of cells with its known markers."""

    pattern: str  # of its labels, in small letters
    genes: str  # symbols, separated by spaces
    source: str  # a key of thesis/references.bib


# The first pattern that a label matches says its type.
KNOWN_TYPES = {
    "regulatory T": KnownType(r"t ?reg|regulatory", "FOXP3 IL2RA RTKN2 CTLA4 TIGIT IKZF2", "hao2021"),
    "plasmacytoid dendritic": KnownType(r"\bpdc|plasmacytoid", "IL3RA GZMB JCHAIN IRF7 TCF4 LILRA4 CLEC4C", "ding2020"),
    "dendritic": KnownType(
        r"dendritic|\bm?dcs?\b", "HLA-DPA1 HLA-DPB1 HLA-DQA1 ITGAX CD1C CD1E FCER1A FCGR2B CLEC10A", "ding2020"
    ),
    "CD16+ monocyte": KnownType(
        r"(cd16|fcgr3a|fgr3|non-?classical).*mono", "FCN1 FCGR3A CSF3R CSF1R CX3CR1 CDKN1C MS4A7", "ding2020"
    ),
    "CD14+ monocyte": KnownType(
        r"mono|cd14", "VCAN FCN1 S100A8 S100A9 S100A12 CD14 CSF3R CSF1R TYROBP LYZ", "ding2020"
    ),
    "B": KnownType(r"\bcd19|\bb\b", "CD19 MS4A1 CD79A CD79B MZB1 IGHD IGHM", "ding2020"),
    "plasma": KnownType(r"plasma", "IGHA1 IGHA2 IGHG1 IGHG2 IGHG3 IGHG4 CD38 XBP1 CD27 SLAMF7", "ding2020"),
    "natural killer": KnownType(
        r"\bnk\b|cd56|natural killer",
        "NCAM1 NKG7 KLRB1 KLRD1 KLRF1 KLRC1 KLRC2 KLRC3 FCGR3A FCGR3B FCER1G",
        "ding2020",
    ),
    "cytotoxic T": KnownType(r"\bcd8|cytotoxic", "CD3D CD3E CD3G TRAC CD8A CD8B GZMK CCL5 NKG7", "ding2020"),
    "CD4+ T": KnownType(r"\bcd4(?!\d)|helper", "CD3D CD3E CD3G TRAC CD4 TCF7 CD27 IL7R", "ding2020"),
    "megakaryocyte": KnownType(
        r"platelet|megakaryo|\bmk\b", "PF4 PPBP GP5 ITGA2B NRGN TUBB1 SPARC RGS18 MYL9 GNG11", "ding2020"
    ),
    "precursor": KnownType(
        r"cd34|hspc|progenitor|precursor", "CD34 SPINK2 PRSS57 CYTL1 EGFL7 GATA2 AVP MYB", "hao2021"
    ),
}


def known_type(label: str) -> str:
    """The known type that a label names, "" for none.

    Args:
        label: A label of the dataset, such as "CD4+/CD25 T Reg".
    """
    return next((name for name, known in KNOWN_TYPES.items() if re.search(known.pattern, label.lower())), "")


def overlap_p(n_genes: int, n_known: int, n_markers: int, hits: int) -> float:
    """The probability of at least so many hits if the markers were drawn from the genes at random.

    Args:
        n_genes: Number of genes of the dataset.
        n_known: How many of them are known markers.
        n_markers: How many are markers of the cluster.
        hits: How many are both.

    Returns:
        A probability.

    Source: Fisher 1935, the one-sided exact test.
    """
    from scipy.stats import hypergeom  # slow, for clusters with marker genes only

    return float(hypergeom.sf(hits - 1, n_genes, n_known, n_markers))


def compare_with_known(markers: pd.DataFrame, genes: pd.Index, types: dict[str, str]) -> pd.DataFrame:
    """Look up the marker genes of each cluster among the known ones.

    Args:
        markers: Rows of markers.csv: cluster, rank, gene, score, p_adjusted.
        genes: Names of the genes of the dataset [D].
        types: Majority label of each cluster, "" where there is none.

    Returns:
        One row a cluster, the columns of COLUMNS: `type`, the known type of its majority label; `n_known` of its genes
        are in the dataset, `hits` of these, `genes`, are among the `n_markers` markers of the cluster, and by chance so
        many are with probability `p`. `suggested` is the known type with the smallest such p-value, times the number of
        types, if that is below 0.01.
    """
    symbols = genes.astype(str).str.upper()
    known = {name: set(symbols) & set(entry.genes.split()) for name, entry in KNOWN_TYPES.items()}
    rows = []
    for cluster, label in types.items():
        own = best_markers(markers, cluster)
        counted = {name: count_hits(own, there, len(symbols)) for name, there in known.items()}
        name = known_type(label)
        hits, p = counted[name] if name else ([], float("nan"))
        best = min(counted, key=lambda kind: counted[kind][1])
        suggested_hits, smallest = counted[best][0], min(1.0, counted[best][1] * len(KNOWN_TYPES))
        is_clear = smallest < SUGGESTED_LEVEL
        suggestion = (best, " ".join(suggested_hits)) if is_clear else ("", "")
        n_known = len(known[name]) if name else 0
        rows.append((cluster, name, len(own), n_known, len(hits), " ".join(hits), p, *suggestion, smallest))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def best_markers(markers: pd.DataFrame, cluster: str, n: int = COMPARED) -> list[str]:
    """The first n marker genes of a cluster, the best first: those with higher ranks in it, significantly."""
    own = markers[(markers["cluster"].astype(str) == cluster) & (markers["score"] > 0)]
    return own[own["p_adjusted"] < LEVEL].sort_values("rank")["gene"].astype(str).head(n).tolist()


def count_hits(own: list[str], there: set[str], n_genes: int) -> tuple[list[str], float]:
    """The genes of a cluster that are known ones, and the p-value of so many."""
    hits = [gene for gene in own if gene.upper() in there]
    return hits, overlap_p(n_genes, len(there), len(own), len(hits)) if hits else 1.0
