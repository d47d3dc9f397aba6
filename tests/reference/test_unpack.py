"""Runs from an archive: from a file or an address, checked, all or none, and taken by Snakemake as they are."""

import functools
import hashlib
import http.server
import io
import tarfile
import threading

import pytest
from support.checkout import TINY, copied, planned

from gmvae.pipeline.errors import Refused
from gmvae.reference.archive import pack_files, task_files
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


@pytest.mark.parametrize("name", ["../x", "runs/toy/ae/../../../x", "metrics.csv", "/runs/toy/ae/x", "runs/toy/x"])
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
