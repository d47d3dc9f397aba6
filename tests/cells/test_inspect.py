"""Any file of cells is looked at without loading it, and its mine.yaml is a configuration that reads it."""

import json
import os
import re
import subprocess
import sys

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import sparse, stats
from support.checkout import planned
from support.files_of_cells import (
    blood_cells,
    blood_counts,
    blood_tables,
    logarithms,
    write_many_cells,
    write_tenx_folder,
    write_tenx_h5,
)

from gmvae.cells.inspect import inspect, survey_cells
from gmvae.cells.survey.files import open_cells
from gmvae.data.prepare import prepare, read_source
from gmvae.data.quality_control import measure_cells, mitochondrial_genes
from gmvae.formats.quality import count_removals
from gmvae.pipeline.config_checks import check_config
from gmvae.pipeline.config_files import read_config
from gmvae.pipeline.errors import Refused
from gmvae.pipeline.sources import ROOT

N, D = 700, 765
NO_CHOICE = {"label": None, "condition": None, "batch": None}
ROLES = {"label": "bulk_labels", "condition": "stim", "batch": "donor_id"}


def rows_in_x(path):
    blood_cells().write_h5ad(path / "cells.h5ad", compression="gzip")


def columns_in_x(path):
    blood_cells(sparse.csc_matrix(blood_counts())).write_h5ad(path / "cells.h5ad")


def dense_in_x(path):
    blood_cells(blood_counts().toarray().astype(np.uint16)).write_h5ad(path / "cells.h5ad", compression="lzf")


def layer_beside_logarithms(path):
    cells = blood_cells(logarithms(blood_counts()))
    cells.layers["umi_counts"] = blood_counts()
    cells.layers["scaled"] = cells.X.toarray() - cells.X.toarray().mean(axis=0)
    cells.write_h5ad(path / "cells.h5ad")


def raw_beside_few_genes(path):
    cells = blood_cells()
    few = cells[:, :200].copy()
    few.X = logarithms(few.X)
    few.raw = cells
    few.write_h5ad(path / "cells.h5ad")


def identifiers_as_names(path):
    cells = blood_cells()
    cells.var = pd.DataFrame(
        {"feature_name": pd.Categorical(cells.var_names), "feature_length": 1}, index=cells.var["gene_ids"].to_numpy()
    )
    cells.obs["cell_type_ontology_term_id"] = cells.obs["bulk_labels"].cat.rename_categories(lambda name: f"CL:{name}")
    cells.write_h5ad(path / "cells.h5ad")


def layout_before_0_7(path):
    counts, (obs, var) = blood_counts(), blood_tables()
    fields = [("index", "S16"), *((name, "i2") for name in ROLES.values())]
    rows = zip(obs.index, *(obs[name].cat.codes for name in ROLES.values()), strict=True)
    with h5py.File(path / "cells.h5ad", "w") as file:
        file["obs"] = np.array([(name.encode(), *codes) for name, *codes in rows], dtype=fields)
        file["var"] = np.array([(name.encode(),) for name in var.index], dtype=[("index", "S32")])
        for name in ROLES.values():
            file[f"uns/{name}_categories"] = np.array(list(obs[name].cat.categories), dtype="S")
        group = file.create_group("X")
        group.attrs["h5sparse_format"], group.attrs["h5sparse_shape"] = "csr", counts.shape
        group["data"], group["indices"], group["indptr"] = counts.data, counts.indices, counts.indptr


def store_by_rows(path):
    blood_cells().write_zarr(path / "cells.zarr")


def dense_store(path):
    blood_cells(blood_counts().toarray()).write_zarr(path / "cells.zarr")


def tenx_of_version_3(path):
    write_tenx_h5(path / "cells.h5")


def tenx_of_version_2(path):
    write_tenx_h5(path / "cells.h5", version=2)


def packed_folder(path):
    write_tenx_folder(path / "cells")


