"""Figures drawn from stand-ins: the right things in the right place, nothing over anything else, the same bytes."""

import os
import subprocess
import sys
from itertools import combinations

import anndata
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.text import Text

from gmvae.formats.latent import read_latent, showcase_rows
from gmvae.pipeline.errors import Refused
from gmvae.pipeline.sources import ROOT
from gmvae.thesis.figures import comparison, curves, images, latents, style
from gmvae.thesis.figures.scatter import pack_lines, spread_apart

NAMES = {"gmdvae": "GMΔVAE", "pca": "PCA", "accuracy": "Accuracy", "kl_z": "KL of z"}

# Colour-vision deficiencies at full severity on linear RGB: Machado, Oliveira and Fernandes 2009, their table.
DEFICIENCIES = {
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    "none": np.eye(3),
}


def data_set(n=120, n_classes=4, long=False):
    """Images of 4 x 4 pixels with one bright row per class."""
    generator = np.random.default_rng(0)
    truth = np.arange(n) % n_classes
    x = generator.random((n, 16)) * 0.3
    x.reshape(n, 4, 4)[np.arange(n), truth % 4] = 1
    names = [f"a rather long type of cell {c:02d}" if long else str(c) for c in range(n_classes)]
    obs = pd.DataFrame({"label": pd.Categorical.from_codes(truth, names)}, index=[f"r{i}" for i in range(n)])
    obs["split"] = pd.Categorical(np.where(np.arange(n) // n_classes % 5 == 0, "test", "train"))
    uns = {"likelihood": "bernoulli", "shape": np.array([4, 4]), "name": "digits"}
    return anndata.AnnData(X=x.astype(np.float32), obs=obs, uns=uns)


def stand_in(adata, model, n_components, seeds=(0, 1), decodes=True):
    """A latent that nothing was trained for."""
    generator = np.random.default_rng(len(model))
    run = anndata.AnnData(obs=adata.obs.copy())
    run.uns |= {"task": "digits", "model": model, "seeds": np.array(seeds), "labels_observed": False}
    run.uns |= {"n_components": n_components, "showcase": {"rows": showcase_rows(adata)}}
    for seed in seeds:
        run.obsm[f"z_{seed}"] = generator.normal(size=(adata.n_obs, 3)).astype(np.float32)
        run.obsm[f"terms_{seed}"] = pd.DataFrame({"objective": np.full(adata.n_obs, -seed)}, index=adata.obs_names)
        if n_components:
            run.obs[f"cluster_{seed}"] = generator.integers(n_components, size=adata.n_obs)
        if decodes:
            run.uns["showcase"][f"reconstruction_{seed}"] = adata.X[run.uns["showcase"]["rows"]]
            run.uns["showcase"][f"samples_{seed}"] = generator.random((max(1, n_components), 8, 16))
    return run


def history(n_components, n_epochs=12, seeds=(0, 1, 2)):
    """Curves that nothing was trained for, in two phases."""
    generator = np.random.default_rng(n_components)
    table = pd.DataFrame({"seed": np.repeat(seeds, n_epochs), "epoch": np.tile(np.arange(n_epochs), len(seeds))})
    table["phase"] = np.where(table["epoch"] < 4, "warm-up", "train")
    for term in ["reconstruction", "kl_z"] + ["kl_y"] * (n_components > 0) + ["label", "loss"]:
        table[term] = 0 if term == "label" else generator.normal(size=len(table))
    table["occupancy"] = n_components if n_components else np.nan
    return table.assign(learning_rate=1e-3)


def metrics_of(models, seeds=(0, 1, 2)):
    generator = np.random.default_rng(0)
    rows = []
    for model in models:
        for metric in ("accuracy", "purity", "nmi", "ari", "silhouette"):
            rows += [("digits", model, seed, "test", metric, generator.random()) for seed in seeds]
        rows += [("digits", model, seed, "train", "objective", generator.random()) for seed in seeds]
    return pd.DataFrame(rows, columns=["task", "model", "seed", "split", "metric", "value"])


def projection(adata, models, shared=()):
    generator = np.random.default_rng(1)
    here = generator.normal(size=(adata.n_obs, 2))
    tables = []
    for model in models:
        u, v = (here if model in shared else generator.normal(size=(adata.n_obs, 2))).T
        tables.append(pd.DataFrame({"row": adata.obs_names, "model": model, "seed": 0, "u": u, "v": v}))
    return pd.concat(tables)


def overlapping(figure):
    """Pairs of visible texts whose boxes meet, and texts that leave the page; what is written onto points may meet."""
    FigureCanvasAgg(figure).draw()
    box = figure.bbox
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    left_out = [text for axes in figure.axes for text in axes.texts]
    for axis in [axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]:
        low, high = sorted(axis.get_view_interval())
        left_out += [tick.label1 for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high]
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts if text not in left_out]
    found = [(a, b) for (a, first), (b, second) in combinations(boxes, 2) if first.overlaps(second)]
    out = [text for text, at in boxes if at.x0 < box.x0 or at.x1 > box.x1 or at.y0 < box.y0 or at.y1 > box.y1]
    return found + out


# ------------------------------------------------------------------------------------------------------------ style


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
    seen = [lightness_and_hue(np.array(DEFICIENCIES[deficiency]) @ colour) for colour in linear]
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) >= 15


