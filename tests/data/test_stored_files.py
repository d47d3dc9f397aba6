"""A user's .h5ad at the door: counts become canonical, damage is refused first, and only named parts are read."""

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from anndata.abc import CSRDataset
from scipy import sparse

from gmvae.data.prepare import prepare
from gmvae.data.readers import h5ad
from gmvae.data.row_blocks import iterate_blocks
from gmvae.formats.dataset import check_matrix, load_dataset
from gmvae.pipeline.errors import Refused

COUNTS = np.random.default_rng(0).poisson(1.5, (40, 6)).astype(np.float32) + np.eye(40, 6, dtype=np.float32)
LABELS = ["T", "B"] * 20
FUTURE = "array-of-2030"  # an encoding that no anndata knows


def users_file(path, matrix=COUNTS, obs=None, **parts) -> dict:
    """Write an AnnData file as a user might have it; the settings that read it."""
    table = pd.DataFrame({"type": LABELS, "other": LABELS} | (obs or {}), index=[f"cell{i}" for i in range(40)])
    anndata.AnnData(matrix, obs=table, **parts).write_h5ad(path)
    return {"path": str(path), "label": "type"}


def prepared_dataset(tmp_path, settings, source="h5ad", **options) -> anndata.AnnData:
    prepare(source, tmp_path / "out.h5ad", "Mine", settings=settings, test_share=0.2, **options)
    return load_dataset(tmp_path / "out.h5ad")


def replace_array(group, name, values, **options):
    """Put other values in the place of an array of the file; its attributes stay."""
    attributes = dict(group[name].attrs)
    del group[name]
    array = group.create_dataset(name, data=values, **options)
    array.attrs.update(attributes)


def store_entries(path, where, rows, columns, values, form="csr"):
    """Replace the sparse matrix of a file by these entries, in this order within each row, repeated ones included."""
    major, minor, n = (rows, columns, 40) if form == "csr" else (columns, rows, 6)
    order = np.argsort(major, kind="stable")
    with h5py.File(path, "r+") as file:
        replace_array(file[where], "data", values[order])
        replace_array(file[where], "indices", minor[order].astype(np.int32))
        replace_array(file[where], "indptr", np.concatenate([[0], np.cumsum(np.bincount(major, minlength=n))]))


def entries_of(kind):
    """Rows, columns and values that mean COUNTS, in a form that is not canonical."""
    rows, columns = np.nonzero(COUNTS)
    values = COUNTS[rows, columns]
    if kind == "repeated":  # a count v is stored as v - 1 and 1
        values = np.concatenate([values - 1, np.ones_like(values)])
        rows, columns = np.tile(rows, 2), np.tile(columns, 2)
    if kind == "unsorted":
        order = np.random.default_rng(1).permutation(len(rows))
        rows, columns, values = rows[order], columns[order], values[order]
    if kind == "zeros":
        empty = np.nonzero(COUNTS == 0)
        rows, columns = np.concatenate([rows, empty[0]]), np.concatenate([columns, empty[1]])
        values = np.concatenate([values, np.zeros(len(empty[0]), dtype=np.float32)])
    return rows, columns, values


@pytest.mark.parametrize("cells", [None, {"min_genes": 1, "min_cells": 1}], ids=["as they are", "chosen"])
@pytest.mark.parametrize("form", ["csr", "csc"])
@pytest.mark.parametrize("kind", ["repeated", "unsorted", "zeros"])
@pytest.mark.parametrize("place", ["X", "umi"])
def test_entries_for_one_place_are_summed_sorted_and_never_zero(tmp_path, monkeypatch, place, kind, form, cells):
    monkeypatch.setattr(iterate_blocks, "__defaults__", (None, 7))
    matrix = sparse.csr_matrix(COUNTS) if form == "csr" else sparse.csc_matrix(COUNTS)
    settings = users_file(tmp_path / "mine.h5ad", matrix, layers={"umi": matrix}) | {"counts": place}
    store_entries(tmp_path / "mine.h5ad", "X" if place == "X" else "layers/umi", *entries_of(kind), form)
    dataset = prepared_dataset(tmp_path, settings, cells=cells)
    assert (dataset.layers["counts"].toarray() == COUNTS).all()
    expected = np.log1p(COUNTS * 1e4 / COUNTS.sum(axis=1, keepdims=True))
    assert np.allclose(dataset.X.toarray(), expected, rtol=1e-6)
    for stored in dataset.X, dataset.layers["counts"]:
        assert stored.nnz == (COUNTS > 0).sum() and stored.has_canonical_format and stored.data.all()


