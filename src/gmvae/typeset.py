"""Values and names as LaTeX: the one place that decides on digits."""

AGREEMENT = ("accuracy", "purity", "nmi", "ari")  # of components and classes; the same for finer and coarser classes
GRADED = {f"{metric}_{suffix}" for metric in AGREEMENT for suffix in ("fine", "coarse")}
SHARES = {*AGREEMENT, *GRADED, "silhouette", "disagreement"}  # between -1 and 1: three decimals
GREEK = {"α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "Δ": "Delta", "φ": "phi", "θ": "theta", "σ": "sigma"}
SPECIAL = {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}"} | {
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}",
    "²": r"\textsuperscript{2}",
}


def decimals(metric: str) -> int:
    """How many decimals a metric is printed with: three for shares and indices, two for divergences, else one."""
    return 3 if metric in SHARES or metric.startswith("response_") else 2 if metric.startswith("kl_") else 1


def fixed(value: float, places: int) -> str:
    """The number with so many decimals, and no minus before zero."""
    text = f"{value:.{places}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def number(value: float, places: int) -> str:
    r"""The number for the running text, set by siunitx: `\num{0.912}`."""
    return rf"\num{{{fixed(value, places)}}}"


def text(plain: str) -> str:
    """A plain name or setting as LaTeX text: special characters escaped, Greek letters in mathematics."""
    greek = {letter: rf"\ensuremath{{\{name}}}" for letter, name in GREEK.items()}
    return "".join(greek.get(letter) or SPECIAL.get(letter, letter) for letter in plain)