def test_up_to_twenty_groups_are_told_apart_by_colour_and_marker():
    assert len({(style.colour(i), style.marker(i)) for i in range(20)}) == 20
    assert len({(style.colour(i), style.line(i)) for i in range(30)}) == 30


def test_names_are_set_with_the_letters_that_the_font_has():
    assert style.text("GMΔVAE") == r"GM$\Delta$VAE"
    assert style.text("a_b $5 <1") == r"a$\_$b \$5 $<$1"
    assert style.display_name({"vae": "VAE"}, "vae") == "VAE"
    assert style.display_name({}, "vae") == "vae"
    assert style.wrap_text("PCA + mixture", width=0.5, size=8) == "PCA +\nmixture"


def test_a_figure_is_as_wide_as_the_text_and_no_higher_than_a_page():
    preamble = (ROOT / "thesis" / "preamble.tex").read_text()
    assert f"\\areaset[current]{{{style.WIDTH * 25.4:.0f}mm}}" in preamble
    assert style.canvas(100).get_size_inches().tolist() == [style.WIDTH, style.HEIGHT]


# ---------------------------------------------------------------------------------------------------------- latents


def test_models_that_share_coordinates_share_the_panel_of_the_classes():
    adata = data_set()
    table = projection(adata, ["pca", "pca_kmeans", "vae"], shared=["pca", "pca_kmeans"])
    assert latents.spaces(table, ["pca", "pca_kmeans", "vae"]) == [["pca", "pca_kmeans"], ["vae"]]
    found = {"pca": stand_in(adata, "pca", 0), "pca_kmeans": stand_in(adata, "pca_kmeans", 4)}
    panels = latents.block(adata, table, found, NAMES)
    assert [(panel.title, panel.subtitle) for panel in panels] == [("PCA", "classes"), ("pca_kmeans", "components")]


def test_components_take_the_colours_of_their_classes():
    adata = data_set()
    truth = adata.obs["label"].cat.codes.to_numpy().astype(int)
    run = stand_in(adata, "gmdvae", 6)
    run.obs["cluster_0"] = np.where(truth == 0, 5, truth)  # class 0 is component 5; components 0 and 4 are empty
    panels = latents.block(adata, projection(adata, ["gmdvae"]), {"gmdvae": run}, NAMES)
    assert np.array_equal(panels[1].groups, truth)
    assert panels[1].title == "GMΔVAE"
    other = projection(adata, ["gmdvae"]).assign(seed=1)
    assert not np.array_equal(latents.block(adata, other, {"gmdvae": run}, NAMES)[1].groups, truth)


def test_rows_are_found_by_name_in_any_order():
    adata = data_set()
    table = projection(adata, ["vae"]).iloc[::-3]
    panel = latents.block(adata, table, {"vae": stand_in(adata, "vae", 0)}, NAMES)[0]
    assert np.array_equal(panel.groups, adata.obs["label"].cat.codes.to_numpy()[::-3])