def test_the_quality_of_cells_is_measured_on_the_sums(tmp_path):
    settings = users_file(tmp_path / "mine.h5ad", sparse.csr_matrix(COUNTS))
    store_entries(tmp_path / "mine.h5ad", "X", *entries_of("repeated"))
    quality = prepared_dataset(tmp_path, settings, cells={"min_genes": 1}).uns["quality"]
    assert (quality["n_genes"] == (COUNTS > 0).sum(axis=1)).all() and (quality["total"] == COUNTS.sum(axis=1)).all()


def test_sums_of_small_integers_do_not_overflow(tmp_path):
    rows, columns, values = entries_of("repeated")
    values = np.where(values > 0, 200, 0).astype(np.uint8)  # 200 and 200 are 400, in a byte 144
    settings = users_file(tmp_path / "mine.h5ad", sparse.csr_matrix(COUNTS))
    store_entries(tmp_path / "mine.h5ad", "X", rows, columns, values)
    assert prepared_dataset(tmp_path, settings).layers["counts"].max() == 400


def test_canonical_and_dense_counts_stay_in_their_file_as_they_are(tmp_path):
    dense = h5ad.read(**users_file(tmp_path / "dense.h5ad")).layers["counts"]
    assert isinstance(dense, h5py.Dataset) and (dense[...] == COUNTS).all()
    rows = h5ad.read(**users_file(tmp_path / "rows.h5ad", sparse.csr_matrix(COUNTS))).layers["counts"]
    assert isinstance(rows, CSRDataset) and (rows.to_memory() != sparse.csr_matrix(COUNTS)).nnz == 0


def test_summing_a_block_does_not_change_the_matrix_that_it_is_from():
    rows, columns, values = entries_of("repeated")
    order = np.argsort(rows, kind="stable")
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows))])
    repeated = sparse.csr_matrix((values[order], columns[order], indptr), shape=COUNTS.shape)
    ((_, block),) = iterate_blocks(repeated)
    assert (block.toarray() == COUNTS).all() and repeated.nnz == len(values)


def test_a_dataset_with_repeated_entries_breaks_the_contract():
    repeated = sparse.csr_matrix(([1.0, 2.0], [0, 0], [0, 2]), shape=(1, 3))
    with pytest.raises(Refused, match=r"X has places with two entries"):
        check_matrix(repeated, "X")


def dense_rows(file):
    replace_array(file, "X", COUNTS[:30])


def dense_genes(file):
    replace_array(file, "X", COUNTS[:, :5])


def state_shape(*shape):
    def change(file):
        file["X"].attrs["shape"] = np.array(shape, dtype=np.int64)

    return change


def change_array(name, change):
    return lambda file: replace_array(file["X"], name, change(file[f"X/{name}"][...]))


def with_value(at, value, dtype=None):
    def change(values):
        values = values.astype(dtype or values.dtype)
        values[at] = value
        return values

    return change


def a_million_million_dense_rows(file):
    """A header of 8 TB in a file of kilobytes: all parts agree, none was written."""
    rows = 10**12
    for group, name, shape in ((file["obs"], "_index", (rows,)), (file, "X", (rows, 6))):
        attributes = dict(group[name].attrs)
        del group[name]
        dtype = h5py.string_dtype() if name == "_index" else np.float32
        group.create_dataset(name, shape=shape, dtype=dtype, chunks=(1000, 6)[: len(shape)]).attrs.update(attributes)


