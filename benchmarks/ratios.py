"""Every ratio that the other benchmarks measured, in one table and one line: `python -m benchmarks.ratios`.

A ratio of two cases is the median over rounds of the ratio within a round: the two ran one after the other, so what the
machine did to both cancels. Beside it stand the smallest and the largest round, and the aim where there was one.
"""

from pathlib import Path

import pandas as pd

from gmvae.formats.writing import write_csv
from gmvae.pipeline.command import run_step
from gmvae.pipeline.sources import ROOT

COLUMNS = ["key", "ratio", "median", "low", "high", "aim", "met"]
AT_LEAST = {"peer.1.float32": 3.0}
AT_MOST = {
    "seeds.digits_gmdvae": 5.0,
    "seeds.cells_vae": 10.0,
    "seeds.cells_gmdvae": 10.0,
    "growth.time": 1.5,
    "growth.memory": 8.0,
}


def ratios(folder: Path = ROOT / "benchmarks", output: Path = ROOT / "benchmarks/ratios.csv") -> None:
    """Write the table of ratios, and print them in one line, each that misses its aim with the aim behind it.

    folder: where the csv of the benchmarks are; output: the csv.
    """
    found = peer(folder) | seeds(folder) | precision(folder) | ceiling(folder) | growth(folder) | workflow(folder)
    rows = [row(*name, values) for name, values in found.items()]
    write_csv(pd.DataFrame(rows, columns=COLUMNS), output)
    print("ratios: " + "; ".join(said(entry) for entry in rows))


def row(key: str, name: str, values: pd.Series) -> dict[str, object]:
    """A line of the table from a ratio's values by round."""
    found = {"key": key, "ratio": name, "median": values.median(), "low": values.min(), "high": values.max()}
    if key in AT_LEAST:
        return found | {"aim": AT_LEAST[key], "met": "yes" if values.median() >= AT_LEAST[key] else "no"}
    if key in AT_MOST:
        return found | {"aim": AT_MOST[key], "met": "yes" if values.median() <= AT_MOST[key] else "no"}
    return found | {"aim": None, "met": ""}


def said(entry: dict[str, object]) -> str:
    """One ratio in words."""
    bound = "at least" if entry["key"] in AT_LEAST else "at most"
    missed = f" (aim: {bound} {entry['aim']:g})" if entry["met"] == "no" else ""
    return f"{entry['ratio']} {entry['median']:.2f}{missed}"


def per_row(path: Path, *by: str) -> pd.DataFrame:
    """Seconds per row shown to a seed, by `by` and round; a column for each case."""
    table = pd.read_csv(path, dtype={"case": str})
    table["each"] = table["seconds"] / table["rows"]
    return table.pivot(index=[*by, "round"], columns="case", values="each")


def peer(folder: Path) -> dict[tuple[str, str], pd.Series]:
    """How many times scvi-tools' seconds per cell are ours."""
    by_threads = per_row(folder / "peer.csv", "threads").groupby("threads")
    return {
        (f"peer.{n}.{kind}", f"scvi-tools/ours, {n} thread{'s' * (n > 1)}, {kind}"): part["scvi"] / part[kind]
        for n, part in by_threads
        for kind in ("float32", "bfloat16")
    }


def seeds(folder: Path) -> dict[tuple[str, str], pd.Series]:
    """How many times the time of one seed ten take together."""
    by_run = per_row(folder / "seeds.csv", "of").groupby("of")
    return {(key("seeds", of), f"10 seeds/1, {of}"): part["10"] / part["1"] for of, part in by_run}


def precision(folder: Path) -> dict[tuple[str, str], pd.Series]:
    """How many times bfloat16's time float32 takes."""
    by_run = per_row(folder / "precision.csv", "of").groupby("of")
    ratio = {of: part["float32"] / part["bfloat16"] for of, part in by_run}
    return {(key("precision", of), f"float32/bfloat16, {of}"): values for of, values in ratio.items()}


def ceiling(folder: Path) -> dict[tuple[str, str], pd.Series]:
    """The share of the training's time that its matrix products alone take."""
    table = pd.read_csv(folder / "ceiling.csv")
    shares = table["product_seconds"] / table["seconds"]
    return {
        (key("products", f"{of}.{case}"), f"products/training, {of}, {case}"): shares[part.index]
        for (of, case), part in table.groupby(["of", "case"], sort=False)
    }


def growth(folder: Path) -> dict[tuple[str, str], pd.Series]:
    """How a cell's time grows with their number, and the peak memory of the largest set."""
    each = per_row(folder / "growth.csv").dropna(subset=["10000", "1000000"])
    table = pd.read_csv(folder / "growth.csv")
    memory = table.loc[table["case"] == 1_000_000, "megabytes"] / 1024
    return {
        ("growth.time", "time per cell, a million cells/10,000"): each["1000000"] / each["10000"],
        ("growth.memory", "GiB of memory, a million cells"): memory,
    }


def workflow(folder: Path) -> dict[tuple[str, str], pd.Series]:
    """How many times the seconds of its jobs a study takes as a whole, one job at a time."""
    table = pd.read_csv(folder / "workflow.csv").set_index("rule")["seconds"]
    jobs = table.drop(["whole call", "nothing to do"]).sum()
    return {("workflow", "study/sum of its jobs"): pd.Series([table["whole call"] / jobs])}


def key(part: str, of: str) -> str:
    """A short name without spaces."""
    return f"{part}.{of.replace(', ', '.').replace(' ', '_')}"


if __name__ == "__main__":
    run_step(ratios)
