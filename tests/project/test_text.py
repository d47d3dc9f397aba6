"""The text of the book: it has no result typed by hand, no gaps, and names functions and tests that exist."""

import importlib
import re
from pathlib import Path

import pytest

from gmvae.pipeline.sources import ROOT, plugin_names

BOOK = ROOT / "thesis"
HAND_WRITTEN = sorted(BOOK.rglob("*.tex"))
PROSE = [path for path in HAND_WRITTEN if path.parent.name in ("chapters", "experiments", "appendices", "front")]
# A decimal number is a result unless it is a constant of a definition, set in mathematics, or a licence's version.
DECIMAL = re.compile(r"(?<![\w.])\d+\.\d+(?![\w.\\]| ?(?:pt|mm|cm|em|ex)\b)")
NOT_PROSE = re.compile(
    r"(?<!\\)%.*|\\begin\{(equation|align|gather|multline)(\*?)\}.*?\\end\{\1\2\}|\\\[.*?\\\]|\\\(.*?\\\)|\$[^$]*\$"
    r"|\\claim\{[^}]*\}|\\begin\{tikzpicture\}.*?\\end\{tikzpicture\}|\\(?:vspace|hspace|rule|setlength)\*?\{[^}]*\}|CC~BY(?:-SA)?~\d\.0",
    re.DOTALL,
)
# Parts of equations, sums of terms that are equations, the principal axes again, by blocks of rows, and random draws.
NOT_EQUATIONS = (
    {
        "gmvae.nn.divergences.negative_entropy",
        "gmvae.nn.divergences.weighted_kl_normal",
        "gmvae.nn.objective.objective",
    }
    | {
        f"gmvae.data.principal_components.{name}"
        for name in ("store_components", "axes_by_blocks", "iterate_subspace", "dense_blocks")
    }
    | {f"gmvae.nn.views.{name}" for name in ("draw_views", "make_view", "choose_neighbours", "normalise_like")}
)
# What chapters 5 and 6 and the abstract say of results; the cards of datasets state facts about files.
RESULTS = [
    path
    for path in PROSE
    if (path.parent.name == "experiments" and path.name != "data.tex")
    or path.name in ("experiments.tex", "discussion.tex", "abstract.tex")
]
KEYED = re.compile(
    r"\\(?:result|spread|fact|named|if[a-z]+|difference|stands|rival|rivalvalue|versus|overrows|changed|[cC]ref|labelcref|label|cite"
    r"|input|droppedcells|resulttable|resultfigure|asked|question|IfFileExists|task[a-z]+|multicolumn|parbox)\*?(?:\{[^{}]*\})+"
    r"|p\{\d+mm\}|#\d|\\newcommand\\[a-z]+\[\d\]"
)
# Digits that are no results: names, and which seeds were used for trials and for the study.
NAMED_DIGITS = re.compile(
    r"\bM[12]\b|PBMC~(?:3|68)k|\bCD\d+|\bseeds? \d(?: to \d)?|reported are \d|at most\s+\\num\{2000\}"
    r"|Predicted responses: \w+, 100 genes|\\textit\{[A-Z0-9]+\}|cite\{\w+\}"  # names of genes, sources
)
COMPARATIVE = re.compile(
    r"\b(?:better|worse|higher|highest|lower|lowest|larger|largest|smaller|smallest|ahead|behind|beats?|above|below"
    r"|more than|less than|as well as|further apart|outperforms?)\b"
)
COMPUTED = re.compile(r"\\(?:claim|difference|stands|versus|rival|rivalvalue|result|spread|cref)\b")
# Sentences of the summaries that compare nothing that was measured: hopes, questions, what a later sentence computes.
NOT_COMPARED = ("the hope was", "whether", "it does not follow", "competitors")
SUMMARIES = ["summary", "conclusion", "findings", "held", "failed", "together"]

ROW = re.compile(r"\\equationrow\{([^}]+)\}\{([^}]+)\}\{([^}]+)\}")


def source(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", PROSE, ids=lambda path: path.name)
def test_no_result_is_typed(path):
    typed = DECIMAL.findall(NOT_PROSE.sub("", source(path)))
    assert not typed, f"{path.name} types {typed}: quote results by \\result"


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.name)
def test_no_digit_of_a_result_is_typed(path):
    """Not even a whole number: results are quoted by macros, or are part of a claim."""
    text = NAMED_DIGITS.sub(" ", KEYED.sub(" ", NOT_PROSE.sub(" ", source(path))))
    typed = [text[max(0, match.start() - 30) : match.end() + 10] for match in re.finditer(r"\d+", text)]
    assert not typed, f"{path.name} types {typed}: quote results by \\result, \\difference or \\fact"


