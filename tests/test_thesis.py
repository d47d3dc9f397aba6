"""The book: its text types no result, its equations are tied to code and tests, and LaTeX sets it without complaint."""

import importlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import standin
import yaml

from gmvae.claims import claims
from gmvae.errors import Refused
from gmvae.sources import ROOT
from gmvae.thesis import thesis

BOOK = ROOT / "thesis"
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
HAND_WRITTEN = sorted(BOOK.rglob("*.tex"))
PROSE = [path for path in HAND_WRITTEN if path.parent.name in ("chapters", "experiments", "appendices", "front")]
# A decimal number is a result unless it is a constant of a definition, set in mathematics, or a licence's version.
DECIMAL = re.compile(r"(?<![\w.])\d+\.\d+(?![\w.\\]| ?(?:pt|mm|cm|em|ex)\b)")
NOT_PROSE = re.compile(
    r"(?<!\\)%.*|\\begin\{(equation|align|gather|multline)(\*?)\}.*?\\end\{\1\2\}|\\\[.*?\\\]|\\\(.*?\\\)|\$[^$]*\$"
    r"|\\claim\{[^}]*\}|\\begin\{tikzpicture\}.*?\\end\{tikzpicture\}|\\(?:vspace|hspace|rule|setlength)\*?\{[^}]*\}|CC~BY(?:-SA)?~\d\.0",
    re.DOTALL,
)
ROW = re.compile(r"\\equationrow\{([^}]+)\}\{([^}]+)\}\{([^}]+)\}")

needs_latex = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in ("latexmk", "biber", "pdflatex")), reason="needs latexmk and biber"
)


def source(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", PROSE, ids=lambda path: path.name)
def test_no_result_is_typed(path):
    typed = DECIMAL.findall(NOT_PROSE.sub("", source(path)))
    assert not typed, f"{path.name} types {typed}: quote results by \\result"


@pytest.mark.parametrize("path", PROSE, ids=lambda path: path.name)
def test_nothing_is_left_to_be_written(path):
    text = source(path)
    assert "??" not in text
    assert not re.search(r"placeholder|lorem|punkt\.|TODO|TBD|FIXME", text, re.IGNORECASE)


@pytest.mark.parametrize("row", ROW.findall(source(BOOK / "appendices" / "equations.tex")), ids=lambda row: row[0])
def test_an_equation_that_is_code_names_a_function_and_a_test_that_exist(row):
    label, function, test = row
    assert any(rf"\label{{{label}}}" in source(path) for path in PROSE), f"no equation {label}"
    parts = function.split(".")
    depth = next(i for i in range(len(parts), 0, -1) if (ROOT / "src" / Path(*parts[:i])).with_suffix(".py").is_file())
    found = importlib.import_module(".".join(parts[:depth]))
    for name in parts[depth:]:
        found = getattr(found, name)
    assert callable(found)
    file, name = test.split("::")
    assert re.search(rf"^def {name}\(", source(ROOT / file), re.MULTILINE), f"no test {test}"


def test_the_diagram_of_the_pipeline_has_every_rule():
    texts = [source(path) for path in (ROOT / "Snakefile", *sorted((ROOT / "workflow/rules").glob("*.smk")))]
    rules = {rule for text in texts for rule in re.findall(r"^rule (\w+):", text, re.MULTILINE)}
    drawn = re.findall(r"\\node\[rule\S*\] \(\w+\) at \S+ \{(.*?)\};", source(BOOK / "diagrams" / "pipeline.tex"))
    gathering = {"all", "prepared", "results"}  # they make no file of their own
    assert {re.sub(r"\\\\|\\", "", rule) for rule in drawn} == rules - gathering


def test_every_diagram_is_shown_and_every_figure_of_the_chapters_referred_to():
    texts = "".join(source(path) for path in PROSE)
    for path in (BOOK / "diagrams").glob("*.tex"):
        assert rf"\diagram{{{path.stem}}}" in texts, f"{path.name} is not shown"
    for label in re.findall(r"\\label\{(fig:[a-z-]+)\}", texts):
        assert re.search(rf"ref\{{[^}}]*{label}[,}}]", texts), f"{label} is not referred to"


def test_every_table_and_figure_of_a_task_stands_behind_its_condition():
    """A study without a task must not ask for that task's results."""
    for path in PROSE:
        for task in re.findall(r"\\(?:result|spread|fact)\{([a-z0-9]+)", source(path)):
            text = source(path)
            assert path.stem == task or rf"\iftask{{{task}}}" in text or rf"in {task}}}" in text, f"{path.name}: {task}"


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A folder with stand-in results."""
    folder = tmp_path_factory.mktemp("study")
    standin.results(folder, CONFIG)
    return folder


def built(folder: Path, main: Path = BOOK / "thesis.tex", **options) -> Path:
    """The book set in a folder; its log beside it."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        thesis(main, Path("results/thesis.pdf"), Path("results/latex"), **options)
    finally:
        os.chdir(before)
    return folder / "results" / "thesis.pdf"


@pytest.fixture(scope="module")
def book(study):
    return built(study)


def log_of(book: Path) -> str:
    return (book.parent / "latex" / "thesis.log").read_text(encoding="utf-8", errors="replace")


def text_of(book: Path) -> str:
    found = subprocess.run(["pdftotext", "-layout", str(book), "-"], capture_output=True, text=True, check=True)
    return found.stdout


@pytest.mark.latex
@needs_latex
def test_latex_has_nothing_to_complain_of(book):
    log = log_of(book)
    wide = [float(points) for points in re.findall(r"Overfull \\hbox \(([\d.]+)pt", log)]
    assert max(wide, default=0) <= 2, [line for line in log.splitlines() if "Overfull" in line]
    assert "Missing character" not in log and "undefined" not in log and "multiply defined" not in log
    assert "Rerun to get" not in log and "Please (re)run" not in log


@pytest.mark.latex
@needs_latex
def test_biber_has_nothing_to_complain_of(book):
    assert "WARN" not in (book.parent / "latex" / "thesis.blg").read_text(encoding="utf-8")


@pytest.mark.latex
@needs_latex
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="needs poppler-utils")
def test_the_pages_hold_the_numbers_and_no_question_marks(book, study):
    text = text_of(book)
    assert "??" not in text
    mean = re.search(
        r"setresult\{digits.gmdvae.accuracy.mean\}\{\\num\{([\d.]+)", source(study / "results" / "numbers.tex")
    )
    assert mean[1] in text
    for title in ("Introduction", "Discussion", "Declaration", "List of Figures", "Bibliography"):
        assert title in text


