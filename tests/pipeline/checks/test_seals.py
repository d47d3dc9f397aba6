"""What is sealed, what counts as changed, and what each costs: on files made up with Snakemake's records of them."""

import json
import os
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from gmvae.pipeline.checks import seals
from gmvae.pipeline.errors import Refused

FILES = ("runs/digits/vae/metrics.csv", "runs/digits/vae/latent.h5ad", "runs/digits/vae/weights.safetensors")


def finish_job(file: str, content: str, rule: str = "evaluate") -> Path:
    """Write a file below results/ and note it as Snakemake does."""
    path = Path("results", file)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    record = Path(".snakemake/metadata", urlsafe_b64encode(str(path).encode()).decode())
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps({"rule": rule, "endtime": path.stat().st_mtime}))
    return path


def set_time(path: Path, seconds: float) -> None:
    """Move the time of a file's content by so many seconds."""
    moved = path.stat().st_mtime + seconds
    os.utime(path, (moved, moved))


@pytest.fixture
def digested(monkeypatch) -> list[Path]:
    """The files whose checksum is taken from now on."""
    paths, digest = [], seals.file_digest
    monkeypatch.setattr(seals, "file_digest", lambda path: paths.append(path) or digest(path))
    return paths


@pytest.fixture
def results(tmp_path, monkeypatch) -> list[Path]:
    """A folder with three sealed results."""
    monkeypatch.chdir(tmp_path)
    paths = [finish_job(file, f"content of {file}") for file in FILES]
    seals.seal_results()
    return paths


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("hide", [False, True])
def test_a_changed_result_is_refused_in_one_line_until_it_is_made_again(results, file, hide):
    path = Path("results", file)
    before = path.stat()
    path.write_text(path.read_text().replace("content", "CONTENT"))
    if hide:  # the same size and the same time
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    else:
        set_time(path, 5)
    with pytest.raises(Refused, match=rf"^{path}: was changed after its job wrote it.*--forcerun {path}`") as refusal:
        seals.check_seals(set())
    assert "\n" not in str(refusal.value)
    seals.seal_results()  # a call that makes other files does not make the change good
    with pytest.raises(Refused):
        seals.check_seals({"train"})
    for forced in (str(path), "evaluate"):
        seals.check_seals({forced})
    path.unlink()
    seals.check_seals(set())


def test_unchanged_results_are_not_read(results, digested):
    seals.check_seals(set())
    seals.seal_results()
    assert digested == []


def test_touched_and_copied_files_are_read_once_and_are_no_changed_ones(results, digested):
    set_time(results[0], 60)
    seals.check_seals(set())
    assert digested == [results[0]]
    seals.seal_results()
    del digested[:]
    seals.check_seals(set())
    assert digested == []


def test_what_a_job_made_again_is_no_change_even_if_the_call_was_killed_before_it_sealed(results):
    path = finish_job(FILES[0], "another result")
    set_time(path, 5)
    record = next(Path(".snakemake/metadata").glob(urlsafe_b64encode(str(path).encode()).decode()))
    record.write_text(json.dumps({"rule": "evaluate", "endtime": path.stat().st_mtime}))
    seals.check_seals(set())
    seals.seal_results()
    path.write_text("edited")
    with pytest.raises(Refused):
        seals.check_seals(set())


def test_what_a_job_wrote_after_its_call_was_killed_is_no_change_but_made_again(results):
    """Snakemake takes the mark of an incomplete file away when it has noted the end of its job."""
    path = results[0]
    mark = seals.record_path(seals.INCOMPLETE, str(path))
    path.write_text("written by a job that outlived its call")
    with pytest.raises(Refused, match="was changed after its job wrote it"):
        seals.check_seals(set())
    mark.parent.mkdir(parents=True)
    mark.touch()
    seals.check_seals(set())


def test_a_file_that_was_changed_before_its_first_seal_gets_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    set_time(finish_job(FILES[0], "a result"), 5)
    seals.seal_results()
    assert seals.read_seals() == {}


def test_results_without_seals_or_with_unreadable_ones_are_accepted(results):
    results[0].write_text("edited")
    for content in ("", "[]", '{"results/x": {}}', "{"):
        seals.SEALS.write_text(content)
        seals.check_seals(set())
    seals.SEALS.unlink()
    seals.check_seals(set())


def test_logs_unfinished_and_hidden_files_have_no_seal(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for file in ("logs/train/a.log", "latex/thesis.aux", "reference/full/metrics.csv", "archive/kang.tar.gz"):
        finish_job(file, "x")
    for file in ("runs/toy/vae/checkpoint.safetensors", "runs/toy/vae/.weights.1.safetensors", "metrics.csv"):
        finish_job(file, "x")
    seals.seal_results()
    assert set(seals.read_seals()) == {"results/metrics.csv"}


def test_records_of_files_with_long_names_are_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = f"results/runs/{'t' * 180}/{'m' * 100}/metrics.csv"
    name = urlsafe_b64encode(file.encode()).decode()
    record = Path(".snakemake/metadata", f"@{name[:254]}", name[254:])
    record.parent.mkdir(parents=True)
    record.write_text('{"rule": "evaluate"}')
    assert seals.rule_of(file) == "evaluate"