def folder_of_old_files(path):
    write_tenx_folder(path / "cells", prefix="GSM1_", packed=False)


# Each form, with its file, its reader, where the counts are, and its number of features.
FORMS = {
    rows_in_x: ("cells.h5ad", "h5ad", "X"),
    columns_in_x: ("cells.h5ad", "h5ad", "X"),
    dense_in_x: ("cells.h5ad", "h5ad", "X"),
    layer_beside_logarithms: ("cells.h5ad", "h5ad", "umi_counts"),
    raw_beside_few_genes: ("cells.h5ad", "h5ad", "raw"),
    identifiers_as_names: ("cells.h5ad", "h5ad", "X"),
    layout_before_0_7: ("cells.h5ad", "h5ad", "X"),
    store_by_rows: ("cells.zarr", "zarr_store", "X"),
    dense_store: ("cells.zarr", "zarr_store", "X"),
    tenx_of_version_3: ("cells.h5", "tenx_h5", None),
    tenx_of_version_2: ("cells.h5", "tenx_h5", None),
    packed_folder: ("cells", "tenx_mtx", None),
    folder_of_old_files: ("cells", "tenx_mtx", None),
}


def write_annotations(path):
    """A table with the columns of obs, for the files that have none."""
    blood_tables()[0].to_csv(path / "cells.csv")
    return str(path / "cells.csv")


def checked_config(output):
    """The configuration with the written file, checked as Snakemake checks it."""
    config = read_config(ROOT / "config.yaml", [output])
    check_config(config)
    return config


@pytest.mark.parametrize("write", FORMS, ids=lambda write: write.__name__)
def test_a_form_becomes_a_configuration_that_reads_it(tmp_path, write, capsys):
    name, source, place = FORMS[write]
    write(tmp_path)
    annotations = "" if place else write_annotations(tmp_path)
    inspect(tmp_path / name, tmp_path / "mine.yaml", annotations=annotations, config=ROOT / "config.yaml")
    report = capsys.readouterr().out
    config = checked_config(tmp_path / "mine.yaml")
    entry, task = config["datasets"]["mine"], config["tasks"]["mine"]
    assert config["study"] == "mine" and entry["source"] == source
    assert entry["settings"].get("counts") == place
    assert {role: entry["settings"].get(role) for role in ROLES} == ROLES
    assert task["n_components"] == 10 and "cgmdvae" in task["models"]
    cells = read_source(source, None, entry["settings"])
    assert cells.shape == (N, D) and cells.obs["label"].nunique() == 10
    assert list(cells.var_names) == list(blood_tables()[1].index)
    removed = (np.diff(blood_counts().indptr) < 200).sum()
    assert f"{N} cells and {D} genes" in report and f"min_genes 200: {removed}, " in report


@pytest.mark.parametrize("write", FORMS, ids=lambda write: write.__name__)
def test_the_measures_are_those_of_the_step_prepare(tmp_path, write):
    write(tmp_path)
    file = open_cells(tmp_path / FORMS[write][0])
    survey = survey_cells(file, None, NO_CHOICE)
    var = blood_tables()[1]
    measures = measure_cells(blood_counts(), mitochondrial_genes(var, None, "cells"))
    pd.testing.assert_frame_equal(survey.sample.measures, measures, check_dtype=False)


def test_a_dry_run_accepts_the_file_of_every_form(tmp_path):
    """Of all forms in one call: each has a name of its own, and the study is that of the last file."""
    outputs, wanted = [], set()
    for write, (file, _, place) in FORMS.items():
        name, folder = write.__name__, tmp_path / write.__name__
        folder.mkdir()
        write(folder)
        outputs.append(folder / "mine.yaml")
        annotations = "" if place else write_annotations(folder)
        inspect(folder / file, outputs[-1], name, annotations=annotations, config=ROOT / "config.yaml")
        wanted |= {f"results/runs/{name}/{model}/metrics.csv" for model in ("pca", "gmdvae", "cgmdvae")}
    files = planned(ROOT, *sorted(wanted), "results", "--configfile", *map(str, outputs))
    assert wanted <= files and {f"results/data/{write.__name__}.h5ad" for write in FORMS} <= files
    assert f"results/figures/{write.__name__}/latents.pdf" in files


