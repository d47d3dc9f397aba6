"""What the configuration says of datasets: their sources, raw files, and the options of the step `prepare`.

Read by the Snakefile on every call, so it imports nothing heavy. `config` is the checked configuration.
"""

from pathlib import Path

from gmvae.pipeline.sources import annotation_types, function_signature


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
