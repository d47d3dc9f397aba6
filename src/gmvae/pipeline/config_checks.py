"""What the configuration may say: its form, and that its names and settings exist. Refused in one line, before any job.

Read by the Snakefile on every call, as plan.py is, so it imports nothing heavy.
"""

import math
from collections.abc import Iterable

from gmvae.pipeline.checks.letters import unset_letters
from gmvae.pipeline.code_digest import check_imports
from gmvae.pipeline.config_model import Config, TrainingSettings, check_guide, check_training_settings
from gmvae.pipeline.config_refusals import check_form, config_refusal, show_value
from gmvae.pipeline.config_types import POINT
from gmvae.pipeline.dataset_plan import graph_kinds, reader_settings, swept_model, takes_neighbours
from gmvae.pipeline.plan import (
    SPACES,
    accepted_settings,
    baseline_models,
    held_out_type,
    tasks,
    trained_models,
    training_settings,
)
from gmvae.pipeline.sources import PLUGINS, check_plugin, has_input_size, keyword_types, plugin_names

KINDS = {  # the annotation of a setting in the source: the types that it allows, and how they are described
    "int": ((int,), "a whole number"),
    "float": ((int, float), f"a number {POINT}"),
    "str": ((str,), "a text"),
    "bool": ((bool,), "true or false"),
}


def check_config(config: object) -> None:
    """Check the whole configuration.

    Args:
        config: The merged content of the catalogues, config.yaml and a user's own files.

    Raises:
        Refused: For the first thing that is wrong: its key, what stands there, and what is allowed, in one line.
    """
    check_form(Config, config)
    check_training_settings(config["training"], TrainingSettings.model_fields)
    check_letters(config)
    check_name(["study"], config["study"], config["studies"])
    for name, entry in config["studies"].items():
        for task in entry["tasks"]:
            check_name(["studies", name, "tasks"], task, config["tasks"])
    for name in config["downloads"]:
        check_file(["downloads"], "reader", name)
    for name, entry in config["datasets"].items():
        check_dataset(name, entry)
    for name, entry in config["models"].items():
        check_model(config, name, entry)
    for name, entry in config["tasks"].items():
        check_task(config, name, entry)
    for task in tasks(config):
        for model in trained_models(config, task):
            check_phases(config, task, model)
            check_balance(config, task, model)
        check_graph(config, task)
    for metric in config["thesis"]["margins"]:
        check_name(["thesis", "margins"], metric, config["names"])
    for name, figure_tasks in config["thesis"]["figures"].items():
        check_file(["thesis", "figures"], "figure", name)
        for task in [] if figure_tasks == "all" else figure_tasks:
            check_name(["thesis", "figures", name], task, config["tasks"])


def check_letters(config: dict) -> None:
    """Refuse names with letters that LaTeX cannot set: they would stop the last job of all."""
    texts = {("names", key): name for key, name in config["names"].items()}
    texts |= {("thesis", key): text for key, text in config["thesis"].items() if isinstance(text, str)}
    texts |= {("studies", key, "title"): entry["title"] for key, entry in config["studies"].items()}
    for section in ("datasets", "tasks", "models"):
        texts |= {(section, key, "name"): entry.get("name", "") for key, entry in config[section].items()}
    for at, text in texts.items():
        letters = [] if text.isascii() else unset_letters(text)
        if letters:
            numbers = " ".join(f"U+{ord(sign):04X}" for sign in letters[0])
            allowed = (
                "Latin letters with or without an accent, Greek letters, digits and common signs, as LaTeX sets them"
            )
            raise config_refusal(at, f"the letter {letters[0]} ({numbers}) in {show_value(text)}", allowed)


def parse_switches(config: dict) -> dict:
    """Turn the texts true and false into booleans: Snakemake reads only True and False from the command line so.

    Args:
        config: The configuration, changed in place.

    Returns:
        The same configuration.
    """
    for switch in "offline", "progress":
        if config.get(switch) in ("true", "false"):
            config[switch] = config[switch] == "true"
    return config


