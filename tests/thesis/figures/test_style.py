"""The look of all figures: colours for every reader, letters that the font has, the width of the text."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from gmvae.pipeline.sources import ROOT
from gmvae.thesis.figures import style

# Colour-vision deficiencies at full severity on linear RGB: Machado, Oliveira and Fernandes 2009, their table.
DEFICIENCIES = {
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    "none": np.eye(3),
}


def lightness_and_hue(linear):
    """CIELAB of linear sRGB, D65."""
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ linear.clip(0, 1)
    xyz = xyz / [0.95047, 1, 1.08883]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_colours_stay_apart_for_every_reader(deficiency):
    colours = np.array([to_rgb(colour) for colour in style.COLOURS])
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    coordinates = [lightness_and_hue(np.array(DEFICIENCIES[deficiency]) @ colour) for colour in linear]
    assert min(np.linalg.norm(a - b) for a, b in combinations(coordinates, 2)) >= 15


def test_up_to_twenty_groups_differ_in_colour_or_marker_and_thirty_in_colour_or_line_style():
    assert len({(style.colour(i), style.marker(i)) for i in range(20)}) == 20
    assert len({(style.colour(i), style.line_style(i)) for i in range(30)}) == 30


def test_names_are_set_with_the_letters_that_the_font_has():
    assert style.mathtext("GMΔVAE") == r"GM$\Delta$VAE"
    assert style.mathtext("a_b $5 <1") == r"a$\_$b \$5 $<$1"
    assert style.display_name({"vae": "VAE"}, "vae") == "VAE"
    assert style.display_name({}, "vae") == "vae"
    assert style.wrap_text("PCA + mixture", width=0.5, size=8) == "PCA +\nmixture"


def test_a_figure_is_as_wide_as_the_text_and_no_higher_than_a_page():
    preamble = (ROOT / "thesis" / "preamble.tex").read_text()
    assert f"\\areaset[current]{{{style.WIDTH * 25.4:.0f}mm}}" in preamble
    assert style.empty_figure(100).get_size_inches().tolist() == [style.WIDTH, style.MAX_HEIGHT]


def test_a_model_has_one_colour_in_all_figures_and_no_two_of_a_figure_look_alike():
    alone, among = (
        style.model_looks(models) for models in (["vae"], ["other", "gmdvae_x", "gmdvae", "gmdvae_y", "vae"])
    )
    assert alone["vae"] == among["vae"] == style.MODEL_LOOKS["vae"]
    assert style.colour(among["gmdvae_x"]) == style.colour(among["gmdvae_y"]) == style.colour(among["gmdvae"])
    assert list(among) == ["other", "gmdvae_x", "gmdvae", "gmdvae_y", "vae"] and len(set(among.values())) == 5
    assert len(set(style.model_looks([f"gmdvae_{i}" for i in range(30)]).values())) == 30
    assert style.model_colour("vae_mixture") == style.model_colour("vae") != style.model_colour("pca_kmeans")
    assert style.model_family("cgmdvae_learned") == "cgmdvae" and style.model_family("vaex") is None
