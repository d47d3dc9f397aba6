"""The description of an archive, against what RO-Crate 1.2 requires.

Source: https://w3id.org/ro/crate/1.2, its sections on the root, data entities, provenance and JSON-LD.
"""

import re
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote

import pytest
from support import finished

from gmvae.reference.archives.crate import CrateFile, CrateRun, crate_metadata, file_of_crate

# Of the context https://w3id.org/ro/crate/1.2/context, what is used here.
TERMS = {
    *("@id", "@type", "about", "author", "conformsTo", "contentSize", "datePublished", "description", "encodingFormat"),
    *("endTime", "hasPart", "instrument", "isBasedOn", "license", "mentions", "name", "object", "result", "sha256"),
    *("softwareRequirements", "startTime", "version"),
}
TYPES = {"CreateAction", "CreativeWork", "Dataset", "File", "Person", "SoftwareApplication"}
WHOLE = {"size": 99, "sha256": "b" * 64}
FILES = [
    CrateFile("settings.json", 2, "c" * 64),
    CrateFile("metrics.csv", 10, "a" * 64),
    CrateFile("runs/my task/ae/latent.h5ad", 5, "d" * 64, WHOLE),
]


@pytest.fixture
def crate():
    record = finished.made("my task", "ae") | {"seconds": 90.0, "date": "2026-01-01T00:01:30+00:00", "dirty": True}
    runs = [CrateRun("my task", "ae", record, ["settings.json"], ["runs/my task/ae/latent.h5ad"])]
    return crate_metadata("A study", "Made up.", "A. Author", FILES, runs)


@pytest.fixture
def entities(crate):
    return {entity["@id"]: entity for entity in crate["@graph"]}


def references(entity):
    """What an entity refers to."""
    values = [value for part in entity.values() for value in (part if isinstance(part, list) else [part])]
    return [value["@id"] for value in values if isinstance(value, dict)]


def test_the_document_is_flat_json_ld_of_version_1_2(crate, entities):
    assert crate.keys() == {"@context", "@graph"} and crate["@context"] == "https://w3id.org/ro/crate/1.2/context"
    assert len(entities) == len(crate["@graph"])
    for entity in crate["@graph"]:
        assert entity["@type"] in TYPES and entity.keys() <= TERMS
        nested = [value for part in entity.values() for value in (part if isinstance(part, list) else [part])]
        assert all(value.keys() == {"@id"} for value in nested if isinstance(value, dict))


def test_the_descriptor_and_the_root_have_what_they_must(entities):
    descriptor, root = entities["ro-crate-metadata.json"], entities["./"]
    assert descriptor["@type"] == "CreativeWork" and descriptor["about"] == {"@id": "./"}
    assert descriptor["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.2"}
    assert root["@type"] == "Dataset" and root["name"] and root["description"]
    assert datetime.fromisoformat(root["datePublished"])
    licence = entities[root["license"]["@id"]]
    assert licence["name"] and licence["description"]


def test_every_reference_is_to_an_entity_or_a_version_of_the_specification(crate, entities):
    for entity in crate["@graph"]:
        assert [name for name in references(entity) if name not in entities] in ([], ["https://w3id.org/ro/crate/1.2"])


def test_every_file_is_a_part_with_size_checksum_and_format(entities):
    parts = references({"hasPart": entities["./"]["hasPart"]})
    assert [unquote(name) for name in parts] == [file.name for file in FILES]
    for name, file in zip(parts, FILES, strict=True):
        assert re.fullmatch(r"[\w./%-]+", name) and not name.startswith(("/", "#"))
        assert entities[name]["@type"] == "File" and entities[name]["name"] == file.name
        assert (entities[name]["contentSize"], entities[name]["sha256"]) == (str(file.size), file.sha256)
        assert "/" in entities[name]["encodingFormat"]


def test_a_thinned_file_says_so_and_names_the_whole_one(entities):
    thinned = entities["runs/my%20task/ae/latent.h5ad"]
    whole = entities[thinned["isBasedOn"]["@id"]]
    assert thinned["description"].startswith("Thinned") and whole["description"] == "Not in this crate."
    assert (whole["contentSize"], whole["sha256"]) == ("99", "b" * 64)
    assert "isBasedOn" not in entities["metrics.csv"]


def test_a_run_has_times_code_packages_settings_and_results(entities):
    run = entities["#run/my%20task/ae"]
    assert run["@type"] == "CreateAction" and run["name"] == "ae on my task"
    assert (run["startTime"], run["endTime"]) == ("2026-01-01T00:00:00+00:00", "2026-01-01T00:01:30+00:00")
    assert run["object"] == [{"@id": "settings.json"}] and "not committed" in run["description"]
    assert run["result"] == [{"@id": "runs/my%20task/ae/latent.h5ad"}]
    code = entities[run["instrument"]["@id"]]
    assert code["version"] == f"commit {'c' * 40}"
    packages = [entities[name["@id"]] for name in code["softwareRequirements"]]
    assert [(package["name"], package["version"]) for package in packages] == [("python", "3.11.2")]


def test_a_file_is_measured(tmp_path):
    (tmp_path / "one.csv").write_bytes(b"abc")
    file = file_of_crate(tmp_path / "one.csv", "runs/one.csv", whole=Path(tmp_path / "one.csv"))
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-4, example of "abc"
    assert file == ("runs/one.csv", 3, digest, {"size": 3, "sha256": digest})
