"""Archives of finished tasks."""

import os
import tarfile

import pytest
from support import finished

from gmvae.formats.metrics_table import read_metrics_text
from gmvae.pipeline.errors import Refused
from gmvae.reference.archive import archive_tasks


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
    archive_tasks("small", folder / "results", folder / "archive", folder / "config.yaml")
    return folder / "archive"


def test_finished_tasks_are_packed_with_their_runs_files(checkout):
    folder = packed(checkout)
    assert [path.name for path in folder.iterdir()] == ["toy.tar.gz"]
    with tarfile.open(folder / "toy.tar.gz") as archive:
        names = archive.getnames()
        content = archive.extractfile("runs/toy/ae/metrics.csv").read()
    assert "runs/toy/gmdvae/provenance.json" in names and not any("latent" in name for name in names)
    assert content == (checkout / "results/runs/toy/ae/metrics.csv").read_bytes()


def test_the_same_files_give_the_same_bytes_and_a_second_call_packs_nothing(checkout, capsys):
    archive = packed(checkout) / "toy.tar.gz"
    content = archive.read_bytes()
    capsys.readouterr()
    packed(checkout)
    assert capsys.readouterr().out == ""
    os.utime(checkout / "results/runs/toy/ae/metrics.csv", (4e9, 4e9))
    packed(checkout)
    assert "toy.tar.gz" in capsys.readouterr().out and archive.read_bytes() == content


def test_a_study_without_a_finished_task_is_refused(checkout):
    (checkout / "results/runs/toy/ae/metrics.csv").unlink()
    with pytest.raises(Refused, match="no task of study small is finished"):
        packed(checkout)
    assert not (checkout / "archive").exists()
