"""Legends of classes and conditions: names that are too long are shortened, and too many are not named at all."""

from matplotlib.figure import Figure

from gmvae.thesis.figures import style
from gmvae.thesis.typeset import shorten_all

MAX_NAMED = 30  # classes: more have no names in a legend
MAX_LINES = 10  # of a legend, as far as shorter names help
LETTERS = (400, 90, 60, 44, 32, 24, 18)  # longest names: the first that leaves the legend short enough is used
SIZE = 8  # of the letters, in points
MARK_WIDTH = 0.35  # inches: the dot of an entry, and the space to the next column


def fit_names(names: list[str], prefixes: list[str], max_columns: int = 100) -> tuple[list[str], int]:
    """The labels of a legend's entries, and its number of columns.

    Args:
        names: Name of each entry.
        prefixes: What stands before each name, "" for nothing.
        max_columns: Largest number of columns.

    Returns:
        Labels that are as different as the names, with an ellipsis in the middle of those that are too long, and the
        number of columns in which they fit the page.
    """
    for letters in LETTERS:
        labels = [before + name for before, name in zip(prefixes, shorten_all(names, letters), strict=True)]
        widest = max((style.text_width(label, SIZE) for label in labels), default=0.1)
        n_columns = max(1, min(len(labels), max_columns, int(style.WIDTH / (widest + MARK_WIDTH))))
        if widest + MARK_WIDTH <= style.WIDTH and -(-len(labels) // n_columns) <= MAX_LINES:
            break
    return labels, n_columns


def legend_notes(n_named: int, n_groups: int, kind: str = "classes") -> list[str]:
    """What a figure says of groups without a name, or without a look of their own.

    Args:
        n_named: Number of classes or conditions that could be named.
        n_groups: Number of groups with a look, components among them.
        kind: What the named groups are.
    """
    notes = [f"{n_named} {kind}: not named here"] if n_named > MAX_NAMED else []
    return notes + ([f"colours and markers repeat after {style.N_LOOKS} groups"] if n_groups > style.N_LOOKS else [])


def add_legend(figure: Figure, entries: dict, n_columns: int, notes: list[str]) -> None:
    """Draw the legend below a figure, with the notes as its title.

    Args:
        figure: The figure.
        entries: A dot by label; none, and only the notes are written.
        n_columns: Number of columns.
        notes: Lines of the title; none, and there is no title.
    """
    if entries or notes:
        title = "\n".join(notes) or None
        figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=n_columns, title=title)