def check_dataset(name: str, entry: dict) -> None:
    """Check one entry of `datasets`: its readers, their settings and its thresholds exist."""
    check_source(["datasets", name], entry)
    if "download" in entry and "file" not in reader_settings(entry):
        single = [source for source in plugin_names("reader") if "file" in reader_settings({"source": source})]
        allowed = f"those of sources {', '.join(single)}"
        raise config_refusal(["datasets", name, "download"], f"one of source {entry['source']}", allowed)
    check_cells(["datasets", name, "cells"], entry)
    if "join" in entry.get("rows", {}):
        check_source(["datasets", name, "rows", "join"], entry["rows"]["join"])


def check_cells(at: list[str], entry: dict) -> None:
    """Check the entry's thresholds: they exist, shares are from 0 to 1, and a column of var can be read."""
    types = keyword_types("gmvae.data.preprocessing", "preprocess_cells")
    for key, value in entry.get("cells", {}).items():
        check_name(at, key, types)
        kind = types[key].removesuffix(" | None")
        if isinstance(value, str) != (kind == "str"):
            words = "the name of a column of var" if kind == "str" else f"a number from 0 {POINT}"
            raise config_refusal([*at, key], show_value(value), words)
        if kind == "Share" and value > 1:
            raise config_refusal([*at, key], show_value(value), "a share from 0 to 1 (5 % is 0.05)")
        if key == "mito_genes" and "var_columns" not in reader_settings(entry):
            allowed = f"it with source h5ad; source {entry['source']} reads no columns of var, leave it out"
            raise config_refusal([*at, key], show_value(value), allowed)


def check_source(at: list[str], entry: dict) -> None:
    """Check that an entry's `source` is a reader, and that the reader takes the entry's `settings`."""
    check_file([*at, "source"], "reader", entry["source"])
    check_settings(at, entry, reader_settings(entry))


def check_model(config: dict, name: str, entry: dict) -> None:
    """Check one entry of `models`: its file, its space and its settings exist."""
    if "module" in entry:
        check_file(["models", name, "module"], "model", entry["module"])
        if entry.get("encode") == "components" and not has_input_size(entry["module"]):
            allowed = f"auto or genes, as {entry['module']} has no argument n_inputs"
            raise config_refusal(["models", name, "encode"], "components", allowed)
    elif "response" in entry:
        check_file(["models", name, "response"], "response", entry["response"])
    else:
        check_file(["models", name, "baseline"], "baseline", entry["baseline"], ["none"])
        with_latent = [model for model, other in config["models"].items() if "module" in other]
        check_name(["models", name, "space"], entry["space"], [*SPACES, *with_latent])
    check_settings(["models", name], entry, accepted_settings(entry))


def check_task(config: dict, name: str, entry: dict) -> None:
    """Check one entry of `tasks`: its dataset, models and baselines' spaces exist; a model accepts each setting."""
    check_name(["tasks", name, "dataset"], entry["dataset"], config["datasets"])
    for model in entry["models"]:
        check_name(["tasks", name, "models"], model, config["models"])
        if "response" in config["models"][model] and held_out_type(config, name) is None:
            allowed = "it where the dataset holds out a label under a condition (rows.hold_out)"
            raise config_refusal(["tasks", name, "models"], model, allowed)
    if "delta" in entry and held_out_type(config, name) is None:
        allowed = "it where the dataset holds out a label under a condition (rows.hold_out)"
        raise config_refusal(["tasks", name, "delta"], show_value(entry["delta"]), allowed)
    for model in baseline_models(config, name):
        space = config["models"][model]["space"]
        if space not in [*SPACES, *entry["models"]]:
            allowed = f"{space} beside {model}, which is computed from it"
            raise config_refusal(["tasks", name, "models"], f"{model} without {space}", allowed)
    accepted = {}
    for model in entry["models"]:
        accepted |= accepted_settings(config["models"][model])
    check_settings(["tasks", name], entry, accepted)
    for model in entry.get("training_of", {}):
        check_name(["tasks", name, "training_of"], model, trained_models(config, name))
    for model in trained_models(config, name):
        check_views(config, name, model)
    check_choice(config, name)


