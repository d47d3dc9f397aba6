"""The typeset book: LaTeX and biber report no problem, and the pages show the results."""

import difflib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from support import standin

from gmvae.pipeline.config_files import read_config
from gmvae.pipeline.errors import Refused
from gmvae.pipeline.plan import display_names, models, tasks, thesis_figures
from gmvae.pipeline.sources import ROOT
from gmvae.thesis.claims import check_claims
from gmvae.thesis.figures import comparison
from gmvae.thesis.pdf import build_pdf

BOOK = ROOT / "thesis"
CONFIG = read_config(ROOT / "config.yaml")
needs_latex = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in ("biber", "pdflatex")), reason="needs pdflatex and biber"
)


def source(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def draw_comparisons(folder: Path) -> None:
    """Draw the figures that need only metrics into the folder's results."""
    for task, figure in thesis_figures(CONFIG):
        if figure == "comparison":
            output, metrics = (folder / "results" / part for part in (f"figures/{task}/{figure}.pdf", "metrics.csv"))
            comparison.draw(output, task, display_names(CONFIG), metrics, models(CONFIG, task), ["truth", "random"])


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A folder with stand-in results; figures that need only metrics are real."""
    folder = tmp_path_factory.mktemp("study")
    standin.results(folder, CONFIG)
    draw_comparisons(folder)
    return folder


def typeset_book(folder: Path, main: Path = BOOK / "thesis.tex", **options) -> Path:
    """Typeset the book in a folder; the path of the PDF."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        build_pdf(main, Path("results/thesis.pdf"), Path("results/latex"), **options)
    finally:
        os.chdir(before)
    return folder / "results" / "thesis.pdf"


@pytest.fixture(scope="module")
def book(study):
    return typeset_book(study)


def log_of(book: Path) -> str:
    return (book.parent / "latex" / "thesis.log").read_text(encoding="utf-8", errors="replace")


def output_of(*command: str) -> str:
    """What a program prints to its standard output."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def text_of(book: Path) -> str:
    return output_of("pdftotext", "-layout", str(book), "-")


@pytest.mark.latex
@needs_latex
def test_latex_reports_no_problem(book):
    log = log_of(book)
    wide = [float(points) for points in re.findall(r"Overfull \\hbox \(([\d.]+)pt", log)]
    assert max(wide, default=0) <= 2, [line for line in log.splitlines() if "Overfull" in line]
    assert "Missing character" not in log and "undefined" not in log and "multiply defined" not in log
    assert "Rerun to get" not in log and "Please (re)run" not in log
    assert "has been referenced but does not exist" not in log  # every link leads somewhere


@pytest.mark.latex
@needs_latex
def test_biber_reports_no_warning(book):
    assert "WARN" not in (book.parent / "latex" / "thesis.blg").read_text(encoding="utf-8")


@pytest.mark.latex
@needs_latex
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="needs poppler-utils")
def test_the_pages_show_the_numbers_and_no_question_marks(book, study):
    text = text_of(book)
    assert "??" not in text
    mean = re.search(
        r"setresult\{digits.gmdvae.accuracy.mean\}\{\\num\{([\d.]+)", source(study / "results" / "numbers.tex")
    )
    assert mean[1] in text
    for title in ("Introduction", "Discussion", "Declaration", "Contents", "Bibliography"):
        assert title in text


@pytest.mark.latex
@needs_latex
@pytest.mark.skipif(shutil.which("pdffonts") is None, reason="needs poppler-utils")
def test_fonts_are_embedded_and_the_pdf_has_its_metadata(book):
    fonts = output_of("pdffonts", str(book)).splitlines()[2:]
    assert fonts and all(re.search(r" yes yes \S+ +\d+ +\d+$", font) for font in fonts), fonts  # embedded, a subset
    assert not any(" Type 3 " in font for font in fonts)
    about = output_of("pdfinfo", str(book))
    assert re.search(r"Title: +Gaussian-mixture", about) and re.search(rf"Author: +{CONFIG['thesis']['author']}", about)
    assert re.search("Subject: +Unsupervised", about) and re.search("Keywords: +variational", about)
    assert 60 <= int(re.search(r"Pages: +(\d+)", about)[1]) <= 120


@pytest.mark.latex
@needs_latex
@pytest.mark.skipif(shutil.which("pdftohtml") is None, reason="needs poppler-utils")
def test_the_outline_has_the_chapters_and_the_tasks(book):
    listed = output_of("pdftohtml", "-xml", "-i", "-stdout", str(book)).partition("<outline>")[2]
    task = CONFIG["tasks"]["digits_labels100"]["name"]
    for title in ("Introduction", "Experiments and results", "Runs", "Bibliography", task):
        assert title in listed, f"no bookmark {title}"


def result_files(results: Path) -> dict[str, bytes]:
    """Every file of the results but the PDF and LaTeX's own, by its path."""
    files = [path for path in results.rglob("*") if path.is_file() and "latex" not in path.parts]
    return {str(path.relative_to(results)): path.read_bytes() for path in files if path.name != "thesis.pdf"}


def pages_of(book: Path) -> list[str]:
    """The text of each page, one line a word."""
    return ["\n".join(page.split()) for page in text_of(book).split("\f")]


@pytest.mark.latex
@needs_latex
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="needs poppler-utils")
@pytest.mark.slow
def test_changing_one_metric_changes_only_what_depends_on_it(book, study, tmp_path):
    """One value of the digits' test accuracy."""
    shutil.copytree(study / "results", tmp_path / "results")
    before = result_files(tmp_path / "results")
    table = pd.read_csv(tmp_path / "results/metrics.csv")
    one = (table.task == "digits") & (table.model == "gmdvae") & (table.metric == "accuracy")
    one &= (table.seed == 5) & (table.split == "test")
    assert one.sum() == 1
    table.loc[one, "value"] += 0.02  # too little to turn a verdict, enough for the third decimal of the mean
    table.to_csv(tmp_path / "results/metrics.csv", index=False)
    data = [tmp_path / f"results/data/{CONFIG['tasks'][task]['dataset']}.h5ad" for task in tasks(CONFIG)]
    runs = [f"{task}/{model}" for task in tasks(CONFIG) for model in models(CONFIG, task)]
    listed = [tmp_path / f"results/runs/{run}/provenance.json" for run in runs]
    standin.texts(tmp_path, CONFIG, data, listed, "warn")
    draw_comparisons(tmp_path)
    after = result_files(tmp_path / "results")
    changed = {file for file in after if after[file] != before[file]}
    assert set(after) == set(before)
    assert changed == {
        *("metrics.csv", "numbers.tex", "claims.tex", "tables/digits.tex", "tables/digits.csv"),
        *("figures/digits/comparison.pdf", "figures/digits/comparison.svg"),
    }
    lines = {file: differing(before[file].decode(), after[file].decode()) for file in ("numbers.tex", "claims.tex")}
    assert lines["numbers.tex"] and all("digits.gmdvae.accuracy." in line for line in lines["numbers.tex"])
    # Holm's correction ties the p-values of all claims together: a claim about something else may change in p only
    for line in lines["claims.tex"]:
        assert "accuracy" in line or not line.startswith((r"\setclaim", r"\setvalue")) or "$p" in line
    old, new = pages_of(book), pages_of(typeset_book(tmp_path))
    words = [word for page in new if page not in old for word in differing_words(old, page)]
    assert words and not [word for word in words if not re.search(r"\d", word)], words


