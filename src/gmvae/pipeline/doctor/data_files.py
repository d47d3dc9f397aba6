"""The configuration, the raw files that the study needs, and the results. Needs the environment."""

import gzip
import hashlib
import os
from pathlib import Path

from gmvae.pipeline import dataset_plan, plan
from gmvae.pipeline.checks.seals import check_seals
from gmvae.pipeline.config_checks import check_config
from gmvae.pipeline.config_files import read_config
from gmvae.pipeline.doctor.findings import FAULT, NOTE, OK, Finding
from gmvae.pipeline.errors import Refused


def check_project(root: Path) -> tuple[list[Finding], dict]:
    """Check configuration, raw files and results.

    Args:
        root: The folder of the checkout, which is the working directory.

    Returns:
        The findings, and the configuration, empty where it is refused.
    """
    try:
        config = read_config(root / "config.yaml")
        check_config(config)
    except Refused as refusal:
        return [Finding(FAULT, str(refusal), "git diff config.yaml workflow/catalogue")], {}
    findings = [Finding(OK, f"configuration: in order; the study is {config['study']}")]
    return [*findings, *check_raw_files(root, config), check_results()], config


def check_raw_files(root: Path, config: dict) -> list[Finding]:
    """Which raw files of the catalogue are there and have the right bytes, and which the study lacks."""
    intact, damaged, absent = 0, [], {}
    for source, files in dataset_plan.downloads(config).items():
        for name, entry in files.items():
            path = root / "results" / "raw" / source / name
            if not path.is_file():
                absent.setdefault(source, []).append(name)
            elif has_right_bytes(path, entry):
                intact += 1
            else:
                damaged.append(os.path.relpath(path))
    findings = [Finding(FAULT, f"raw file that is damaged: {path}", f"rm {path}") for path in damaged]
    datasets = {config["tasks"][task]["dataset"] for task in plan.tasks(config)}
    sources = {source for name in datasets for source in dataset_plan.dataset_sources(config, name)}
    for source in sorted(sources & absent.keys()):
        closed = config["offline"] and not (config["mirror"] or os.environ.get("GMVAE_MIRROR"))
        text = f"raw files of {source}: {len(absent[source])} are not there" + (
            "" if closed else "; `make` fetches them"
        )
        remedy = "sed -i 's/^offline: true/offline: false/' config.yaml" if closed else ""
        findings.append(Finding(FAULT if closed else NOTE, text, remedy))
    for name in sorted(datasets):
        path = config["datasets"][name].get("settings", {}).get("path")
        if path and not Path(path).exists():
            findings.append(
                Finding(FAULT, f"{path}: there is no such file, which the dataset {name} is read from", f"ls {path}")
            )
    n_absent = sum(map(len, absent.values()))
    return [Finding(OK, f"raw files: {intact} are there and intact, {n_absent} of the catalogue are not"), *findings]


def has_right_bytes(path: Path, entry: dict) -> bool:
    """Whether a raw file has the checksum of its entry of `downloads`, of itself or of its decompressed content."""
    try:
        with gzip.open(path) if "sha256_decompressed" in entry else path.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
    except (OSError, EOFError):
        return False
    return digest == entry.get("sha256", entry.get("sha256_decompressed"))


def check_results() -> Finding:
    """Whether a result was changed after its job wrote it."""
    try:
        check_seals(set())
    except Refused as refusal:
        file = str(refusal).partition(": ")[0]
        return Finding(FAULT, f"{file}: was changed after its job wrote it", f"rm {file}")
    return Finding(OK, "results: none was changed after its job wrote it")