def a_million_million_dense_genes(file):
    del file["X"], file["var/_index"]
    file.create_dataset("X", shape=(40, 10**12), dtype=np.float32, chunks=(40, 1000), compression="gzip")
    names = file["var"].create_dataset("_index", shape=(10**12,), dtype="S1", chunks=(1000,), compression="gzip")
    names.attrs["encoding-type"], names.attrs["encoding-version"] = "string-array", "0.2.0"


DAMAGES = {
    "dense, fewer rows": (COUNTS, dense_rows, r"X has shape \(30, 6\); allowed: \(40, 6\)"),
    "dense, fewer genes": (COUNTS, dense_genes, r"X has shape \(40, 5\); allowed: \(40, 6\)"),
    "dense, absurd rows": (COUNTS, a_million_million_dense_rows, r"obs/_index|obs: _index .*1000000000000"),
    "dense, absurd genes": (COUNTS, a_million_million_dense_genes, r"var: _index .*1000000000000"),
    "absurd rows": ("csr", state_shape(10**12, 6), r"X has shape \(1000000000000, 6\); allowed: \(40, 6\)"),
    "fewer genes": ("csr", state_shape(40, 5), r"X has shape \(40, 5\)"),
    "pointers, short": ("csr", change_array("indptr", lambda v: v[:-1]), r"indptr has shape \(40,\); allowed: \(41,\)"),
    "pointers, back": ("csr", change_array("indptr", with_value(7, 0)), r"indptr steps back at entry 7"),
    "pointers, start": ("csr", change_array("indptr", with_value(0, 1)), r"indptr runs from 1 to "),
    "pointers, end": ("csr", change_array("indptr", with_value(-1, 10**9)), r"indptr runs from 0 to 1000000000"),
    "pointers, halves": ("csr", change_array("indptr", with_value(3, 3.5, float)), r"indptr is float64"),
    "fewer values": ("csr", change_array("data", lambda v: v[:-3]), r"indices has \d+ entries and data \d+"),
    "fewer indices": ("csr", change_array("indices", lambda v: v[:-3]), r"indices has \d+ entries and data \d+"),
    "index outside": ("csr", change_array("indices", with_value(9, 6)), r"indices are int32 from 0 to 6; .*0 to 5"),
    "index far outside": ("csr", change_array("indices", with_value(9, 2**31 - 1)), r"to 2147483647; .*0 to 5"),
    "index below": ("csr", change_array("indices", with_value(9, -1)), r"indices are int32 from -1 to 5"),
    "columns, index outside": ("csc", change_array("indices", with_value(9, 40)), r"from 0 to 40; .*0 to 39"),
    "columns, pointers": ("csc", change_array("indptr", with_value(2, 0)), r"indptr steps back at entry 2"),
    "columns, fewer": ("csc", change_array("indptr", lambda v: v[:-1]), r"\(7,\) for 6 columns"),
    "float16": (COUNTS, lambda file: replace_array(file, "X", COUNTS.astype(np.float16)), r"X is float16, .*float32"),
    "float16, rows": ("csr", change_array("data", lambda v: v.astype(np.float16)), r"X.* is float16"),
    "texts": (COUNTS, lambda file: replace_array(file, "X", COUNTS.astype("S3")), r"X is \|S3; allowed: whole numbers"),
    "complex": ("csr", change_array("data", lambda v: v.astype(complex)), r"is complex128"),
    "not exact": ("csr", change_array("data", with_value(5, 2**24, np.int64)), r"X holds a count of 16777216"),
    "infinite": ("csr", change_array("data", with_value(5, np.inf)), r"X holds 1 values that are NaN or infinite"),
}


