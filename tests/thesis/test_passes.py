"""What an earlier typesetting left spares passes, and changes no byte of the PDF."""

import shutil
from pathlib import Path

import pytest

from gmvae.pipeline.errors import Refused
from gmvae.thesis.pdf import CARRIED, build_pdf

pytestmark = [
    pytest.mark.latex,
    pytest.mark.skipif(not shutil.which("biber") or not shutil.which("pdflatex"), reason="needs pdflatex and biber"),
]
HEAD = r"""\pdftrailerid{}\pdfsuppressptexinfo=-1\pdfinfoomitdate=1
\documentclass{report}
\usepackage{longtable}
\usepackage[backend=biber]{biblatex}
\usepackage[hidelinks]{hyperref}
\addbibresource{references.bib}
"""
BODY = r"""\begin{document}\tableofcontents
\chapter{Means}\label{means} See \ref{ends} on page \pageref{ends}, and \cite{serre}.
\begin{longtable}{lll} a & some wide entry of this table & c \\ \end{longtable}
\chapter{Ends}\label{ends} After \ref{means}.
\printbibliography\end{document}
"""
BIBLIOGRAPHY = "\n".join(
    f"@book{{{name}, author={{{name.title()}, A.}}, title={{Matrices}}, year={{2010}}, publisher={{X}}}}"
    for name in ("serre", "bellman")
)


class Book:
    """A small text in a folder of its own, which is the working directory."""

    def __init__(self, folder: Path):
        self.folder = folder
        (folder / "thesis").mkdir(parents=True, exist_ok=True)
        (folder / "thesis/references.bib").write_text(BIBLIOGRAPHY)

    def typeset(self, body: str = BODY, head: str = HEAD, build: str = "results/latex") -> bytes:
        """The PDF of the text, with what earlier calls left in the build folder."""
        Path("thesis/thesis.tex").write_text(head + body)
        build_pdf(Path("thesis/thesis.tex"), Path("results/thesis.pdf"), Path(build))
        return Path("results/thesis.pdf").read_bytes()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The small text, typeset from nothing."""
    text = Book(tmp_path_factory.mktemp("finished") / "a project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(text.folder)
        text.typeset()
    return text.folder


@pytest.fixture
def book(finished, tmp_path, monkeypatch):
    """A copy of the small text with what its typesetting left."""
    text = Book(Path(shutil.copytree(finished, tmp_path / "another project")))
    monkeypatch.chdir(text.folder)
    return text


@pytest.fixture
def original(finished):
    return (finished / "results/thesis.pdf").read_bytes()


def passes(capsys) -> list[str]:
    """What the last call printed of its passes."""
    return [line for line in capsys.readouterr().out.splitlines() if line.startswith("pass ")]


def test_an_unchanged_text_and_a_changed_sentence_take_one_pass(book, original, capsys):
    assert book.typeset() == original
    assert passes(capsys) == ["pass 1: changed nothing"]
    assert book.typeset(BODY.replace("After", "Well after")) != original
    assert passes(capsys) == ["pass 1: changed nothing"]


EDITS = {
    "pages": {
        r"\chapter{Ends}": r"\newpage A page more.\chapter{Ends of the world}",
        r"\chapter{Means}": r"\chapter{A}\chapter{B}",
    },
    "a narrower table, no reference": {
        "some wide entry of this table": "b",
        r"See \ref{ends} on page \pageref{ends}, and": "See",
    },
    "citations": {r"\cite{serre}": r"\cite{bellman,serre}"},
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_and_its_undo_give_the_bytes_of_a_build_from_nothing(book, original, edit):
    changed = BODY
    for old, new in EDITS[edit].items():
        assert old in changed
        changed = changed.replace(old, new)
    after = book.typeset(changed)
    assert after != original and book.typeset(changed, build="results/nothing") == after
    assert book.typeset() == original


def test_an_edited_bibliography_shows(book, original):
    Path("thesis/references.bib").write_text(BIBLIOGRAPHY.replace("Matrices", "Tensors"))
    after = book.typeset()
    assert after != original and book.typeset(build="results/nothing") == after


def test_a_failure_leaves_what_the_next_call_reads(book, original, capsys):
    with pytest.raises(Refused, match=r"thesis.tex:\d+: Undefined control sequence"):
        book.typeset(BODY.replace("After", r"\nosuchmacro"))
    assert Path("results/thesis.pdf").read_bytes() == original
    passes(capsys)
    assert book.typeset() == original
    assert passes(capsys) == ["pass 1: changed nothing"]


def test_files_that_the_new_text_cannot_read_are_left_aside(book, original):
    """The contents and the labels have a macro that is no more."""
    macro = HEAD + "\\DeclareRobustCommand\\world{World}\n"
    book.typeset(BODY.replace("{Ends}", r"{\world}"), head=macro)
    assert book.typeset() == original


def test_files_that_a_killed_run_left_cut_short_are_made_again(book, original):
    files = [path for path in Path("results/latex").iterdir() if path.suffix in CARRIED]
    assert {".aux", ".bbl", ".toc"} <= {path.suffix for path in files}
    for path in files:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    Path("results/latex/biber.sha256").unlink()  # it is not there while biber runs
    assert book.typeset() == original


def test_pages_that_never_settle_are_refused(book, original):
    """A reference that moves what it refers to by a page, to and fro."""
    restless = r"\newpage\ifnum\getpagerefnumber{ends}=2 \newpage Moved.\fi\chapter{Ends}"
    body = BODY.replace(r"\chapter{Ends}", restless).replace(r"\tableofcontents", "")
    with pytest.raises(Refused, match="the pages do not settle in 9 passes"):
        book.typeset(body, head=HEAD + "\\usepackage{refcount}\n", build="results/restless")
    assert Path("results/thesis.pdf").read_bytes() == original