def test_blocks_are_broken_only_where_they_must_be():
    assert [len(line) for line in pack_lines([["a"] * 3, ["b"] * 2, ["c"]], 4)] == [3, 3]
    assert [len(line) for line in pack_lines([["a"] * 6, ["b"] * 2], 4)] == [4, 4]
    assert latents.short(["b", "cd"]) == ["b", "cd"]
    assert latents.short(["b", "cells"]) == ["1", "2"]
    assert latents.short(["class 0", "class 10"]) == ["0", "10"]
    assert latents.short(["cell", "cells"]) == ["1", "2"]
    assert list(latents.legend(["class 0", "class 1"])) == ["class 0", "class 1"]
    assert list(latents.legend(["b", "cells"])) == ["1  b", "2  cells"]


def test_names_on_points_are_pushed_apart_and_no_further():
    places = np.array([[0.0, 0.0], [0.1, 0.0], [5.0, 5.0]])
    moved = spread_apart(places, least=1.0)
    assert np.linalg.norm(moved[0] - moved[1]) == pytest.approx(1.0)
    assert moved[:2].mean(axis=0) == pytest.approx([0.05, 0])
    assert moved[2].tolist() == [5, 5]


def test_the_axis_leaves_out_a_wild_start_only():
    start = np.r_[500.0, 100, 8, np.linspace(4, 2, 7)]
    band = pd.DataFrame({"min": start - 0.5, "median": start, "max": start + 0.5})
    low, high = curves.limits([band], room=4)  # the settled half spans 1.5 to 3.83
    assert low == 1.5
    assert high == pytest.approx((2 + 2 / 6 * 4 + 0.5) + 4 * (2 / 6 * 4 + 1))
    assert curves.limits([band], room=np.inf) == (1.5, 500.5)
    flat = pd.DataFrame({"min": [3.0, 1, 1, 1], "max": [3.0, 1, 1, 1]})
    assert curves.limits([flat], room=4) == (1, 3)


@pytest.mark.parametrize(
    ("n_models", "n_classes", "k", "long"), [(3, 4, 4, False), (9, 10, 20, True), (25, 20, 20, True)]
)
def test_latents_fit_the_page(n_models, n_classes, k, long):
    adata = data_set(n_classes=n_classes, long=long)
    models = [f"model {i}" for i in range(n_models)]
    table = projection(adata, models)
    blocks = [latents.block(adata, table, {model: stand_in(adata, model, k)}, NAMES) for model in models]
    figure = latents.page(blocks, list(adata.obs["label"].cat.categories))
    written = {text.get_text() for text in figure.findobj(Text)}
    assert overlapping(figure) == []
    assert any("model 0" in text for text in written)
    assert len([text for text in written if "cell" in text]) == n_classes * long


# ------------------------------------------------------------------------------------------------------- comparison


def test_the_marked_seed_has_the_best_training_objective():
    table = metrics_of(["vae"])
    table.loc[table["metric"] == "objective", "value"] = [-5.0, -1.0, -1.0]
    assert comparison.picked(table) == {"vae": 1}
    assert comparison.picked(table[table["metric"] == "accuracy"]) == {}


def test_comparison_shows_each_seed_of_each_model_in_its_order():
    table = metrics_of(["b", "a"])
    figure = comparison.page(table[table["split"] == "test"], {"a": 2}, NAMES, ["b", "a"])
    first = figure.axes[0]
    assert [label.get_text() for label in first.get_yticklabels()] == ["b", "a"]
    assert first.get_title() == "Accuracy"
    dots = [line for line in first.lines if len(line.get_xdata()) == 3]
    expected = table[(table["model"] == "a") & (table["metric"] == "accuracy")]["value"].to_numpy()
    assert np.array_equal(dots[1].get_xdata(), expected)
    bars = [line.get_xdata()[0] for line in first.lines if line.get_marker() == "|"]
    assert bars[1] == pytest.approx(expected.mean())
    rings = [line.get_xdata() for line in first.lines if line.get_markerfacecolor() == "none"]
    assert [ring.tolist() for ring in rings] == [[], [expected[2]]]
    assert first.get_ylim()[0] > first.get_ylim()[1]  # the first model on top


@pytest.mark.parametrize("n_models", [1, 25])
def test_comparison_fits_the_page(n_models):
    models = [f"a model of the family, number {i}" for i in range(n_models)]
    table = metrics_of(models)
    assert overlapping(comparison.page(table[table["split"] == "test"], {}, NAMES, models)) == []


