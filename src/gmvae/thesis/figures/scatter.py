"""Scatter panels: points in the plane by group, with the groups' names on them, and panels packed in rows."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from gmvae.thesis.figures import style

MANY_POINTS = 400  # in a panel: more are drawn as a picture, which keeps the book small


@dataclass(frozen=True)
class Panel:
    """One scatter of points in groups.

    Args:
        points: Coordinates [n, 2].
        groups: Colour number of each point [n].
        title: Name of the model.
        subtitle: What the groups are.
        marks: Text on the points of each group; none, and nothing is written on them.
    """

    points: np.ndarray
    groups: np.ndarray
    title: str
    subtitle: str
    marks: list[str]


def draw_panel(axes: Axes, panel: Panel, step: int, size: float) -> None:
    """Draw the points of a panel, and on wide panels the marks of its groups.

    Args:
        axes: Where to draw.
        panel: What to draw.
        step: Every step-th point is drawn.
        size: Size of the letters in points.
    """
    points, groups = panel.points[::step], panel.groups[::step]
    present = np.unique(groups)
    for group in present:
        look = {
            "color": style.colour(group),
            "marker": style.marker(group),
            "markersize": marker_size(len(points), size),
            "rasterized": len(points) > MANY_POINTS,
        }
        axes.plot(*points[groups == group].T, linestyle="none", markeredgewidth=0, **look)
    axes.set(xticks=[], yticks=[])
    axes.set_aspect("equal", adjustable="datalim")
    axes.spines[["top", "right"]].set_visible(True)
    width = axes.get_position().width * style.WIDTH
    axes.set_title(f"{style.wrap_text(panel.title, width, size)}\n{panel.subtitle}", size=size, linespacing=1.1)
    if panel.marks and size >= 7:
        centres = np.stack([np.median(panel.points[panel.groups == group], axis=0) for group in present])
        least = 1.4 * style.letter_width(7) * np.ptp(points, axis=0).max() / width
        places = spread_apart(centres, least * max(map(len, panel.marks)))
        for group, place in zip(present, places, strict=True):
            halo = [withStroke(linewidth=1.5, foreground="white")]
            axes.text(*place, style.mathtext(panel.marks[group]), size=7, ha="center", va="center", path_effects=halo)


def marker_size(n: int, size: float) -> float:
    """Size in points of n markers: smaller where there are many points, or small letters."""
    return size / 6 * float(np.clip((1500 / n) ** 0.5, 1, 1.8))


def spread_apart(places: np.ndarray, least: float) -> np.ndarray:
    """Places [n, 2] pushed away from each other until any two are `least` apart, or 100 times."""
    places = places.astype(np.float64)
    for _ in range(100):
        between = places[:, None] - places[None]  # n, n, 2
        distance = np.linalg.norm(between, axis=2) + 1e9 * np.eye(len(places))
        if distance.min() >= least:
            break
        overlap = np.clip(least - distance, 0, None)[..., None] / 2
        places += (between / np.maximum(distance, 1e-9)[..., None] * overlap).sum(axis=1)
    return places


def pack_panels(blocks: list[list[Panel]], n_columns: int) -> list[list[Panel]]:
    """Panels in rows of at most n_columns; a block is broken only where it is longer than a row."""
    rows = [[]]
    for panels in blocks:
        if rows[-1] and len(rows[-1]) + len(panels) > n_columns:
            rows.append([])
        for panel in panels:
            if len(rows[-1]) == n_columns:
                rows.append([])
            rows[-1].append(panel)
    return rows


def fill_row(row: list[Panel], n_columns: int) -> list[Panel | None]:
    """The row with empty places up to n_columns."""
    return row + [None] * (n_columns - len(row))
