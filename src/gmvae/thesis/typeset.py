"""Values and names as LaTeX: the one place that decides on digits."""

from gmvae.metrics.catalogue import format_fixed
from gmvae.thesis import typeset

GREEK = {"α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "Δ": "Delta", "φ": "phi", "θ": "theta", "σ": "sigma"}
SPECIAL = {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}"} | {
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}",
    "²": r"\textsuperscript{2}",
}


def number(value: float, places: int) -> str:
    r"""The number for the running text, set by siunitx: `\num{0.912}`."""
    return rf"\num{{{format_fixed(value, places)}}}"


def text(plain: str) -> str:
    """A plain name or setting as LaTeX text: special characters escaped, Greek letters in mathematics."""
    greek = {letter: rf"\ensuremath{{\{name}}}" for letter, name in GREEK.items()}
    return "".join(greek.get(letter) or SPECIAL.get(letter, letter) for letter in plain)


def labels_in_words(labels: object) -> str:
    """What of the labels a model may see, in words, as LaTeX."""
    words = {"none": "no label is seen", "all": "all labels are seen", "louvain": "Louvain clusters are seen as labels"}
    if labels in words:
        return words[labels]
    if isinstance(labels, str):
        kind, _, value = labels.partition(":")
        return rf"the labels of the {typeset.text(kind)} \code{{{typeset.text(value)}}} are seen"
    if labels < 1:
        return rf"\qty{{{100 * labels:g}}}{{\percent}} of the labels are seen"
    return rf"\num{{{labels}}} labels are seen"
