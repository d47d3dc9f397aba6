"""What config.yaml says, by task and model: the one place that knows which entry wins.

Read by the Snakefile on every call, so it imports nothing heavy: settings of models, readers and baselines are read off
their source with `ast`.
"""

from gmvae.pipeline.sources import annotation_types, function_signature, keyword_types

SPACES = ("data", "pca", "umap")  # what a baseline can work on beside another model's latent


def study_entry(config: dict) -> dict:
    """The entry of `studies` that is run."""
    return config["studies"][config["study"]]


def seeds(config: dict) -> list[int]:
    """The seeds of the study: every run has all of them."""
    return list(study_entry(config)["seeds"])


def tasks(config: dict) -> list[str]:
    """The tasks of the study, in its order."""
    return list(study_entry(config)["tasks"])


def models(config: dict, task: str) -> list[str]:
    """The models of a task, in its order: trained ones and baselines."""
    return list(config["tasks"][task]["models"])


def trained_models(config: dict, task: str) -> list[str]:
    """The models of a task that have weights."""
    return [model for model in models(config, task) if "module" in config["models"][model]]


def baseline_models(config: dict, task: str) -> list[str]:
    """The models of a task that have no weights of their own: clusterings, projections, controls."""
    return [model for model in models(config, task) if "baseline" in config["models"][model]]


def held_out_type(config: dict, task: str) -> dict[str, str] | None:
    """What a task's response is predicted of: {label, condition} that its data set holds out together, else None."""
    held = config["datasets"][config["tasks"][task]["dataset"]].get("rows", {}).get("hold_out", {})
    return dict(held) if set(held) == {"label", "condition"} else None


def response_models(config: dict, task: str) -> list[str]:
    """The models of a task that predict a response, in its order: trained ones and expectations."""
    if held_out_type(config, task) is None:
        return []
    return [model for model in models(config, task) if "baseline" not in config["models"][model]]


def evaluated_models(config: dict, task: str) -> list[str]:
    """The models of a task that have a latent, which an expectation has not."""
    return [model for model in models(config, task) if "response" not in config["models"][model]]


def n_components(config: dict, task: str, model: str) -> int:
    """K: the model's own where it has one, else the task's."""
    return config["models"][model].get("n_components", config["tasks"][task]["n_components"])


def model_settings(config: dict, task: str, model: str) -> dict:
    """The settings of a model or baseline in a task: the task's as far as it takes them, then its own."""
    entry = config["models"][model]
    taken = accepted_settings(entry)
    shared = config["tasks"][task].get("settings", {})
    return {name: value for name, value in shared.items() if name in taken} | entry.get("settings", {})


def accepted_settings(entry: dict) -> dict[str, str]:
    """The settings that an entry of `models` takes, with their types: its constructor's or its `assign`'s keywords."""
    if "module" in entry:
        return keyword_types(f"gmvae.models.{entry['module']}", "Model.__init__")
    if "response" in entry:
        return {}
    of_space = {"n_dimensions": "int"} if entry["space"] in ("pca", "umap") else {}
    if entry["baseline"] == "none":
        return of_space
    return of_space | keyword_types(f"gmvae.runs.baselines.{entry['baseline']}", "assign")


def reader_settings(entry: dict) -> dict[str, str]:
    """The settings that an entry of `datasets` takes, with their types: its reader's arguments but the raw folder."""
    arguments = function_signature(f"gmvae.data.readers.{entry['source']}", "read")
    return annotation_types(arguments.args[1:] + arguments.kwonlyargs)


def dataset_sources(config: dict, dataset: str) -> list[str]:
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
        f"results/raw/{of}/{file}"
        for of in dataset_sources(config, dataset)
        for file in config["downloads"].get(of, {})
    ]


def prepare_options(config: dict, dataset: str) -> dict:
    """The options of step `prepare` for a data set."""
    entry = dict(config["datasets"][dataset])
    if entry.pop("download", None):
        entry["settings"] = entry.get("settings", {}) | {"file": f"{dataset}.h5ad"}
    return entry


def observe_options(config: dict, task: str) -> dict:
    """The options of step `observe` for a task: a guide by clusters needs their number, and what they are found in."""
    entry = config["tasks"][task]
    found = {"labels": entry["labels"]}
    if entry["labels"] == "louvain":
        found["n_components"] = entry["n_components"]
        found |= {key: value for key, value in entry.get("settings", {}).items() if key == "n_dimensions"}
    return found


def training_settings(config: dict, task: str, model: str) -> dict:
    """The training settings of a run: the defaults, then the model's, the task's, the task's for it, the study's."""
    asked = config["tasks"][task]
    own = asked.get("training_of", {}).get(model, {})
    settings = dict(config["training"])
    for entry in config["models"][model].get("training", {}), asked.get("training", {}), own:
        settings |= entry
    return settings | study_entry(config).get("training", {})


def display_names(config: dict) -> dict[str, str]:
    """Display names by key: metrics and terms, data sets, tasks (the data set's unless they have one), models."""
    datasets = {key: entry["name"] for key, entry in config["datasets"].items()}
    of_tasks = {key: entry.get("name", datasets[entry["dataset"]]) for key, entry in config["tasks"].items()}
    of_models = {key: entry["name"] for key, entry in config["models"].items()}
    return config["names"] | datasets | of_tasks | of_models


def thesis_figures(config: dict) -> list[tuple[str, str]]:
    """The (task, figure) pairs of the thesis that the study has, in the order of tasks.

    `all` are the tasks that ask for classes: one that asks for a response has the figures that name it.
    """
    wanted = config["thesis"]["figures"]
    return [
        (task, figure)
        for task in tasks(config)
        for figure, of in wanted.items()
        if (held_out_type(config, task) is None if of == "all" else task in of)
    ]