def differing(old: str, new: str) -> list[str]:
    """The lines of the new text that the old one does not have."""
    return [line for line in new.splitlines() if line not in set(old.splitlines())]


def differing_words(old: list[str], page: str) -> list[str]:
    """The words in which a page differs from that of the old book which is most like it."""
    nearest = max(old, key=lambda other: difflib.SequenceMatcher(None, other.split(), page.split()).quick_ratio())
    compared = difflib.ndiff(nearest.split(), page.split())
    return [word[2:] for word in compared if word[:2] in ("+ ", "- ")]


@pytest.mark.latex
@needs_latex
def test_two_builds_in_two_folders_give_the_same_bytes(book, study, tmp_path):
    shutil.copytree(study / "results", tmp_path / "elsewhere" / "results")
    other = typeset_book(tmp_path / "elsewhere")
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
        typeset_book(tmp_path, small(r"\result{digits.gmdvae.accuraci.mean}"))
    assert not (tmp_path / "results" / "thesis.pdf").exists()


@pytest.mark.latex
@needs_latex
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="needs poppler-utils")
@pytest.mark.parametrize("known", [{}, {"institution": "A University", "degree": "Master of Science"}])
def test_the_title_page_shows_institution_and_degree_where_they_are_known(small, tmp_path, known):
    numbers = tmp_path / "results" / "numbers.tex"
    lines = [rf"\setmeta{{{key}}}{{{text}}}" for key, text in known.items()]
    numbers.write_text("\n".join([source(numbers), *lines]))
    page = source(BOOK / "front" / "title.tex").partition(r"\thispagestyle{empty}")[0]
    text = text_of(typeset_book(tmp_path, small(page)))
    assert CONFIG["thesis"]["author"] in text
    assert ("for the degree of Master of Science" in text) == ("A University" in text) == bool(known)


