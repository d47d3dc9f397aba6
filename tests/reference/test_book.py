"""The book of a kept study: what is kept, what is refused, and that the kept ones show the kept results."""

import json

import pytest

from gmvae.pipeline.checks.seals import file_digest
from gmvae.pipeline.errors import Refused
from gmvae.pipeline.sources import ROOT
from gmvae.reference.book import LARGEST, keep_book

KEPT = sorted((ROOT / "results/reference").glob("*/book.json"))


@pytest.fixture
def folders(tmp_path):
    """Results with a book, and a folder that keeps them."""
    results, output = tmp_path / "results", tmp_path / "kept"
    for folder in (results, output):
        folder.mkdir()
        (folder / "metrics.csv").write_text("task,model\n")
    (results / "thesis.pdf").write_bytes(b"%PDF-1.5 a book")
    return results, output


def test_a_book_is_kept_as_it_is_with_its_commit(folders):
    results, output = folders
    keep_book(results, output)
    record = json.loads((output / "book.json").read_text())
    assert (output / "thesis.pdf").read_bytes() == b"%PDF-1.5 a book"
    assert record["pdf_sha256"] == file_digest(output / "thesis.pdf") and len(record["commit"]) == 40


def test_a_book_of_other_results_or_of_too_many_bytes_is_refused(folders, monkeypatch):
    results, output = folders
    monkeypatch.setattr("gmvae.reference.book.LARGEST", 3)
    with pytest.raises(Refused, match=r"thesis\.pdf: found 15 bytes; allowed: 3"):
        keep_book(results, output)
    (results / "metrics.csv").write_text("task,model\ntoy,vae\n")
    with pytest.raises(Refused, match=r"is not what .* keeps"):
        keep_book(results, output)
    (results / "thesis.pdf").unlink()
    with pytest.raises(Refused, match="no such file"):
        keep_book(results, output)
    assert not (output / "thesis.pdf").exists()


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.parent.name)
def test_a_kept_book_shows_the_kept_results(path):
    record, pdf = json.loads(path.read_text(encoding="utf-8")), path.with_name("thesis.pdf")
    assert record["metrics_sha256"] == file_digest(path.with_name("metrics.csv"))
    assert record["pdf_sha256"] == file_digest(pdf) and pdf.stat().st_size <= LARGEST


def test_both_studies_have_a_kept_book():
    assert [path.parent.name for path in KEPT] == ["embedded", "full"]
