"""The provenance of a run: saved beside its results and read by the thesis (appendix A), never by a metric."""

import platform
import subprocess
from datetime import UTC, datetime
from importlib import metadata

from gmvae.pipeline.sources import ROOT

PACKAGES = (
    "anndata",
    "igraph",
    "leidenalg",
    "numpy",
    "pandas",
    "safetensors",
    "scanpy",
    "scikit-learn",
    "scipy",
    "torch",
    "umap-learn",
)


def describe_run(settings: dict, seeds: list[int], device: str, seconds: float) -> dict:
    """The content of a provenance.json.

    Args:
        settings: The settings of the run.
        seeds: Its seeds.
        device: The device of its computations.
        seconds: Its wall time.

    Returns:
        These, with host, date, versions and the state of the code; `commit` and `dirty` are None if the project is not
        a git checkout.
    """
    commit = git("rev-parse", "HEAD")
    return {
        "settings": settings,
        "seeds": [int(seed) for seed in seeds],
        "device": device,
        "seconds": round(seconds, 3),
        "host": platform.node(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        "commit": commit,
        "dirty": None if commit is None else git("status", "--porcelain") != "",
    }


def versions() -> dict[str, str]:
    """Versions of Python and of the installed packages that a result may depend on; no package is imported."""
    installed = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            installed[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return installed


def git(*arguments: str) -> str | None:
    """The output of git for the project's root; None without git, or if the root is not the root of a checkout."""
    command = ["git", "-C", str(ROOT)]
    try:
        prefix = subprocess.run([*command, "rev-parse", "--show-prefix"], capture_output=True, text=True, check=True)
        answer = subprocess.run([*command, *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    # A copy of the project inside another checkout must not get that checkout's commit.
    return None if prefix.stdout.strip() else answer.stdout.strip()