@pytest.mark.parametrize("name", SUMMARIES)
def test_a_comparison_in_a_summary_is_computed(name):
    """A sentence that says which of two is better has a claim or a figure that follows the results."""
    text = re.sub(
        r"\\\(.*?\\\)", "x", re.sub(r"(?<!\\)%.*", "", source(BOOK / f"experiments/{name}.tex")), flags=re.DOTALL
    )
    for sentence in re.split(r"(?<=[.;])(?=[\s}])|\n\n", text):
        if COMPARATIVE.search(sentence) and not any(words in sentence.lower() for words in NOT_COMPARED):
            assert COMPUTED.search(sentence), f"{name}.tex: {' '.join(sentence.split())}"


@pytest.mark.parametrize("path", PROSE, ids=lambda path: path.name)
def test_nothing_is_left_to_be_written(path):
    text = source(path)
    assert "??" not in text
    assert not re.search(r"placeholder|lorem|punkt\.|TODO|TBD|FIXME", text, re.IGNORECASE)


@pytest.mark.parametrize("row", ROW.findall(source(BOOK / "appendices" / "equations.tex")), ids=lambda row: row[0])
def test_an_equation_of_the_appendix_names_a_function_and_a_test_that_exist(row):
    label, function, test = row
    assert any(rf"\label{{{label}}}" in source(path) for path in PROSE), f"no equation {label}"
    parts = function.split(".")
    depth = next(i for i in range(len(parts), 0, -1) if (ROOT / "src" / Path(*parts[:i])).with_suffix(".py").is_file())
    value = importlib.import_module(".".join(parts[:depth]))
    for name in parts[depth:]:
        value = getattr(value, name)
    assert callable(value)
    file, name = test.split("::")
    assert re.search(rf"^def {name}\(", source(ROOT / file), re.MULTILINE), f"no test {test}"


def test_every_equation_that_the_code_cites_is_in_the_text():
    texts = "".join(source(path) for path in PROSE)
    cited = {
        label for path in (ROOT / "src").rglob("*.py") for label in re.findall(r"\beq:[a-z0-9-]+[a-z0-9]", source(path))
    }
    assert cited
    for label in cited:
        assert rf"\label{{{label}}}" in texts, f"no equation {label}"


@pytest.mark.parametrize(
    "module", ["nn.divergences", "nn.likelihoods", "nn.objective", "nn.views", "data.principal_components"]
)
def test_every_formula_of_the_mathematical_modules_is_in_the_appendix(module):
    """Each public function of these files computes a numbered equation."""
    listed = {function for _, function, _ in ROW.findall(source(BOOK / "appendices" / "equations.tex"))}
    defined = re.findall(r"^def ([a-z]\w*)\(", source(ROOT / f"src/gmvae/{module.replace('.', '/')}.py"), re.MULTILINE)
    assert defined and not {f"gmvae.{module}.{name}" for name in defined} - listed - NOT_EQUATIONS


def test_every_model_is_in_the_appendix():
    listed = {
        function.split(".")[2]
        for _, function, _ in ROW.findall(source(BOOK / "appendices" / "equations.tex"))
        if ".models." in function
    }
    models = set(plugin_names("model"))
    assert models - listed == {"ae"}  # its loss is the reconstruction alone, eq:batch-loss


def test_the_diagram_of_the_pipeline_has_every_rule():
    texts = [source(path) for path in (ROOT / "Snakefile", *sorted((ROOT / "workflow/rules").glob("*.smk")))]
    rules = {rule for text in texts for rule in re.findall(r"^rule (\w+):", text, re.MULTILINE)}
    drawn = re.findall(r"\\node\[rule\S*\] \(\w+\) at \S+ \{(.*?)\};", source(BOOK / "diagrams" / "pipeline.tex"))
    gathering = {"all", "prepared", "results", "cells"}  # they make no file of their own
    assert {re.sub(r"\\\\|\\", "", rule) for rule in drawn} == rules - gathering


def test_every_diagram_is_shown_and_every_figure_of_the_chapters_is_referred_to():
    texts = "".join(source(path) for path in PROSE)
    for path in (BOOK / "diagrams").glob("*.tex"):
        assert rf"\diagram{{{path.stem}}}" in texts, f"{path.name} is not shown"
        assert source(path).startswith(r"\begin{tikzpicture}"), f"{path.name}: spaces before the picture move it"
    chapters = "".join(source(path) for path in PROSE if path.parent.name == "chapters")
    for label in re.findall(r"\\label\{(fig:[a-z-]+)\}", chapters):
        assert re.search(rf"ref\{{[^}}]*{label}[,}}]", texts), f"{label} is not referred to"


def test_every_table_and_figure_of_a_task_is_in_its_condition():
    """A study without a task has none of its results."""
    for path in PROSE:
        for task in re.findall(r"\\(?:result|spread|fact|versus)\{([a-z0-9_]+)", source(path)):
            text = source(path)
            assert path.stem == task or rf"\iftask{{{task}}}" in text or rf"in {task}}}" in text, f"{path.name}: {task}"
