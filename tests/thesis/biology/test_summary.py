"""The one figure of a task whose cells are told in short."""

import numpy as np
import pytest
from support.drawing import overlapping_texts
from support.findings import LABELS, made_up_cells, made_up_tables

from gmvae.thesis.biology.summary import summary_figure


@pytest.mark.parametrize("k", [2, 4, 21])
def test_every_cell_and_the_share_of_every_type_are_shown_without_overlaps(k):
    cells, tables = made_up_cells(300, k), made_up_tables(k)
    figure = summary_figure(cells, tables["confusion"], tables["clusters"]["cluster"].tolist())
    plane, shares = figure.axes
    assert sum(len(line.get_xdata()) for line in plane.lines) == len(cells)
    values = np.asarray(shares.images[0].get_array())
    counts = tables["confusion"].pivot_table(index="label", columns="cluster", values="cells", aggfunc="sum")
    assert values.shape == (len(LABELS), k) and values.sum(axis=1) == pytest.approx(np.ones(len(LABELS)))
    assert np.sort(values.ravel()) == pytest.approx(
        np.sort((counts.div(counts.sum(axis=1), axis=0)).to_numpy().ravel())
    )
    assert overlapping_texts(figure) == []


def test_without_labels_there_are_clusters_alone():
    tables = made_up_tables(labels=False)
    figure = summary_figure(made_up_cells(labels=False), tables["confusion"], tables["clusters"]["cluster"].tolist())
    assert figure.axes[0].lines and not figure.axes[1].images and not figure.axes[1].axison