@pytest.mark.latex
@needs_latex
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="needs poppler-utils")
def test_versus_names_the_difference_of_two_results(small, tmp_path):
    values = {"high": (0.9, 0.01), "low": (0.5, 0.02), "near": (0.915, 0.006), "far": (-0.5, 0.02)}
    lines = [
        rf"\setresult{{t.{model}.nmi.{stat}}}{{\num{{{value}}}}}"
        for model, pair in values.items()
        for stat, value in zip(("mean", "sd"), pair, strict=True)
    ]
    pairs = [("high", "low"), ("low", "high"), ("high", "near"), ("low", "far"), ("high", "high")]
    said = "; ".join(rf"\versus{{t.{a}.nmi}}{{t.{b}.nmi}}" for a, b in pairs)
    text = " ".join(text_of(typeset_book(tmp_path, small("\n".join(lines) + "\nIt lies: " + said + "."))).split())
    spread = "within the spread of"
    assert f"It lies: above; below; {spread}; above; {spread}." in text


@pytest.mark.latex
@needs_latex
def test_a_figure_that_the_config_no_longer_names_is_left_out_though_its_file_is_there(small, tmp_path):
    for figure in ("latents", "old"):
        standin.blank_figure(tmp_path / f"results/figures/digits/{figure}.pdf")
    typeset_book(tmp_path, small(r"\iffigure{digits}{latents}{Shown.}{\errmessage{no latents}}"))
    typeset_book(tmp_path, small(r"\iffigure{digits}{old}{\errmessage{old figure}}{Left out.}"))
    with pytest.raises(Refused, match="no old"):
        typeset_book(tmp_path, small(r"\iffigure{digits}{old}{Shown.}{\errmessage{no old}}"))


@pytest.mark.latex
@needs_latex
def test_an_undefined_reference_is_refused(small, tmp_path):
    with pytest.raises(Refused, match="undefined references: eq:nowhere"):
        typeset_book(tmp_path, small(r"See \cref{eq:nowhere}."))


@pytest.mark.latex
@needs_latex
def test_a_claim_that_was_not_checked_is_an_error(small, tmp_path):
    with pytest.raises(Refused, match="was not checked"):
        typeset_book(tmp_path, small(r"\claim{gmdvae.accuracy > vae.accuracy in mars}{Never.}"))


