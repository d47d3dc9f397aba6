"""Archives of finished tasks."""

import hashlib
import json
import os
import tarfile

import pytest
from support import finished

from gmvae.formats.metrics_table import read_metrics_text
from gmvae.pipeline.errors import Refused
from gmvae.reference.archive import archive_study


@pytest.fixture
def checkout(tmp_path):
    """A study of two tasks, of which only toy is finished."""
    folder = finished.checkout(tmp_path)
    table = read_metrics_text(folder / "results/metrics.csv", "")
    for (task, model), rows in table[table.task == "toy"].groupby(["task", "model"]):
        run = folder / "results/runs" / task / model
        rows.to_csv(run / "metrics.csv", index=False)
        (run / "latent.h5ad").write_bytes(b"large")
    return folder


def packed(folder):
    """The folder of archives after a call."""
    archive_study("small", folder / "results", folder / "archive", folder / "config.yaml", part="full")
    return folder / "archive"


def test_finished_tasks_are_packed_with_their_runs_files(checkout):
    folder = packed(checkout)
    assert sorted(path.name for path in folder.iterdir()) == ["ro-crate-metadata.json", "settings.json", "toy.tar.gz"]
    with tarfile.open(folder / "toy.tar.gz") as archive:
        names = archive.getnames()
        content = archive.extractfile("runs/toy/ae/metrics.csv").read()
    assert "runs/toy/gmdvae/provenance.json" in names and not any("latent" in name for name in names)
    assert content == (checkout / "results/runs/toy/ae/metrics.csv").read_bytes()


def test_the_same_files_give_the_same_bytes_and_a_second_call_packs_nothing(checkout, capsys):
    archive = packed(checkout) / "toy.tar.gz"
    content, description = archive.read_bytes(), archive.with_name("ro-crate-metadata.json").read_bytes()
    capsys.readouterr()
    packed(checkout)
    assert capsys.readouterr().out == ""
    os.utime(checkout / "results/runs/toy/ae/metrics.csv", (4e9, 4e9))
    packed(checkout)
    assert "toy.tar.gz" in capsys.readouterr().out and archive.read_bytes() == content
    assert archive.with_name("ro-crate-metadata.json").read_bytes() == description


def test_a_study_without_a_finished_task_is_refused(checkout):
    (checkout / "results/runs/toy/ae/metrics.csv").unlink()
    with pytest.raises(Refused, match="no task of study small is finished"):
        packed(checkout)
    assert not (checkout / "archive").exists()


def test_the_folder_is_a_crate_of_its_archives(checkout):
    folder = packed(checkout)
    graph = json.loads((folder / "ro-crate-metadata.json").read_text())["@graph"]
    entities = {entity["@id"]: entity for entity in graph}
    assert entities["./"]["hasPart"] == [{"@id": "settings.json"}, {"@id": "toy.tar.gz"}]
    digest = hashlib.sha256((folder / "toy.tar.gz").read_bytes()).hexdigest()
    assert entities["toy.tar.gz"]["sha256"] == digest
    runs = [entity for entity in graph if entity["@type"] == "CreateAction"]
    assert {run["name"] for run in runs} == {"truth on toy", "ae on toy", "gmdvae on toy"}
    assert all(run["result"] == [{"@id": "toy.tar.gz"}] for run in runs)
    assert json.loads((folder / "settings.json").read_text())["study"] == "small"


def test_temporary_files_are_not_packed(checkout):
    (checkout / "results/runs/toy/ae/.weights.123.safetensors").write_bytes(b"half")
    with tarfile.open(packed(checkout) / "toy.tar.gz") as archive:
        assert not any(".weights" in name for name in archive.getnames())


def test_an_interrupted_call_leaves_nothing_half_written(checkout, monkeypatch):
    def end(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(tarfile.TarFile, "addfile", end)
    with pytest.raises(KeyboardInterrupt):
        packed(checkout)
    assert list((checkout / "archive").iterdir()) == []


def test_an_unknown_part_is_refused(checkout):
    with pytest.raises(Refused, match=r"--part all: found no part of an archive; allowed: book, full"):
        archive_study("small", checkout / "results", checkout / "archive", checkout / "config.yaml", part="all")
