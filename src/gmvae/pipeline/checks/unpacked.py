"""Results from an archive: results/ is then an RO-Crate, and the only rules are those of the thesis.

`make unpack` puts the part `book` of an archive there. It lacks weights and most of the latents, so no rule that would
make them may look at it: Snakemake would train everything anew, or train on data sets without their matrices.
"""

import json
import sys
from pathlib import Path
from urllib.parse import unquote

from gmvae.pipeline.errors import Refused

CRATE = "ro-crate-metadata.json"  # in a crate's root, here results/
SETTINGS = "settings.json"  # the study's part of the configuration
WHOLE = "#whole/"  # before the name of a file that a crate has thinned: the file as it was
RESULTS = Path("results")
WORDS = {"name", "title"}  # keys whose values are shown, and change no result
REMEDY = "`make clean SURE=yes` removes what was unpacked"


def has_crate(results: Path = RESULTS) -> bool:
    """Whether the results are those of an archive."""
    return (results / CRATE).is_file()


def take_study(config: dict, named: dict, results: Path = RESULTS) -> None:
    """Let the configuration be that of the archive's study.

    Args:
        config: The configuration; its `study` is changed in place. Without an archive nothing changes.
        named: What the command line and its files say of the configuration.
        results: The folder of the results.

    Raises:
        Refused: The command line names another study, or the configuration has no such study.
    """
    if not has_crate(results):
        return
    study = read_object(results / SETTINGS).get("study")
    if "study" in named and named["study"] != study:
        raise Refused(f"study: found {named['study']}; {results} is an archive of study {study}; {REMEDY}")
    if study not in (config.get("studies") or {}):
        raise Refused(
            f"{results} is an archive of study {study}, which config.yaml has not; add the file with its entry, as in "
            f"`snakemake -n --configfile mine.yaml`; {REMEDY}"
        )
    config["study"] = study


def thinned_files(results: Path = RESULTS) -> dict[str, dict]:
    """The files of the archive that it has without what no figure reads.

    Args:
        results: The folder of the results.

    Returns:
        By path, size and sha256 of the whole file; none without an archive.
    """
    if not has_crate(results):
        return {}
    graph = read_object(results / CRATE).get("@graph", [])
    return {f"results/{name}": whole for name, whole in whole_files(graph).items()}


def print_archive(config: dict, results: Path = RESULTS) -> None:
    """Say on stderr that the results are those of an archive, and which settings it was not made with.

    Args:
        config: The configuration.
        results: The folder of the results.
    """
    print(
        f"{results} is an archive of study {config['study']}: only the thesis is made of it. "
        f"{len(thinned_files(results))} of its files are thinned: see docs/archive.md.",
        file=sys.stderr,
    )
    keys = differing_keys(read_object(results / SETTINGS), config)
    if keys:
        shown = ", ".join(keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")
        print(f"warning: {shown}: other than in {results / SETTINGS}, with which it was made", file=sys.stderr)


def differing_keys(settings: dict, config: dict, above: str = "") -> list[str]:
    """The keys of an archive's settings that the configuration has with other values; names and titles do not count.

    Args:
        settings: The settings.
        config: The configuration, or the part below a key.
        above: That key, with a dot.

    Returns:
        Such as tasks.toy.models.
    """
    keys = []
    for key, value in settings.items():
        other = config.get(key)
        if isinstance(value, dict) and isinstance(other, dict):
            keys += differing_keys(value, other, f"{above}{key}.")
        elif value != other and key not in WORDS and above != "names.":
            keys.append(f"{above}{key}")
    return keys


def whole_files(graph: list[dict]) -> dict[str, dict]:
    """Size and sha256 of the whole files that a crate has thinned, by the names of the files in the crate."""
    return {
        unquote(entity["@id"].removeprefix(WHOLE)): {"size": int(entity["contentSize"]), "sha256": entity["sha256"]}
        for entity in graph
        if entity["@id"].startswith(WHOLE)
    }


def read_object(file: Path) -> dict:
    """The JSON object in a file of the crate. Raises Refused where there is none."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as failure:
        raise Refused(f"{file}: not readable ({failure}); unpack the archive again; {REMEDY}") from None
    if not isinstance(content, dict):
        raise Refused(f"{file}: found no object; unpack the archive again; {REMEDY}")
    return content
