"""What the rules hand on, beyond what `plan` says: files, options as words of a command line, and priorities.

The Snakefile reads this on every call, so it imports nothing heavy.
"""

import json

from gmvae.pipeline import dataset_plan, plan
from gmvae.pipeline.command import SWITCHES, switch_variable
from gmvae.pipeline.sources import class_flag, keyword_defaults, parameter_names

CONTROLS = ("truth", "random")  # baselines that bound every metric
NARROW = 16  # the width of a model without hidden layers
PRECISION_COST = {"float64": 2.0, "float32": 1.0, "bfloat16": 0.5}


def switches(config: dict) -> dict[str, str]:
    """The environment variables of what changes no result; an empty entry leaves the user's own variable alone."""
    return {switch_variable(name): str(config[name]) for name in SWITCHES if config[name] != ""}


def option_words(values: dict) -> list[str]:
    """Write values as the command-line options that `step_parser` reads.

    Args:
        values: by parameter name: texts, numbers, lists of them, True and False, dicts; None leaves the option out.

    Returns:
        The words of the command line, not quoted.
    """
    words = []
    for name, value in values.items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words.append(flag if value else flag.replace("--", "--no-", 1))
        elif isinstance(value, dict):
            words += [flag, json.dumps(value)]
        elif isinstance(value, list | tuple):
            words += [flag, *map(str, value)]
        elif value is not None:
            words += [f"{flag}={value}"] if str(value).startswith("-") or value == "" else [flag, str(value)]
    return words


def with_sorted_keys(settings: dict) -> dict:
    """The same settings with sorted keys, so that their order in the config re-runs nothing."""
    return json.loads(json.dumps(settings, sort_keys=True))


def dataset_file(config: dict, task: str) -> str:
    """The prepared data set of a task."""
    return f"results/data/{config['tasks'][task]['dataset']}.h5ad"


def run_files(task: str, models: list[str], file: str) -> list[str]:
    """A file of each of these models' runs on a task."""
    return [f"results/runs/{task}/{model}/{file}" for model in models]


def download_options(config: dict, source: str, file: str) -> dict[str, str]:
    """The address and the checksums of a raw file."""
    entry = dataset_plan.downloads(config)[source][file]
    return {key: entry[key] for key in ("url", "sha256", "sha256_decompressed") if key in entry}


def raw_folder(config: dict, dataset: str) -> str | None:
    """The folder of the raw files that a data set is read from; None where its source needs none."""
    return f"results/raw/{config['datasets'][dataset]['source']}" if dataset_plan.raw_files(config, dataset) else None


def plugin_modules(kind: str, *names: str) -> list[str]:
    """The modules of plug-ins of one kind by their names; `none` names no plug-in."""
    return [f"gmvae.{kind}.{name}" for name in names if name != "none"]


def observed_file(config: dict, task: str, model: str) -> list[str]:
    """The labels that a baseline sees: only a classifier takes them."""
    name = config["models"][model]["baseline"]
    takes = name != "none" and "observed" in parameter_names(f"gmvae.runs.baselines.{name}", "assign")
    return [f"results/tasks/{task}/observed.csv"] if takes else []


def latent_file(config: dict, task: str, model: str) -> list[str]:
    """The latent that a baseline works on, if it works on one."""
    space = config["models"][model]["space"]
    return [] if space in plan.SPACES else run_files(task, [space], "latent.h5ad")


def measures_files(config: dict) -> list[str]:
    """The csv files of all runs of the study that metrics.csv is collected from."""
    tasks = plan.tasks(config)
    metrics = [run_files(task, plan.evaluated_models(config, task), "metrics.csv") for task in tasks]
    responses = [run_files(task, plan.response_models(config, task), "response.csv") for task in tasks]
    return [file for files in metrics + responses for file in files]


def projected_models(config: dict, task: str) -> list[str]:
    """The models whose latent is drawn: trained ones, and spaces without a clustering."""
    shown = plan.trained_models(config, task) + [
        model
        for model in plan.baseline_models(config, task)
        if config["models"][model]["baseline"] == "none" and config["models"][model]["space"] != "data"
    ]
    return [model for model in plan.models(config, task) if model in shown]


def control_models(config: dict, task: str) -> list[str]:
    """The models of a task that bound its metrics."""
    models = plan.baseline_models(config, task)
    return [model for model in models if config["models"][model]["baseline"] in CONTROLS]


def components_by_model(config: dict, task: str) -> dict[str, int]:
    """K of each model of a task."""
    return {model: plan.n_components(config, task, model) for model in plan.models(config, task)}


