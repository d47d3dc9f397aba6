"""Marker genes of clusters among known ones: which type a label names, and what chance gives."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import fisher_exact

from gmvae.cells.biology.known_markers import KNOWN_TYPES, compare_with_known, known_type, overlap_p

LABELS = {  # of the project's datasets, as their files spell them
    "CD4+/CD25 T Reg": "regulatory T",
    "CD4+/CD45RA+/CD25- Naive T": "CD4+ T",
    "CD4+/CD45RO+ Memory": "CD4+ T",
    "Memory CD4 T": "CD4+ T",
    "CD8+/CD45RA+ Naive Cytotoxic": "cytotoxic T",
    "CD8 T": "cytotoxic T",
    "CD14+ Monocyte": "CD14+ monocyte",
    "CD14 Mono": "CD14+ monocyte",
    "CD16 Mono": "CD16+ monocyte",
    "FCGR3A+ Mono": "CD16+ monocyte",
    "CD19+ B": "B",
    "B": "B",
    "CD56+ NK": "natural killer",
    "NK": "natural killer",
    "DC": "dendritic",
    "Dendritic": "dendritic",
    "Platelet": "megakaryocyte",
    "Mk": "megakaryocyte",
    "CD34+": "precursor",
    "Eryth": "",
    "HCC827": "",
    "beta": "",
}


@pytest.mark.parametrize(("label", "name"), LABELS.items())
def test_a_label_names_its_type(label, name):
    assert known_type(label) == name


def test_no_gene_is_listed_twice_for_a_type_and_every_source_is_in_the_bibliography():
    from gmvae.pipeline.sources import ROOT

    bibliography = (ROOT / "thesis" / "references.bib").read_text(encoding="utf-8")
    for entry in KNOWN_TYPES.values():
        genes = entry.genes.split()
        assert len(set(genes)) == len(genes) and f"{{{entry.source}," in bibliography


@pytest.mark.parametrize(
    ("n_genes", "n_known", "n_markers", "hits"), [(200, 8, 50, 5), (765, 5, 50, 3), (40, 9, 20, 1)]
)
def test_the_p_value_is_fishers_one_sided_test_and_the_share_of_random_draws(n_genes, n_known, n_markers, hits):
    table = [[hits, n_markers - hits], [n_known - hits, n_genes - n_known - n_markers + hits]]
    p = overlap_p(n_genes, n_known, n_markers, hits)
    assert p == pytest.approx(fisher_exact(table, alternative="greater").pvalue)
    generator = np.random.default_rng(0)
    overlaps = [np.count_nonzero(generator.permutation(n_genes)[:n_markers] < n_known) for _ in range(4000)]
    assert p == pytest.approx(np.mean(np.array(overlaps) >= hits), abs=0.025)


def test_a_cluster_with_the_genes_of_b_cells_is_like_b_cells_whatever_its_label():
    b, other = ["MS4A1", "CD79A", "CD79B", "CD19"], [f"gene{j}" for j in range(300)]
    rows = [("0", i + 1, gene, 20.0 - i, 1e-9) for i, gene in enumerate([*b, *other[:6]])]
    rows += [("1", i + 1, gene, 20.0 - i, 1e-9) for i, gene in enumerate(other[10:20])]
    rows += [("1", 11, "LYZ", -3.0, 1e-9), ("1", 12, "CD14", 3.0, 0.5)]  # lower ranks, and not significant
    markers = pd.DataFrame(rows, columns=["cluster", "rank", "gene", "score", "p_adjusted"])
    genes = pd.Index([*b, "LYZ", "CD14", *other])
    table = compare_with_known(markers, genes, {"0": "B", "1": "CD14 Mono"}).set_index("cluster")
    assert list(table.loc["0", ["type", "n_known", "hits", "genes"]]) == ["B", 4, 4, " ".join(b)]
    assert table.loc["0", "suggested"] == "B" and table.loc["0", "p"] == overlap_p(306, 4, 10, 4)
    assert list(table.loc["1", ["type", "n_known", "hits", "p", "suggested"]]) == ["CD14+ monocyte", 2, 0, 1.0, ""]
    unlabelled = compare_with_known(markers, genes, {"0": "", "1": ""}).set_index("cluster")
    assert unlabelled.loc["0", "suggested"] == "B" and unlabelled.loc["0", "type"] == ""