def check_choice(config: dict, task: str) -> None:
    """Refuse a number of components that is to be chosen where labels are seen, or where no model has components."""
    entry = config["tasks"][task]
    if isinstance(entry["n_components"], int):
        return
    at, content = ["tasks", task, "n_components"], show_value(entry["n_components"])
    if entry["labels"] != "none":
        allowed = f"a number with labels: {entry['labels']}, as many components as classes; or labels: none"
        raise config_refusal(at, content, allowed)
    if not swept_model(config, task):
        allowed = "a number, as none of its models has components and an ELBO to choose by; or add gmdvae to its models"
        raise config_refusal(at, content, allowed)


def check_phases(config: dict, task: str, model: str) -> None:
    """Refuse training whose first two phases leave no epoch for the objective itself, or a phase without a guide."""
    settings = training_settings(config, task, model)
    check_guide(settings, f" for {model} on {task}")
    first = settings["autoencode_epochs"] + settings["guide_epochs"]
    if settings["epochs"] <= first:
        allowed = f"more than its autoencode_epochs and guide_epochs, which are {first}"
        raise config_refusal(["training", "epochs"], f"{settings['epochs']} for {model} on {task}", allowed)


def check_views(config: dict, task: str, model: str) -> None:
    """Refuse views of images for cells; what only a prepared dataset tells is refused by the step `train`."""
    dataset = config["tasks"][task]["dataset"]
    if "affine" in training_settings(config, task, model)["views"] and "cells" in config["datasets"][dataset]:
        allowed = f"neighbours or thinning: the rows of {dataset} are cells"
        raise config_refusal(["training", "views"], f"affine for {model} on {task}", allowed)


def check_balance(config: dict, task: str, model: str) -> None:
    """Refuse a start that uses labels where the task does not show them all and hold a type out."""
    if training_settings(config, task, model)["start"] == "balanced" and held_out_type(config, task) is None:
        allowed = "auto, data or zero; balanced uses labels, so only in tasks that predict a response"
        raise config_refusal(["training", "start"], f"balanced for {model} on {task}", allowed)


def check_graph(config: dict, task: str) -> None:
    """Refuse a baseline on the graph of neighbours beside models that have two of them: it could not be both starts."""
    baselines = [model for model in baseline_models(config, task) if takes_neighbours(config, model)]
    if baselines and len(graph_kinds(config, task, trained_models(config, task))) > 1:
        allowed = f"one graph for all models of {task}, plain or balanced, or no {baselines[0]}"
        raise config_refusal(["training", "graph"], f"plain and balanced on {task}", allowed)


def check_settings(at: list[str], entry: dict, accepted: dict[str, str]) -> None:
    """Check that each of the entry's `settings` is accepted, and that its value is what its annotation allows."""
    for setting, value in entry.get("settings", {}).items():
        here = [*at, "settings", setting]
        if setting not in accepted:
            raise config_refusal(here, "an unknown setting", list(accepted), nearest_to=setting)
        types, words = KINDS.get(accepted[setting].removesuffix(" | None"), (None, ""))
        if types and (type(value) not in types or (type(value) is float and not math.isfinite(value))):
            raise config_refusal(here, show_value(value), words)


def check_file(at: list[str], kind: str, name: str, others: Iterable[str] = ()) -> None:
    """Check that the name at a key is one of `others` or a plug-in of that kind, whose imports can all be followed."""
    if name in others:
        return
    check_plugin(kind, name)
    check_name(at, name, [*others, *plugin_names(kind)])
    check_imports(f"gmvae.{PLUGINS[kind][0]}.{name}")


def check_name(at: list[str], name: str, allowed: Iterable[str]) -> None:
    """Check that the name at a key is one of the allowed names."""
    if name not in allowed:
        raise config_refusal(at, show_value(name), list(allowed), nearest_to=name)