def test_the_command_line_takes_the_file_as_its_first_word(tmp_path):
    rows_in_x(tmp_path)
    words = [tmp_path / "cells.h5ad", "--label", "louvain", "--batch", "", "--output", tmp_path / "mine.yaml"]
    run = subprocess.run([sys.executable, "-m", "gmvae", "inspect", *words], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    settings = checked_config(tmp_path / "mine.yaml")["datasets"]["mine"]["settings"]
    assert settings["label"] == "louvain" and "batch" not in settings
    assert f"    snakemake --cores all results --configfile {tmp_path / 'mine.yaml'}\n" in run.stdout
    assert "Then open results/cells/mine.html." in run.stdout
    run = subprocess.run([sys.executable, "-m", "gmvae", "inspect", *words], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 1 and re.fullmatch(
        r"error: .*mine\.yaml exists; remove it, pass --overwrite, .*\n", run.stderr
    )


def test_it_runs_from_any_folder_and_says_from_which_snakemake_does(tmp_path):
    rows_in_x(tmp_path)
    words = [sys.executable, "-m", "gmvae", "inspect", "cells.h5ad"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    run = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    path = tmp_path / "mine.yaml"
    assert f"    cd {ROOT} && snakemake --cores all results --configfile {path}\n" in run.stdout
    assert checked_config(path)["datasets"]["mine"]["settings"]["path"] == str(tmp_path / "cells.h5ad")


def test_names_that_yaml_would_change_arrive_as_they_are(tmp_path):
    cells = blood_cells()
    names = {"bulk_labels": 'cell type: "a" #1', "donor_id": "no", "stim": "condition\\n"}
    cells.obs = cells.obs.rename(columns=names)
    folder = tmp_path / "my {cells}: #2"
    folder.mkdir()
    cells.write_h5ad(folder / "é, x.h5ad")
    roles = {"label": names["bulk_labels"], "condition": names["stim"], "batch": names["donor_id"]}
    inspect(folder / "é, x.h5ad", folder / "mine.yaml", config=ROOT / "config.yaml", **roles)
    entry = checked_config(folder / "mine.yaml")["datasets"]["mine"]
    assert entry["name"] == "é, x" and entry["settings"].items() >= roles.items()
    assert read_source("h5ad", None, entry["settings"]).n_obs == N


def test_a_file_with_a_name_that_the_book_cannot_set_gets_the_key_as_its_name(tmp_path):
    blood_cells().write_h5ad(tmp_path / "клетки.h5ad")
    inspect(tmp_path / "клетки.h5ad", tmp_path / "mine.yaml", config=ROOT / "config.yaml")
    entry = checked_config(tmp_path / "mine.yaml")["datasets"]["mine"]
    assert entry["name"] == "mine" and entry["settings"]["path"].endswith("клетки.h5ad")


def test_cells_without_a_label_are_left_out_and_said(tmp_path, capsys):
    cells = blood_cells()
    cells.obs["bulk_labels"] = cells.obs["bulk_labels"].astype(object).mask(np.arange(N) < 30)
    cells.write_h5ad(tmp_path / "cells.h5ad")
    inspect(tmp_path / "cells.h5ad", tmp_path / "mine.yaml", config=ROOT / "config.yaml")
    settings = checked_config(tmp_path / "mine.yaml")["datasets"]["mine"]["settings"]
    assert (
        settings["drop_unlabelled"] is True and "30 of 700 cells have no label" in (tmp_path / "mine.yaml").read_text()
    )
    prepare("h5ad", tmp_path / "out.h5ad", "Mine", settings=settings, test_share=0.2)
    assert anndata.read_h5ad(tmp_path / "out.h5ad").n_obs == N - 30
    assert "30 of 700 cells have no label and are left out (drop_unlabelled)" in capsys.readouterr().out
    prepare("h5ad", tmp_path / "out.h5ad", "Mine", settings=settings, test_share=0.2, cells={"min_genes": 1})
    removals = count_removals(anndata.read_h5ad(tmp_path / "out.h5ad").uns["quality"])
    assert removals == {"unlabelled": 30}


def test_thresholds_that_drop_many_cells_are_replaced(tmp_path):
    counts = blood_counts()[:, :150]  # no cell has 200 genes
    cells = anndata.AnnData(counts, obs=blood_tables()[0], var=blood_tables()[1][:150])
    cells.write_h5ad(tmp_path / "cells.h5ad")
    inspect(tmp_path / "cells.h5ad", tmp_path / "mine.yaml", config=ROOT / "config.yaml")
    thresholds = checked_config(tmp_path / "mine.yaml")["datasets"]["mine"]["cells"]
    logs = np.log1p(np.diff(counts.indptr))
    low, high = np.median(logs) + np.array([-5, 5]) * stats.median_abs_deviation(logs)
    assert thresholds["min_genes"] == max(1, np.ceil(np.expm1(low))) and thresholds["max_genes"] == np.ceil(
        np.expm1(high)
    )


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (logarithms, "log1p of counts scaled by cell"),
        (lambda counts: logarithms(counts)[:, :300], "log1p of counts scaled by cell"),  # totals are no longer equal
        (lambda counts: (counts * 0.37).astype(np.float32), "counts scaled by cell"),
        (lambda counts: (logarithms(counts) / np.log(2)).astype(np.float32), r"log2\(1 \+ x\) of counts"),
        (lambda counts: counts.multiply(np.linspace(1, 2, D)).tocsr(), "estimated, corrected or normalised counts"),
        (lambda counts: np.asarray(logarithms(counts).todense()) - 1, "negative values"),
        (lambda counts: sparse.csc_matrix(logarithms(counts)), "look like logarithms"),
        (lambda counts: counts * 0, "no value but 0"),
    ],
    ids=["log1p", "few genes", "scaled", "log2", "corrected", "centred", "by columns", "empty"],
)
def test_other_values_than_counts_are_refused_with_what_they_are(tmp_path, make, words):
    matrix = make(blood_counts())
    obs, var = blood_tables()
    anndata.AnnData(matrix, obs=obs, var=var[: matrix.shape[1]]).write_h5ad(tmp_path / "cells.h5ad")
    with pytest.raises(
        Refused, match=rf"^\S*cells\.h5ad: no raw counts: X holds .*{words}.*; give the file from before"
    ):
        inspect(tmp_path / "cells.h5ad", tmp_path / "mine.yaml", config=ROOT / "config.yaml")
    assert not (tmp_path / "mine.yaml").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label": "bulk_label"}, r"label is 'bulk_label', not a column of obs; did you mean bulk_labels\?"),
        ({"batch": "zzz"}, r"batch is 'zzz', not a column of obs; allowed: n_genes, percent_mito, louvain"),
        ({"label": "percent_mito"}, r"label is 'percent_mito', a column with no values to tell apart"),
        ({"counts": "Count"}, r"counts is 'Count', which the file lacks; allowed: counts, X; did you mean counts\?"),
        ({"counts": "X"}, r"no raw counts: X holds fractional values"),
        ({"key": "toy"}, r"key is 'toy', which is an entry of datasets and tasks already"),
        ({"key": "My cells"}, r"key is 'My cells'; allowed: a name of small letters"),
        ({"annotations": "cells.csv"}, r"is an AnnData file, with columns of its own; leave annotations out"),
        ({"path": "cels.h5ad"}, r"cels\.h5ad: no such file or folder; did you mean cells\.h5ad\?"),
        ({"path": "table.csv"}, r"table\.csv: is a table with commas; in Python: "),
        ({"path": "cut.h5ad"}, r"cut\.h5ad: not readable: truncated or damaged"),
    ],
)
def test_a_wrong_option_is_refused_in_one_line(tmp_path, options, message):
    cells = blood_cells(logarithms(blood_counts()))
    cells.layers["counts"] = blood_counts()
    cells.write_h5ad(tmp_path / "cells.h5ad")
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    (tmp_path / "cut.h5ad").write_bytes((tmp_path / "cells.h5ad").read_bytes()[:20_000])
    path = tmp_path / options.pop("path", "cells.h5ad")
    with pytest.raises(Refused, match=message) as refusal:
        inspect(path, tmp_path / "mine.yaml", config=ROOT / "config.yaml", **options)
    assert "\n" not in str(refusal.value) and not (tmp_path / "mine.yaml").exists()


