"""A step of the quality control that cannot do its work says so: mitochondrial genes, doublets, many lost cells."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from support.cells import every_fifth, raw_cells

from gmvae.data import doublets
from gmvae.data.prepare import prepare
from gmvae.data.preprocessing import preprocess_cells
from gmvae.data.quality_control import mitochondrial_genes
from gmvae.formats.quality import count_failures, count_removals, drops_most
from gmvae.pipeline.errors import Refused

MITOCHONDRIAL = {
    "human": ["MT-ND1", "MT-CO1", "MT-RNR2", "MT-TL1", "MT-7SDNA"],
    "mouse and zebrafish": ["mt-Nd1", "mt-Cytb", "mt-co1"],
    "rat": ["Mt-nd1", "Mt-co1"],
    "fly": ["mt:ND1", "mt:CoI", "mt:Cyt-b", "mt:lrRNA"],
    "one of two genomes": ["GRCh38_MT-ND1", "hg19_MT-CO1", "mm10___mt-Nd1", "GRCh38_premrna_MT-ND4L", "dm6_mt:CoI"],
    "a genome with a version": ["GRCh38-2020-A_MT-ND1", "GRCh38.p13_MT-CYB"],
    "two genomes by Seurat": ["GRCh38-MT-ND1", "mm10---mt-Nd1", "hg19-MT-ATP6"],
    "by R's make.names": ["MT.ND1", "mt.Nd1", "Mt.co1", "GRCh38_MT.ND1", "MT.ND1.1"],
}
OTHERS = {
    "no separator": ["MTOR", "MT1X", "MT2A", "MTND1P23", "mtor", "Mtor", "Mt1", "mTOR", "MT", "mt"],
    "a separator of another kind": ["MT_ND1", "mt/ND1", "MT ND1", "MTRNR2L1"],
    "inside the name": ["AMT-ND1", "HLA-DMT-1", "XMT.ND1", "SUMT:1", "ARMT1-MT"],
    "a repeated name or its version": ["MT.1", "MT-1", "MT.12", "Mt.4031", "MT-", "mt:", "mt:2"],
    "metallothioneins with a hyphen": ["MT-2A", "MT-1X", "MT.1X", "Mt-3"],
    "nothing said": ["ENSG00000198888", "WBGene00010957", "ATMG00010", "Q0045", ""],
}


@pytest.mark.parametrize("kind", MITOCHONDRIAL)
def test_mitochondrial_genes_are_found_by_name(kind):
    assert mitochondrial_genes(pd.DataFrame(index=MITOCHONDRIAL[kind]), None, "cells").all()


@pytest.mark.parametrize("kind", OTHERS)
def test_genes_that_only_look_so_are_not_mitochondrial(kind):
    names = pd.Index(OTHERS[kind])
    assert names[mitochondrial_genes(pd.DataFrame(index=names), None, "cells")].tolist() == []


def named(adata: anndata.AnnData, names: list[str]) -> anndata.AnnData:
    """The cells, their first genes renamed."""
    adata.var_names = [*names, *(f"ENSG{j:011d}" for j in range(len(names), adata.n_vars))]
    return adata


@pytest.mark.parametrize("kind", MITOCHONDRIAL)
def test_the_share_and_what_it_removes_are_the_same_however_the_genes_are_named(kind):
    names = MITOCHONDRIAL[kind]
    adata = named(raw_cells(), names)
    dataset = preprocess_cells(adata, every_fifth, min_genes=1, max_mito=0.02)
    counts = adata.layers["counts"].toarray()
    share = counts[:, : len(names)].sum(axis=1) / counts.sum(axis=1)
    assert np.allclose(dataset.uns["quality"]["mito"], share) and list(dataset.uns["mito_genes"]) == names
    assert 0 < (share > 0.02).sum() == 400 - dataset.n_obs == count_removals(dataset.uns["quality"])["max_mito"]


def test_a_threshold_without_a_mitochondrial_gene_is_refused():
    with pytest.raises(Refused, match=r"datasets\.mine\.cells\.max_mito: none of 300 .*ENSG00000000000, .*mito_genes"):
        preprocess_cells(named(raw_cells(), []), every_fifth, "datasets.mine.cells", min_genes=1, max_mito=0.05)
    dataset = preprocess_cells(named(raw_cells(), []), every_fifth, min_genes=1)  # nothing is asked of them
    assert "mito_genes" not in dataset.uns and (dataset.uns["quality"]["mito"] == 0).all()


@pytest.mark.parametrize(
    "values",
    [
        np.arange(300) < 10,
        pd.array(np.arange(300) < 10, dtype="boolean"),
        pd.Categorical(np.where(np.arange(300) < 10, "TRUE", "FALSE")),
        (np.arange(300) < 10).astype(int),
    ],
    ids=["bool", "nullable", "text", "0 and 1"],
)
def test_a_column_of_var_names_the_mitochondrial_genes(values):
    by_name = preprocess_cells(raw_cells(), every_fifth, min_genes=1, max_mito=0.08)
    adata = named(raw_cells(), [])
    adata.var["mt"] = values
    by_column = preprocess_cells(adata, every_fifth, min_genes=1, max_mito=0.08, mito_genes="mt")
    assert by_column.obs_names.equals(by_name.obs_names) and by_column.n_obs < 400
    assert list(by_column.uns["mito_genes"]) == [f"ENSG{j:011d}" for j in range(10)]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (None, r"cells\.mito_genes: column 'mt' .*does not exist; allowed: length"),
        (np.zeros(300, bool), r"cells\.mito_genes: column 'mt' .*false for all 300 genes"),
        (pd.array([True, None] * 150, dtype="boolean"), r"cells\.mito_genes: column 'mt' .*holds <NA>"),
        (np.linspace(0, 1, 300), r"cells\.mito_genes: column 'mt' .*holds .*0\.0"),
        (["chrM"] + ["chr1"] * 299, r"cells\.mito_genes: column 'mt' .*holds 'chrM'"),
    ],
)
def test_a_column_that_does_not_say_which_genes_is_refused(values, message):
    adata = raw_cells()
    adata.var["length"] = 1
    if values is not None:
        adata.var["mt"] = values
    with pytest.raises(Refused, match=message):
        preprocess_cells(adata, every_fifth, min_genes=1, max_mito=0.08, mito_genes="mt")


@pytest.mark.parametrize("key", ["max_mito", "max_doublet"])
@pytest.mark.parametrize("value", [5, 1.01, -0.1, float("nan"), float("inf")])
def test_a_share_that_is_not_from_0_to_1_is_refused(key, value):
    with pytest.raises(Refused, match=rf"cells\.{key}: found .*from 0 to 1"):
        preprocess_cells(raw_cells(), every_fifth, min_genes=1, **{key: value})


@pytest.mark.parametrize("wrong", [np.nan, 7.5])
def test_a_share_of_the_sources_own_must_be_one(wrong):
    adata = raw_cells()
    adata.obs["mito"] = 0.01
    adata.obs.iloc[:3, adata.obs.columns.get_loc("mito")] = wrong
    with pytest.raises(Refused, match=r"max_mito: .*obs\['mito'\].*3 of 400"):
        preprocess_cells(adata, every_fifth, min_genes=1, max_mito=0.05)
    adata.obs["mito"] = np.linspace(0, 0.1, 400)
    dataset = preprocess_cells(adata, every_fifth, min_genes=1, max_mito=0.05)
    assert dataset.n_obs == 200 and "mito_genes" not in dataset.uns  # the names of genes are not used


def test_doublets_that_no_group_allows_are_refused(monkeypatch):
    with pytest.raises(Refused, match=r"cells\.max_doublet: .*48 of 48 in train \(fewer than 100.*12 of 12 in test"):
        preprocess_cells(without_batch(raw_cells(n=60)), every_fifth, min_genes=1, max_doublet=0.25)
    with pytest.raises(Refused, match=r"cells\.max_doublet: .*batch 'batch 0', train \(fewer .*batch 'batch 1', test"):
        preprocess_cells(raw_cells(n=120), every_fifth, min_genes=1, max_doublet=0.25)
    monkeypatch.setattr(doublets, "SMALLEST", 10)
    monkeypatch.setattr(doublets, "LARGEST", 40)
    with pytest.raises(Refused, match=r"cells\.max_doublet: .*320 of 320 in train \(more than 40 cells"):
        preprocess_cells(without_batch(raw_cells()), every_fifth, min_genes=1, max_doublet=0.25)


def without_batch(adata: anndata.AnnData) -> anndata.AnnData:
    del adata.obs["batch"]
    return adata


def test_scores_that_are_no_numbers_are_refused_or_named(monkeypatch):
    adata = without_batch(raw_cells())
    monkeypatch.setattr(doublets, "scrublet_scores", lambda counts, seed: np.full(counts.shape[0], np.nan))
    with pytest.raises(Refused, match=r"max_doublet: .*320 of 320 in train .*no finite score"):
        preprocess_cells(adata, every_fifth, min_genes=1, max_doublet=0.25)
    scores = np.r_[np.inf, -np.inf, np.nan, np.full(317, 0.1)]
    monkeypatch.setattr(doublets, "scrublet_scores", lambda counts, seed: scores)
    dataset = preprocess_cells(adata, every_fifth, min_genes=1, max_doublet=0.25)
    assert any("3 of 320 in train" in step and "80 of 80 in test" in step for step in dataset.uns["steps"])
    assert dataset.n_obs == 400 and np.isfinite(dataset.uns["quality"]["doublet"]).sum() == 317


def test_too_few_genes_for_scrublet_are_refused_and_one_more_is_enough():
    adata = without_batch(raw_cells(n=300, n_genes=30))
    with pytest.raises(Refused, match=r"max_doublet: .* in train \(at most 30 genes"):
        preprocess_cells(adata, every_fifth, min_genes=1, max_doublet=1)
    dataset = preprocess_cells(without_batch(raw_cells(n=300, n_genes=31)), every_fifth, min_genes=1, max_doublet=1)
    n_training = (dataset.obs["split"] == "train").sum()
    assert np.isfinite(dataset.uns["quality"]["doublet"]).sum() == n_training > 200


def test_cells_that_are_all_alike_have_no_doublet_score():
    adata = without_batch(raw_cells())
    adata.layers["counts"] = sparse.csr_matrix(np.ones(adata.shape, np.float32))
    with pytest.raises(Refused, match=r"max_doublet: .*320 of 320 in train .*no finite score"):
        preprocess_cells(adata, every_fifth, min_genes=1, max_doublet=0.25)


def users_file(path, adata: anndata.AnnData) -> dict:
    """Write the cells as a user might have them; the arguments of the step that prepares them."""
    obs, var = adata.obs.astype(str), adata.var
    anndata.AnnData(adata.layers["counts"], obs=obs, var=var).write_h5ad(path)
    settings = {"path": str(path), "label": "label", "batch": "batch"}
    return {"source": "h5ad", "output": path.with_name("mine.h5ad"), "name": "Mine", "settings": settings}


def test_the_log_has_the_genes_and_what_each_threshold_removes(tmp_path, capsys):
    options = users_file(tmp_path / "raw.h5ad", raw_cells())
    prepare(**options, test_share=0.2, cells={"min_genes": 60, "max_mito": 0.08, "max_doublet": 0.12})
    uns, lines = anndata.read_h5ad(options["output"]).uns, capsys.readouterr().out.splitlines()
    failures, removals = count_failures(uns["quality"], uns["thresholds"]), count_removals(uns["quality"])
    assert "mitochondrial genes: 10: " + ", ".join(f"MT-ND{j}" for j in range(10)) in lines
    mito = np.asarray(uns["quality"]["mito"])
    assert failures["max_mito"] == (mito > 0.08).sum() >= removals["max_mito"] > 0
    for key in ("min_genes", "max_mito", "max_doublet"):
        failed = failures["min_n_genes" if key == "min_genes" else key]
        (line,) = (line for line in lines if line.startswith(f"{key} "))
        assert f"{failed} of 400 cells fail, {removals[key]} removed" in line
    (warning,) = (line for line in lines if line.startswith("warning: "))  # the test cells of both batches
    assert "datasets.mine.cells.max_doublet" in warning and "batch 'batch 0', test (fewer than 100" in warning


def test_more_than_half_of_the_cells_lost_is_a_warning(tmp_path, capsys):
    adata = raw_cells()
    n_genes = np.asarray((adata.layers["counts"] > 0).sum(axis=1)).ravel()
    for quantile, warns in ((0.4, False), (0.7, True)):
        options = users_file(tmp_path / "raw.h5ad", adata)
        least = int(np.quantile(n_genes, quantile))
        prepare(**options, test_share=0.2, cells={"min_genes": least})
        n = int((n_genes < least).sum())
        warnings = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning: ")]
        assert len(warnings) == warns and drops_most(anndata.read_h5ad(options["output"]).uns["quality"]) == warns
        if warns:
            assert f"datasets.mine.cells: {n} of 400" in warnings[0] and f"{n} by min_genes" in warnings[0]


def test_thresholds_that_drop_most_cells_only_together_are_a_warning_too(tmp_path, capsys):
    adata = raw_cells()
    counts = adata.layers["counts"]
    total, n_genes = np.asarray(counts.sum(axis=1)).ravel(), np.asarray((counts > 0).sum(axis=1)).ravel()
    cells = {"min_genes": int(np.quantile(n_genes, 0.3)), "max_total": int(np.quantile(total, 0.7))}
    options = users_file(tmp_path / "raw.h5ad", adata)
    prepare(**options, test_share=0.2, cells=cells)
    uns = anndata.read_h5ad(options["output"]).uns
    assert max(count_failures(uns["quality"], uns["thresholds"]).values()) < 200
    (warning,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("warning: "))
    assert "by min_genes" in warning and "by max_total" in warning


def test_cells_at_a_threshold_pass_it_in_every_count():
    counts = np.full((40, 40), 2.0)
    counts[:, 0] = np.r_[np.full(20, 4.0), np.full(20, 5.0)]  # shares 4/82 and 5/83
    adata = anndata.AnnData(
        obs=pd.DataFrame(index=[f"cell {i}" for i in range(40)]),
        var=pd.DataFrame(index=["MT-ND1", *(f"g{j}" for j in range(39))]),
        layers={"counts": sparse.csr_matrix(counts.astype(np.float32))},
    )
    for share, n in ((4 / 82, 20), (5 / 83, 0), (4 / 83, 40)):
        options = {"min_genes": 1, "min_cells": 1, "max_mito": share}
        if n == 40:
            with pytest.raises(Refused, match="none of 40"):
                preprocess_cells(adata, every_fifth, **options)
            continue
        uns = preprocess_cells(adata, every_fifth, **options).uns
        assert count_failures(uns["quality"], uns["thresholds"])["max_mito"] == n
        assert count_removals(uns["quality"]).get("max_mito", 0) == n


@pytest.mark.parametrize("place", ["X", "raw"])
def test_a_users_column_of_var_is_read_from_the_file(tmp_path, place):
    adata = named(raw_cells(), [])
    adata.var["mt"] = np.arange(300) < 10
    options = users_file(tmp_path / "raw.h5ad", adata)
    if place == "raw":  # the genes of raw, and their annotations, are more than those of X
        stored = anndata.read_h5ad(tmp_path / "raw.h5ad")
        stored.raw = stored
        stored = stored[:, 100:].copy()
        stored.write_h5ad(tmp_path / "raw.h5ad")
    options["settings"]["counts"] = place
    prepare(**options, test_share=0.2, cells={"min_genes": 1, "max_mito": 0.08, "mito_genes": "mt"})
    uns = anndata.read_h5ad(options["output"]).uns
    assert len(uns["mito_genes"]) == 10 and count_removals(uns["quality"])["max_mito"] > 0
    with pytest.raises(Refused, match=r"raw\.h5ad: cells\.mito_genes is 'chrM'.*allowed: mt"):
        prepare(**options, test_share=0.2, cells={"min_genes": 1, "max_mito": 0.08, "mito_genes": "chrM"})


def test_a_source_without_columns_of_var_refuses_one(tmp_path):
    with pytest.raises(Refused, match=r"datasets\.toy\.cells\.mito_genes: found 'mt', .*source toy"):
        prepare("toy", tmp_path / "toy.h5ad", "Toy", test_share=0.2, cells={"mito_genes": "mt"})
