"""Letters as LaTeX: what is set is what LaTeX can set, which LaTeX itself is asked."""

import shutil
import subprocess
import unicodedata

import pytest

from gmvae.pipeline.checks import letters
from gmvae.pipeline.checks.letters import ACCENTS, LATEX, PLAIN, latex_text, unset_letters

FRAME = r"""\documentclass{scrbook}\usepackage[T1]{fontenc}\usepackage{lmodern}\usepackage{mathtools,amssymb}
\tracinglostchars=3
\begin{document}
%s
\end{document}
"""


@pytest.mark.parametrize(
    ("plain", "latex"),
    [
        ("GMΔVAE", r"GM\ensuremath{\Delta}VAE"),
        ("e\u0301", "é"),
        ("x\u0304", r"\={x}"),
        ("R²", r"R\textsuperscript{2}"),
        ("CD4⁺", r"CD4\textsuperscript{+}"),
        ("Μ ≤ 5", r"M \ensuremath{\leq} 5"),
        ("a\u200bb\tc\u00a0d\ufeff", "ab c d"),
        ("中", "{[}U+4E2D{]}"),
        ("ди", "{[}U+0434{]}{[}U+0438{]}"),
        ("\u0301", "{[}U+0301{]}"),
        ("[x]", "{[}x{]}"),
    ],
)
def test_a_text_is_set_as_it_is_or_by_its_numbers(plain, latex):
    assert latex_text(plain) == latex


def test_letters_that_cannot_be_set_are_named_once_each():
    assert unset_letters("Tсс 中 T細胞 é 😀") == ["с", "中", "細", "胞", "😀"]


def test_what_is_printed_as_it_is_needs_no_command():
    assert not PLAIN & (LATEX.keys() - {"¹", "³"})
    assert all(unicodedata.combining(mark) for mark in letters.ACCENTS)


@pytest.mark.latex
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_latex_sets_every_letter_that_a_name_may_have(tmp_path):
    names = ["".join(map(chr, range(32, 127))), "".join(sorted(PLAIN)), "".join(LATEX)]
    names += [f"x{mark}q{mark}Z{mark}" for mark in ACCENTS]
    assert not any(map(unset_letters, names))
    text = "\n\n".join(r"\allowbreak{}".join(map(latex_text, name.split(" "))) for name in names)
    (tmp_path / "all.tex").write_text(FRAME % text, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert run.returncode == 0, run.stdout[-1500:]
