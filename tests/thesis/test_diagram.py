"""A diagram is a page of its size, the same bytes each time, and its errors name its file and line."""

import os
import re
import shutil
import zlib
from pathlib import Path

import pytest

from gmvae.pipeline.errors import Refused
from gmvae.pipeline.sources import ROOT
from gmvae.thesis.diagram import typeset_diagram

needs_latex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
POINTS_PER_MM = 72 / 25.4


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder whose name has a space, with what surrounds a diagram; the working directory."""
    folder = tmp_path / "a project"
    (folder / "thesis/diagrams").mkdir(parents=True)
    for name in ("diagram.tex", "preamble-symbols.tex"):
        shutil.copy(ROOT / "thesis" / name, folder / "thesis")
    monkeypatch.chdir(folder)
    return folder


def set_diagram(project: Path, body: str, output: str = "results/diagrams/mine.pdf") -> bytes:
    """The PDF of a picture, as a diagram of the book."""
    text = f"\\begin{{tikzpicture}}[diagram]\n{body}\n\\end{{tikzpicture}}\n"
    (project / "thesis/diagrams/mine.tex").write_text(text)
    typeset_diagram(Path("thesis/diagram.tex"), "mine", Path(output))
    return Path(output).read_bytes()


def unpacked(pdf: bytes) -> bytes:
    """The contents of a PDF's compressed streams."""
    packed = re.findall(rb"\nstream\r?\n(.*?)\nendstream", pdf, re.DOTALL)
    return b"\n".join(zlib.decompress(stream) for stream in packed if stream[:1] == b"x")


@pytest.mark.latex
@needs_latex
def test_the_page_is_as_large_as_the_picture_and_nothing_else_is_left(project):
    pdf = set_diagram(project, r"\fill (0,0) rectangle (30mm,20mm); \node[white] at (15mm,10mm) {$q(\vz\given\vx)$};")
    box = re.search(rb"/MediaBox \[([^]]+)\]", unpacked(pdf))[1].split()
    assert [float(value) for value in box] == pytest.approx([0, 0, 30 * POINTS_PER_MM, 20 * POINTS_PER_MM], abs=0.02)
    assert os.listdir("results/diagrams") == ["mine.pdf"]


@pytest.mark.latex
@needs_latex
def test_a_diagram_has_the_same_bytes_in_every_folder_and_no_name_of_it(project, tmp_path):
    shown = r"\node[latent] {$\vz_i$};"
    first, again = set_diagram(project, shown), set_diagram(project, shown, str(tmp_path / "elsewhere.pdf"))
    assert first == again and str(tmp_path).encode() not in first
    assert first != set_diagram(project, r"\node[observed] {$\vz_i$};")


@pytest.mark.latex
@needs_latex
def test_an_error_names_the_diagram_and_the_line_and_leaves_the_earlier_pdf(project):
    before = set_diagram(project, r"\node[latent] {$\vz_i$};")
    with pytest.raises(Refused, match=r"diagrams/mine.tex:2: Undefined control sequence"):
        set_diagram(project, r"\node[latent] {$\nosuchsymbol$};")
    assert Path("results/diagrams/mine.pdf").read_bytes() == before
    assert os.listdir("results/diagrams") == ["mine.pdf"]


def test_missing_latex_is_refused_with_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refused, match=r"pdflatex not found.*apt-get install biber"):
        typeset_diagram(ROOT / "thesis/diagram.tex", "neuron", tmp_path / "neuron.pdf")
