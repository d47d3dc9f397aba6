"""What a run was made with: written beside its results, read by appendix A of the thesis, never by a metric."""

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
    """The content of provenance.json: settings and seeds as given, wall time, place, versions, state of the code.

    `commit` and `dirty` are None where the project is no git checkout.
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
    """Versions of Python and of the installed packages that a result can depend on; nothing is imported for it."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def git(*arguments: str) -> str | None:
    """What git answers about the project's root; None without git, or where the root is not a checkout's own."""
    command = ["git", "-C", str(ROOT)]
    try:
        prefix = subprocess.run([*command, "rev-parse", "--show-prefix"], capture_output=True, text=True, check=True)
        answer = subprocess.run([*command, *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    # A copy of the project inside somebody else's checkout must not be given that checkout's commit.
    return None if prefix.stdout.strip() else answer.stdout.strip()