@pytest.mark.latex
@needs_latex
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="needs poppler-utils")
def test_a_false_claim_is_struck_through_with_the_true_values(small, tmp_path):
    main = small(r"\claim{max(gmdvae.accuracy) > 2 in digits}{The model is better than perfect.} \claimrows@end")
    text = source(main).replace(r"\claimrows@end", r"\par\begin{tabular}{llp{6cm}l}\claimrows\end{tabular}")
    main.write_text(text + "\n% \\claim{x > y in mars}{}")
    check_claims(tmp_path / "results" / "metrics.csv", [main], {}, "warn", {}, {}, tmp_path / "results" / "claims.tex")
    page = text_of(typeset_book(tmp_path, main))
    assert "better" in page and "not borne out" in page and "largest accuracy" in page


@pytest.mark.latex
@needs_latex
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="needs poppler-utils")
def test_a_chapter_can_be_typeset_on_its_own(book, study, tmp_path):
    shutil.copytree(study / "results", tmp_path / "results")
    alone = typeset_book(tmp_path, only="chapters/discussion")
    text = text_of(alone)
    assert "Discussion" in text and "Checked sentences" not in text
    assert "??" not in text  # the other chapters' labels are still known


@pytest.mark.latex
@needs_latex
@pytest.mark.parametrize(
    "body",
    [
        r"\input{/etc/hostname}",
        r"\input{../secret}",
        r"\newread\r\openin\r=/etc/hostname\relax\ifeof\r\errmessage{closed}\fi",
        r"\newwrite\o\immediate\openout\o=../outside.txt\relax\immediate\write\o{written}\immediate\closeout\o",
        r"\openin0=|ls\relax\ifeof0\errmessage{no pipe}\fi",
    ],
)
def test_the_text_reads_and_writes_nothing_outside(tmp_path, body, capsys):
    (tmp_path / "secret.tex").write_text("secret")
    folder = tmp_path / "inside"
    folder.mkdir()
    (folder / "thesis.tex").write_text(rf"\documentclass{{article}}\begin{{document}}{body}x\end{{document}}")
    with pytest.raises(Refused):
        typeset_book(folder, folder / "thesis.tex")
    assert not (tmp_path / "outside.txt").exists()


@pytest.mark.latex
@needs_latex
def test_with_one_seed_there_is_no_spread(small, tmp_path):
    lines = [rf"\setresult{{one.{model}.accuracy.mean}}{{\num{{{mean}}}}}" for model, mean in (("a", 0.5), ("b", 0.7))]
    with (tmp_path / "results/numbers.tex").open("a", encoding="utf-8") as numbers:
        numbers.write("\n".join(lines) + "\n")
    single = r"\result{one.a.accuracy.sd}", r"\result{one.a.accuracy.rank}"
    parts = r"\spread{one.a.accuracy}", *single, r"\versus{one.a.accuracy}{one.b.accuracy}"
    assert typeset_book(tmp_path, small("; ".join(parts))).exists()
    with pytest.raises(Refused, match=r"there is no result 'one.c.accuracy.sd'"):
        typeset_book(tmp_path, small(r"\result{one.c.accuracy.sd}"))


@pytest.mark.latex
@needs_latex
def test_the_text_starts_no_program(small, tmp_path):
    typeset_book(tmp_path, small(r"a\immediate\write18{touch shell.txt}"))
    assert not (tmp_path / "shell.txt").exists()


def test_missing_latex_is_refused_with_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refused, match=r"biber, pdflatex.*apt-get install biber") as refusal:
        build_pdf(BOOK / "thesis.tex", tmp_path / "thesis.pdf", tmp_path / "latex")
    assert "\n" not in str(refusal.value) and not (tmp_path / "thesis.pdf").exists()


def test_the_step_is_a_command():
    helped = subprocess.run(
        [sys.executable, "-m", "gmvae.thesis.pdf", "--help"], capture_output=True, text=True, check=True
    )
    assert "--main" in helped.stdout and "--build" in helped.stdout
