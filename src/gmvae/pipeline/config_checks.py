"""What config.yaml cannot mean: refused in one line before any job starts.

Read by the Snakefile on every call, as config.py is, so it imports nothing heavy.
"""

from gmvae.pipeline.config_form import check_form, check_type, config_refusal, show_value
from gmvae.pipeline.plan import (
    SPACES,
    accepted_settings,
    baseline_models,
    held_out_type,
    reader_settings,
    tasks,
    trained_models,
    training_settings,
)
from gmvae.pipeline.sources import keyword_types, plugin_names


def check_config(config: dict) -> None:
    """Raise `Refused` for the first thing that is wrong: its key, what was found, what is allowed, in one line."""
    check_form(config)
    check_name(["study"], config["study"], config["studies"])
    for name, entry in config["studies"].items():
        for task in entry["tasks"]:
            check_name(["studies", name, "tasks"], task, config["tasks"])
    for name in config["downloads"]:
        check_name(["downloads"], name, plugin_names("reader"))
    for name, entry in config["datasets"].items():
        check_name(["datasets", name, "source"], entry["source"], plugin_names("reader"))
        check_settings(["datasets", name], entry, reader_settings(entry))
        check_rows(name, entry)
    for name, entry in config["models"].items():
        check_model(config, name, entry)
    for name, entry in config["tasks"].items():
        check_task(config, name, entry)
    for task in tasks(config):
        for model in trained_models(config, task):
            check_phases(config, task, model)
    for name, of in config["thesis"]["figures"].items():
        check_name(["thesis", "figures"], name, plugin_names("figure"))
        for task in [] if of == "all" else of:
            check_name(["thesis", "figures", name], task, config["tasks"])


def check_rows(name: str, entry: dict) -> None:
    """What an entry of `datasets` derives, and how its cells are chosen: the joined source and the thresholds exist."""
    if "download" in entry and entry["source"] != "h5ad":
        raise config_refusal(["datasets", name, "download"], f"one of source {entry['source']}", "that of source h5ad")
    for threshold in entry.get("cells", {}):
        check_name(
            ["datasets", name, "cells"], threshold, keyword_types("gmvae.data.preprocessing", "preprocess_cells")
        )
    joined = entry.get("rows", {}).get("join")
    if joined:
        check_name(["datasets", name, "rows", "join", "source"], joined["source"], plugin_names("reader"))
        check_settings(["datasets", name, "rows", "join"], joined, reader_settings(joined))


def check_model(config: dict, name: str, entry: dict) -> None:
    """One entry of `models`: its file, its space and its settings exist."""
    if "module" in entry:
        check_name(["models", name, "module"], entry["module"], plugin_names("model"))
    elif "response" in entry:
        check_name(["models", name, "response"], entry["response"], plugin_names("response"))
    else:
        check_name(["models", name, "baseline"], entry["baseline"], ["none", *plugin_names("baseline")])
        others = [key for key, other in config["models"].items() if "module" in other]
        check_name(["models", name, "space"], entry["space"], [*SPACES, *others])
    check_settings(["models", name], entry, accepted_settings(entry))


def check_task(config: dict, name: str, entry: dict) -> None:
    """One entry of `tasks`: its data set, models and baselines' spaces exist; each setting is taken by a model."""
    check_name(["tasks", name, "dataset"], entry["dataset"], config["datasets"])
    for model in entry["models"]:
        check_name(["tasks", name, "models"], model, config["models"])
        if "response" in config["models"][model] and held_out_type(config, name) is None:
            allowed = "it where the data set holds out a label under a condition (rows.hold_out)"
            raise config_refusal(["tasks", name, "models"], model, allowed)
    for model in baseline_models(config, name):
        space = config["models"][model]["space"]
        if space not in [*SPACES, *entry["models"]]:
            allowed = f"{space} beside {model}, which is computed from it"
            raise config_refusal(["tasks", name, "models"], f"{model} without {space}", allowed)
    taken = {}
    for model in entry["models"]:
        taken |= accepted_settings(config["models"][model])
    check_settings(["tasks", name], entry, taken)
    for model in entry.get("training_of", {}):
        check_name(
            ["tasks", name, "training_of"], model, [of for of in entry["models"] if "module" in config["models"][of]]
        )


def check_phases(config: dict, task: str, model: str) -> None:
    """The first phases of training leave epochs for the objective itself."""
    settings = training_settings(config, task, model)
    first = settings["autoencode_epochs"] + settings["guide_epochs"]
    if settings["epochs"] <= first:
        allowed = f"more than its autoencode_epochs and guide_epochs, which are {first}"
        raise config_refusal(["training", "epochs"], f"{settings['epochs']} for {model} on {task}", allowed)


def check_settings(at: list[str], entry: dict, taken: dict[str, str]) -> None:
    """Every key of the entry's `settings` is one that is taken, and holds what its type allows."""
    for setting, value in entry.get("settings", {}).items():
        here = [*at, "settings", setting]
        if setting not in taken:
            raise config_refusal(here, "an unknown setting", list(taken), nearest_to=setting)
        check_type(here, value, taken[setting].removesuffix(" | None"))


def check_name(at: list[str], name: str, allowed) -> None:
    """The name at this key is one of the allowed ones."""
    if name not in allowed:
        raise config_refusal(at, show_value(name), list(allowed), nearest_to=name)