def test_a_task_without_measures_is_refused(tmp_path):
    metrics_of(["vae"]).to_csv(tmp_path / "metrics.csv", index=False)
    with pytest.raises(Refused, match=r"metrics\.csv has no measure .* task other"):
        comparison.draw(tmp_path / "out.pdf", "other", NAMES, tmp_path / "metrics.csv", ["vae"])
    assert not (tmp_path / "out.pdf").exists()


# ----------------------------------------------------------------------------------------------------------- curves


def test_a_phase_that_counts_anew_is_counted_on(tmp_path):
    rows = [(seed, epoch, phase) for seed in (0, 1) for phase in "ab" for epoch in (0, 1, 2)]
    pd.DataFrame(rows, columns=["seed", "epoch", "phase"]).to_csv(tmp_path / "history.csv", index=False)
    table = curves.history(tmp_path / "history.csv")
    assert table["epoch"].tolist() == [0, 1, 2, 3, 4, 5] * 2
    assert curves.changes(table) == [2.5]


def test_curves_show_terms_that_say_something_and_the_band_over_seeds():
    table = history(3)
    assert curves.drawn({"gmdvae": table, "ae": history(0)}) == ["reconstruction", "kl_z", "kl_y", "loss", "occupancy"]
    figure = curves.page({"gmdvae": table}, NAMES)
    axes = next(axes for axes in figure.axes if axes.get_title() == "KL of z")
    by_epoch = table.groupby("epoch")["kl_z"]
    assert np.allclose(axes.lines[0].get_ydata(), by_epoch.median())
    corners = axes.collections[0].get_paths()[0].vertices
    assert corners[:, 1].max() == pytest.approx(by_epoch.max().max())
    assert corners[:, 1].min() == pytest.approx(by_epoch.min().min())
    assert axes.lines[1].get_xdata() == [3.5, 3.5]


@pytest.mark.parametrize("n_models", [1, 25])
def test_curves_fit_the_page(n_models):
    drawn = {f"model number {i}": history(i % 3) for i in range(n_models)}
    assert overlapping(curves.page(drawn, NAMES)) == []


def test_a_history_without_its_columns_is_refused(tmp_path):
    pd.DataFrame({"seed": [0], "epoch": [1]}).to_csv(tmp_path / "history.csv", index=False)
    with pytest.raises(Refused, match=r"history\.csv lacks phase"):
        curves.draw(tmp_path / "out.pdf", "digits", NAMES, [tmp_path / "history.csv"], ["vae"])
    with pytest.raises(Refused, match="trains no model"):
        curves.draw(tmp_path / "out.pdf", "digits", NAMES, [], [])


# ----------------------------------------------------------------------------------------------------------- images


def test_a_mosaic_is_its_images_with_paper_between():
    drawn = np.arange(24).reshape(2, 3, 4)  # two lines of three images of 2 x 2
    picture = images.mosaic(drawn, (2, 2), paper=-1)
    assert picture.tolist() == [
        [0, 1, -1, 4, 5, -1, 8, 9],
        [2, 3, -1, 6, 7, -1, 10, 11],
        [-1] * 8,
        [12, 13, -1, 16, 17, -1, 20, 21],
        [14, 15, -1, 18, 19, -1, 22, 23],
    ]


def test_samples_stand_in_the_order_of_the_classes():
    adata = data_set()
    truth = adata.obs["label"].cat.codes.to_numpy().astype(int)
    run = stand_in(adata, "gmdvae", 4)
    run.obs["cluster_0"] = (truth + 1) % 4  # class 0 is component 1
    assert images.order(run, adata, 0).tolist() == [1, 2, 3, 0]


@pytest.mark.parametrize(("n_models", "k"), [(1, 10), (3, 20), (25, 20)])
def test_images_fit_the_page(n_models, k):
    generator = np.random.default_rng(0)
    shown = {"Test images": generator.random((1, 10, 16))}
    shown |= {f"model number {i}": generator.random((1, 10, 16)) for i in range(n_models)}
    samples = {f"model number {i}": generator.random((8, k, 16)) for i in range(n_models)}
    figure = images.page(shown, samples, (4, 4))
    assert overlapping(figure) == []
    places = [axes.get_position() for axes in figure.axes]
    assert all(place.y0 >= 0 and place.y1 <= 1 and place.x1 <= 1 for place in places)
    assert not any(a.y0 < b.y1 and b.y0 < a.y1 for a, b in combinations(places, 2))


