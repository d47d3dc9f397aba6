"""What config.yaml says, by task and model: the one place that knows which entry wins, and what is refused.

Read by the Snakefile on every call, so it imports nothing heavy: settings of models, readers and baselines are read off
their source with `ast`.
"""

from gmvae.schema import check_form, check_type, refused, shown
from gmvae.sources import ROOT, keywords, signature, types

SPACES = ("data", "pca", "umap")  # what a baseline can work on beside another model's latent


def study(config: dict) -> dict:
    """The entry of `studies` that is run."""
    return config["studies"][config["study"]]


def seeds(config: dict) -> list[int]:
    """The seeds of the study: every run has all of them."""
    return list(study(config)["seeds"])


def tasks(config: dict) -> list[str]:
    """The tasks of the study, in its order."""
    return list(study(config)["tasks"])


def models(config: dict, task: str) -> list[str]:
    """The models of a task, in its order: trained ones and baselines."""
    return list(config["tasks"][task]["models"])


def trained(config: dict, task: str) -> list[str]:
    """The models of a task that have weights."""
    return [model for model in models(config, task) if "module" in config["models"][model]]


def baselines(config: dict, task: str) -> list[str]:
    """The models of a task that have no weights of their own: clusterings, projections, controls."""
    return [model for model in models(config, task) if "baseline" in config["models"][model]]


def held_out(config: dict, task: str) -> dict[str, str] | None:
    """What a task's response is predicted of: {label, condition} that its data set holds out together, else None."""
    held = config["datasets"][config["tasks"][task]["dataset"]].get("rows", {}).get("hold_out", {})
    return dict(held) if set(held) == {"label", "condition"} else None


def responding(config: dict, task: str) -> list[str]:
    """The models of a task that predict a response, in its order: trained ones and expectations."""
    if held_out(config, task) is None:
        return []
    return [model for model in models(config, task) if "baseline" not in config["models"][model]]


def evaluated(config: dict, task: str) -> list[str]:
    """The models of a task that have a latent, which an expectation has not."""
    return [model for model in models(config, task) if "response" not in config["models"][model]]


def n_components(config: dict, task: str, model: str) -> int:
    """K: the model's own where it has one, else the task's."""
    return config["models"][model].get("n_components", config["tasks"][task]["n_components"])


def model_settings(config: dict, task: str, model: str) -> dict:
    """The settings of a model or baseline in a task: the task's as far as it takes them, then its own."""
    entry = config["models"][model]
    taken = accepted(entry)
    shared = config["tasks"][task].get("settings", {})
    return {name: value for name, value in shared.items() if name in taken} | entry.get("settings", {})


def accepted(entry: dict) -> dict[str, str]:
    """The settings that an entry of `models` takes, with their types: its constructor's or its `assign`'s keywords."""
    if "module" in entry:
        return keywords(f"gmvae.models.{entry['module']}", "Model.__init__")
    if "response" in entry:
        return {}
    of_space = {"n_dimensions": "int"} if entry["space"] in ("pca", "umap") else {}
    if entry["baseline"] == "none":
        return of_space
    return of_space | keywords(f"gmvae.baselines.{entry['baseline']}", "assign")


def readable(entry: dict) -> dict[str, str]:
    """The settings that an entry of `datasets` takes, with their types: its reader's arguments but the raw folder."""
    arguments = signature(f"gmvae.datasets.{entry['source']}", "read")
    return types(arguments.args[1:] + arguments.kwonlyargs)


def sources_of(config: dict, dataset: str) -> list[str]:
    """The sources that a data set is read from: its own, and the one that it joins."""
    entry = config["datasets"][dataset]
    joined = entry.get("rows", {}).get("join")
    return [entry["source"]] + ([joined["source"]] if joined else [])


def downloads(config: dict) -> dict[str, dict[str, dict]]:
    """Every raw file by source and name: those of `downloads`, and a data set's own `download`, as {dataset}.h5ad."""
    found = {source: dict(files) for source, files in config["downloads"].items()}
    for dataset, entry in config["datasets"].items():
        if "download" in entry:
            found.setdefault(entry["source"], {})[f"{dataset}.h5ad"] = entry["download"]
    return found


def raw_files(config: dict, dataset: str) -> list[str]:
    """What a data set is read from: its own download or local file, else all files of its sources."""
    entry = config["datasets"][dataset]
    own = entry.get("settings", {}).get("path")
    if own or "download" in entry:
        return [own or f"results/raw/{entry['source']}/{dataset}.h5ad"]
    return [
        f"results/raw/{of}/{file}" for of in sources_of(config, dataset) for file in config["downloads"].get(of, {})
    ]


def prepared(config: dict, dataset: str) -> dict:
    """The options of step `prepare` for a data set."""
    entry = dict(config["datasets"][dataset])
    if entry.pop("download", None):
        entry["settings"] = entry.get("settings", {}) | {"file": f"{dataset}.h5ad"}
    return entry


def observed(config: dict, task: str) -> dict:
    """The options of step `observe` for a task: a guide by clusters needs their number, and what they are found in."""
    entry = config["tasks"][task]
    found = {"labels": entry["labels"]}
    if entry["labels"] == "louvain":
        found["n_components"] = entry["n_components"]
        found |= {key: value for key, value in entry.get("settings", {}).items() if key == "n_dimensions"}
    return found


def training(config: dict, task: str, model: str) -> dict:
    """The training settings of a run: the defaults, then the model's, the task's, the task's for it, the study's."""
    asked = config["tasks"][task]
    own = asked.get("training_of", {}).get(model, {})
    settings = dict(config["training"])
    for entry in config["models"][model].get("training", {}), asked.get("training", {}), own:
        settings |= entry
    return settings | study(config).get("training", {})


def names(config: dict) -> dict[str, str]:
    """Display names by key: metrics and terms, data sets, tasks (the data set's unless they have one), models."""
    datasets = {key: entry["name"] for key, entry in config["datasets"].items()}
    of_tasks = {key: entry.get("name", datasets[entry["dataset"]]) for key, entry in config["tasks"].items()}
    of_models = {key: entry["name"] for key, entry in config["models"].items()}
    return config["names"] | datasets | of_tasks | of_models


def figures(config: dict) -> list[tuple[str, str]]:
    """The (task, figure) pairs of the thesis that the study has, in the order of tasks.

    `all` are the tasks that ask for classes: one that asks for a response has the figures that name it.
    """
    wanted = config["thesis"]["figures"]
    return [
        (task, figure)
        for task in tasks(config)
        for figure, of in wanted.items()
        if (held_out(config, task) is None if of == "all" else task in of)
    ]


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
