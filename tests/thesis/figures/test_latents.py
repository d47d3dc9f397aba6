"""Latents in the plane: panels, colours, and texts that do not overlap."""

import anndata
import numpy as np
import pytest
from matplotlib.text import Text
from support.drawing import NAMES, overlapping_texts, random_latent, random_projection, striped_images

from gmvae.pipeline.errors import Refused
from gmvae.thesis.figures import latents
from gmvae.thesis.figures.scatter import pack_panels, spread_apart


def test_models_that_share_coordinates_share_the_panel_of_the_classes():
    adata = striped_images()
    table = random_projection(adata, ["pca", "pca_kmeans", "vae"], shared=["pca", "pca_kmeans"])
    assert latents.group_by_coordinates(table, ["pca", "pca_kmeans", "vae"]) == [["pca", "pca_kmeans"], ["vae"]]
    runs = {"pca": random_latent(adata, "pca", 0), "pca_kmeans": random_latent(adata, "pca_kmeans", 4)}
    panels = latents.latent_panels(adata, table, runs, NAMES)
    assert [(panel.title, panel.subtitle) for panel in panels] == [("PCA", "classes"), ("pca_kmeans", "components")]


def test_components_take_the_colours_of_their_classes():
    adata = striped_images()
    truth = adata.obs["label"].cat.codes.to_numpy().astype(int)
    run = random_latent(adata, "gmdvae", 6)
    run.obs["cluster_0"] = np.where(truth == 0, 5, truth)  # class 0 is component 5; components 0 and 4 are empty
    panels = latents.latent_panels(adata, random_projection(adata, ["gmdvae"]), {"gmdvae": run}, NAMES)
    assert np.array_equal(panels[1].groups, truth)
    assert panels[1].title == "GMΔVAE"
    other_seed = random_projection(adata, ["gmdvae"]).assign(seed=1)
    assert not np.array_equal(latents.latent_panels(adata, other_seed, {"gmdvae": run}, NAMES)[1].groups, truth)


def test_components_that_are_the_classes_have_no_panel_of_their_own():
    adata = striped_images()
    run, table = random_latent(adata, "gmdvae", 4), random_projection(adata, ["gmdvae"])
    run.obs["cluster_0"] = adata.obs["label"].cat.codes.to_numpy().astype(int)
    panels = latents.latent_panels(adata, table, {"gmdvae": run}, NAMES)
    assert latents.without_repeats(panels) == panels[:1]
    run.obs["cluster_0"] = 0
    panels = latents.latent_panels(adata, table, {"gmdvae": run}, NAMES)
    assert latents.without_repeats(panels) == panels


def test_the_figure_shows_a_choice_of_models_where_a_task_has_them():
    assert latents.choose_models(["pca", "ae", "vae", "gmvae", "gmdvae"]) == ["pca", "vae", "gmdvae"]
    assert latents.choose_models(["ae", "gmvae", "gmdvae"]) == ["ae", "gmvae", "gmdvae"]


def test_rows_are_found_by_name_in_any_order():
    adata = striped_images()
    table = random_projection(adata, ["vae"]).iloc[::-3]
    panel = latents.latent_panels(adata, table, {"vae": random_latent(adata, "vae", 0)}, NAMES)[0]
    assert np.array_equal(panel.groups, adata.obs["label"].cat.codes.to_numpy()[::-3])


def test_a_block_is_broken_only_where_it_is_longer_than_a_row():
    assert [len(row) for row in pack_panels([["a"] * 3, ["b"] * 2, ["c"]], 4)] == [3, 3]
    assert [len(row) for row in pack_panels([["a"] * 6, ["b"] * 2], 4)] == [4, 4]


def test_classes_are_marked_by_their_last_word_where_it_is_short_and_enough():
    assert latents.class_marks(["b", "cd"]) == ["b", "cd"]
    assert latents.class_marks(["b", "cells"]) == ["1", "2"]
    assert latents.class_marks(["class 0", "class 10"]) == ["0", "10"]
    assert latents.class_marks(["cell", "cells"]) == ["1", "2"]
    assert list(latents.class_legend(["class 0", "class 1"])[0]) == ["class 0", "class 1"]
    assert list(latents.class_legend(["b", "cells"])[0]) == ["1  b", "2  cells"]


def test_names_on_points_are_pushed_apart_and_no_further():
    places = np.array([[0.0, 0.0], [0.1, 0.0], [5.0, 5.0]])
    moved = spread_apart(places, least=1.0)
    assert np.linalg.norm(moved[0] - moved[1]) == pytest.approx(1.0)
    assert moved[:2].mean(axis=0) == pytest.approx([0.05, 0])
    assert moved[2].tolist() == [5, 5]


@pytest.mark.parametrize(
    ("n_models", "n_classes", "k", "long"), [(3, 4, 4, False), (9, 10, 20, True), (25, 20, 20, True)]
)
def test_latents_fit_the_page(n_models, n_classes, k, long):
    adata = striped_images(n_classes=n_classes, long=long)
    models = [f"model {i}" for i in range(n_models)]
    table = random_projection(adata, models)
    blocks = [latents.latent_panels(adata, table, {model: random_latent(adata, model, k)}, NAMES) for model in models]
    figure = latents.latent_figure(blocks, list(adata.obs["label"].cat.categories))
    written = {text.get_text() for text in figure.findobj(Text)}
    assert overlapping_texts(figure) == []
    assert any("model 0" in text for text in written)
    assert len([text for text in written if "cell" in text]) == n_classes * long


def test_controls_alone_are_no_figure(folder, tmp_path):
    run = anndata.read_h5ad(folder / "kmeans.h5ad")
    run.uns["baseline"] = "truth"
    run.write_h5ad(tmp_path / "truth.h5ad")
    inputs = folder / "data.h5ad", [tmp_path / "truth.h5ad"], ["kmeans"], folder / "projection.csv"
    with pytest.raises(Refused, match=r"digits.*controls.*latents"):
        latents.draw(tmp_path / "out.pdf", "digits", NAMES, *inputs)
