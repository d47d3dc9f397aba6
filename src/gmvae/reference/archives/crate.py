"""An archive described as an RO-Crate: JSON-LD that names every file, its checksum, and which run made it with what.

Source: Peroni et al., RO-Crate Metadata Specification 1.2, https://w3id.org/ro/crate/1.2. Runs are described as there
under "Provenance of entities": a CreateAction with its software as instrument.
"""

import hashlib
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from gmvae.pipeline.checks.unpacked import CRATE, SETTINGS, WHOLE

VERSION = "https://w3id.org/ro/crate/1.2"
LICENCE = "https://spdx.org/licenses/MIT"
FORMATS = {".csv": "text/csv", ".json": "application/json", ".h5ad": "application/x-hdf5", ".gz": "application/gzip"}
THINNED = "without what no figure reads; the figures, tables and numbers made of it are those of the whole file"
UNDATED = "1970-01-01T00:00:00+00:00"


class CrateFile(NamedTuple):
    """A file of a crate."""

    name: str  # its path in the crate
    size: int  # bytes
    sha256: str
    whole: dict | None = None  # size and sha256 of the whole file, if this one is thinned


class CrateRun(NamedTuple):
    """A run that made files of a crate."""

    task: str
    model: str
    record: dict  # its provenance.json
    inputs: list[str]  # files of the crate
    outputs: list[str]


def file_of_crate(path: Path, name: str, whole: Path | None = None) -> CrateFile:
    """Describe a file.

    Args:
        path: The file.
        name: Its path in the crate.
        whole: The whole file, if this one is thinned.

    Returns:
        Its name, size and checksum.
    """
    return CrateFile(name, **measure_file(path), whole=measure_file(whole) if whole else None)


def measure_file(path: Path) -> dict:
    """Size in bytes and sha256 of a file."""
    with open(path, "rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return {"size": path.stat().st_size, "sha256": digest}


def crate_metadata(title: str, description: str, author: str, files: list[CrateFile], runs: list[CrateRun]) -> dict:
    """The content of ro-crate-metadata.json.

    The same files and runs give the same content: the date of the crate is that of its last run.

    Args:
        title: Name of the crate.
        description: A sentence or more about it.
        author: Who publishes it; may be "".
        files: The files, but for ro-crate-metadata.json itself.
        runs: The runs that made them.

    Returns:
        A JSON-LD object.
    """
    person = [{"@id": "#author", "@type": "Person", "name": author}] if author else []
    software = software_entities(runs)
    actions = [run_action(run, software_name(run.record)) for run in runs]
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": title,
        "description": description,
        "datePublished": max((run.record.get("date") or UNDATED for run in runs), default=UNDATED),
        "license": {"@id": LICENCE},
        **({"author": {"@id": "#author"}} if author else {}),
        "hasPart": references([file.name for file in files]),
        "mentions": [{"@id": action["@id"]} for action in actions],
    }
    about = {"@id": CRATE, "@type": "CreativeWork", "about": {"@id": "./"}, "conformsTo": {"@id": VERSION}}
    licence = {
        "@id": LICENCE,
        "@type": "CreativeWork",
        "name": "MIT licence",
        "description": "The licence of the code and of what it computed. Data sets have their own licences, which "
        "workflow/catalogue/datasets.yaml names.",
    }
    entities = [entity for file in files for entity in file_entities(file)]
    graph = [about, root, licence, *person, *entities, *actions, *software.values()]
    return {"@context": f"{VERSION}/context", "@graph": graph}


def identifier(name: str) -> str:
    """The identifier of a file: its path, with signs that a URI may not have written as %XX."""
    return quote(name, safe="/")


def references(names: list[str]) -> list[dict]:
    """References to files."""
    return [{"@id": identifier(name)} for name in names]


def file_entities(file: CrateFile) -> list[dict]:
    """The entity of a file, and where it is thinned that of the whole file, which is not in the crate."""
    entity = {
        "@id": identifier(file.name),
        "@type": "File",
        "name": file.name,
        "contentSize": str(file.size),
        "sha256": file.sha256,
        "encodingFormat": FORMATS.get(Path(file.name).suffix, "application/octet-stream"),
    }
    if file.name == SETTINGS:
        entity["description"] = "The study's part of the configuration: seeds, tasks, data sets, models, training."
    if not file.whole:
        return [entity]
    whole = {
        "@id": f"{WHOLE}{identifier(file.name)}",
        "@type": "File",
        "name": f"{file.name}, whole",
        "description": "Not in this crate.",
        "contentSize": str(file.whole["size"]),
        "sha256": file.whole["sha256"],
    }
    return [entity | {"description": f"Thinned: {THINNED}.", "isBasedOn": {"@id": whole["@id"]}}, whole]


def run_action(run: CrateRun, software: str) -> dict:
    """The entity of a run: when it ran, of what, with which software."""
    seeds = ", ".join(map(str, run.record["seeds"]))
    changed = "; the code had changes that were not committed" if run.record["dirty"] else ""
    times = {}
    if run.record.get("date"):
        end = datetime.fromisoformat(run.record["date"])
        start = end - timedelta(seconds=run.record.get("seconds") or 0)
        times = {"startTime": start.isoformat(timespec="seconds"), "endTime": end.isoformat(timespec="seconds")}
    return {
        "@id": f"#run/{identifier(run.task)}/{identifier(run.model)}",
        "@type": "CreateAction",
        "name": f"{run.model} on {run.task}",
        "description": f"Seeds {seeds}; device {run.record['device']}{changed}.",
        **times,
        "instrument": {"@id": software},
        "object": references(run.inputs),
        "result": references(run.outputs),
    }


def software_name(record: dict) -> str:
    """The identifier of the code and the packages that a run had."""
    packages = ",".join(f"{package}={version}" for package, version in sorted(record["versions"].items()))
    digest = hashlib.sha256(packages.encode()).hexdigest()[:8]
    return f"#gmvae/{record['commit'] or 'unknown'}/{digest}"


def software_entities(runs: list[CrateRun]) -> dict[str, dict]:
    """The entities of all code and packages that the runs had, by identifier, sorted."""
    entities = {}
    for run in runs:
        packages = {f"#{package}/{version}": (package, version) for package, version in run.record["versions"].items()}
        for name, (package, version) in packages.items():
            entities[name] = application(name, package, version)
        name = software_name(run.record)
        needed = {"softwareRequirements": [{"@id": package} for package in sorted(packages)]}
        entities[name] = application(name, "gmvae", f"commit {run.record['commit'] or 'unknown'}") | needed
    return dict(sorted(entities.items()))


def application(identifier: str, name: str, version: str) -> dict:
    """The entity of a program or package."""
    return {"@id": identifier, "@type": "SoftwareApplication", "name": name, "version": version}
