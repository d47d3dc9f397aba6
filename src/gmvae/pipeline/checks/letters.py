"""Which letters a name may have so that LaTeX can set it, and how it is written in LaTeX."""

import unicodedata

# Greek letters with their names in LaTeX and in matplotlib's mathematics; those that look like Latin ones are set so.
GREEK = {
    "α": "alpha",
    "β": "beta",
    "γ": "gamma",
    "δ": "delta",
    "ε": "varepsilon",
    "ϵ": "epsilon",
    "ζ": "zeta",
    "η": "eta",
    "θ": "theta",
    "ϑ": "vartheta",
    "ι": "iota",
    "κ": "kappa",
    "λ": "lambda",
    "μ": "mu",
    "ν": "nu",
    "ξ": "xi",
    "π": "pi",
    "ρ": "rho",
    "σ": "sigma",
    "ς": "varsigma",
    "τ": "tau",
    "υ": "upsilon",
    "φ": "phi",
    "ϕ": "phi",
    "χ": "chi",
    "ψ": "psi",
    "ω": "omega",
    "Γ": "Gamma",
    "Δ": "Delta",
    "Θ": "Theta",
    "Λ": "Lambda",
    "Ξ": "Xi",
    "Π": "Pi",
    "Σ": "Sigma",
    "Υ": "Upsilon",
    "Φ": "Phi",
    "Ψ": "Psi",
    "Ω": "Omega",
}
GREEK_AS_LATIN = dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΧο", "ABEZHIKMNOPTXo", strict=True))
SIGNS = {"≤": "leq", "≥": "geq", "≠": "neq", "≈": "approx", "≪": "ll", "≫": "gg", "∞": "infty", "∂": "partial"} | {
    "√": "surd",
    "∈": "in",
    "∪": "cup",
    "∩": "cap",
    "∘": "circ",
    "⋅": "cdot",
}
RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "+", "--", "n"], strict=True))
LOWERED = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋", ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "+", "--"], strict=True))
SPECIAL = {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}"} | {
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}",
    "…": r"\ldots{}",
    "[": "{[}",  # at the start of a row of a table it would be an argument of the end of the row before
    "]": "{]}",
    "−": r"\ensuremath{-}",
}
LATEX = (
    SPECIAL
    | GREEK_AS_LATIN
    | {letter: rf"\ensuremath{{\{name}}}" for letter, name in (GREEK | SIGNS).items()}
    | {letter: rf"\textsuperscript{{{text}}}" for letter, text in RAISED.items()}
    | {letter: rf"\textsubscript{{{text}}}" for letter, text in LOWERED.items()}
)
# What pdfLaTeX sets as it is with the fonts of the book, beside ASCII; a test asks LaTeX.
PLAIN = frozenset(
    "¡¢£¤¥¦§¨©ª«¬®¯°±³´µ¶·¸¹º»¼½¾¿ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖ×ØÙÚÛÜÝÞßàáâãäåæçèéêëìíîïðñòóôõö"
    "÷øùúûüýþÿĀāĂăĄąĆćĈĉĊċČčĎďĐđĒēĔĕĖėĘęĚěĜĝĞğĠġĢģĤĥĨĩĪīĬĭĮįİıĲĳĴĵĶķĹĺĻļĽľŁłŃńŅņŇňŊŋŌōŎŏŐ"
    "őŒœŔŕŖŗŘřŚśŜŝŞşŠšŢţŤťŨũŪūŬŭŮůŰűŲųŴŵŶŷŸŹźŻżŽžƒǄǅǆǇǈǉǊǋǌǍǎǏǐǑǒǓǔǢǣǦǧǨǩǪǫǰǴǵȘșȚțȲȳȷˆˇ˘˙"
    "˛˜˝ḂḃḍḞḟḠḡḥḰḱḷṃṅṇṛṣṭẎẏẐẑẞỲỳ‐‑‒–—―‖‘’‚“”„†‡•‰‱‹›※‽⁄⁎⁒₡₤₦₩₫€₱№℗℞℠™Ω℧℮←↑→↓◦◯ﬀﬁﬂﬃﬄﬅﬆ"
)
ACCENTS = {  # combining marks, by LaTeX's commands that put them on any letter
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0323": "d",
    "\u0327": "c",
    "\u0331": "b",
}
NUMBER = "{[}U+"  # the start of the number of a letter that cannot be set
INVISIBLE = ("Cc", "Cf", "Zl", "Zp", "Zs")  # categories of Unicode: controls and spaces


def latex_text(plain: str) -> str:
    """A plain name or setting as LaTeX: special characters escaped, Greek letters in mathematics.

    Args:
        plain: The text. Accents are put on their letters; spaces of any kind are spaces, and what is invisible is
            left out.

    Returns:
        LaTeX that prints it. A letter that LaTeX cannot set is printed as its number, as [U+4E2D].
    """
    return "".join(map(latex_letter, split_letters(plain)))


def unset_letters(plain: str) -> list[str]:
    """The letters of a text that LaTeX cannot set, each once, in their order.

    Args:
        plain: The text.

    Returns:
        Letters with their accents.
    """
    return [letter for letter in dict.fromkeys(split_letters(plain)) if latex_letter(letter).startswith(NUMBER)]


def split_letters(plain: str) -> list[str]:
    """The letters of a text, each with the accents on it, in the shortest form that Unicode has."""
    letters = []
    for sign in unicodedata.normalize("NFC", plain):
        if unicodedata.combining(sign) and letters:
            letters[-1] += sign
        elif unicodedata.category(sign) not in INVISIBLE:
            letters.append(sign)
        elif sign.isspace():
            letters.append(" ")
    return letters


def latex_letter(letter: str) -> str:
    """One letter as LaTeX; where it cannot be set, the numbers of its signs in brackets."""
    base, accents = letter[0], letter[1:]
    if len(letter) == 1 and base not in PLAIN and base not in LATEX:  # one that LaTeX has only in parts
        base, *rest = unicodedata.normalize("NFD", letter)
        accents = "".join(rest)
    plain = base if base in PLAIN or " " <= base <= "~" else ""
    body = LATEX.get(base, plain)
    if len(accents) == 1 and accents in ACCENTS and plain and base.isalpha():
        return rf"\{ACCENTS[accents]}{{{body}}}"
    return "".join(f"{NUMBER}{ord(sign):04X}{{]}}" for sign in letter) if accents or not body else body
