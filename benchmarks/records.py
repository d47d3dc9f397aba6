"""What the benchmarks leave: their rows as csv, and in provenance.csv on which machine, when and with what."""

import os
import platform
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import pandas as pd

from gmvae.formats.provenance import git
from gmvae.formats.writing import write_csv

PACKAGES = ("torch", "scvi-tools", "lightning", "snakemake", "numpy", "anndata", "scikit-learn")
STARTED = time.monotonic()


def record(rows: list[dict], output: Path) -> None:
    """Write the rows, and set the line of this benchmark in provenance.csv beside them."""
    write_csv(pd.DataFrame(rows), output)
    made = output.with_name("provenance.csv")
    old = pd.read_csv(made, dtype=str) if made.is_file() else pd.DataFrame(columns=["benchmark"])
    new = pd.DataFrame([provenance(output.stem)]).astype(str)
    table = pd.concat([old[old.benchmark != output.stem], new]).sort_values("benchmark")
    write_csv(table, made)


def provenance(benchmark: str) -> dict[str, object]:
    """Machine, time, commit and versions; a checkout is dirty where anything but the csv here was changed."""
    changed = git("status", "--porcelain", "--", ":!benchmarks/*.csv")
    found = {
        "benchmark": benchmark,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - STARTED, 1),
        "commit": git("rev-parse", "HEAD"),
        "dirty": changed != "",
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load": round(
            os.getloadavg()[1], 1
        ),  # processes that wanted a core over the last five minutes, ours among them
        "gigabytes": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "accelerator": "none",
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
    }
    return found | {package: version(package) for package in PACKAGES}


def processor() -> str:
    """The processor's name as the system gives it, with the widest of its vector and matrix units."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    of = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = of.get("flags", "").split()
    units = [flag for flag in ("amx_bf16", "avx512_bf16", "avx512f", "avx2") if flag in flags]
    return f"{of.get('model name', platform.machine())} ({', '.join(units[:2])})"


def version(package: str) -> str:
    """The installed version, or none."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "none"
