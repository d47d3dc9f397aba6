"""What a file or folder of cells is, by its content first and its name second, and what converts it."""

import bz2
import gzip
import lzma
from pathlib import Path
from typing import BinaryIO, NamedTuple

import h5py

from gmvae.pipeline.errors import Refused


class Form(NamedTuple):
    """What a path holds: a name, the reader of this form ("" for none), and else the command that converts it."""

    name: str
    source: str = ""
    remedy: str = ""


PYTHON = "in Python: "
R = "in R: "
H5AD = Form("an AnnData file", "h5ad")
TENX_H5 = Form("a 10x file of Cell Ranger", "tenx_h5")
TENX_MTX = Form("a folder with a 10x matrix.mtx", "tenx_mtx")
ZARR = Form("a zarr store", "zarr_store")
BEGINNINGS = [  # of files, with what they are; the longest sign of a kind first
    (b"%%MatrixMarket", Form("a Matrix Market file", "", "give path the folder that has it and set source: tenx_mtx")),
    (b"\x28\xb5\x2f\xfd", Form("a file packed by zstd", "", "unpack it: zstd -d {path}")),
    (b"BZh", Form("a file packed by bzip2", "", "unpack it: bzip2 -d {path}")),
    (b"\xfd7zXZ\0", Form("a file packed by xz", "", "unpack it: xz -d {path}")),
    (b"PK\x03\x04", Form("a zip archive", "", "unpack it: unzip {path}, and name what is inside")),
    (b"version https://git-lfs", Form("a pointer of Git LFS, not the file", "", "get the file: git lfs pull")),
    (
        b"PAR1",
        Form("a Parquet table", "", PYTHON + "anndata.AnnData(pandas.read_parquet('{path}')).write_h5ad('{new}')"),
    ),
]
R_BEGINNINGS = (b"RDX", b"RDA", b"X\n\0\0\0", b"A\n", b"B\n\0\0\0")  # of R's data, inside gzip or not
R_DATA = Form(
    "a file of R", "", R + "zellkonverter::writeH5AD(Seurat::as.SingleCellExperiment(readRDS('{path}')), '{new}')"
)
R_WORKSPACE = Form(
    "a file of R", "", R + "zellkonverter::writeH5AD(Seurat::as.SingleCellExperiment(get(load('{path}'))), '{new}')"
)
LOOM = Form("a loom file", "", PYTHON + "scanpy.read_loom('{path}').write_h5ad('{new}'), with the package loompy")
H5SEURAT = Form("a file of SeuratDisk", "", R + "SeuratDisk::Convert('{path}', dest = 'h5ad')")
H5MU = Form("a file of several modalities", "", PYTHON + "mudata.read_h5ad('{path}', mod='rna').write_h5ad('{new}')")
TABLE = (
    "anndata.io.read_csv('{path}', delimiter={delimiter!r}).write_h5ad('{new}'), "
    "with .T before .write_h5ad if rows are genes"
)
TABLES = {
    ",": Form("a table with commas", "", PYTHON + TABLE.replace("{delimiter!r}", "','")),
    "\t": Form("a table with tabs", "", PYTHON + TABLE.replace("{delimiter!r}", r"'\t'")),
}
WEB_PAGE = Form("a web page, not the file behind it", "", "download the file itself: open {path} in an editor")
GZIP, TAR = b"\x1f\x8b", b"ustar"
PACKERS = {b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}  # besides gzip
SUFFIXES = {  # where the content does not show the form
    ".loom": LOOM,
    ".rds": R_DATA,
    ".rda": R_WORKSPACE,
    ".rdata": R_WORKSPACE,
    ".h5seurat": H5SEURAT,
    ".h5mu": H5MU,
    ".csv": TABLES[","],
    ".tsv": TABLES["\t"],
    ".txt": TABLES["\t"],
}


def check_form(path: Path, source: str) -> None:
    """Check that a path holds what its reader reads.

    Args:
        path: A file or folder.
        source: The reader.

    Raises:
        Refused: There is nothing, or something else: the reader of that form is named, or the command that converts it.
    """
    if not path.exists():
        raise Refused(f"{path}: no such file; correct path or file in the entry's settings")
    if not (path.is_file() or path.is_dir()):
        raise Refused(f"{path}: is neither a file nor a folder; correct path in the entry's settings")
    try:
        form = recognise_form(path)
    except OSError as failure:
        raise Refused(f"{path}: cannot be opened ({failure.strerror or failure}); make it readable") from None
    if form.source == source:
        return
    new = path.name.removesuffix(".gz").split(".")[0] + ".h5ad"
    remedy = f"set source: {form.source}" if form.source else form.remedy.format(path=path, new=new, name=path.name)
    raise Refused(f"{path}: is {form.name}; source {source} cannot read it; {remedy}")


