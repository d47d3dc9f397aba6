"""The one look of every figure: the book's width and letters, colours for all readers, the same bytes each time."""

import logging
import textwrap
from pathlib import Path

import matplotlib
from matplotlib.cbook import is_math_text
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.textpath import text_to_path

from gmvae.formats.writing import write_atomically
from gmvae.pipeline.checks.letters import GREEK, GREEK_AS_LATIN, SIGNS
from gmvae.thesis.typeset import shorten_names

WIDTH = 142 / 25.4  # inches: the text block of thesis/preamble.tex
MAX_HEIGHT = 8.0  # inches: the highest figure that leaves room for its caption
LONG_WORD = 20  # letters; only names with a longer word break inside of words
GREY = "0.55"
DASHED = {"color": "black", "linewidth": 0.8, "linestyle": (0, (3, 2))}  # a reference line across a panel

# Seven of Okabe and Ito's eight colours, their black, and two more. Under each of the three colour-vision deficiencies
# any two are at least 15 CIELAB units apart (tests/thesis/figures/test_style.py). From the eleventh group on, the
# marker or the line style makes the difference.
COLOURS = (
    *("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442"),
    *("#000000", "#666666", "#7A0000"),
)
MARKERS = ("o", "^", "s", "P")
N_LOOKS = len(COLOURS) * len(MARKERS)  # of dots; further groups repeat them
NAME_LETTERS = 40  # the longest display name; a longer one has an ellipsis in its middle
LINE_STYLES = ("-", (0, (4, 1.5)), (0, (1, 1)))

# One look for each model in the whole book: its place among the colours, a further round of them after ten.
MODEL_LOOKS = {"gmdvae": 0, "vae": 1, "gmvae": 2, "vade": 3, "ae": 4, "idec": 5, "m2": 6, "cgmdvae": 7, "cvae": 8}
MODEL_LOOKS |= {"linear_ae": 9, "scgen": 16}

# Characters that the text's font lacks, or has in another place, are set as mathematics.
MATHTEXT = GREEK_AS_LATIN | {letter: rf"$\{name}$" for letter, name in (GREEK | SIGNS).items()}
MATHTEXT |= {"_": r"$\_$", "$": r"\$", "{": r"$\{$", "}": r"$\}$", "\\": r"$\backslash$"}
MATHTEXT |= {letter: f"${letter}$" for letter in "<>|"} | {"–": "-", "—": "-", "−": "$-$", "²": "$^2$", "…": "..."}

SETTINGS = {
    "font.family": ["cmr10", "DejaVu Serif"],  # the letters of the text; both come with matplotlib
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
    "savefig.dpi": 300,  # of clouds of thousands of points, which are drawn as pictures
    "svg.hashsalt": "gmvae",
}


def empty_figure(height: float, layout: str = "constrained") -> Figure:
    """A figure without content, as wide as the text, laid out so that nothing overlaps.

    Args:
        height: Height in inches; at most MAX_HEIGHT is used.
        layout: Layout engine of matplotlib; "none" leaves axes where they are put.

    Returns:
        The figure. All of matplotlib's settings are set to those of the book first.
    """
    matplotlib.rcParams.update(matplotlib.rcParamsDefault)
    matplotlib.rcParams.update(SETTINGS)
    return Figure(figsize=(WIDTH, min(height, MAX_HEIGHT)), layout=layout)


def save_figure(figure: Figure, output: Path) -> None:
    """Write a figure as PDF and SVG, neither with a date or a program's name.

    Args:
        figure: The figure.
        output: The .pdf to write; the .svg gets the same name.
    """
    anonymous = {"Creator": None}
    metadata = {".svg": anonymous | {"Date": None}, ".pdf": anonymous | {"CreationDate": None, "Producer": None}}
    logging.getLogger("fontTools").setLevel(logging.ERROR)  # it warns of the dates inside the old font files
    for suffix in (".svg", ".pdf"):
        with write_atomically(Path(output).with_suffix(suffix)) as temporary:
            figure.savefig(temporary, metadata=metadata[suffix])


