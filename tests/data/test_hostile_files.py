"""Files that nobody means: each reader accepts or refuses them in one line, soon, in little memory, writing nothing."""

import gzip
import random
import shutil
from functools import partial

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import rdata
from scipy import sparse
from support.checkout import count
from support.hostile import Trial, mutated_bytes, summary, try_all
from support.hostile_stores import CHANGES, FILE_CHANGES, copy_changed

from gmvae.data.cell_table import read_annotations
from gmvae.data.fetch import fetch
from gmvae.data.readers import h5ad, tenx_h5, tenx_mtx, zarr_store
from gmvae.data.readers.raw_files import read_idx, read_r_data, read_table, read_whole
from gmvae.data.tenx_cells import check_annotation_file

SEED = 20261127
N_MUTATIONS = 28  # of the bytes of each file
COUNTS = np.random.default_rng(0).poisson(1.5, (40, 6)).astype(np.float32) + np.eye(40, 6, dtype=np.float32)
CELLS, GENES = [f"cell{i}" for i in range(40)], [f"gene{j}" for j in range(6)]
BOMB = gzip.compress(bytes(1 << 25)) * 64  # 2 GiB of NUL in 2 MB: gzip files behind each other are one


@pytest.fixture(scope="module")
def cells():
    """Forty cells of six genes, as CSR."""
    obs = pd.DataFrame({"type": pd.Categorical(["T", "B"] * 20)}, index=CELLS)
    return anndata.AnnData(sparse.csr_matrix(COUNTS), obs=obs, var=pd.DataFrame(index=GENES))


def check_all(trials, folder):
    """Try all inputs; the first is the file as it was, so that the others are hostile by what was done to them."""
    outcomes = try_all(trials, folder)
    count("inputs tried", len(outcomes) - 1)
    assert not summary(outcomes), f"seed {SEED}\n{summary(outcomes)}"
    assert outcomes[0].kind == "accepted", outcomes[0]
    assert any(outcome.kind == "refused" for outcome in outcomes)


def byte_trials(file, call, n=N_MUTATIONS):
    """The file as it is and mutations of its bytes, each under the same name in a folder of its own."""
    content, trials = file.read_bytes(), []
    for i, (name, changed) in enumerate([("as it was", content), *mutated_bytes(content, n, SEED)]):
        copy = file.parent / str(i) / file.name
        copy.parent.mkdir()
        copy.write_bytes(changed)
        trials.append(Trial(name, (str(copy),), partial(call, copy)))
    return trials


def read_h5ad(path):
    return h5ad.read(path=str(path), label="type")


def test_h5ad(cells, tmp_path):
    cells.write_h5ad(tmp_path / "mine.h5ad")
    trials = byte_trials(tmp_path / "mine.h5ad", read_h5ad)
    for i, (name, change) in enumerate(CHANGES.items()):
        path = shutil.copy(tmp_path / "mine.h5ad", tmp_path / f"changed{i}.h5ad")
        with h5py.File(path, "r+") as file:
            change(file)
        trials.append(Trial(name, (str(path),), partial(read_h5ad, path)))
    check_all(trials, tmp_path)


def read_zarr(path):
    return zarr_store.read(path=str(path), label="type")


def test_zarr(cells, tmp_path):
    store = tmp_path / "mine.zarr"
    cells.write_zarr(store)
    files = sorted(str(path.relative_to(store)) for path in store.rglob("*") if path.is_file())
    draws, trials = random.Random(SEED), [Trial("as it was", (), partial(read_zarr, store))]
    read = [name for name in files if name.startswith(("X", "obs", "var", "zarr.json", ".z"))]
    changes = [(name, change) for name, change in FILE_CHANGES.items() for _ in range(3)]
    for i, (name, change) in enumerate(changes):
        file = draws.choice(read)
        path = copy_changed(store, tmp_path / f"store{i}", file, change)
        trials.append(Trial(f"{name} in the place of {file}", (str(path),), partial(read_zarr, path)))
    for i in range(N_MUTATIONS):
        file = draws.choice(read)
        ((kind, content),) = mutated_bytes((store / file).read_bytes(), 1, SEED + i)
        path = copy_changed(
            store, tmp_path / f"bytes{i}", file, lambda to, name, new=content: (to / name).write_bytes(new)
        )
        trials.append(Trial(f"{kind} in {file}", (str(path),), partial(read_zarr, path)))
    check_all(trials, tmp_path)