@pytest.mark.parametrize(("matrix", "change", "message"), DAMAGES.values(), ids=DAMAGES)
def test_parts_that_do_not_agree_are_refused_before_values_are_read(tmp_path, matrix, change, message):
    forms = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix}
    settings = users_file(tmp_path / "mine.h5ad", forms[matrix](COUNTS) if isinstance(matrix, str) else matrix)
    with h5py.File(tmp_path / "mine.h5ad", "r+") as file:
        change(file)
    with pytest.raises(Refused, match=rf"mine\.h5ad: .*{message}" if "|" not in message else message) as refusal:
        prepared_dataset(tmp_path, settings)
    assert "\n" not in str(refusal.value) and not (tmp_path / "out.h5ad").exists()


def test_damage_in_raw_and_in_a_layer_is_refused_too(tmp_path):
    rows = sparse.csr_matrix(COUNTS)
    adata = anndata.AnnData(rows, layers={"umi": rows.copy()})
    adata.raw = adata
    adata.write_h5ad(tmp_path / "mine.h5ad")
    with h5py.File(tmp_path / "mine.h5ad", "r+") as file:
        replace_array(file["layers/umi"], "indices", with_value(0, 6)(file["layers/umi/indices"][...]))
        replace_array(file["raw/X"], "indptr", file["raw/X/indptr"][:-1])
    for place, message in (("umi", "layers/umi: indices"), ("raw", "raw/X: indptr")):
        with pytest.raises(Refused, match=rf"mine\.h5ad: {message}"):
            prepared_dataset(tmp_path, {"path": str(tmp_path / "mine.h5ad"), "counts": place})
    assert h5ad.read(path=str(tmp_path / "mine.h5ad")).shape == (40, 6)


def test_a_column_of_another_length_is_refused(tmp_path):
    settings = users_file(tmp_path / "mine.h5ad", obs={"batch": np.arange(40)})
    with h5py.File(tmp_path / "mine.h5ad", "r+") as file:
        replace_array(file["obs/type"], "codes", file["obs/type/codes"][:39])
        replace_array(file["obs"], "batch", np.arange(41))
    with pytest.raises(Refused, match=r"obs/type/codes has shape \(39,\); allowed: \(40,\)"):
        h5ad.read(**settings)
    with pytest.raises(Refused, match=r"obs/batch has shape \(41,\); allowed: \(40,\)"):
        h5ad.read(path=settings["path"], batch="batch")


def link_out(place):
    """Move a part into another file, and leave an external link to it."""

    def change(file, folder):
        with h5py.File(folder / "elsewhere.h5", "w") as other:
            file.copy(place, other, "part")
        del file[place]
        file[place] = h5py.ExternalLink(str(folder / "elsewhere.h5"), "/part")

    return change


def soft_link_out(file, folder):
    link_out("X")(file, folder)
    file.move("X", "hidden")
    file["X"] = h5py.SoftLink("/hidden")


def soft_link_in_a_circle(file, folder):
    del file["X"]
    file["X"] = h5py.SoftLink("/Y")
    file["Y"] = h5py.SoftLink("/X")


def soft_link_to_nothing(file, folder):
    del file["X"]
    file["X"] = h5py.SoftLink("/nowhere")


def external_storage(file, folder):
    COUNTS.tofile(folder / "values.bin")
    del file["X"]
    file.create_dataset("X", COUNTS.shape, np.float32, external=[(str(folder / "values.bin"), 0, h5py.h5f.UNLIMITED)])


def virtual_view(file, folder):
    layout = h5py.VirtualLayout(shape=COUNTS.shape, dtype=np.float32)
    layout[:] = h5py.VirtualSource(str(folder / "elsewhere.h5"), "part", shape=COUNTS.shape)
    del file["X"]
    file.create_virtual_dataset("X", layout)


def unknown_filter(file, folder):
    del file["X"]
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    settings.set_chunk((10, 6))
    settings.set_filter(511, h5py.h5z.FLAG_OPTIONAL)
    array = h5py.h5d.create(file.id, b"X", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((40, 6)), settings)
    array.write(h5py.h5s.ALL, h5py.h5s.ALL, COUNTS)


