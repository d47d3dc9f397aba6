"""Numbers, names and settings as LaTeX."""

import math
from collections.abc import Iterable

from gmvae.pipeline.checks.letters import latex_text

NAME_LETTERS = 60  # the longest name in the text: a longer one has an ellipsis in its middle
TABLE_LETTERS = 40  # the longest name in a table
LONG_WORD = 30  # letters; a longer word may break after every BREAK letters
BREAK = 20


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
        LaTeX, as `\num{0.912}`; a dash for what is no number.
    """
    if math.isnan(value):
        return "--"
    return rf"\num{{{format_fixed(value, places)}}}"


def divergence_symbol(metric: str) -> str:
    r"""The symbol of a divergence, for LaTeX and for matplotlib alike: kl_z -> $\mathrm{KL}_{z}$."""
    variable = metric.removeprefix("kl_")
    return rf"$\mathrm{{KL}}_{{{variable}}}$" if len(variable) == 1 else rf"$\mathrm{{KL}}_{{\mathrm{{{variable}}}}}$"


def latex_name(name: str, letters: int = NAME_LETTERS) -> str:
    """A name of a user's own as LaTeX: shortened where it is long, and with breaks in long words.

    Args:
        name: The display name, the name of a class, or a value of an annotation.
        letters: The longest that is left as it is.

    Returns:
        LaTeX that prints it.
    """
    words = shorten(name, letters).split(" ")
    parts = [
        [word[i : i + BREAK] for i in range(0, len(word), BREAK)] if len(word) > LONG_WORD else [word] for word in words
    ]
    return " ".join(r"\allowbreak{}".join(map(latex_text, word)) for word in parts)


def shorten(name: str, letters: int) -> str:
    """A name of at most so many letters.

    Args:
        name: The name.
        letters: The longest that is left as it is, at least 3.

    Returns:
        The name, or its beginning and its end with an ellipsis between them.
    """
    if len(name) <= letters:
        return name
    end = (letters - 1) // 2
    return f"{name[: letters - 1 - end].rstrip()}…{name[-end:].lstrip()}"


def shorten_all(names: Iterable[str], letters: int) -> list[str]:
    """Names of at most so many letters that stay different.

    Args:
        names: The names.
        letters: The longest that is left as it is, at least 12.

    Returns:
        The names as `shorten` has them; those that it would make alike have numbers at their ends.
    """
    names = list(names)
    full_names: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        full_names.setdefault(shorten(name, letters), []).append(name)
    short = {}
    for label, alike in full_names.items():
        for number, name in enumerate(alike, 1):
            suffix = f" ({number})" if len(alike) > 1 else ""
            short[name] = shorten(name, letters - len(suffix)) + suffix if suffix else label
    return [short[name] for name in names]


def shorten_names(names: dict[str, str], letters: int) -> dict[str, str]:
    """Display names by their keys, as `shorten_all` has them."""
    return dict(zip(names, shorten_all(map(str, names.values()), letters), strict=True))


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
        return rf"the labels of the {latex_text(column)} \code{{{latex_name(value)}}} are seen"
    if labels < 1:
        return rf"\qty{{{100 * labels:g}}}{{\percent}} of the labels are seen"
    return rf"\num{{{labels}}} labels are seen"