def test_tenx_h5(tmp_path):
    from support.files_of_cells import write_tenx_h5  # it imports scanpy, which takes seconds

    var = pd.DataFrame({"gene_ids": GENES}, index=GENES)
    write_tenx_h5(tmp_path / "mine.h5", 3, anndata.AnnData(sparse.csr_matrix(COUNTS), pd.DataFrame(index=CELLS), var))
    check_all(byte_trials(tmp_path / "mine.h5", lambda path: tenx_h5.read(path=str(path))), tmp_path)


MATRIX = "".join(f"{j + 1} {i + 1} {int(COUNTS[i, j])}\n" for i, j in zip(*np.nonzero(COUNTS), strict=True))
HEADER = "%%MatrixMarket matrix coordinate integer general\n"
TEXTS = {
    "barcodes.tsv": "\n".join(CELLS) + "\n",
    "features.tsv": "\n".join(f"E{j}\t{gene}\tGene Expression" for j, gene in enumerate(GENES)) + "\n",
    "matrix.mtx": f"{HEADER}6 40 {np.count_nonzero(COUNTS)}\n{MATRIX}",
}
HOSTILE_TEXTS = {
    "a value of NaN": ("matrix.mtx", f"{HEADER}6 40 1\n1 1 nan\n"),
    "a negative value": ("matrix.mtx", f"{HEADER}6 40 1\n1 1 -3\n"),
    "a row of 0": ("matrix.mtx", f"{HEADER}6 40 1\n0 1 3\n"),
    "a row of 2^40": ("matrix.mtx", f"{HEADER}6 40 1\n{1 << 40} 1 3\n"),
    "a value of 10^400": ("matrix.mtx", f"{HEADER}6 40 1\n1 1 1{'0' * 400}\n"),
    "2^40 rows": ("matrix.mtx", f"{HEADER}{1 << 40} 40 1\n1 1 3\n"),
    "2^40 entries": ("matrix.mtx", f"{HEADER}6 40 {1 << 40}\n1 1 3\n"),
    "-1 entries": ("matrix.mtx", f"{HEADER}6 40 -1\n1 1 3\n"),
    "no sizes": ("matrix.mtx", HEADER),
    "four sizes": ("matrix.mtx", f"{HEADER}6 40 1 1\n1 1 3\n"),
    "names that repeat": ("barcodes.tsv", "cell\n" * 40),
    "names that lead elsewhere": ("barcodes.tsv", "\n".join(f"../../escape{i}" for i in range(40))),
    "NUL in names": ("features.tsv", TEXTS["features.tsv"].replace("gene", "\0")),
    "no names": ("features.tsv", ""),
    "a quote without an end": ("features.tsv", '"' + TEXTS["features.tsv"]),
    "rows of different length": ("features.tsv", "a\tb\n" * 5 + "a\tb\tc\td\n"),
    "a bomb": ("features.tsv", BOMB),
    "a bomb of barcodes": ("barcodes.tsv", BOMB),
    "a bomb of counts": ("matrix.mtx", BOMB),
    "a bomb behind the header": ("matrix.mtx", gzip.compress(f"{HEADER}%".encode()) + BOMB),
    "a bomb behind the sizes": ("matrix.mtx", gzip.compress(f"{HEADER}6 40 1\n1 1 3\n".encode()) + BOMB),
}


def write_folder(folder, changes):
    """A folder of 10x, packed; a change in bytes is a packed file."""
    folder.mkdir()
    for name, text in (TEXTS | changes).items():
        packed = text if isinstance(text, bytes) else gzip.compress(text.encode(), compresslevel=1, mtime=0)
        (folder / f"{name}.gz").write_bytes(packed)
    return folder


def test_tenx_mtx(tmp_path):
    changes = {"as it was": {}} | {name: {file: text} for name, (file, text) in HOSTILE_TEXTS.items()}
    for i, (file, text) in enumerate(TEXTS.items()):
        for name, content in mutated_bytes(gzip.compress(text.encode(), mtime=0), 7, SEED + i):
            changes[f"{name} in {file}.gz"] = {file: content}
        for name, content in mutated_bytes(text.encode(), 7, SEED + i):
            changes[f"{name} in {file}"] = {file: gzip.compress(content, mtime=0)}
    trials = []
    for i, (name, change) in enumerate(changes.items()):
        folder = write_folder(tmp_path / str(i), change)
        trials.append(Trial(name, (str(folder),), partial(tenx_mtx.read, path=str(folder))))
    check_all(trials, tmp_path)


