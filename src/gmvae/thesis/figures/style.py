"""The one look of every figure: the book's width and letters, colours for all readers, the same bytes each time."""

import logging
import textwrap
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from gmvae.formats.writing import write_atomically

WIDTH = 142 / 25.4  # inches: the text block of thesis/preamble.tex
HEIGHT = 8.0  # the highest figure that leaves room for its caption
GREY = "0.55"

# Seven of Okabe and Ito's eight colours, their black, and two more: under each of the three colour-vision deficiencies
# any two stay 15 CIELAB units apart (tests/thesis/test_figures.py). From the eleventh on, marker and line tell.
COLOURS = (
    *("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442"),
    *("#000000", "#666666", "#7A0000"),
)
MARKERS = ("o", "^", "s", "P")
LINES = ("-", (0, (4, 1.5)), (0, (1, 1)))

# What the text's font lacks, or has in another place, is set as mathematics.
GREEK = {"α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "Δ": "Delta", "φ": "phi", "θ": "theta", "σ": "sigma"}
LETTERS = {letter: rf"$\{name}$" for letter, name in GREEK.items()}
LETTERS |= {"_": r"$\_$", "$": r"\$", "{": r"$\{$", "}": r"$\}$", "\\": r"$\backslash$"}
LETTERS |= {letter: f"${letter}$" for letter in "<>|"} | {"–": "-", "—": "-", "−": "$-$", "²": "$^2$"}

SETTINGS = {
    "font.family": [
        "cmr10",
        "DejaVu Serif",
    ],  # comes with matplotlib: the letters of the text without asking the system
    "mathtext.fontset": "cm",
    "axes.formatter.use_mathtext": True,
    "axes.unicode_minus": False,
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.title_fontsize": 8,
    "legend.frameon": False,
    "legend.handlelength": 1.2,
    "legend.handletextpad": 0.5,
    "legend.columnspacing": 1.2,
    "axes.linewidth": 0.5,
    "axes.edgecolor": "0.3",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1,
    "pdf.fonttype": 42,
    "svg.hashsalt": "gmvae",
}


def canvas(height: float, layout: str = "constrained") -> Figure:
    """An empty figure of the text's width and a height in inches, at most a page's, laid out without overlaps.

    With `layout` "none", axes stay where they are put.
    """
    matplotlib.rcParams.update(matplotlib.rcParamsDefault)
    matplotlib.rcParams.update(SETTINGS)
    return Figure(figsize=(WIDTH, min(height, HEIGHT)), layout=layout)


def save_figure(figure: Figure, output: Path) -> None:
    """Write the figure to `output` (.pdf) and to the .svg beside it, neither with a date or a program's name."""
    nobody = {"Creator": None}
    nameless = {".svg": nobody | {"Date": None}, ".pdf": nobody | {"CreationDate": None, "Producer": None}}
    logging.getLogger("fontTools").setLevel(logging.ERROR)  # it remarks that the 1990s' letters are old
    for suffix in (".svg", ".pdf"):
        with write_atomically(Path(output).with_suffix(suffix)) as temporary:
            figure.savefig(temporary, metadata=nameless[suffix])


def colour(i: int) -> str:
    """The colour of the i-th class, component or model."""
    return COLOURS[i % len(COLOURS)]


def marker(i: int) -> str:
    """Its marker: another one for each round through the colours."""
    return MARKERS[i // len(COLOURS) % len(MARKERS)]


def line(i: int) -> str | tuple:
    """Its line style, likewise."""
    return LINES[i // len(COLOURS) % len(LINES)]


def text(plain: str) -> str:
    """A name as matplotlib sets it."""
    return "".join(LETTERS.get(letter, letter) for letter in plain)


def wrap_text(plain: str, width: float, size: float) -> str:
    """The name in as many lines as a width in inches needs at a letter size in points."""
    lines = textwrap.wrap(plain, max(4, int(width / letter(size))), break_long_words=False)
    return "\n".join(text(part) for part in lines)


def letter(size: float) -> float:
    """Width in inches of an average letter of a size in points."""
    return 0.0071 * size


def display_name(names: dict, key: str) -> str:
    """The plain display name of a model, data set, metric or term; its key where it has none."""
    return str(names.get(key, key))