def colour(i: int) -> str:
    """The colour of the i-th class, component or model."""
    return COLOURS[i % len(COLOURS)]


def marker(i: int) -> str:
    """The marker of the i-th class or component: another one for each round through the colours."""
    return MARKERS[i // len(COLOURS) % len(MARKERS)]


def line_style(i: int) -> str | tuple:
    """The line style of the i-th model: another one for each round through the colours."""
    return LINE_STYLES[i // len(COLOURS) % len(LINE_STYLES)]


def model_family(model: str) -> str | None:
    """The model of MODEL_LOOKS that this one is a variant of: itself, or the longest that its name begins with."""
    return max((name for name in MODEL_LOOKS if f"{model}_".startswith(f"{name}_")), key=len, default=None)


def model_looks(models: list[str]) -> dict[str, int]:
    """The look of each model's line, for `colour` and `line_style`; any two of a figure differ, up to 30.

    Args:
        models: The models of a figure, in its order.

    Returns:
        Numbers by model. A model of MODEL_LOOKS has its own, a variant of it the next line style of its colour that is
        free, any other model the first look that no model of the figure has.
    """
    looks = {model: MODEL_LOOKS[model] for model in models if model in MODEL_LOOKS}
    for model in [model for model in models if model not in looks]:
        own = MODEL_LOOKS.get(model_family(model))
        rounds = () if own is None else range(own, len(COLOURS) * len(LINE_STYLES), len(COLOURS))
        free = [i for i in (*rounds, *range(len(COLOURS) * len(LINE_STYLES))) if i not in looks.values()]
        looks[model] = free[0] if free else len(looks)
    return {model: looks[model] for model in models}


def model_colour(model: str) -> str:
    """The colour of a model's dots: that of its family, grey for methods without one."""
    family = model_family(model)
    return GREY if family is None else colour(MODEL_LOOKS[family])


def legend_dot(**look: object) -> Line2D:
    """A legend's entry for dots of this look (properties of Line2D)."""
    return Line2D([], [], linestyle="none", **look)


def mathtext(plain: str) -> str:
    """A plain text for matplotlib, with mathematics for characters that the font lacks."""
    return "".join(MATHTEXT.get(letter, letter) for letter in plain)


def wrap_text(plain: str, width: float, size: float) -> str:
    """A plain text for matplotlib, broken into lines of a width in inches at a letter size in points."""
    has_long_word = any(len(word) > LONG_WORD for word in plain.split())
    wider = text_width(plain, size) / max(letter_width(size) * len(plain), 1e-9)  # than average letters
    n_letters = width / letter_width(size) / (1.15 * wider if wider > 1.2 or has_long_word or "…" in plain else 1)
    lines = textwrap.wrap(plain, max(4, int(n_letters)), break_long_words=has_long_word)
    return "\n".join(mathtext(part) for part in lines)


def letter_width(size: float) -> float:
    """Width in inches of an average letter of a size in points."""
    return 0.0071 * size


def text_width(plain: str, size: float) -> float:
    """Width in inches of a plain text on one line: that of average letters, or more where its own are wider."""
    return max(letter_width(size) * len(plain), line_width(mathtext(plain), size))


def line_width(text: str, size: float) -> float:
    """Width in inches of a line as matplotlib sets it, mathematics included."""
    matplotlib.rcParams.update(SETTINGS)
    font = FontProperties(family=SETTINGS["font.family"], size=size)
    points, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=bool(is_math_text(text)))
    return points / 72


def display_name(names: dict, key: str, letters: int = NAME_LETTERS) -> str:
    """The plain display name of a model, dataset, metric or term, or its key.

    Args:
        names: Display names by their keys.
        key: The key.
        letters: Longest name; a longer one, or one with wide letters, is shortened, and stays unlike all other names.
    """
    names = names if key in names else names | {key: key}
    short = shorten_names(names, letters)[key]
    wider = text_width(short, 8) / (letters * letter_width(8))
    return short if wider <= 1 else shorten_names(names, max(12, int(letters / wider)))[key]