def test_a_10x_file_without_annotations_says_where_they_come_from(tmp_path):
    tenx_of_version_3(tmp_path)
    with pytest.raises(Refused, match=r"label is 'type'.* a file of 10x has no columns: pass --annotations"):
        inspect(tmp_path / "cells.h5", tmp_path / "mine.yaml", label="type", config=ROOT / "config.yaml")
    inspect(tmp_path / "cells.h5", tmp_path / "mine.yaml", config=ROOT / "config.yaml")
    config = checked_config(tmp_path / "mine.yaml")
    assert config["tasks"]["mine"]["n_components"] == "auto" and "truth" not in config["tasks"]["mine"]["models"]


def test_a_name_that_repeats_is_refused_as_the_step_prepare_does(tmp_path):
    cells = blood_cells()
    cells.var_names = ["GENE"] * 2 + list(cells.var_names[2:])
    cells.write_h5ad(tmp_path / "cells.h5ad")
    with pytest.raises(Refused, match=r"1 var names repeat; call var_names_make_unique"):
        inspect(tmp_path / "cells.h5ad", tmp_path / "mine.yaml", config=ROOT / "config.yaml")


def test_marked_genes_without_symbols_are_a_setting_that_the_step_prepare_reads(tmp_path):
    cells = blood_cells()
    cells.var = pd.DataFrame({"mt": np.arange(D) < 9}, index=cells.var["gene_ids"].to_numpy())
    cells.write_h5ad(tmp_path / "cells.h5ad")
    inspect(tmp_path / "cells.h5ad", tmp_path / "mine.yaml", config=ROOT / "config.yaml")
    assert checked_config(tmp_path / "mine.yaml")["datasets"]["mine"]["cells"]["mito_genes"] == "mt"