def figure_options(config: dict, task: str, figure: str) -> dict[str, list[str]]:
    """What a figure takes, by the names of its parameters: files and names of models."""
    models, trained = plan.models(config, task), plan.trained_models(config, task)
    projected, responding = projected_models(config, task), plan.response_models(config, task)
    options = {
        "data": [dataset_file(config, task)],
        "models": projected,
        "latents": run_files(task, projected, "latent.h5ad"),
        "trained": trained,
        "histories": run_files(task, trained, "history.csv"),
        "projection": [f"results/tasks/{task}/projection.csv"],
        "metrics": ["results/metrics.csv"],
        "compared": models,
        "responding": responding,
        "profiles": run_files(task, responding, "profiles.csv"),
    }
    taken = parameter_names(f"gmvae.thesis.figures.{figure}", "draw")
    return {name: values for name, values in options.items() if name in taken}


def figure_files(config: dict, task: str, figure: str) -> list[str]:
    """The files among what a figure takes."""
    options = figure_options(config, task, figure)
    return [value for values in options.values() for value in values if "/" in value]


def names_for_task(config: dict, task: str) -> dict[str, str]:
    """Display names of what a task's figures and tables show, sorted by key."""
    shown = {task, config["tasks"][task]["dataset"], *plan.models(config, task), *config["names"]}
    return {key: name for key, name in sorted(plan.display_names(config).items()) if key in shown}


def model_names(config: dict, models: list[str]) -> dict[str, str]:
    """Display names of models, in this order; of those only that the config has."""
    return {model: config["models"][model]["name"] for model in models if model in config["models"]}


def held_out_types(config: dict) -> dict[str, dict[str, str]]:
    """The type and condition that are held out, by task of the study: of the tasks that ask for a response."""
    held = {task: plan.held_out_type(config, task) for task in plan.tasks(config)}
    return {task: kind for task, kind in held.items() if kind}


def responding_names(config: dict) -> dict[str, str]:
    """Display names of the models that predict a response, in the order of the table's rows."""
    return model_names(
        config, [model for task in held_out_types(config) for model in plan.response_models(config, task)]
    )


def published_tasks(config: dict) -> dict[str, dict]:
    """What the table of published values takes of each task: labels, and K by model."""
    return {
        task: {"labels": config["tasks"][task]["labels"], "n_components": components_by_model(config, task)}
        for task in plan.tasks(config)
    }


def numbers_tasks(config: dict) -> dict[str, dict]:
    """What the numbers of the thesis take of each task, in the study's order, which is that of the sections."""
    held = {task: {"held_out": kind} for task, kind in held_out_types(config).items()}
    keys = ("dataset", "labels", "n_components")
    return {task: {key: config["tasks"][task][key] for key in keys} | held.get(task, {}) for task in plan.tasks(config)}


def title_page(config: dict) -> dict[str, str]:
    """What the title page says, sorted by key."""
    entries = {key: config["thesis"][key] for key in ("author", "place", "date")}
    return dict(sorted({**entries, "study": plan.study_entry(config)["title"]}.items()))


def training_priorities(config: dict) -> dict[tuple[str, str], int]:
    """The priority of each training of the study, by task and model: 2 for the cheapest, more for what takes longer.

    Snakemake starts the ready jobs of the highest priority. What trainings wait for has more than any of them; what
    follows from them has less, and runs when all have started.
    """
    runs = [(task, model) for task in plan.tasks(config) for model in plan.trained_models(config, task)]
    costs = {run: training_cost(config, *run) for run in runs}
    return {run: 2 + sum(other < cost for other in costs.values()) for run, cost in costs.items()}


def training_cost(config: dict, task: str, model: str) -> float:
    """About how long a training takes beside others on the same data set, in no unit.

    The rows are not known before the data set is prepared. The factors are those of measured trainings: a model with
    components takes twice as long for a row; further draws share the encoder, and so do the K decodings of a model
    that decodes every row once per class.
    """
    module = f"gmvae.models.{config['models'][model]['module']}"
    training = plan.training_settings(config, task, model)
    per_row = 2.0 if class_flag(module, "has_components") else 1.0
    if class_flag(module, "decodes_class"):
        per_row = (1 + plan.n_components(config, task, model)) / 2
    draws = (1 + training["n_samples"]) / 2
    width = plan.model_settings(config, task, model).get("n_hidden", keyword_defaults(module).get("n_hidden", NARROW))
    precision = PRECISION_COST.get(training["precision"], 1.0)
    return training["epochs"] * per_row * draws * width * precision * len(plan.seeds(config))