def recognise_form(path: Path) -> Form:
    """Find out what a file or folder is.

    Args:
        path: It exists.

    Returns:
        Its form.
    """
    if path.is_dir():
        return recognise_folder(path)
    with path.open("rb") as file:
        beginning = file.read(512)
        packed = read_packed(file, beginning)
    if not beginning:
        return Form("an empty file", "", "copy or download it again")
    if h5py.is_hdf5(path):
        return recognise_hdf5(path)
    if beginning.startswith(b"\x89HDF"):
        return H5AD  # and h5py says what is wrong with it
    if beginning.startswith(GZIP):
        return recognise_gzip(path)
    if packed.startswith(R_BEGINNINGS):  # R unpacks its files itself
        return recognise_content(packed, path)
    return recognise_content(beginning, path)


def read_packed(file: BinaryIO, beginning: bytes) -> bytes:
    """The first bytes of what a file packs by bzip2 or xz; none where it packs nothing or is damaged."""
    opener = next((opener for sign, opener in PACKERS.items() if beginning.startswith(sign)), None)
    if opener is None:
        return b""
    file.seek(0)
    try:
        with opener(file) as content:
            return content.read(512)
    except (OSError, EOFError, lzma.LZMAError):
        return b""


def recognise_folder(path: Path) -> Form:
    """What a folder is, by the names of its files."""
    names = [file.name for file in path.iterdir()]
    if {".zgroup", ".zattrs", ".zmetadata", "zarr.json"} & set(names):
        return ZARR
    if any(name.endswith(("matrix.mtx", "matrix.mtx.gz")) for name in names):
        return TENX_MTX
    some = ", ".join(sorted(names)[:5]) or "nothing"
    remedy = "give path the folder with matrix.mtx, barcodes.tsv and features.tsv or genes.tsv, or a file"
    return Form(f"a folder without a matrix (it holds {some})".replace("{", "{{").replace("}", "}}"), "", remedy)


def recognise_hdf5(path: Path) -> Form:
    """What an HDF5 file is, by the names of its parts."""
    try:
        with h5py.File(path, "r") as file:
            names = set(file)
            parts = {name: file[name] for name in names if isinstance(file.get(name, getlink=True), h5py.HardLink)}
            inner = {name: set(part) for name, part in parts.items() if isinstance(part, h5py.Group)}
            matrix_is_array = isinstance(parts.get("matrix"), h5py.Dataset)
    except Exception:  # damaged inside, or cut off: the reader that the user chose says so
        return H5AD
    if {"obs", "var"} <= names:
        return H5AD
    if matrix_is_array and {"row_attrs", "col_attrs"} <= names:
        return LOOM
    if "mod" in names:
        return H5MU
    if {"assays", "cell.names"} <= names:
        return H5SEURAT
    arrays = {"barcodes", "data", "indices", "indptr", "shape"}
    if any(arrays <= members and ({"features", "genes"} & members) for members in inner.values()):
        return TENX_H5
    remedy = "name an .h5ad, a 10x .h5 or another form that README's part on your own data lists"
    listed = ", ".join(sorted(names)[:8]).replace("{", "(").replace("}", ")") or "nothing"
    return Form(f"an HDF5 file of another kind (it holds {listed})", "", remedy)


def recognise_gzip(path: Path) -> Form:
    """What a file packed by gzip is, by the content that it packs."""
    try:
        with gzip.open(path) as file:
            content = file.read(512)
    except (OSError, EOFError):
        return Form("a damaged gzip file", "", "copy or download it again")
    if content.startswith(R_BEGINNINGS):
        return recognise_content(content, path)
    inner = "a tar archive" if content[257:262] == TAR else ""
    if inner:
        return Form(f"{inner} packed by gzip", "", "unpack it: tar -xzf {path}, and name what is inside")
    if content.startswith(b"\x89HDF"):
        return Form("an HDF5 file packed by gzip", "", "unpack it: gzip -d {path}, and take .gz off the path")
    form = recognise_content(content, path.with_suffix(""))
    return form._replace(name=f"{form.name}, packed by gzip")


def recognise_content(content: bytes, path: Path) -> Form:
    """What a file is, by its first bytes, else by its suffix."""
    for beginning, form in BEGINNINGS:
        if content.startswith(beginning):
            return form
    if content[257:262] == TAR:
        return Form("a tar archive", "", "unpack it: tar -xf {path}, and name what is inside")
    if content.startswith(R_BEGINNINGS):
        return R_WORKSPACE if content.startswith((b"RDX", b"RDA")) else R_DATA
    text = content.lstrip(b"\xef\xbb\xbf \r\n\t").lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return WEB_PAGE
    if path.suffix.lower() in SUFFIXES:
        return SUFFIXES[path.suffix.lower()]
    line = content.partition(b"\n")[0]
    is_text = not any(byte < 9 or 13 < byte < 32 for byte in content)
    for delimiter, form in TABLES.items():
        if is_text and delimiter.encode() in line:
            return form
    return Form("of an unknown form", "", "convert it to .h5ad with the program that wrote it, or get it again")
