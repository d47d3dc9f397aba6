"""Write the result of a benchmark: its rows as csv, and machine, time, commit and versions in provenance.csv."""

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


def write_record(rows: list[dict], output: Path) -> None:
    """Write the rows as csv, and replace the line of this benchmark in provenance.csv in the same folder."""
    write_csv(pd.DataFrame(rows), output)
    path = output.with_name("provenance.csv")
    old = pd.read_csv(path, dtype=str) if path.is_file() else pd.DataFrame(columns=["benchmark"])
    new = pd.DataFrame([provenance_row(output.stem)]).astype(str)
    table = pd.concat([old[old.benchmark != output.stem], new]).sort_values("benchmark")
    write_csv(table, path)


def provenance_row(benchmark: str) -> dict[str, object]:
    """Machine, time, commit and versions. A checkout is dirty if anything but csv files of this folder has changed."""
    changes = git("status", "--porcelain", "--", ":!benchmarks/*.csv")
    row = {
        "benchmark": benchmark,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - STARTED, 1),
        "commit": git("rev-parse", "HEAD"),
        "dirty": changes != "",
        "processor": processor_name(),
        "cores": len(os.sched_getaffinity(0)),
        # The mean number of processes that wanted a core in the last five minutes, this benchmark's included.
        "load": round(os.getloadavg()[1], 1),
        "gigabytes": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "accelerator": "none",
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
    }
    return row | {package: package_version(package) for package in PACKAGES}


def processor_name() -> str:
    """The name of the processor, with the widest of its vector and matrix units."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = fields.get("flags", "").split()
    units = [flag for flag in ("amx_bf16", "avx512_bf16", "avx512f", "avx2") if flag in flags]
    return f"{fields.get('model name', platform.machine())} ({', '.join(units[:2])})"


def package_version(package: str) -> str:
    """The installed version, or "none"."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "none"