@pytest.mark.latex
@needs_latex
def test_two_builds_in_two_folders_give_the_same_bytes(book, study, tmp_path):
    shutil.copytree(study / "results", tmp_path / "elsewhere" / "results")
    other = built(tmp_path / "elsewhere")
    assert book.read_bytes() == other.read_bytes()


@pytest.fixture
def small(tmp_path, study):
    """A text of one page with the book's own preamble, and the stand-in results."""
    (tmp_path / "results").mkdir()
    for name in ("numbers.tex", "claims.tex", "metrics.csv"):
        shutil.copy(study / "results" / name, tmp_path / "results" / name)
    text = tmp_path / "text"
    text.mkdir()
    for path in BOOK.glob("preamble*.tex"):
        shutil.copy(path, text)
    (text / "references.bib").write_text(
        "@book{serre, author={Denis Serre}, title={Matrices}, year={2010}, publisher={X}}"
    )

    def write(body: str) -> Path:
        head = source(BOOK / "thesis.tex").partition(r"\begin{document}")[0]
        (text / "thesis.tex").write_text(head + "\\begin{document}\n\\cite{serre}\n" + body + "\n\\end{document}\n")
        return text / "thesis.tex"

    return write


@pytest.mark.latex
@needs_latex
def test_an_unknown_result_is_an_error_by_name(small, tmp_path, capsys):
    with pytest.raises(Refused, match=r"there is no result 'digits.gmdvae.accuraci.mean'"):
        built(tmp_path, small(r"\result{digits.gmdvae.accuraci.mean}"))
    assert not (tmp_path / "results" / "thesis.pdf").exists()


@pytest.mark.latex
@needs_latex
def test_an_undefined_reference_is_refused(small, tmp_path):
    with pytest.raises(Refused, match="undefined references: eq:nowhere"):
        built(tmp_path, small(r"See \cref{eq:nowhere}."))


@pytest.mark.latex
@needs_latex
def test_a_claim_that_was_not_checked_is_an_error(small, tmp_path):
    with pytest.raises(Refused, match="was not checked"):
        built(tmp_path, small(r"\claim{gmdvae.accuracy > vae.accuracy in mars}{Never.}"))


@pytest.mark.latex
@needs_latex
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="needs poppler-utils")
def test_a_false_claim_is_struck_through_with_the_true_figures(small, tmp_path):
    main = small(r"\claim{max(gmdvae.accuracy) > 2 in digits}{The model is better than perfect.} \claimrows@end")
    text = source(main).replace(r"\claimrows@end", r"\par\begin{tabular}{llp{6cm}l}\claimrows\end{tabular}")
    main.write_text(text + "\n% \\claim{x > y in mars}{}")
    claims(tmp_path / "results" / "metrics.csv", [main], {}, "warn", tmp_path / "results" / "claims.tex")
    page = text_of(built(tmp_path, main))
    assert "better" in page and "not borne out" in page and "largest accuracy" in page


@pytest.mark.latex
@needs_latex
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="needs poppler-utils")
def test_a_chapter_can_be_set_on_its_own(book, study, tmp_path):
    shutil.copytree(study / "results", tmp_path / "results")
    alone = built(tmp_path, only="chapters/discussion")
    text = text_of(alone)
    assert "Discussion" in text and "Checked sentences" not in text
    assert "??" not in text  # the other chapters' labels are still known


def test_a_missing_latex_is_refused_with_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refused, match=r"latexmk, biber, pdflatex not found.*apt-get install latexmk biber") as refusal:
        thesis(BOOK / "thesis.tex", tmp_path / "thesis.pdf", tmp_path / "latex")
    assert "\n" not in str(refusal.value) and not (tmp_path / "thesis.pdf").exists()


def test_the_step_is_a_command():
    helped = subprocess.run(
        [sys.executable, "-m", "gmvae.thesis", "--help"], capture_output=True, text=True, check=True
    )
    assert "--main" in helped.stdout and "--build" in helped.stdout
