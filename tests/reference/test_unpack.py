"""Runs from an archive: from a file or an address, checked, all or none, and taken by Snakemake as they are."""

import functools
import hashlib
import http.server
import io
import json
import os
import tarfile
import threading

import pytest
from support.checkout import TINY, copied, planned

from gmvae.pipeline.checks.start import check_start
from gmvae.pipeline.errors import Refused
from gmvae.reference.archive import pack_files, task_files
from gmvae.reference.archives.crate import CrateFile, crate_metadata
from gmvae.reference.unpack import unpack_archive

RUN = "runs/toy_tiny/gmdvae"
FILES = ("weights.safetensors", "history.csv", "provenance.json")


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture
def archive(tmp_path):
    """An archive of one run, in a folder of its own."""
    folder = tmp_path / "elsewhere/results" / RUN
    folder.mkdir(parents=True)
    for name in FILES:
        (folder / name).write_text(f"content of {name}")
    packed = tmp_path / "archives/toy_tiny.tar.gz"
    packed.parent.mkdir()
    results = tmp_path / "elsewhere/results"
    pack_files(task_files("toy_tiny", results), results, packed)
    return packed


@pytest.fixture
def address(archive):
    """The address at which a server of this test offers it."""
    handler = functools.partial(QuietHandler, directory=archive.parent)
    with http.server.ThreadingHTTPServer(("localhost", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}/{archive.name}"
        server.shutdown()


def checksum(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def contents(results):
    return {path.name: path.read_text() for path in results.rglob("*") if path.is_file()}


def test_an_archive_is_unpacked_from_a_file_and_from_an_address(archive, address, tmp_path):
    for number, (place, sha256) in enumerate(((str(archive), ""), (address, checksum(archive)))):
        unpack_archive(place, tmp_path / f"{number}", sha256)
        assert contents(tmp_path / f"{number}" / RUN) == {name: f"content of {name}" for name in FILES}
        assert [path.name for path in (tmp_path / f"{number}").iterdir()] == ["runs"]
    unpack_archive(str(archive), tmp_path / "0")  # what is there already is no obstacle


def test_an_address_needs_https_and_a_checksum(archive, address, tmp_path):
    with pytest.raises(Refused, match="--sha256 is missing"):
        unpack_archive(address, tmp_path / "results")
    for place in ("http://example.org/toy.tar.gz", "s3://bucket/toy.tar.gz"):
        with pytest.raises(Refused, match=r"allowed: a file, or https://"):
            unpack_archive(place, tmp_path / "results", checksum(archive))
    assert not (tmp_path / "results").exists()


def test_other_bytes_are_refused(archive, address, tmp_path):
    for place in (str(archive), address):
        with pytest.raises(Refused, match=r"expected sha256 0{64}, found"):
            unpack_archive(place, tmp_path / "results", "0" * 64)
    with pytest.raises(Refused, match=r"expected a file, found none"):
        unpack_archive(str(tmp_path / "none.tar.gz"), tmp_path / "results")
    archive.write_bytes(archive.read_bytes()[:-20])
    with pytest.raises(Refused, match=r"no whole \.tar\.gz"):
        unpack_archive(str(archive), tmp_path / "results")
    assert not list((tmp_path / "results").iterdir())


NAMES = ["../x", "runs/toy/ae/../../../x", "metrics.csv", "/runs/toy/ae/x", "runs/toy/x", "runs/toy/../x", "runs//ae/x"]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_outside_of_the_runs_is_refused(tmp_path, name):
    with tarfile.open(tmp_path / "bad.tar.gz", "w:gz") as packed:
        packed.addfile(tarfile.TarInfo(name), io.BytesIO(b""))
    with pytest.raises(Refused, match="allowed: files runs/TASK/MODEL/FILE only"):
        unpack_archive(str(tmp_path / "bad.tar.gz"), tmp_path / "results")
    assert not list((tmp_path / "results").iterdir()) and not (tmp_path / "x").exists()


def test_a_link_is_refused(tmp_path):
    entry = tarfile.TarInfo("runs/toy/ae/weights.safetensors")
    entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with tarfile.open(tmp_path / "bad.tar.gz", "w:gz") as packed:
        packed.addfile(entry)
    with pytest.raises(Refused, match="allowed: files"):
        unpack_archive(str(tmp_path / "bad.tar.gz"), tmp_path / "results")


def test_a_run_of_one_s_own_is_not_overwritten(archive, tmp_path):
    own = tmp_path / "results" / RUN / "history.csv"
    own.parent.mkdir(parents=True)
    own.write_text("mine")
    with pytest.raises(Refused, match=r"history\.csv is there, with other content"):
        unpack_archive(str(archive), tmp_path / "results")
    assert contents(tmp_path / "results") == {"history.csv": "mine"}


def test_snakemake_trains_no_unpacked_run_again(archive, tmp_path):
    project = copied(tmp_path / "project")
    for name in ("data/toy_tiny.h5ad", "tasks/toy_tiny/observed.csv"):
        (project / "results" / name).parent.mkdir(parents=True)
        (project / "results" / name).touch()
    unpack_archive(str(archive), project / "results")
    latent = f"results/{RUN}/latent.h5ad"
    assert planned(project, latent, *TINY) == {latent}


BOOK = {"settings.json": b'{"study": "tiny"}', "metrics.csv": b"task", "runs/toy_tiny/ae/latent.h5ad": b"thinned"}
WHOLE = {"size": 5, "sha256": hashlib.sha256(b"whole").hexdigest()}


@pytest.fixture
def book(tmp_path):
    """An archive of a book, whose latent is thinned."""
    files = [
        CrateFile(name, len(content), hashlib.sha256(content).hexdigest(), WHOLE if "latent" in name else None)
        for name, content in BOOK.items()
    ]
    description = json.dumps(crate_metadata("The book", "Made up.", "", files, [])).encode()
    with tarfile.open(tmp_path / "book.tar.gz", "w:gz") as packed:
        for name, content in {"ro-crate-metadata.json": description, **BOOK}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            packed.addfile(entry, io.BytesIO(content))
    return str(tmp_path / "book.tar.gz")


def test_a_book_is_unpacked_once_or_twice(book, tmp_path):
    results = tmp_path / "results"
    for _ in range(2):
        unpack_archive(book, results)
        assert {name: (results / name).read_bytes() for name in BOOK} == BOOK
        files = {str(path.relative_to(results)) for path in results.rglob("*") if path.is_file()}
        assert files == {*BOOK, "ro-crate-metadata.json", "seals.json"}


def test_a_book_is_not_put_among_runs_of_one_s_own(book, archive, tmp_path):
    unpack_archive(str(archive), tmp_path / "results")
    before = contents(tmp_path / "results")
    with pytest.raises(Refused, match="is no file of the archive: unpack it in a new checkout"):
        unpack_archive(book, tmp_path / "results")
    assert contents(tmp_path / "results") == before


def test_a_thinned_file_is_refused_as_changed_where_the_description_was_removed(book, tmp_path, monkeypatch):
    unpack_archive(book, tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    check_start(["-n"], set())
    (tmp_path / "results/ro-crate-metadata.json").unlink()
    with pytest.raises(Refused, match=r"latent\.h5ad: was changed after its job wrote it"):
        check_start(["-n"], set())


def test_an_interrupted_unpacking_leaves_whole_files_and_is_completed_by_the_next(book, tmp_path, monkeypatch):
    results, replace, names = tmp_path / "results", os.replace, []

    def end_at_third(source, target):
        names.append(target)
        if len(names) == 3:
            raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("gmvae.reference.unpack.os.replace", end_at_third)
        unpack_archive(book, results)
    left = {str(path.relative_to(results)) for path in results.rglob("*") if path.is_file()}
    assert "ro-crate-metadata.json" in left and len(left - {"seals.json"}) < 4
    assert all((results / name).read_bytes() == BOOK[name] for name in left & BOOK.keys())
    assert not list(results.glob(".unpack*"))
    unpack_archive(book, results)
    assert {name: (results / name).read_bytes() for name in BOOK} == BOOK


def test_the_description_beside_an_archive_is_compared(archive, tmp_path):
    beside = archive.with_name("ro-crate-metadata.json")
    for sha256, is_right in ((checksum(archive), True), ("0" * 64, False)):
        files = [CrateFile(archive.name, archive.stat().st_size, sha256)]
        beside.write_text(json.dumps(crate_metadata("All", "Made up.", "", files, [])))
        if is_right:
            unpack_archive(str(archive), tmp_path / "right")
        else:
            with pytest.raises(Refused, match=r"expected sha256 0{64}, found"):
                unpack_archive(str(archive), tmp_path / "wrong")
    assert not list((tmp_path / "wrong").iterdir())