def group_in_itself(file, folder):
    file["obs/type/self"] = file["obs/type"]


OUTSIDE = {
    "X": (link_out("X"), r"X is an external link to .*elsewhere\.h5"),
    "values of X": (link_out("X/data"), r"X: data is an external link to .*elsewhere\.h5"),
    "labels": (link_out("obs/type"), r"obs: type is an external link"),
    "obs": (link_out("obs"), r"obs is an external link"),
    "layers": (link_out("layers"), r"layers is an external link"),
    "soft": (soft_link_out, r"hidden is an external link"),
    "circle": (soft_link_in_a_circle, r"chain of more than \d+ soft links"),
    "nothing": (soft_link_to_nothing, r"X is missing, or is a link to nothing"),
    "external storage": (external_storage, r"X is stored outside the file, in .*values\.bin"),
    "virtual": (virtual_view, r"X is a virtual dataset"),
    "filter": (unknown_filter, r"X is packed by HDF5's filter 511.*h5repack"),
    "itself": (group_in_itself, r"more than \d+ groups inside each other"),
}


@pytest.mark.parametrize(("change", "message"), OUTSIDE.values(), ids=OUTSIDE)
def test_nothing_outside_the_file_is_read(tmp_path, change, message):
    settings = users_file(tmp_path / "mine.h5ad", sparse.csr_matrix(COUNTS), layers={"umi": COUNTS})
    with h5py.File(tmp_path / "mine.h5ad", "r+") as file:
        change(file, tmp_path)
    with pytest.raises(Refused, match=rf"mine\.h5ad: .*{message}") as refusal:
        prepared_dataset(tmp_path, settings)
    assert "\n" not in str(refusal.value)


def test_a_soft_link_inside_the_file_is_followed(tmp_path):
    settings = users_file(tmp_path / "mine.h5ad", sparse.csr_matrix(COUNTS))
    with h5py.File(tmp_path / "mine.h5ad", "r+") as file:
        file.move("X", "uns/matrix")
        file["X"] = h5py.SoftLink("/uns/matrix")
    assert (prepared_dataset(tmp_path, settings).layers["counts"].toarray() == COUNTS).all()


@pytest.mark.parametrize(
    "part", ["obs/other", "var/symbol", "obsm/umap", "uns/note", "layers/scaled", "raw/var/symbol"]
)
def test_what_nobody_asks_for_may_be_in_any_encoding(tmp_path, part):
    settings = users_file(
        tmp_path / "mine.h5ad",
        var=pd.DataFrame({"symbol": list("abcdef")}),
        obsm={"umap": COUNTS[:, :2]},
        uns={"note": "x"},
        layers={"scaled": COUNTS},
    )
    adata = anndata.read_h5ad(tmp_path / "mine.h5ad")
    adata.raw = adata
    adata.write_h5ad(tmp_path / "mine.h5ad")
    with h5py.File(tmp_path / "mine.h5ad", "r+") as file:
        file[part].attrs["encoding-type"] = FUTURE
    dataset = prepared_dataset(tmp_path, settings)
    assert (dataset.layers["counts"].toarray() == COUNTS).all() and dataset.obs["label"].tolist() == LABELS


def test_what_is_asked_for_in_an_unknown_encoding_is_named(tmp_path):
    settings = users_file(tmp_path / "mine.h5ad", sparse.csr_matrix(COUNTS))
    with h5py.File(tmp_path / "mine.h5ad", "r+") as file:
        file["obs/type"].attrs["encoding-type"] = FUTURE
        file["X"].attrs["encoding-type"] = FUTURE
    with pytest.raises(Refused, match=rf"mine\.h5ad: obs/type cannot be read \(encoding {FUTURE}"):
        prepared_dataset(tmp_path, settings)
    with pytest.raises(Refused, match=rf"mine\.h5ad: X is neither CSR nor CSC .*{FUTURE}"):
        prepared_dataset(tmp_path, {"path": settings["path"]})


