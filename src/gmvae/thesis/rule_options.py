"""What the rules of the thesis hand to its steps: files, models and names, from the configuration.

The Snakefile reads this on every call, so it imports nothing heavy.
"""

from gmvae.pipeline import plan, step_options
from gmvae.pipeline.sources import parameter_names

CONTROLS = ("truth", "random")  # baselines that bound every metric


def control_models(config: dict, task: str) -> list[str]:
    """The models of a task that bound its metrics.

    Args:
        config: The checked configuration.
        task: An entry of `tasks`.

    Returns:
        Names of models.
    """
    models = plan.baseline_models(config, task)
    return [model for model in models if config["models"][model]["baseline"] in CONTROLS]


def components_by_model(config: dict, task: str) -> dict[str, int]:
    """The number of components of each model of a task.

    Args:
        config: The checked configuration.
        task: An entry of `tasks`.

    Returns:
        K by model.
    """
    return {model: plan.n_components(config, task, model) for model in plan.models(config, task)}


def figure_options(config: dict, task: str, figure: str) -> dict[str, list[str]]:
    """What a figure takes of a task.

    Args:
        config: The checked configuration.
        task: An entry of `tasks`.
        figure: A file of gmvae/thesis/figures, without .py.

    Returns:
        Files and names of models, by the parameter that takes them.
    """
    models, trained = plan.models(config, task), plan.trained_models(config, task)
    projected, responding = step_options.projected_models(config, task), plan.response_models(config, task)
    options = {
        "data": [step_options.dataset_file(config, task)],
        "models": projected,
        "latents": step_options.run_files(task, projected, "latent.h5ad"),
        "trained": trained,
        "histories": step_options.run_files(task, trained, "history.csv"),
        "projection": [f"results/tasks/{task}/projection.csv"],
        "metrics": ["results/metrics.csv"],
        "compared": models,
        "controls": control_models(config, task),
        "responding": responding,
        "profiles": step_options.run_files(task, responding, "profiles.csv"),
    }
    taken = parameter_names(f"gmvae.thesis.figures.{figure}", "draw")
    return {name: values for name, values in options.items() if name in taken}


def figure_files(config: dict, task: str, figure: str) -> list[str]:
    """The files among what a figure takes.

    Args:
        config: The checked configuration.
        task: An entry of `tasks`.
        figure: A file of gmvae/thesis/figures, without .py.

    Returns:
        Paths.
    """
    options = figure_options(config, task, figure)
    return [value for values in options.values() for value in values if "/" in value]


def names_for_task(config: dict, task: str) -> dict[str, str]:
    """Display names of what a task's figures and tables show.

    Args:
        config: The checked configuration.
        task: An entry of `tasks`.

    Returns:
        Names by key, sorted.
    """
    shown = {task, config["tasks"][task]["dataset"], *plan.models(config, task), *config["names"]}
    return {key: name for key, name in sorted(plan.display_names(config).items()) if key in shown}


def model_names(config: dict, models: list[str]) -> dict[str, str]:
    """Display names of models.

    Args:
        config: The checked configuration.
        models: Names of models.

    Returns:
        Names by model, in this order; of those only that the config has.
    """
    return {model: config["models"][model]["name"] for model in models if model in config["models"]}


def held_out_types(config: dict) -> dict[str, dict[str, str]]:
    """The type of cells and the condition that each task of the study holds out.

    Args:
        config: The checked configuration.

    Returns:
        label and condition, by task; only of the tasks that ask for a response.
    """
    held = {task: plan.held_out_type(config, task) for task in plan.tasks(config)}
    return {task: kind for task, kind in held.items() if kind}


def responding_names(config: dict) -> dict[str, str]:
    """Display names of the models that predict a response.

    Args:
        config: The checked configuration.

    Returns:
        Names by model, in the order of the table's rows.
    """
    return model_names(
        config, [model for task in held_out_types(config) for model in plan.response_models(config, task)]
    )


def published_tasks(config: dict) -> dict[str, dict]:
    """What the table of published values takes of each task.

    Args:
        config: The checked configuration.

    Returns:
        labels and n_components (K by model), by task.
    """
    return {
        task: {"labels": config["tasks"][task]["labels"], "n_components": components_by_model(config, task)}
        for task in plan.tasks(config)
    }


def numbers_tasks(config: dict) -> dict[str, dict]:
    """What the numbers of the thesis take of each task.

    Args:
        config: The checked configuration.

    Returns:
        dataset, labels, n_components and where there is one held_out, by task in the study's order; and sweep, where a
        sweep chose n_components.
    """
    held = {task: {"held_out": kind} for task, kind in held_out_types(config).items()}
    return {
        task: {key: config["tasks"][task][key] for key in ("dataset", "labels")}
        | {"n_components": plan.task_components(config, task)}
        | ({} if isinstance(config["tasks"][task]["n_components"], int) else {"sweep": True})
        | held.get(task, {})
        for task in plan.tasks(config)
    }


def interval_files(config: dict) -> list[str]:
    """The intervals over rows of the study.

    Args:
        config: The checked configuration.

    Returns:
        A path for each task that has a run with a latent.
    """
    tasks = [task for task in plan.tasks(config) if plan.evaluated_models(config, task)]
    return [f"results/tasks/{task}/intervals.csv" for task in tasks]


def claims_options(config: dict) -> dict:
    """How the claims of the thesis are judged.

    Args:
        config: The checked configuration.

    Returns:
        mode, margins by metric, and kinds: by model of the study its module, baseline or response.
    """
    kinds = {}
    for model in sorted({model for task in plan.tasks(config) for model in plan.models(config, task)}):
        entry = config["models"][model]
        kinds[model] = next(entry[key] for key in ("module", "baseline", "response") if key in entry)
    margins = step_options.with_sorted_keys(config["thesis"]["margins"])
    return {"mode": config["thesis"]["claims"], "margins": margins, "kinds": kinds}


def title_page(config: dict) -> dict[str, str]:
    """What the title page says.

    Args:
        config: The checked configuration.

    Returns:
        author, place, date and study; institution and degree where the configuration has them.
    """
    keys = ("author", "place", "date", "institution", "degree")
    entries = {key: config["thesis"][key] for key in keys if key in config["thesis"]}
    return dict(sorted({**entries, "study": plan.study_entry(config)["title"]}.items()))