@pytest.mark.slow
@pytest.mark.parametrize("by_columns", [False, True], ids=["by rows", "by columns"])
def test_a_million_cells_take_seconds_and_little_memory(tmp_path, by_columns):
    """10^6 cells of 30,000 genes, 1,000 of them expressed in each: in less than 20 seconds of computing and 1 GB."""
    write_many_cells(tmp_path / "many.h5ad", 1_000_000, 30_000, 1000, by_columns)
    script = f"""
import json, re, time
from pathlib import Path
from gmvae.cells.inspect import inspect
inspect(Path({str(tmp_path / "many.h5ad")!r}), Path({str(tmp_path / "mine.yaml")!r}))
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())  # ru_maxrss begins at the parent's
print(json.dumps([time.process_time(), int(peak.group(1)) / 1e6]))
"""
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    seconds, gigabytes = json.loads(run.stdout.splitlines()[-1])
    assert seconds < 20 and gigabytes < 1
    assert ("genes, the most frequent ones among them: min_genes 200: about 0" in run.stdout) == by_columns
    assert "whole numbers up to 1;" not in run.stdout  # values of several places are looked at
    entry = yaml.safe_load((tmp_path / "mine.yaml").read_text())["datasets"]["mine"]
    assert entry["settings"]["label"] == "cell_type"
