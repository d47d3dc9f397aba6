"""What config.yaml cannot mean: refused in one line before any job starts.

Read by the Snakefile on every call, as config.py is, so it imports nothing heavy.
"""

from gmvae.config import SPACES, accepted, baselines, held_out, readable, tasks, trained, training
from gmvae.schema import check_form, check_type, refused, shown
from gmvae.sources import ROOT, keywords


def check(config: dict) -> None:
    """Raise `Refused` for the first thing that is wrong: its key, what was found, what is allowed, in one line."""
    check_form(config)
    known(["study"], config["study"], config["studies"])
    for name, entry in config["studies"].items():
        for task in entry["tasks"]:
            known(["studies", name, "tasks"], task, config["tasks"])
    for name in config["downloads"]:
        known(["downloads"], name, files("datasets"))
    for name, entry in config["datasets"].items():
        known(["datasets", name, "source"], entry["source"], files("datasets"))
        check_settings(["datasets", name], entry, readable(entry))
        check_rows(name, entry)
    for name, entry in config["models"].items():
        check_model(config, name, entry)
    for name, entry in config["tasks"].items():
        check_task(config, name, entry)
    for task in tasks(config):
        for model in trained(config, task):
            check_phases(config, task, model)
    for name, of in config["thesis"]["figures"].items():
        known(["thesis", "figures"], name, files("figures"))
        for task in [] if of == "all" else of:
            known(["thesis", "figures", name], task, config["tasks"])


def check_rows(name: str, entry: dict) -> None:
    """What an entry of `datasets` derives, and how its cells are chosen: the joined source and the thresholds exist."""
    if "download" in entry and entry["source"] != "h5ad":
        raise refused(["datasets", name, "download"], f"one of source {entry['source']}", "that of source h5ad")
    for threshold in entry.get("cells", {}):
        known(["datasets", name, "cells"], threshold, keywords("gmvae.cells", "preprocessed"))
    joined = entry.get("rows", {}).get("join")
    if joined:
        known(["datasets", name, "rows", "join", "source"], joined["source"], files("datasets"))
        check_settings(["datasets", name, "rows", "join"], joined, readable(joined))


def check_model(config: dict, name: str, entry: dict) -> None:
    """One entry of `models`: its file, its space and its settings exist."""
    if "module" in entry:
        known(["models", name, "module"], entry["module"], files("models"))
    elif "response" in entry:
        known(["models", name, "response"], entry["response"], files("responses"))
    else:
        known(["models", name, "baseline"], entry["baseline"], ["none", *files("baselines")])
        others = [key for key, other in config["models"].items() if "module" in other]
        known(["models", name, "space"], entry["space"], [*SPACES, *others])
    check_settings(["models", name], entry, accepted(entry))


def check_task(config: dict, name: str, entry: dict) -> None:
    """One entry of `tasks`: its data set, models and baselines' spaces exist; each setting is taken by a model."""
    known(["tasks", name, "dataset"], entry["dataset"], config["datasets"])
    for model in entry["models"]:
        known(["tasks", name, "models"], model, config["models"])
        if "response" in config["models"][model] and held_out(config, name) is None:
            allowed = "it where the data set holds out a label under a condition (rows.hold_out)"
            raise refused(["tasks", name, "models"], model, allowed)
    for model in baselines(config, name):
        space = config["models"][model]["space"]
        if space not in [*SPACES, *entry["models"]]:
            allowed = f"{space} beside {model}, which is computed from it"
            raise refused(["tasks", name, "models"], f"{model} without {space}", allowed)
    taken = {}
    for model in entry["models"]:
        taken |= accepted(config["models"][model])
    check_settings(["tasks", name], entry, taken)
    for model in entry.get("training_of", {}):
        known(["tasks", name, "training_of"], model, [of for of in entry["models"] if "module" in config["models"][of]])


def check_phases(config: dict, task: str, model: str) -> None:
    """The first phases of training leave epochs for the objective itself."""
    settings = training(config, task, model)
    first = settings["autoencode_epochs"] + settings["guide_epochs"]
    if settings["epochs"] <= first:
        allowed = f"more than its autoencode_epochs and guide_epochs, which are {first}"
        raise refused(["training", "epochs"], f"{settings['epochs']} for {model} on {task}", allowed)


def check_settings(at: list[str], entry: dict, taken: dict[str, str]) -> None:
    """Every key of the entry's `settings` is one that is taken, and holds what its type allows."""
    for setting, value in entry.get("settings", {}).items():
        here = [*at, "settings", setting]
        if setting not in taken:
            raise refused(here, "an unknown setting", list(taken), nearest_to=setting)
        check_type(here, value, taken[setting].removesuffix(" | None"))


def known(at: list[str], name: str, allowed) -> None:
    """The name at this key is one of the allowed ones."""
    if name not in allowed:
        raise refused(at, shown(name), list(allowed), nearest_to=name)


def files(package: str) -> list[str]:
    """The names of the files of a package of gmvae that are meant to be named in the config."""
    return sorted(file.stem for file in (ROOT / "src" / "gmvae" / package).glob("*.py") if file.stem != "__init__")
