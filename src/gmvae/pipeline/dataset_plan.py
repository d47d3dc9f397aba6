"""What the configuration says of datasets: sources, raw files, options of the first steps, and graphs of neighbours.

Read by the Snakefile on every call, so it imports nothing heavy. `config` is the checked configuration.
"""

from pathlib import Path

from gmvae.pipeline import plan
from gmvae.pipeline.sources import annotation_types, class_flag, function_signature, parameter_names


def reader_settings(entry: dict) -> dict[str, str]:
    """The settings that a dataset accepts: the arguments of its reader, except the folder of raw files.

    Args:
        entry: An entry of `datasets`, or the `join` of one.

    Returns:
        The settings with their types, as the source has them.
    """
    arguments = function_signature(f"gmvae.data.readers.{entry['source']}", "read")
    return annotation_types(arguments.args[1:] + arguments.kwonlyargs)


def dataset_sources(config: dict, dataset: str) -> list[str]:
    """The sources that a dataset is read from.

    Args:
        config: The configuration.
        dataset: An entry of `datasets`.

    Returns:
        Its own source, then the one that it joins, if any.
    """
    entry = config["datasets"][dataset]
    join = entry.get("rows", {}).get("join")
    return [entry["source"], *([join["source"]] if join else [])]


def downloads(config: dict) -> dict[str, dict[str, dict]]:
    """The raw files that can be downloaded.

    Args:
        config: The configuration.

    Returns:
        The address and checksum by source and file name: those of `downloads`, and the own `download` of a dataset,
        whose file is named after the dataset.
    """
    files_by_source = {source: dict(files) for source, files in config["downloads"].items()}
    for dataset, entry in config["datasets"].items():
        if "download" in entry:
            files_by_source.setdefault(entry["source"], {})[download_name(config, dataset)] = entry["download"]
    return files_by_source


def download_name(config: dict, dataset: str) -> str:
    """The name of a dataset's own download: that of the dataset, with the suffix of its form."""
    return dataset + (".h5" if config["datasets"][dataset]["source"] == "tenx_h5" else ".h5ad")


def raw_files(config: dict, dataset: str) -> list[str]:
    """The raw files that a dataset is read from.

    Args:
        config: The configuration.
        dataset: An entry of `datasets`.

    Returns:
        Paths: its local file, or the files of its local folder, or its own download, else all files of its sources; and
        the table of annotations, if any.
    """
    entry = config["datasets"][dataset]
    settings = entry.get("settings", {})
    annotations = [settings["annotations"]] if settings.get("annotations") else []
    if settings.get("path"):
        return [*local_files(settings["path"]), *annotations]
    if "download" in entry:
        return [f"results/raw/{entry['source']}/{download_name(config, dataset)}", *annotations]
    return [
        f"results/raw/{source}/{file}"
        for source in dataset_sources(config, dataset)
        for file in config["downloads"].get(source, {})
    ]


def local_files(path: str) -> list[str]:
    """A file, or the files right in a folder (of a zarr store its metadata), whose change runs the step again."""
    if not Path(path).is_dir():
        return [path]
    return sorted(str(file) for file in Path(path).iterdir() if file.is_file()) or [path]


def prepare_options(config: dict, dataset: str) -> dict:
    """The options of the step `prepare` for a dataset.

    Args:
        config: The configuration.
        dataset: An entry of `datasets`.

    Returns:
        The entry; its `download` becomes the reader's setting `file`.
    """
    entry = dict(config["datasets"][dataset])
    if entry.pop("download", None):
        entry["settings"] = entry.get("settings", {}) | {"file": download_name(config, dataset)}
    return entry


def graph_file(config: dict, task: str, model: str) -> list[str]:
    """The file of nearest neighbours that a run reads.

    Args:
        config: The checked configuration.
        task: An entry of `tasks`.
        model: An entry of `models`, trained or a baseline.

    Returns:
        One path, shared by the tasks of a dataset; none for a run that needs no neighbours.
    """
    if "module" in config["models"][model]:
        kinds = graph_kinds(config, task, [model])
    elif takes_neighbours(config, model):
        kinds = graph_kinds(config, task, plan.trained_models(config, task)) or [graph_of_task(config, task)]
    else:
        kinds = []
    return [f"results/graphs/{config['tasks'][task]['dataset']}/{kind}.safetensors" for kind in kinds[:1]]


def takes_neighbours(config: dict, model: str) -> bool:
    """Whether a model is a baseline that works on the graph of nearest neighbours."""
    name = config["models"][model].get("baseline", "none")
    return name != "none" and "neighbours" in parameter_names(f"gmvae.runs.baselines.{name}", "assign")


def graph_of_task(config: dict, task: str) -> str:
    """The kind of graph of a task whose models need none: what its own training settings or the defaults say."""
    of_task, of_study = config["tasks"][task].get("training", {}), plan.study_entry(config).get("training", {})
    return (config["training"] | of_task | of_study)["graph"]


def graph_kinds(config: dict, task: str, models: list[str]) -> list[str]:
    """The kinds of graphs that trained models need: those with components and guide leiden or views of neighbours.

    Args:
        config: The checked configuration.
        task: An entry of `tasks`.
        models: Trained models of the task.

    Returns:
        plain, balanced, both or none, in the models' order.
    """
    kinds = []
    for model in models:
        settings = plan.training_settings(config, task, model)
        is_guided = settings["guide"] == "leiden" and settings["guide_epochs"] > 0
        needed = is_guided or "neighbours" in settings.get("views", [])
        if needed and class_flag(f"gmvae.models.{config['models'][model]['module']}", "has_components"):
            kinds.append(settings["graph"])
    return list(dict.fromkeys(kinds))


def observe_options(config: dict, task: str) -> dict:
    """The options of the step `observe` for a task.

    Args:
        config: The configuration.
        task: An entry of `tasks`.

    Returns:
        `labels`; for Louvain clusters also their number and the number of principal components, if it is set.
    """
    entry = config["tasks"][task]
    options = {"labels": entry["labels"]}
    if entry["labels"] == "louvain":
        options["n_components"] = entry["n_components"]
        options |= {key: value for key, value in entry.get("settings", {}).items() if key == "n_dimensions"}
    return options


def swept_model(config: dict, task: str) -> str | None:
    """The model that a sweep over the number of components trains.

    Args:
        config: The checked configuration.
        task: An entry of `tasks`.

    Returns:
        The first of the task's models that has components and an ELBO, None if there is none.
    """
    for model in plan.trained_models(config, task):
        module = f"gmvae.models.{config['models'][model]['module']}"
        if class_flag(module, "has_components") and class_flag(module, "has_bound"):
            return model
    return None


def download_options(config: dict, source: str, file: str) -> dict[str, str]:
    """The address and the checksums of a raw file.

    Args:
        config: The checked configuration.
        source: The source of the file.
        file: The name of the file.

    Returns:
        url, and sha256 or sha256_decompressed.
    """
    entry = downloads(config)[source][file]
    return {key: entry[key] for key in ("url", "sha256", "sha256_decompressed") if key in entry}
