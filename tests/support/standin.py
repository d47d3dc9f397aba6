"""A folder of stand-in results, made in moments, from which the book can be set: blank figures, drawn numbers."""

import json
from pathlib import Path

import anndata
import matplotlib
import numpy as np
import pandas as pd

from gmvae.metrics.catalogue import COMPONENTS, QUALITY, RESPONSE_MEASURES, RESPONSE_TARGETS, RESPONSE_WAYS
from gmvae.pipeline.plan import (
    display_names,
    held_out_type,
    models,
    n_components,
    response_models,
    seeds,
    tasks,
    thesis_figures,
)
from gmvae.pipeline.sources import ROOT
from gmvae.thesis.claims import check_claims
from gmvae.thesis.numbers import write_numbers
from gmvae.thesis.rule_options import claims_options, title_page
from gmvae.thesis.tables.published import list_published
from gmvae.thesis.tables.responses import tabulate_responses
from gmvae.thesis.tables.rivals import tabulate_rivals
from gmvae.thesis.tables.runs import list_runs
from gmvae.thesis.tables.speed import tabulate_speed
from gmvae.thesis.tables.task import tabulate_task
from gmvae.thesis.tables.variants import tabulate_variants

matplotlib.use("pdf")
from matplotlib import pyplot as plt

CONTROLS = ["truth", "random"]
SHARES = [*QUALITY, "disagreement"]
TERMS = ["reconstruction", "kl_d", "kl_w", "kl_y", "kl_z", "elbo", "bound", "objective"]
RESPONSE = [f"response_{target}{measure}" for target in RESPONSE_TARGETS for measure in RESPONSE_MEASURES]
RANGES = {"response": (0, 1), "kl": (0, 30), "occupancy": (1, 10), "effective": (1, 10), "classes": (1, 10)}


def metrics_of(config: dict) -> pd.DataFrame:
    """Metrics of the config's study with drawn values: every model has every measure, trained ones every term."""
    draws, rows = np.random.default_rng(0), []
    for task in tasks(config):
        for model in models(config, task):
            kept = [
                *SHARES,
                *COMPONENTS,
                "classes_found",
                *(TERMS if "module" in config["models"][model] else ["objective"]),
            ]
            if "response" in config["models"][model]:
                kept = []
            kept += response_metrics_of(model, config) if model in response_models(config, task) else []
            for metric in kept:
                low, high = RANGES.get(metric.split("_")[0], (-900, 900)) if metric not in SHARES else (0.3, 0.9)
                base = draws.uniform(low, high)
                for seed in seeds(config):
                    for split in ("train", "test"):
                        rows.append((task, model, seed, split, metric, base + 0.02 * draws.standard_normal()))
    return pd.DataFrame(rows, columns=["task", "model", "seed", "split", "metric", "value"])


def response_metrics_of(model: str, config: dict) -> list[str]:
    """The measures of a predicted response: of a trained model in all forms, of a reference with the ceiling."""
    if model == "fitted_combination":
        return [*RESPONSE, "response_ceiling_change_r2", "response_ceiling_change_r2_score"]
    if "response" in config["models"][model]:
        return RESPONSE
    two = model.startswith("cgmdvae")
    ways = [way for way in RESPONSE_WAYS if way not in ("global_", "ceiling_") and (two or "z_" not in way)]
    return [f"response_{way}{name.removeprefix('response_')}" for way in ways for name in RESPONSE]


def data_set(path: Path) -> None:
    """A small data set in the promised form."""
    classes = np.repeat(["a", "b", "c"], 20)
    obs = pd.DataFrame({"label": pd.Categorical(classes), "split": pd.Categorical(["train", "test"] * 30)})
    obs.index = obs.index.map(str)
    adata = anndata.AnnData(X=np.ones((60, 4), np.float32), obs=obs, uns={"likelihood": "normal", "name": path.stem})
    path.parent.mkdir(parents=True, exist_ok=True)
    adata.write_h5ad(path)


def blank_figure(path: Path) -> None:
    """A figure of the text's width with nothing in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure = plt.figure(figsize=(142 / 25.4, 60 / 25.4))
    figure.savefig(path, metadata={"CreationDate": None})
    plt.close(figure)


def provenance(path: Path, module: str | None) -> None:
    """What a run would have recorded."""
    settings = {"n_dimensions": 10}
    if module:
        settings = {"module": module, "settings": {"n_latent": 10}, "training": {"epochs": 100}, "n_components": 10}
    made = {"settings": settings, "seeds": [0, 1], "versions": {"python": "3.11.2"}, "commit": "0" * 40}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(made | {"dirty": False, "device": "cpu"}))


def results(folder: Path, config: dict, mode: str = "warn") -> None:
    """Fill folder/results with all that the book reads; the working directory has no part in it."""
    made = folder / "results"
    made.mkdir(parents=True, exist_ok=True)
    metrics_of(config).to_csv(made / "metrics.csv", index=False)
    data = [made / "data" / f"{config['tasks'][task]['dataset']}.h5ad" for task in tasks(config)]
    for path in data:
        data_set(path)
    for task, figure in thesis_figures(config):
        blank_figure(made / "figures" / task / f"{figure}.pdf")
    for path in sorted((ROOT / "thesis" / "diagrams").glob("*.tex")):
        blank_figure(made / "diagrams" / f"{path.stem}.pdf")
    listed = []
    for task in tasks(config):
        for model in models(config, task):
            listed.append(made / "runs" / task / model / "provenance.json")
            provenance(listed[-1], config["models"][model].get("module"))
    texts(folder, config, data, listed, mode)


def texts(folder: Path, config: dict, data: list[Path], listed: list[Path], mode: str) -> None:
    """The steps that write LaTeX, on the stand-ins."""
    made, shown = folder / "results", display_names(config)
    for task in tasks(config):
        of_task = models(config, task)
        components = {model: n_components(config, task, model) for model in of_task}
        kept = [model for model in CONTROLS if model in of_task]
        tabulate_task(made / "metrics.csv", task, of_task, kept, components, shown, made / "tables" / f"{task}.tex")
    asked = {task: config["tasks"][task] | {"held_out": held_out_type(config, task)} for task in tasks(config)}
    figures = [f"{task}/{figure}" for task, figure in thesis_figures(config)]
    write_numbers(made / "metrics.csv", data, asked, figures, shown, title_page(config), made / "numbers.tex")
    held = {task: entry["held_out"] for task, entry in asked.items() if entry["held_out"]}
    if held:
        tabulate_responses(made / "metrics.csv", held, shown, made / "tables" / "responses.tex")
    judged = claims_options(config) | {"mode": mode}
    check_claims(
        made / "metrics.csv", sorted((ROOT / "thesis").rglob("*.tex")), shown, output=made / "claims.tex", **judged
    )
    list_runs(listed, shown, made / "tables" / "runs.tex")
    with_k = {
        task: {
            "labels": config["tasks"][task]["labels"],
            "n_components": {model: n_components(config, task, model) for model in models(config, task)},
        }
        for task in tasks(config)
    }
    hand_written = ROOT / "thesis" / "published.csv"
    tabulate_speed(
        sorted((ROOT / "benchmarks").glob("*.csv")), {}, made / "tables" / "speed.tex", made / "figures" / "speed.pdf"
    )
    list_published(made / "metrics.csv", hand_written, with_k, shown, made / "tables" / "published.tex")
    rivals = ROOT / "results" / "reference" / "rivals.csv"
    tabulate_rivals([rivals], tasks(config), shown, made / "tables" / "rivals.tex")
    tabulate_variants([], [], shown, 0.02, made / "tables" / "variants.tex")