# ------------------------------------------------------------------------------------------------------------ files


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Stand-ins for all that figures read, for three models, one without components and one that does not decode."""
    path = tmp_path_factory.mktemp("results")
    adata = data_set()
    adata.write_h5ad(path / "data.h5ad")
    for model, k, decodes in (("ae", 0, True), ("gmdvae", 4, True), ("kmeans", 5, False)):
        stand_in(adata, model, k, decodes=decodes).write_h5ad(path / f"{model}.h5ad")
        history(k).to_csv(path / f"{model}.csv", index=False)
    metrics_of(["ae", "gmdvae", "kmeans"]).to_csv(path / "metrics.csv", index=False)
    projection(adata, ["ae", "gmdvae", "kmeans"]).to_csv(path / "projection.csv", index=False)
    return path


def command(figure, folder, output):
    """The command line of a figure on the stand-ins."""
    models = ["ae", "gmdvae", "kmeans"]
    needs = {
        "latents": ["--data", folder / "data.h5ad", "--projection", folder / "projection.csv"],
        "images": ["--data", folder / "data.h5ad"],
        "curves": ["--histories", *[folder / f"{model}.csv" for model in models], "--trained", *models],
        "comparison": ["--metrics", folder / "metrics.csv", "--compared", *models],
    }[figure]
    if figure in ("latents", "images"):
        needs += ["--latents", *[folder / f"{model}.h5ad" for model in models], "--models", *models]
    given = ["--output", output, "--task", "digits", "--names", '{"gmdvae": "GMΔVAE"}', *needs]
    return [sys.executable, "-m", f"gmvae.thesis.figures.{figure}", *map(str, given)]


@pytest.mark.parametrize("figure", ["latents", "images", "curves", "comparison"])
def test_a_figure_drawn_twice_has_the_same_bytes_and_no_date(figure, folder, tmp_path):
    for attempt in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": attempt, "PYTHONPATH": str(ROOT / "src")}
        done = subprocess.run(
            command(figure, folder, tmp_path / attempt / "f.pdf"), env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        assert sorted(path.name for path in (tmp_path / attempt).iterdir()) == ["f.pdf", "f.svg"]
    for name in ("f.pdf", "f.svg"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()
    pdf, svg = (tmp_path / "1" / "f.pdf").read_bytes(), (tmp_path / "1" / "f.svg").read_text()
    assert pdf.startswith(b"%PDF") and b"CreationDate" not in pdf
    assert "<svg" in svg and "<dc:date>" not in svg
    assert b"/CIDFontType2" in pdf and b"/Type3" not in pdf  # letters as letters, to be searched and copied


def test_controls_alone_are_no_figure(folder, tmp_path):
    run = read_latent(folder / "kmeans.h5ad")
    run.uns["baseline"] = "truth"
    run.write_h5ad(tmp_path / "truth.h5ad")
    given = [tmp_path / "truth.h5ad"], ["kmeans"], folder / "projection.csv"
    with pytest.raises(Refused, match="no model but controls"):
        latents.draw(tmp_path / "out.pdf", "digits", NAMES, folder / "data.h5ad", *given)


def test_what_is_no_image_is_refused(folder, tmp_path):
    adata = data_set()
    adata.uns["shape"] = np.array([], dtype=np.int64)
    adata.write_h5ad(tmp_path / "cells.h5ad")
    with pytest.raises(Refused, match="no image"):
        images.draw(tmp_path / "out.pdf", "cells", NAMES, tmp_path / "cells.h5ad", [folder / "ae.h5ad"], ["ae"])
    with pytest.raises(Refused, match="no model decodes"):
        given = folder / "data.h5ad", [folder / "kmeans.h5ad"], ["kmeans"]
        images.draw(tmp_path / "out.pdf", "digits", NAMES, *given)
    assert list(tmp_path.glob("out*")) == []