def test_the_named_columns_of_genes_are_read(tmp_path):
    settings = users_file(tmp_path / "mine.h5ad", var=pd.DataFrame({"symbol": list("abcdef")}))
    assert h5ad.read(**settings, var_columns=["symbol"]).var["symbol"].tolist() == list("abcdef")
    assert h5ad.read(**settings).var.empty
    with pytest.raises(Refused, match=r"mito_genes is 'chromosome', not a column of var; allowed: symbol"):
        h5ad.read(**settings, var_columns=["chromosome"])


def write_layout_of_0_7(path):
    """Categories behind references, no encoding of the root, as anndata 0.7 wrote."""
    users_file(path, sparse.csr_matrix(COUNTS))
    with h5py.File(path, "r+") as file:
        for key in list(file.attrs):
            del file.attrs[key]
        for name in "type", "other":
            codes, categories = file[f"obs/{name}/codes"][...], file[f"obs/{name}/categories"][...]
            del file[f"obs/{name}"]
            file.create_dataset(f"obs/__categories/{name}", data=categories, dtype=h5py.string_dtype())
            file[f"obs/{name}"] = codes
            file[f"obs/{name}"].attrs["categories"] = file[f"obs/__categories/{name}"].ref
            file[f"obs/__categories/{name}"].attrs["ordered"] = False
        file["obs/other"].attrs["encoding-type"] = FUTURE


def write_layout_before_0_7(path):
    """Tables as arrays of structs, categories in uns, sparse matrices by h5sparse, as anndata 0.6 wrote."""
    matrix = sparse.csr_matrix(COUNTS)
    obs = np.array(
        [(f"cell{i}".encode(), i % 2, f"note {i}".encode()) for i in range(40)],
        dtype=[("index", "S8"), ("type", "i1"), ("note", "S8")],
    )
    var = np.array([(f"gene{j}".encode(),) for j in range(6)], dtype=[("index", "S8")])
    with h5py.File(path, "w") as file:
        file["obs"], file["var"], file["raw.var"] = obs, var, var
        file["uns/type_categories"] = np.array([b"T", b"B"])
        for name in "X", "raw.X":
            group = file.create_group(name)
            group.attrs["h5sparse_format"], group.attrs["h5sparse_shape"] = "csr", matrix.shape
            group["data"], group["indices"], group["indptr"] = matrix.data, matrix.indices, matrix.indptr


@pytest.mark.parametrize("counts", ["X", "raw"])
@pytest.mark.parametrize("write", [write_layout_of_0_7, write_layout_before_0_7])
def test_layouts_of_older_versions_are_read_part_by_part(tmp_path, write, counts):
    write(tmp_path / "old.h5ad")
    settings = {"path": str(tmp_path / "old.h5ad"), "label": "type", "counts": counts}
    if counts == "raw" and write is write_layout_of_0_7:
        with pytest.raises(Refused, match=r"counts is 'raw', which the file lacks; allowed: X"):
            prepared_dataset(tmp_path, settings)
        return
    dataset = prepared_dataset(tmp_path, settings)
    assert (dataset.layers["counts"].toarray() == COUNTS).all() and dataset.obs["label"].tolist() == LABELS
    assert dataset.obs_names[3] == "cell3"


def test_genes_are_named_by_a_column_of_var(tmp_path):
    names = ["ACTB", "CD4", "CD4", None, " ", "MT-ND1"]
    var = pd.DataFrame({"symbol": names, "length": 1}, index=[f"ENSG{j}" for j in range(6)])
    settings = users_file(tmp_path / "mine.h5ad", var=var) | {"gene_names": "symbol"}
    assert list(prepared_dataset(tmp_path, settings).var_names) == ["ACTB", "CD4", "CD4-1", "ENSG3", "ENSG4", "MT-ND1"]
    with pytest.raises(
        Refused, match=r"mine\.h5ad: gene_names is 'name', not a column of var; allowed: symbol, length"
    ):
        prepared_dataset(tmp_path, settings | {"gene_names": "name"})
