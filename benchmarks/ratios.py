"""Every ratio that the other benchmarks measured, in one table and one line: `python -m benchmarks.ratios`.

A ratio of two cases is the median over rounds of the ratio within a round: the two ran one after the other, so what the
machine did to both cancels. Beside it stand the smallest and the largest round, and the aim where there was one.
"""

from pathlib import Path

import pandas as pd

from gmvae import command
from gmvae.files import write_csv
from gmvae.sources import ROOT

COLUMNS = ["ratio", "median", "low", "high", "aim", "met"]
AT_LEAST = {"scvi/ours, 1 thread, float32": 3.0}
AT_MOST = {
    "10 seeds/1, digits gmdvae": 5.0,
    "10 seeds/1, cells vae": 10.0,
    "10 seeds/1, cells gmdvae": 10.0,
    "time per cell, 10^6/10^4": 1.5,
    "GiB of memory, 10^6 cells": 8.0,
}


def ratios(folder: Path = ROOT / "benchmarks", output: Path = ROOT / "benchmarks/ratios.csv") -> None:
    """Write the table of ratios, and print them in one line, each that misses its aim with the aim behind it.

    folder: where the csv of the benchmarks are; output: the csv.
    """
    found = peer(folder) | seeds(folder) | precision(folder) | ceiling(folder) | growth(folder) | workflow(folder)
    rows = [row(name, values) for name, values in found.items()]
    write_csv(pd.DataFrame(rows, columns=COLUMNS), output)
    print("ratios: " + "; ".join(said(entry) for entry in rows))


def row(name: str, values: pd.Series) -> dict[str, object]:
    """A line of the table from a ratio's values by round."""
    found = {"ratio": name, "median": values.median(), "low": values.min(), "high": values.max()}
    if name in AT_LEAST:
        return found | {"aim": AT_LEAST[name], "met": "yes" if values.median() >= AT_LEAST[name] else "no"}
    if name in AT_MOST:
        return found | {"aim": AT_MOST[name], "met": "yes" if values.median() <= AT_MOST[name] else "no"}
    return found | {"aim": None, "met": ""}


def said(entry: dict[str, object]) -> str:
    """One ratio in words."""
    bound = "at least" if entry["ratio"] in AT_LEAST else "at most"
    missed = f" (aim: {bound} {entry['aim']:g})" if entry["met"] == "no" else ""
    return f"{entry['ratio']} {entry['median']:.2f}{missed}"


def per_row(path: Path, *by: str) -> pd.DataFrame:
    """Seconds per row shown to a seed, by `by` and round; a column for each case."""
    table = pd.read_csv(path, dtype={"case": str})
    table["each"] = table["seconds"] / table["rows"]
    return table.pivot(index=[*by, "round"], columns="case", values="each")


def peer(folder: Path) -> dict[str, pd.Series]:
    """How many times scvi-tools' seconds per cell are ours."""
    by_threads = per_row(folder / "peer.csv", "threads").groupby("threads")
    return {
        f"scvi/ours, {threads} thread{'s' * (threads > 1)}, {precision}": part["scvi"] / part[precision]
        for threads, part in by_threads
        for precision in ("float32", "bfloat16")
    }


def seeds(folder: Path) -> dict[str, pd.Series]:
    """How many times the time of one seed ten take together."""
    return {
        f"10 seeds/1, {of}": part["10"] / part["1"] for of, part in per_row(folder / "seeds.csv", "of").groupby("of")
    }


def precision(folder: Path) -> dict[str, pd.Series]:
    """How many times bfloat16's time float32 takes."""
    by_run = per_row(folder / "precision.csv", "of").groupby("of")
    return {f"float32/bfloat16, {of}": part["float32"] / part["bfloat16"] for of, part in by_run}


def ceiling(folder: Path) -> dict[str, pd.Series]:
    """The share of the training's time that its matrix products alone take."""
    table = pd.read_csv(folder / "ceiling.csv")
    shares = table["product_seconds"] / table["seconds"]
    return {
        f"products/training, {of}": shares[part.index] for of, part in table.groupby(table["of"] + ", " + table["case"])
    }


def growth(folder: Path) -> dict[str, pd.Series]:
    """How a cell's time grows with their number, and the peak memory of the largest set."""
    path = folder / "growth.csv"
    each = per_row(path).dropna(subset=["10000", "1000000"])
    table = pd.read_csv(path)
    memory = table.loc[table["case"] == 1_000_000, "megabytes"] / 1024
    return {"time per cell, 10^6/10^4": each["1000000"] / each["10000"], "GiB of memory, 10^6 cells": memory}


def workflow(folder: Path) -> dict[str, pd.Series]:
    """How many times the seconds of its jobs a study takes as a whole, one job at a time."""
    table = pd.read_csv(folder / "workflow.csv").set_index("rule")["seconds"]
    jobs = table.drop(["whole call", "nothing to do"]).sum()
    return {"study/sum of its jobs": pd.Series([table["whole call"] / jobs])}


if __name__ == "__main__":
    command.run(ratios)
