"""Forms of users' files: 10x and zarr are read; any other form is named for what it is, with what converts it."""

import bz2
import gzip
import json
import lzma
import os
import re
import shutil
import tarfile
import zipfile

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import zarr
from scipy import io, sparse

from gmvae.data.prepare import prepare
from gmvae.data.readers import tenx_h5, tenx_mtx, zarr_store
from gmvae.formats.dataset import load_dataset
from gmvae.formats.file_forms import check_form, recognise_form
from gmvae.pipeline.dataset_plan import prepare_options, raw_files
from gmvae.pipeline.errors import Refused

N, D = 40, 7  # the last two features are antibodies
COUNTS = np.random.default_rng(0).poisson(1.5, (N, D)).astype(np.int32) + np.eye(N, D, dtype=np.int32)
EXPRESSION = COUNTS[:, :5].astype(np.float32)
BARCODES = [f"CELL{i:02d}-1" for i in range(N)]
SYMBOLS = ["MT-CO1", "ACTB", "ACTB", "CD3E", "CD4", "CD3", "CD19"]
IDS = [f"ENSG{j:05d}" for j in range(5)] + ["CD3_TotalSeq", "CD19_TotalSeq"]
TYPES = ["Gene Expression"] * 5 + ["Antibody Capture"] * 2
GENOMES = ["GRCh38"] * 3 + ["mm10"] * 2 + ["", ""]
LABELS = ["T", "B"] * (N // 2)


def texts(values):
    return np.array(values, dtype="S")


def write_group(group, version: int, features: slice = slice(None)):
    """The arrays of a 10x matrix, which are cells by features as CSR, in the layout of a version of Cell Ranger."""
    matrix = sparse.csr_matrix(COUNTS[:, features])
    group["data"], group["indices"], group["indptr"] = matrix.data, matrix.indices.astype(np.int64), matrix.indptr
    group["shape"] = np.array(matrix.shape[::-1], dtype=np.int32)
    group["barcodes"] = texts(BARCODES)
    if version == 2:
        group["genes"], group["gene_names"] = texts(IDS[features]), texts(SYMBOLS[features])
        return
    columns = {"id": IDS, "name": SYMBOLS, "feature_type": TYPES, "genome": GENOMES}
    for name, values in columns.items():
        group[f"features/{name}"] = texts(values[features])
    group["features/_all_tag_keys"] = texts(["genome"])


def write_h5(path, version: int = 3):
    with h5py.File(path, "w") as file:
        write_group(
            file.create_group("matrix" if version == 3 else "GRCh38"), version, slice(0, 5 if version == 2 else D)
        )


def write_mtx(folder, prefix="", packed=True, old=False, transposed=False):
    """A folder of three files as Cell Ranger 3 writes them: packed, features by cells; or as others do."""
    folder.mkdir(exist_ok=True)
    matrix = sparse.coo_matrix(COUNTS[:, :5] if old else COUNTS)
    io.mmwrite(folder / "m.mtx", matrix if transposed else matrix.T, field="integer")
    rows = zip(IDS, SYMBOLS, *([] if old else [TYPES]), strict=True)
    lines = ["\t".join(row) for row in rows][: matrix.shape[1]]
    contents = {
        "matrix.mtx": (folder / "m.mtx").read_bytes(),
        "genes.tsv" if old else "features.tsv": "\n".join(lines).encode() + b"\n",
        "barcodes.tsv": "\n".join(BARCODES).encode() + b"\n",
    }
    (folder / "m.mtx").unlink()
    for name, content in contents.items():
        (folder / f"{prefix}{name}{'.gz' if packed else ''}").write_bytes(gzip.compress(content) if packed else content)


def write_annotations(path, separator=","):
    """A label and a batch for each barcode, in another order than that of the cells, and for one cell too many."""
    table = pd.DataFrame({"type": LABELS, "donor": ["1", "2"] * (N // 2)}, index=BARCODES)[::-1]
    pd.concat([table, table[:1].set_axis(["OTHER-1"])]).to_csv(path, sep=separator)
    return {"annotations": str(path), "label": "type", "batch": "donor"}


def prepared_dataset(tmp_path, source, settings, **options) -> anndata.AnnData:
    prepare(source, tmp_path / "out.h5ad", "Mine", settings=settings, test_share=0.2, **options)
    return load_dataset(tmp_path / "out.h5ad")


def check_cells(dataset, genes=("MT-CO1", "ACTB", "ACTB-1", "CD3E", "CD4")):
    """The right counts of genes, X, names and labels, whatever the form of the file."""
    assert (dataset.layers["counts"].toarray() == EXPRESSION).all()
    assert np.allclose(
        dataset.X.toarray(), np.log1p(EXPRESSION * 1e4 / EXPRESSION.sum(axis=1, keepdims=True)), rtol=1e-6
    )
    assert dataset.var_names.tolist() == list(genes) and dataset.obs_names.tolist() == BARCODES
    assert dataset.obs["label"].tolist() == LABELS and dataset.obs["batch"].nunique() == 2


@pytest.mark.parametrize("version", [2, 3])
def test_a_10x_file_becomes_a_dataset_of_its_genes(tmp_path, version, capsys):
    write_h5(tmp_path / "mine.h5", version)
    settings = {"path": str(tmp_path / "mine.h5")} | write_annotations(tmp_path / "cells.csv")
    check_cells(prepared_dataset(tmp_path, "tenx_h5", settings))
    output = capsys.readouterr().out
    assert "1 gene symbols repeat" in output
    assert ("left out 2 of type Antibody Capture; 5 features" in output) == (version == 3)


@pytest.mark.parametrize("form", ["3", "3, not packed", "2", "2, packed", "prefix", "cells by features"])
def test_a_folder_of_10x_becomes_a_dataset_of_its_genes(tmp_path, form, capsys):
    options = {
        "3, not packed": {"packed": False},
        "2": {"packed": False, "old": True},
        "2, packed": {"old": True},
        "prefix": {"prefix": "GSM1_a_"},
        "cells by features": {"transposed": True},
    }
    write_mtx(tmp_path / "mine", **options.get(form, {}))
    settings = {"path": str(tmp_path / "mine")} | write_annotations(tmp_path / "cells.tsv", "\t")
    check_cells(prepared_dataset(tmp_path, "tenx_mtx", settings))
    assert ("left out 2 of type Antibody Capture" in capsys.readouterr().out) == ("2" not in form)


@pytest.mark.parametrize("source", ["tenx_h5", "tenx_mtx"])
def test_genes_may_be_named_by_their_ids(tmp_path, source):
    write_h5(tmp_path / "mine.h5"), write_mtx(tmp_path / "mine")
    path = tmp_path / ("mine.h5" if source == "tenx_h5" else "mine")
    settings = {"path": str(path), "genes": "ids"} | write_annotations(tmp_path / "cells.csv")
    check_cells(prepared_dataset(tmp_path, source, settings), IDS[:5])
    read = {"tenx_h5": tenx_h5.read, "tenx_mtx": tenx_mtx.read}[source]
    assert read(**settings, var_columns=["gene_symbols"]).var["gene_symbols"].tolist() == SYMBOLS[:5]
    with pytest.raises(Refused, match=r"mito_genes is 'chromosome', not a column of var; allowed: .*gene_ids"):
        read(**settings, var_columns=["chromosome"])
    with pytest.raises(Refused, match="genes is 'names'; allowed: symbols, ids"):
        read(path=str(path), genes="names")


def test_the_genes_of_one_genome_are_kept(tmp_path):
    write_h5(tmp_path / "three.h5")
    with h5py.File(tmp_path / "two.h5", "w") as file:
        write_group(file.create_group("GRCh38"), 2, slice(0, 3))
        write_group(file.create_group("mm10"), 2, slice(3, 5))
    for name in "three", "two":
        cells = tenx_h5.read(path=str(tmp_path / f"{name}.h5"), genome="mm10")
        assert (cells.layers["counts"].toarray() == COUNTS[:, 3:5]).all()
        with pytest.raises(Refused, match=r"genome is 'mm9'; allowed: .*GRCh38, mm10"):
            tenx_h5.read(path=str(tmp_path / f"{name}.h5"), genome="mm9")
    with pytest.raises(Refused, match=r"two\.h5: genome is ''; allowed: GRCh38, mm10"):
        tenx_h5.read(path=str(tmp_path / "two.h5"))


def replace_array(group, name, values):
    del group[name]
    group[name] = values


def link_out(file):
    del file["matrix/data"]
    file["matrix/data"] = h5py.ExternalLink("elsewhere.h5", "/data")


H5_DAMAGES = {
    "index": (lambda file: file["matrix/indices"].write_direct(np.full(1, D), dest_sel=np.s_[:1]), r"to 7; .*0 to 6"),
    "pointers": (lambda file: replace_array(file["matrix"], "indptr", np.zeros(3)), r"indptr has shape \(3,\)"),
    "values": (lambda file: replace_array(file["matrix"], "data", np.ones(3)), r"indices has \d+ entries and data 3"),
    "shape": (
        lambda file: replace_array(file["matrix"], "shape", [D, 10**12]),
        r"barcodes has shape \(40,\).*1000000000000",
    ),
    "names": (lambda file: replace_array(file["matrix/features"], "name", texts(["a"])), r"name has shape \(1,\)"),
    "fractions": (lambda file: replace_array(file["matrix"], "data", file["matrix/data"][...] / 2), "fractional"),
    "no genes": (
        lambda file: replace_array(file["matrix/features"], "feature_type", texts(["Antibody Capture"] * D)),
        r"no feature is of type Gene Expression; found 7 of type Antibody Capture",
    ),
    "link": (link_out, r"data is an external link to elsewhere\.h5"),
    "no names": (lambda file: file["matrix/features"].pop("name"), "not readable as a 10x file"),
}


@pytest.mark.parametrize(("change", "message"), H5_DAMAGES.values(), ids=H5_DAMAGES)
def test_a_damaged_10x_file_is_refused_in_one_line(tmp_path, change, message):
    write_h5(tmp_path / "mine.h5")
    with h5py.File(tmp_path / "mine.h5", "r+") as file:
        change(file)
    with pytest.raises(Refused, match=rf"mine\.h5: .*{message}|mine\.h5 holds .*{message}") as refusal:
        prepared_dataset(tmp_path, "tenx_h5", {"path": str(tmp_path / "mine.h5")})
    assert "\n" not in str(refusal.value) and not (tmp_path / "out.h5ad").exists()


def packed_text(change):
    def damage(path):
        path.write_bytes(gzip.compress(change(gzip.decompress(path.read_bytes()).decode()).encode()))

    return damage


def header_with(sizes):
    return packed_text(lambda text: text.replace(f"{D} {N} {(COUNTS > 0).sum()}", sizes))


N_VALUES = (COUNTS > 0).sum()
MTX_DAMAGES = {
    "cut off": ("matrix.mtx", lambda path: path.write_bytes(path.read_bytes()[:-40]), "damaged"),
    "fewer entries": ("matrix.mtx", packed_text(lambda text: text[: len(text) // 2]), "damaged"),
    "index outside": (
        "matrix.mtx",
        packed_text(lambda text: text.rstrip().rpartition("\n")[0] + "\n9 1 1\n"),
        "damaged",
    ),
    "other sizes": ("matrix.mtx", header_with(f"{D} 39 {N_VALUES}"), r"is 7 by 39; allowed: 7 by 40"),
    "absurd sizes": ("matrix.mtx", header_with(f"{D} 1000000000000 {N_VALUES}"), r"is 7 by 1000000000000"),
    "absurd entries": ("matrix.mtx", header_with(f"{D} {N} 1000000000000"), r"states 1000000000000 entries"),
    "no counts": (
        "matrix.mtx",
        packed_text(lambda text: text.replace("integer", "pattern")),
        r"pattern.*; allowed: coord",
    ),
    "fractions": (
        "matrix.mtx",
        packed_text(lambda text: re.sub(r"\n1 1 (\d+)\n", r"\n1 1 \1.5\n", text.replace("integer", "real"))),
        "1 fractional",
    ),
    "repeated cells": (
        "barcodes.tsv",
        packed_text(lambda text: text.replace("CELL01", "CELL00")),
        "1 obs names repeat",
    ),
    "no features": ("features.tsv", lambda path: path.unlink(), r"has none of features\.tsv.*genes\.tsv"),
    "two": (
        "features.tsv",
        lambda path: shutil.copy(path, path.parent / "genes.tsv"),
        r"has features.* and genes\.tsv of",
    ),
    "damaged names": ("features.tsv", lambda path: path.write_bytes(path.read_bytes()[:30]), "damaged"),
}


@pytest.mark.parametrize(("file", "change", "message"), MTX_DAMAGES.values(), ids=MTX_DAMAGES)
def test_a_damaged_folder_is_refused_in_one_line(tmp_path, file, change, message):
    write_mtx(tmp_path / "mine")
    change(tmp_path / f"mine/{file}.gz")
    with pytest.raises(Refused, match=rf"mine.*{message}") as refusal:
        prepared_dataset(tmp_path, "tenx_mtx", {"path": str(tmp_path / "mine")})
    assert "\n" not in str(refusal.value) and not (tmp_path / "out.h5ad").exists()


def test_repeated_entries_of_a_folder_are_summed(tmp_path):
    write_mtx(tmp_path / "mine")
    more = packed_text(lambda text: text.replace(f" {N_VALUES}\n", f" {N_VALUES + 1}\n", 1) + "1 1 5\n")
    more(tmp_path / "mine/matrix.mtx.gz")
    counts = tenx_mtx.read(path=str(tmp_path / "mine")).layers["counts"]
    assert counts[0, 0] == EXPRESSION[0, 0] + 5 and counts.has_canonical_format


def test_one_of_several_sets_is_chosen_by_its_prefix(tmp_path):
    write_mtx(tmp_path / "mine", "GSM1_"), write_mtx(tmp_path / "mine", "GSM2_", old=True)
    assert tenx_mtx.read(path=str(tmp_path / "mine"), prefix="GSM2_").shape == (N, 5)
    with pytest.raises(Refused, match=r"mine: prefix is not set; allowed: 'GSM1_', 'GSM2_'"):
        tenx_mtx.read(path=str(tmp_path / "mine"))


def test_annotations_that_do_not_fit_are_refused(tmp_path):
    write_h5(tmp_path / "mine.h5")
    settings = {"path": str(tmp_path / "mine.h5")}
    with pytest.raises(Refused, match="label is 'type', but annotations is not set"):
        tenx_h5.read(**settings, label="type")
    settings["annotations"] = str(tmp_path / "cells.csv")
    with pytest.raises(Refused, match=r"annotations: .*cells\.csv: no such file"):
        tenx_h5.read(**settings, label="type")
    table = pd.DataFrame({"type": LABELS}, index=BARCODES)
    contents = {
        "condition is 'drug', not a column of annotations; allowed: type": (table, {"condition": "drug"}),
        "no barcode is one of the 40 cells; found 'CELL00', allowed such as 'CELL00-1'": (
            table.set_axis([name[:-2] for name in BARCODES]), {"label": "type"}
        ),
        "1 barcodes repeat": (pd.concat([table, table[:1]]), {"label": "type"}),
        "label column 'type' has 10 gaps among 40 cells; .*drop_unlabelled": (table[10:], {"label": "type"}),
    }  # fmt: skip
    for message, (content, columns) in contents.items():
        content.to_csv(tmp_path / "cells.csv")
        with pytest.raises(Refused, match=message):
            tenx_h5.read(**settings, **columns)
    assert tenx_h5.read(**settings, label="type", drop_unlabelled=True).obs["label"].isna().sum() == 10


def write_zarr(path, form="csr", version=2, place="X"):
    forms = {"dense": np.asarray, "csr": sparse.csr_matrix, "csc": sparse.csc_matrix}
    matrix = forms[form](EXPRESSION)
    obs = pd.DataFrame({"type": LABELS, "donor": ["1", "2"] * (N // 2), "other": LABELS}, index=BARCODES)
    genes = pd.DataFrame({"symbol": SYMBOLS[:5]}, index=IDS[:5])
    adata = anndata.AnnData(matrix, obs=obs, var=genes, layers={"umi": matrix})
    if place == "raw":
        adata.raw = adata.copy()
    with anndata.settings.override(zarr_write_format=version):
        adata.write_zarr(path)
    return {"path": str(path), "label": "type", "batch": "donor", "counts": place}


@pytest.mark.filterwarnings("ignore")  # anndata's and zarr's, of the older format
@pytest.mark.parametrize(("version", "place"), [(2, "X"), (2, "raw"), (3, "X"), (3, "umi")])
@pytest.mark.parametrize("form", ["dense", "csr", "csc"])
def test_a_zarr_store_becomes_a_dataset(tmp_path, form, version, place):
    settings = write_zarr(tmp_path / "mine.zarr", form, version, place)
    zarr.open_group(tmp_path / "mine.zarr")["obs/other"].attrs["encoding-type"] = "array-of-2030"  # nobody asks for it
    check_cells(prepared_dataset(tmp_path, "zarr_store", settings), IDS[:5])
    cells = zarr_store.read(**settings, var_columns=["symbol"])
    assert cells.var["symbol"].tolist() == SYMBOLS[:5]
    if form != "csc":
        assert not isinstance(cells.layers["counts"], np.ndarray | sparse.csr_matrix)  # it stays in the store
    chosen = prepared_dataset(
        tmp_path, "zarr_store", settings, cells={"min_genes": 1, "min_cells": 1, "n_top_genes": 4}
    )
    assert chosen.n_vars == 4


def lose_chunk(path):
    """A store that was copied in part."""
    chunks = [
        file for file in (path / "X/data").rglob("*") if file.is_file() and not file.name.startswith((".z", "zarr"))
    ]
    chunks[0].unlink()


def point_outside(path):
    indices = zarr.open_array(path / "X/indices")
    indices[0] = 5


def state_absurd_shape(path):
    zarr.open_group(path)["X"].attrs["shape"] = [10**12, 5]


STORE_DAMAGES = {
    "chunk": (lose_chunk, r"X: data has \d+ of \d+ chunks"),
    "index": (point_outside, r"X: indices are .* to 5; .*0 to 4"),
    "shape": (state_absurd_shape, r"X has shape \(1000000000000, 5\); allowed: \(40, 5\)"),
    "no labels": (lambda path: shutil.rmtree(path / "obs/type"), r"type.* is missing"),
    "no matrix": (lambda path: shutil.rmtree(path / "X"), r"counts is 'X', which the file lacks; allowed: umi"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("change", "message"), STORE_DAMAGES.values(), ids=STORE_DAMAGES)
def test_a_damaged_store_is_refused_in_one_line(tmp_path, change, message):
    settings = write_zarr(tmp_path / "mine.zarr")
    change(tmp_path / "mine.zarr")
    (tmp_path / "mine.zarr/.zmetadata").unlink(missing_ok=True)
    with pytest.raises(Refused, match=rf"mine\.zarr: .*{message}") as refusal:
        prepared_dataset(tmp_path, "zarr_store", settings)
    assert "\n" not in str(refusal.value)


@pytest.mark.filterwarnings("ignore")
def test_pickles_in_a_store_are_not_opened(tmp_path):
    settings = write_zarr(tmp_path / "mine.zarr")
    (tmp_path / "mine.zarr/.zmetadata").unlink(missing_ok=True)
    header = tmp_path / "mine.zarr/X/data/.zarray"
    header.write_text(json.dumps(json.loads(header.read_text()) | {"compressor": {"id": "pickle"}}))
    with pytest.raises(Refused, match=r"mine\.zarr: .*pickle"):
        zarr_store.read(**settings)


def write_hdf5(*parts):
    def write(path):
        with h5py.File(path, "w") as file:
            for part in parts:
                file[part] = [1.0]

    return write


def write_tar(path):
    inside = path.parent / "inside"
    inside.write_text("x")
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        archive.add(inside)


def write_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x", "x")


def write_bytes(content):
    return lambda path: path.write_bytes(content)


def write_packed_h5ad(path):
    anndata.AnnData(EXPRESSION).write_h5ad(path.with_suffix(".tmp"))
    path.write_bytes(gzip.compress(path.with_suffix(".tmp").read_bytes()))


TABLE = b"gene,a,b\nACTB,1,2\n"
OTHER_FORMS = {
    "mine.h5ad.gz": (write_packed_h5ad, r"HDF5 file packed by gzip.*gzip -d .*mine\.h5ad\.gz"),
    "mine.h5ad": (write_packed_h5ad, r"HDF5 file packed by gzip"),
    "mine.loom": (
        write_hdf5("matrix", "row_attrs/a", "col_attrs/a"),
        r"a loom file.*scanpy\.read_loom\('.*mine\.loom'\)",
    ),
    "loom.h5ad": (write_hdf5("matrix", "row_attrs/a", "col_attrs/a"), r"a loom file.*write_h5ad\('loom\.h5ad'\)"),
    "mine.h5mu": (write_hdf5("mod/rna/X", "obs/a"), r"several modalities.*mudata\.read_h5ad"),
    "mine.h5seurat": (
        write_hdf5("assays/RNA", "cell.names"),
        r"SeuratDisk::Convert\('.*mine\.h5seurat', dest = 'h5ad'\)",
    ),
    "keras.h5": (write_hdf5("model_weights/a"), r"HDF5 file of another kind \(it holds model_weights\)"),
    "mine.rds": (
        write_bytes(gzip.compress(b"X\n\0\0\0\3" + bytes(20))),
        r"file of R.*in R: .*readRDS\('.*mine\.rds'\)",
    ),
    "mine.rda": (write_bytes(gzip.compress(b"RDX3\nX\n" + bytes(20))), r"file of R.*load\('.*mine\.rda'\)"),
    "mine.RData": (write_bytes(b"RDX3\nX\n"), r"file of R.*load"),
    "xz.rds": (write_bytes(lzma.compress(b"X\n\0\0\0\3" + bytes(20))), r"file of R.*readRDS\('.*xz\.rds'\)"),
    "bz2.rda": (write_bytes(bz2.compress(b"RDX3\nX\n" + bytes(20))), r"file of R.*load\('.*bz2\.rda'\)"),
    "cut.rda": (write_bytes(bz2.compress(b"RDX3\nX\n" + bytes(20))[:12]), r"packed by bzip2"),
    "table.csv.xz": (write_bytes(lzma.compress(b"a,b\n1,2\n")), r"packed by xz"),
    "mine.csv": (write_bytes(TABLE), r"table with commas.*anndata\.io\.read_csv\('.*mine\.csv', delimiter=','\)"),
    "mine.csv.gz": (
        write_bytes(gzip.compress(TABLE)),
        r"table with commas, packed by gzip.*read_csv\('.*mine\.csv\.gz'",
    ),
    "csv.h5ad": (write_bytes(TABLE), r"table with commas.*write_h5ad"),
    "mine.tsv": (write_bytes(TABLE.replace(b",", b"\t")), r"table with tabs.*delimiter='\\t'"),
    "mine.txt": (write_bytes(TABLE.replace(b",", b"\t")), r"table with tabs"),
    "matrix.mtx": (
        write_bytes(b"%%MatrixMarket matrix coordinate integer general\n"),
        r"Matrix Market.*source: tenx_mtx",
    ),
    "matrix.mtx.gz": (write_bytes(gzip.compress(b"%%MatrixMarket matrix")), r"Matrix Market file, packed by gzip"),
    "empty.h5ad": (write_bytes(b""), r"an empty file.*again"),
    "page.h5ad": (write_bytes(b"\n<!DOCTYPE html><html>404</html>"), r"a web page"),
    "pointer.h5ad": (write_bytes(b"version https://git-lfs.github.com/spec/v1\n"), r"Git LFS.*git lfs pull"),
    "mine.zip": (write_zip, r"a zip archive.*unzip"),
    "mine.tar": (write_tar, r"a tar archive.*tar -xf "),
    "mine.tar.gz": (write_tar, r"a tar archive packed by gzip.*tar -xzf "),
    "mine.h5ad.bz2": (write_bytes(bz2.compress(b"x" * 99)), r"bzip2 -d"),
    "cut.gz": (write_bytes(gzip.compress(os.urandom(999))[:100]), r"a damaged gzip file"),
    "noise.h5ad": (write_bytes(bytes(range(1, 200)) * 9), r"of an unknown form"),
    "folder": (lambda path: path.mkdir(), r"a folder without a matrix \(it holds nothing\).*barcodes\.tsv"),
}


@pytest.mark.parametrize("name", OTHER_FORMS)
@pytest.mark.parametrize("source", ["h5ad", "tenx_h5", "tenx_mtx", "zarr_store"])
def test_any_other_form_is_named_with_what_converts_it(tmp_path, name, source):
    write, message = OTHER_FORMS[name]
    write(tmp_path / name)
    with pytest.raises(Refused, match=rf"{name}: is {'.*'}{message}") as refusal:
        prepared_dataset(tmp_path, source, {"path": str(tmp_path / name)})
    assert "\n" not in str(refusal.value) and f"source {source}" in str(refusal.value)


@pytest.mark.filterwarnings("ignore")
def test_a_form_that_another_source_reads_is_refused_with_its_name(tmp_path):
    anndata.AnnData(EXPRESSION).write_h5ad(tmp_path / "a.h5")
    write_h5(tmp_path / "b.h5ad"), write_h5(tmp_path / "old.h5ad", 2), write_mtx(tmp_path / "c", "x_")
    write_zarr(tmp_path / "d")
    right = {"a.h5": "h5ad", "b.h5ad": "tenx_h5", "old.h5ad": "tenx_h5", "c": "tenx_mtx", "d": "zarr_store"}
    for name, source in right.items():
        path = tmp_path / name
        assert recognise_form(path).source == source
        for wrong in set(right.values()) - {source}:
            with pytest.raises(Refused, match=rf"{name}: is .*; source {wrong} cannot read it; set source: {source}"):
                check_form(path, wrong)


def test_what_is_no_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.h5ad")
    with pytest.raises(Refused, match=r"pipe\.h5ad: is neither a file nor a folder"):
        check_form(tmp_path / "pipe.h5ad", "h5ad")
    with pytest.raises(Refused, match=r"nothing: no such file"):
        check_form(tmp_path / "nothing", "zarr_store")


def test_the_plan_knows_the_files_of_a_folder_the_table_and_the_name_of_a_download(tmp_path):
    write_mtx(tmp_path / "mine")
    folder = {"source": "tenx_mtx", "settings": {"path": str(tmp_path / "mine"), "annotations": "cells.csv"}}
    single = {"source": "tenx_h5", "download": {"url": "u", "sha256": "0"}, "settings": {"annotations": "cells.csv"}}
    config = {"datasets": {"folder": folder, "single": single}, "downloads": {}}
    names = ["barcodes.tsv.gz", "features.tsv.gz", "matrix.mtx.gz"]
    assert raw_files(config, "folder") == [*(str(tmp_path / "mine" / name) for name in names), "cells.csv"]
    assert raw_files(config, "single") == ["results/raw/tenx_h5/single.h5", "cells.csv"]
    assert prepare_options(config, "single")["settings"] == {"annotations": "cells.csv", "file": "single.h5"}
