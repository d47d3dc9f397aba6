"""Stand-ins for what figures show, made of random numbers, and the check that a figure's texts do not overlap."""

from itertools import combinations

import anndata
import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from gmvae.formats.latent import showcase_rows

NAMES = {"gmdvae": "GMΔVAE", "pca": "PCA", "accuracy": "Accuracy", "kl_z": "KL_z"}


def striped_images(n=120, n_classes=4, long=False):
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


def random_latent(adata, model, n_components, seeds=(0, 1), decodes=True):
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


def random_history(n_components, n_epochs=12, seeds=(0, 1, 2)):
    """Curves that nothing was trained for, in two phases."""
    generator = np.random.default_rng(n_components)
    table = pd.DataFrame({"seed": np.repeat(seeds, n_epochs), "epoch": np.tile(np.arange(n_epochs), len(seeds))})
    table["phase"] = np.where(table["epoch"] < 4, "warm-up", "train")
    for term in ["reconstruction", "kl_z"] + ["kl_y"] * (n_components > 0) + ["label", "loss"]:
        table[term] = 0 if term == "label" else generator.normal(size=len(table))
    table["occupancy"] = n_components if n_components else np.nan
    return table.assign(learning_rate=1e-3)


def random_metrics(models, seeds=(0, 1, 2)):
    """Rows of metrics.csv: five measures of the test split and the training objective."""
    generator = np.random.default_rng(0)
    rows = []
    for model in models:
        for metric in ("accuracy", "purity", "nmi", "ari", "silhouette"):
            rows += [("digits", model, seed, "test", metric, generator.random()) for seed in seeds]
        rows += [("digits", model, seed, "train", "objective", generator.random()) for seed in seeds]
    return pd.DataFrame(rows, columns=["task", "model", "seed", "split", "metric", "value"])


def random_projection(adata, models, shared=()):
    """Rows of projection.csv; the models in `shared` have the same coordinates."""
    generator = np.random.default_rng(1)
    common = generator.normal(size=(adata.n_obs, 2))
    tables = []
    for model in models:
        u, v = (common if model in shared else generator.normal(size=(adata.n_obs, 2))).T
        tables.append(pd.DataFrame({"row": adata.obs_names, "model": model, "seed": 0, "u": u, "v": v}))
    return pd.concat(tables)


def overlapping_texts(figure):
    """Pairs of visible texts whose boxes meet, and texts that leave the page; texts on points are not looked at."""
    FigureCanvasAgg(figure).draw()
    box = figure.bbox
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    ignored = [text for axes in figure.axes for text in axes.texts]
    for axis in [axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]:
        low, high = sorted(axis.get_view_interval())
        ignored += [tick.label1 for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high]
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts if text not in ignored]
    pairs = [(a, b) for (a, first), (b, second) in combinations(boxes, 2) if first.overlaps(second)]
    outside = [text for text, at in boxes if at.x0 < box.x0 or at.x1 > box.x1 or at.y0 < box.y0 or at.y1 > box.y1]
    return pairs + outside