def annotate(path):
    check_annotation_file(str(path))
    return read_annotations(str(path), pd.Index(CELLS), {"label": "type"})


def test_csv(tmp_path):
    text = "barcode,type,donor\n" + "".join(f"{cell},{'TB'[i % 2]},{i % 3}\n" for i, cell in enumerate(CELLS))
    (tmp_path / "mine.csv").write_text(text)
    trials = byte_trials(tmp_path / "mine.csv", annotate)
    (tmp_path / "bomb.csv.gz").write_bytes(gzip.compress(text.encode()) + BOMB)
    trials.append(Trial("a bomb", ("bomb.csv.gz",), partial(annotate, tmp_path / "bomb.csv.gz")))
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed/sc.csv.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    trials += byte_trials(tmp_path / "packed/sc.csv.gz", partial(read_whole, read=read_table))
    check_all(trials, tmp_path)


def test_idx(tmp_path):
    images = np.arange(3 * 28 * 28, dtype=np.uint8).reshape(3, 28, 28)
    content = bytes([0, 0, 8, 3]) + b"".join(n.to_bytes(4, "big") for n in images.shape) + images.tobytes()
    (tmp_path / "packed.gz").write_bytes(gzip.compress(content, mtime=0))
    trials = byte_trials(tmp_path / "packed.gz", partial(read_whole, read=read_idx))
    inner = [content[:4] + (2**32 - 1).to_bytes(4, "big") * 3 + content[16:], bytes([0, 0, 8, 255]) + content[4:]]
    for i, changed in enumerate([*inner, *(bytes_ for _, bytes_ in mutated_bytes(content, N_MUTATIONS, SEED))]):
        path = tmp_path / f"inner{i}.gz"
        path.write_bytes(gzip.compress(changed, mtime=0))
        trials.append(Trial(f"inside {i}", (str(path),), partial(read_whole, path, read_idx)))
    check_all(trials, tmp_path)


def test_r_data(tmp_path):
    rdata.write_rds(tmp_path / "mine.rds", {"x": np.arange(50.0), "names": ["a", "b"], "n": np.arange(9)})
    content = gzip.decompress((tmp_path / "mine.rds").read_bytes())
    trials = byte_trials(tmp_path / "mine.rds", partial(read_whole, read=read_r_data))
    for i, (name, changed) in enumerate(mutated_bytes(content, N_MUTATIONS, SEED)):
        path = tmp_path / f"inner{i}.rds"
        path.write_bytes(gzip.compress(changed, mtime=0))
        trials.append(Trial(f"inside, {name}", (str(path),), partial(read_whole, path, read_r_data)))
    check_all(trials, tmp_path)


def test_fetch_from_a_hostile_mirror(tmp_path):
    good, name = b"the file that is meant", "set.gz"
    import hashlib

    def origin(number, make):
        folder = tmp_path / f"mirror{number}/mine"
        folder.mkdir(parents=True)
        make(folder / name)
        options = {"url": "https://localhost:9/set.gz", "sha256": hashlib.sha256(good).hexdigest(), "offline": True}
        output = tmp_path / f"results/raw/{number}/set.gz"
        return partial(fetch, "mine", name, output, mirror=str(folder.parent), progress=False, **options)

    makers = {
        "as it was": lambda path: path.write_bytes(good),
        "nothing": lambda path: None,
        "an empty file": lambda path: path.touch(),
        "a folder": lambda path: path.mkdir(),
        "a link to itself": lambda path: path.symlink_to(path.name),
        "a link to nothing": lambda path: path.symlink_to("nothing"),
        "a link to another file": lambda path: path.symlink_to("/etc/passwd"),
    }
    makers |= {kind: lambda path, new=new: path.write_bytes(new) for kind, new in mutated_bytes(good, 14, SEED)}
    trials = [Trial(kind, (name,), origin(i, make)) for i, (kind, make) in enumerate(makers.items())]
    check_all(trials, tmp_path)
    assert [path.parent.name for path in (tmp_path / "results/raw").rglob("*.gz")] == ["0"]
