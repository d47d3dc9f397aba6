"""What the configuration says of studies, tasks and models: the one place that knows which entry wins.

Read by the Snakefile on every call, so it imports nothing heavy: settings of models and baselines are read off their
source with `ast`. `config` is the checked configuration (catalogues, config.yaml and a user's own files, merged).
"""

import json
from pathlib import Path

from gmvae.pipeline.sources import keyword_types

SPACES = ("data", "pca", "umap")  # what a baseline can work on, besides the latent variable of a trained model


def study_entry(config: dict) -> dict:
    """The entry of the study to run.

    Args:
        config: The configuration.

    Returns:
        Its title, seeds and tasks, and optionally training settings.
    """
    return config["studies"][config["study"]]


def seeds(config: dict) -> list[int]:
    """The seeds of the study: every run has all of them.

    Args:
        config: The configuration.

    Returns:
        The seeds, in their order.
    """
    return list(study_entry(config)["seeds"])


def tasks(config: dict) -> list[str]:
    """The tasks of the study.

    Args:
        config: The configuration.

    Returns:
        Names of tasks, in the study's order.
    """
    return list(study_entry(config)["tasks"])


def models(config: dict, task: str) -> list[str]:
    """The models of a task: trained ones, baselines and expectations.

    Args:
        config: The configuration.
        task: An entry of `tasks`.

    Returns:
        Names of models, in the task's order.
    """
    return list(config["tasks"][task]["models"])


def trained_models(config: dict, task: str) -> list[str]:
    """The models of a task that have weights.

    Args:
        config: The configuration.
        task: An entry of `tasks`.

    Returns:
        Names of models, in the task's order.
    """
    return [model for model in models(config, task) if "module" in config["models"][model]]


def baseline_models(config: dict, task: str) -> list[str]:
    """The baselines of a task, which have no weights of their own: clusterings, projections, controls.

    Args:
        config: The configuration.
        task: An entry of `tasks`.

    Returns:
        Names of models, in the task's order.
    """
    return [model for model in models(config, task) if "baseline" in config["models"][model]]


def held_out_type(config: dict, task: str) -> dict[str, str] | None:
    """The cell type whose response a task predicts.

    Args:
        config: The configuration.
        task: An entry of `tasks`.

    Returns:
        The one `label` and `condition` that the task's dataset holds out together, None if there are none.
    """
    hold_out = config["datasets"][config["tasks"][task]["dataset"]].get("rows", {}).get("hold_out", {})
    is_one = set(hold_out) == {"label", "condition"} and all(isinstance(value, str) for value in hold_out.values())
    return dict(hold_out) if is_one else None


def response_models(config: dict, task: str) -> list[str]:
    """The models of a task that predict a response: trained ones and expectations.

    Args:
        config: The configuration.
        task: An entry of `tasks`.

    Returns:
        Names of models, in the task's order; none for a task without a held-out type.
    """
    if held_out_type(config, task) is None:
        return []
    return [model for model in models(config, task) if "baseline" not in config["models"][model]]


def evaluated_models(config: dict, task: str) -> list[str]:
    """The models of a task that have a latent variable: all but the expectations.

    Args:
        config: The configuration.
        task: An entry of `tasks`.

    Returns:
        Names of models, in the task's order.
    """
    return [model for model in models(config, task) if "response" not in config["models"][model]]


def n_components(config: dict, task: str, model: str) -> int:
    """K, the number of components: the model's own if it has one, else the task's, which a sweep may have chosen.

    Args:
        config: The configuration.
        task: An entry of `tasks`.
        model: An entry of `models`.

    Returns:
        K.

    Raises:
        FileNotFoundError: The sweep has not ended. Snakemake then evaluates the params of a rule again before its job,
            if the rule has the file among its inputs.
    """
    return config["models"][model].get("n_components") or task_components(config, task)


def task_components(config: dict, task: str) -> int:
    """K of a task; see `n_components`."""
    k = config["tasks"][task]["n_components"]
    return k if isinstance(k, int) else json.loads(Path(choice_file(task)).read_text(encoding="utf-8"))["n_components"]


def choice_file(task: str) -> str:
    """The file with the K that a sweep chose for a task."""
    return f"results/choices/{task}/components.json"


def model_settings(config: dict, task: str, model: str) -> dict:
    """The settings of a model or baseline in a task: those of the task that it accepts, then its own.

    Args:
        config: The configuration.
        task: An entry of `tasks`.
        model: An entry of `models`.

    Returns:
        Settings with their values.
    """
    entry = config["models"][model]
    accepted = accepted_settings(entry)
    shared = config["tasks"][task].get("settings", {})
    return {name: value for name, value in shared.items() if name in accepted} | entry.get("settings", {})


def accepted_settings(entry: dict) -> dict[str, str]:
    """The settings that a model accepts: the keywords of its constructor, or of a baseline's function `assign`.

    Args:
        entry: An entry of `models`.

    Returns:
        The settings with their types, as the source has them.
    """
    if "module" in entry:
        return keyword_types(f"gmvae.models.{entry['module']}", "Model.__init__")
    if "response" in entry:
        return {}
    of_space = {"n_dimensions": "int"} if entry["space"] in ("pca", "umap") else {}
    if entry["baseline"] == "none":
        return of_space
    return of_space | keyword_types(f"gmvae.runs.baselines.{entry['baseline']}", "assign")


def training_settings(config: dict, task: str, model: str) -> dict:
    """The training settings of a run.

    Args:
        config: The configuration.
        task: An entry of `tasks`.
        model: A trained model of the task.

    Returns:
        All training settings: the defaults, changed by the model, the task, the task for this model, and the study. The
        start `auto` becomes balanced in a task that predicts a response, where all models see the types, else data.
    """
    entry = config["tasks"][task]
    of_model = config["models"][model].get("training", {})
    of_both = entry.get("training_of", {}).get(model, {})
    of_study = study_entry(config).get("training", {})
    settings = config["training"] | of_model | entry.get("training", {}) | of_both | of_study
    if settings["start"] == "auto":
        settings["start"] = "balanced" if held_out_type(config, task) else "data"
    return settings


def display_names(config: dict) -> dict[str, str]:
    """What tables and figures show for each key.

    Args:
        config: The configuration.

    Returns:
        The names of metrics and terms, datasets, tasks (their dataset's unless they have one) and models.
    """
    datasets = {key: entry["name"] for key, entry in config["datasets"].items()}
    of_tasks = {key: entry.get("name", datasets[entry["dataset"]]) for key, entry in config["tasks"].items()}
    of_models = {key: entry["name"] for key, entry in config["models"].items()}
    return config["names"] | datasets | of_tasks | of_models


def thesis_figures(config: dict) -> list[tuple[str, str]]:
    """The figures of the thesis for the study.

    Args:
        config: The configuration.

    Returns:
        Pairs of task and figure, in the order of tasks. `all` stands for the tasks without a held-out type: those with
        one have only the figures that name them.
    """
    return [
        (task, figure)
        for task in tasks(config)
        for figure, figure_tasks in config["thesis"]["figures"].items()
        if (held_out_type(config, task) is None if figure_tasks == "all" else task in figure_tasks)
    ]
