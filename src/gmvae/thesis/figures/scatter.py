"""Scatter panels: points in the plane in groups, their names written where they lie, and panels packed in lines."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from gmvae.thesis.figures import style


@dataclass(frozen=True)
class Panel:
    """One scatter: coordinates [n, 2], a colour number per point [n], what it shows, and the names of its groups."""

    points: np.ndarray
    groups: np.ndarray
    title: str
    subtitle: str
    keys: list[str]


def scatter(axes: Axes, panel: Panel, step: int, size: float) -> None:
    """Every step-th point of a panel; on wide panels the names of its groups too. `size` of the letters in points."""
    points, groups = panel.points[::step], panel.groups[::step]
    present = np.unique(groups)
    for group in present:
        look = {
            "color": style.colour(group),
            "marker": style.marker(group),
            "markersize": marker_size(len(points), size),
        }
        axes.plot(*points[groups == group].T, linestyle="none", markeredgewidth=0, **look)
    axes.set(xticks=[], yticks=[])
    axes.set_aspect("equal", adjustable="datalim")
    axes.spines[["top", "right"]].set_visible(True)
    width = axes.get_position().width * style.WIDTH
    axes.set_title(f"{style.wrap_text(panel.title, width, size)}\n{panel.subtitle}", size=size, linespacing=1.1)
    if panel.keys and size >= 7:
        centres = np.stack([np.median(panel.points[panel.groups == group], axis=0) for group in present])
        least = 1.4 * style.letter(7) * np.ptp(points, axis=0).max() / width
        for group, place in zip(present, spread_apart(centres, least * max(map(len, panel.keys))), strict=True):
            halo = [withStroke(linewidth=1.5, foreground="white")]
            axes.text(*place, style.text(panel.keys[group]), size=7, ha="center", va="center", path_effects=halo)


def marker_size(n: int, size: float) -> float:
    """In points: smaller where there are many points, or small panels."""
    return size / 6 * float(np.clip((1500 / n) ** 0.5, 1, 1.8))


def spread_apart(places: np.ndarray, least: float) -> np.ndarray:
    """Places [n, 2] pushed away from each other until any two are `least` apart, or 100 times."""
    places = places.astype(np.float64)
    for _ in range(100):
        between = places[:, None] - places[None]  # n, n, 2
        distance = np.linalg.norm(between, axis=2) + 1e9 * np.eye(len(places))
        if distance.min() >= least:
            break
        close = np.clip(least - distance, 0, None)[..., None] / 2
        places += (between / np.maximum(distance, 1e-9)[..., None] * close).sum(axis=1)
    return places


def pack_lines(blocks: list[list[Panel]], n_columns: int) -> list[list[Panel]]:
    """Panels in lines of at most n_columns; a block is broken only where it is longer than a line."""
    lines = [[]]
    for panels in blocks:
        if lines[-1] and len(lines[-1]) + len(panels) > n_columns:
            lines.append([])
        for panel in panels:
            if len(lines[-1]) == n_columns:
                lines.append([])
            lines[-1].append(panel)
    return lines


def fill_line(line: list[Panel], n: int) -> list[Panel | None]:
    """The line with empty places up to n."""
    return line + [None] * (n - len(line))
