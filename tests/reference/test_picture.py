"""The picture of README.md is drawn from results/reference, and shows every seed."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from gmvae.pipeline.errors import Refused
from gmvae.pipeline.sources import ROOT
from gmvae.reference.picture import draw_reference, page

REFERENCE = ROOT / "results/reference"
PICTURE = REFERENCE / "accuracy.png"


def test_the_picture_is_that_of_the_reference(tmp_path):
    draw_reference(REFERENCE, tmp_path / "accuracy.png")
    with Image.open(PICTURE) as committed, Image.open(tmp_path / "accuracy.png") as drawn:
        assert committed.text == drawn.text, "the picture shows other results: run `make readme`"
        assert committed.size == drawn.size
        difference = np.abs(np.asarray(committed, dtype=float) - np.asarray(drawn, dtype=float)).mean()
    assert difference < 1, "the picture is drawn in another way: run `make readme`"  # of 255; fonts differ a little


def test_the_picture_is_small():
    assert PICTURE.stat().st_size < 200_000


def test_every_seed_is_a_dot_in_the_line_of_its_model():
    panels = {"a": {"gmdvae": pd.Series([0.5, 0.25]), "vae": pd.Series([0.75])}, "b": {"vae": pd.Series([1.0])}}
    figure = page(panels, {"a": "A", "b": "B", "gmdvae": "Ours", "vae": "VAE"})
    first, second = figure.axes
    assert [label.get_text() for label in first.get_yticklabels()] == ["Ours", "VAE"]
    dots = [line for line in first.lines if line.get_marker() == "o"]
    assert dots[0].get_xdata().tolist() == [0.5, 0.25] and set(np.round(dots[0].get_ydata())) == {0}
    assert [list(line.get_ydata()) for line in second.lines if line.get_marker() == "o"] == [[1]]


def test_a_missing_study_is_refused_with_the_command_that_makes_it(tmp_path):
    with pytest.raises(Refused, match=r"embedded.*make reference STUDY=embedded"):
        draw_reference(tmp_path, tmp_path / "accuracy.png")
