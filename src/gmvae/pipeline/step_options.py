"""What the rules hand to the steps, beyond what `plan` says: files, and options as words of a command line.

The Snakefile reads this on every call, so it imports nothing heavy.
"""

import json

from gmvae.pipeline import dataset_plan, plan
from gmvae.pipeline.command import SWITCHES, switch_variable
from gmvae.pipeline.sources import has_input_size, parameter_names


def switches(config: dict) -> dict[str, str]:
    """The environment variables of the switches, which change no result.

    Args:
        config: The checked configuration.

    Returns:
        Values by variable; an empty entry of the config leaves the user's own variable alone.
    """
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


def place_words(words: list[str], results: str) -> list[str]:
    """Let options name files below another folder than results/, where Snakemake keeps copies of what is in a store.

    Args:
        words: The words of a command line.
        results: The folder that stands for results.

    Returns:
        The words, each that starts with results/ with the other folder in its place.
    """
    return [results + word.removeprefix("results") if word.startswith("results/") else word for word in words]


def with_sorted_keys(settings: dict) -> dict:
    """Sort the keys of settings, so that their order in the config re-runs nothing.

    Args:
        settings: Any settings.

    Returns:
        The settings, inner ones too.
    """
    return json.loads(json.dumps(settings, sort_keys=True))


def dataset_file(config: dict, task: str) -> str:
    """The prepared data set of a task.

    Args:
        config: The checked configuration.
        task: An entry of `tasks`.

    Returns:
        A path below results/data.
    """
    return f"results/data/{config['tasks'][task]['dataset']}.h5ad"


def run_files(task: str, models: list[str], file: str) -> list[str]:
    """A file of each of these models' runs on a task.

    Args:
        task: An entry of `tasks`.
        models: Names of models.
        file: The name of the file.

    Returns:
        Paths below results/runs, in the order of the models.
    """
    return [f"results/runs/{task}/{model}/{file}" for model in models]


def raw_folder(config: dict, dataset: str) -> str | None:
    """The folder of the raw files that a data set is read from.

    Args:
        config: The checked configuration.
        dataset: An entry of `datasets`.

    Returns:
        A folder below results/raw; None if the source needs no raw file.
    """
    return f"results/raw/{config['datasets'][dataset]['source']}" if dataset_plan.raw_files(config, dataset) else None


def plugin_modules(kind: str, *names: str) -> list[str]:
    """The modules of plug-ins.

    Args:
        kind: The package of the plug-ins, such as models or data.readers.
        names: The plug-ins; `none` stands for no plug-in.

    Returns:
        Names of modules, for `source_digest`.
    """
    return [f"gmvae.{kind}.{name}" for name in names if name != "none"]


def encoder_input(config: dict, task: str, model: str) -> str:
    """What the encoder of a trained model sees: the model's own entry wins over the task's.

    Args:
        config: The checked configuration.
        task: An entry of `tasks`.
        model: A trained model of the task.

    Returns:
        components; genes, what the likelihood scores, which is all that a model without an argument `n_inputs` can
        encode; or auto, components for counts, which only the prepared dataset shows.
    """
    entry = config["models"][model]
    if not has_input_size(entry["module"]):
        return "genes"
    return entry.get("encode", config["tasks"][task].get("encode", "auto"))


def observed_file(config: dict, task: str, model: str) -> list[str]:
    """The labels that a baseline sees.

    Args:
        config: The checked configuration.
        task: An entry of `tasks`.
        model: An entry of `models`.

    Returns:
        One path, or none: only a classifier takes labels.
    """
    name = config["models"][model]["baseline"]
    takes = name != "none" and "observed" in parameter_names(f"gmvae.runs.baselines.{name}", "assign")
    return [f"results/tasks/{task}/observed.csv"] if takes else []


def latent_file(config: dict, task: str, model: str) -> list[str]:
    """The latent that a baseline works on.

    Args:
        config: The checked configuration.
        task: An entry of `tasks`.
        model: An entry of `models`.

    Returns:
        One path, or none for a baseline that works on the data, their principal components or their UMAP.
    """
    space = config["models"][model]["space"]
    return [] if space in plan.SPACES else run_files(task, [space], "latent.h5ad")


def measures_files(config: dict) -> list[str]:
    """The files that results/metrics.csv is collected from.

    Args:
        config: The checked configuration.

    Returns:
        The metrics.csv of each run with a latent, and the response.csv of each predicted response.
    """
    tasks = plan.tasks(config)
    metrics = [run_files(task, plan.evaluated_models(config, task), "metrics.csv") for task in tasks]
    responses = [run_files(task, plan.response_models(config, task), "response.csv") for task in tasks]
    return [file for files in metrics + responses for file in files]


def projected_models(config: dict, task: str) -> list[str]:
    """The models of a task whose latent is drawn.

    Args:
        config: The checked configuration.
        task: An entry of `tasks`.

    Returns:
        Names of models, in the task's order: trained ones, and spaces without a clustering.
    """
    shown = plan.trained_models(config, task) + [
        model
        for model in plan.baseline_models(config, task)
        if config["models"][model]["baseline"] == "none" and config["models"][model]["space"] != "data"
    ]
    return [model for model in plan.models(config, task) if model in shown]


def choice_files(config: dict, *tasks: str) -> list[str]:
    """The files of chosen numbers of components that the options of a rule are read from.

    Args:
        config: The checked configuration.
        *tasks: Entries of `tasks`.

    Returns:
        One path for each task whose `n_components` is no number.
    """
    return [plan.choice_file(task) for task in tasks if not isinstance(config["tasks"][task]["n_components"], int)]


def sweep_options(config: dict, task: str) -> dict:
    """The options of the step `choose_components` for a task.

    Args:
        config: The checked configuration.
        task: An entry of `tasks`, with a model that can be swept.

    Returns:
        The model's module, settings and training, what its encoder sees, device, threads, and candidates if the config
        names them.
    """
    model, numbers = dataset_plan.swept_model(config, task), config["tasks"][task]["n_components"]
    return {
        "module": config["models"][model]["module"],
        "settings": with_sorted_keys(plan.model_settings(config, task, model)),
        "training": with_sorted_keys(plan.training_settings(config, task, model)),
        "candidates": sorted(numbers) if isinstance(numbers, list) else None,
        "encode": encoder_input(config, task, model),
        "device": config["device"],
        "threads": config["threads"],
    }
