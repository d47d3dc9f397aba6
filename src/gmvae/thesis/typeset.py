"""Numbers, names and settings as LaTeX."""

# All Greek letters that display names may have, with their names in LaTeX and in matplotlib's mathematics.
GREEK = {"α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "Δ": "Delta", "φ": "phi", "θ": "theta", "σ": "sigma"}
SPECIAL = {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}"} | {
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}",
    "²": r"\textsuperscript{2}",
}
LETTERS = SPECIAL | {letter: rf"\ensuremath{{\{name}}}" for letter, name in GREEK.items()}


def format_fixed(value: float, places: int) -> str:
    """A number as plain text with a fixed number of decimals, without a minus before zero.

    Args:
        value: The number.
        places: How many decimals.

    Returns:
        The digits, as "0.912".
    """
    text = f"{value:.{places}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def latex_number(value: float, places: int) -> str:
    r"""A number for the running text, set by siunitx.

    Args:
        value: The number.
        places: How many decimals.

    Returns:
        LaTeX, as `\num{0.912}`.
    """
    return rf"\num{{{format_fixed(value, places)}}}"


def latex_text(plain: str) -> str:
    """A plain name or setting as LaTeX: special characters escaped, Greek letters in mathematics.

    Args:
        plain: The text.

    Returns:
        LaTeX that prints it.
    """
    return "".join(LETTERS.get(letter, letter) for letter in plain)


def lower_first(name: str) -> str:
    """A display name within a sentence: its first letter small, abbreviations (NMI) and symbols (R²) unchanged.

    Args:
        name: The display name.

    Returns:
        The name, not yet LaTeX.
    """
    return name[0].lower() + name[1:] if name[1:2].islower() else name


def labels_in_words(labels: object) -> str:
    """Which labels a model may see, in words.

    Args:
        labels: A task's entry `labels` in the configuration: none, all, louvain, a count, a share, batch:NAME, ...

    Returns:
        A clause, as LaTeX.
    """
    words = {"none": "no label is seen", "all": "all labels are seen", "louvain": "Louvain clusters are seen as labels"}
    if labels in words:
        return words[labels]
    if isinstance(labels, str):
        column, _, value = labels.partition(":")
        return rf"the labels of the {latex_text(column)} \code{{{latex_text(value)}}} are seen"
    if labels < 1:
        return rf"\qty{{{100 * labels:g}}}{{\percent}} of the labels are seen"
    return rf"\num{{{labels}}} labels are seen"
