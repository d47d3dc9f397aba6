"""Collect every ratio that the other benchmarks measured, in one table and one line: `python -m benchmarks.ratios`.

A ratio of two cases is the median over rounds of the ratio within a round: the two ran one after the other, so what the
machine did to both cancels. The table has the smallest and the largest round too, and the aim where there is one.
"""

import re
from pathlib import Path

import pandas as pd

from gmvae.formats.writing import write_csv
from gmvae.pipeline.command import run_step
from gmvae.pipeline.sources import ROOT

COLUMNS = ["key", "ratio", "median", "low", "high", "aim", "met"]
AT_LEAST = {
    "peer.1.float32": 4.0,
    "products.images_gmdvae.float32.10_seeds": 0.7,
    "products.digits_gmdvae.float32.10_seeds": 0.7,
    "gpu.scvi.cells_18641_x_1200": 20.0,
}
AT_MOST = {
    "seeds.digits_gmdvae": 5.0,
    "seeds.cells_vae": 10.0,
    "seeds.cells_gmdvae": 10.0,
    "gpu.seeds.images": 1.5,
    "gpu.seeds.cells_10000_x_2000": 1.5,
    "gpu.seeds.cells_18641_x_1200": 1.5,
    "growth.time": 1.5,
    "growth.memory": 8.0,
}
SCVI_ON_GPU = 27_000  # cells a second of scvi-tools on a GPU, one model, 18,641 cells of 1,200 genes; if not measured
Ratios = dict[tuple[str, str], pd.Series]  # by key and name, one value per round


def write_ratios(folder: Path = ROOT / "benchmarks", output: Path = ROOT / "benchmarks/ratios.csv") -> None:
    """Write the table of ratios, and print them in one line, with the aim behind each that misses it.

    Args:
        folder: The folder with the csv files of the benchmarks.
        output: The csv file.
    """
    parts = (
        peer_ratios,
        seeds_ratios,
        precision_ratios,
        ceiling_shares,
        step_floors,
        growth_ratios,
        workflow_ratio,
        gpu_ratios,
    )
    rows = [ratio_row(*name, values) for part in parts for name, values in part(folder).items()]
    write_csv(pd.DataFrame(rows, columns=COLUMNS), output)
    print("ratios: " + "; ".join(ratio_text(row) for row in rows))


def ratio_row(key: str, name: str, values: pd.Series) -> dict[str, object]:
    """A row of the table, from a ratio's values by round."""
    row = {"key": key, "ratio": name, "median": values.median(), "low": values.min(), "high": values.max()}
    if key in AT_LEAST:
        return row | {"aim": AT_LEAST[key], "met": "yes" if values.median() >= AT_LEAST[key] else "no"}
    if key in AT_MOST:
        return row | {"aim": AT_MOST[key], "met": "yes" if values.median() <= AT_MOST[key] else "no"}
    return row | {"aim": None, "met": ""}


def ratio_text(row: dict[str, object]) -> str:
    """One ratio in words."""
    bound = "at least" if row["key"] in AT_LEAST else "at most"
    aim = f" (aim: {bound} {row['aim']:g})" if row["met"] == "no" else ""
    return f"{row['ratio']} {row['median']:.2f}{aim}"


def seconds_per_row(path: Path, *groups: str) -> pd.DataFrame:
    """Seconds per row shown to a seed; one line per group and round, one column per case."""
    table = pd.read_csv(path, dtype={"case": str})
    table["seconds per row"] = table["seconds"] / table["rows"]
    return table.pivot(index=[*groups, "round"], columns="case", values="seconds per row")


def peer_ratios(folder: Path) -> Ratios:
    """How many times our seconds per cell scvi-tools takes."""
    by_threads = seconds_per_row(folder / "peer.csv", "threads").groupby("threads")
    return {
        (f"peer.{n}.{precision}", f"scvi-tools/ours, {n} thread{'s' * (n > 1)}, {precision}"): (
            rounds["scvi"] / rounds[precision]
        )
        for n, rounds in by_threads
        for precision in ("float32", "bfloat16")
    }


def seeds_ratios(folder: Path) -> Ratios:
    """How many times the time of one seed ten seeds take together."""
    by_run = seconds_per_row(folder / "seeds.csv", "of").groupby("of")
    return {(ratio_key("seeds", run), f"10 seeds/1, {run}"): rounds["10"] / rounds["1"] for run, rounds in by_run}


def precision_ratios(folder: Path) -> Ratios:
    """How many times the time of bfloat16 float32 takes."""
    by_run = seconds_per_row(folder / "precision.csv", "of").groupby("of")
    return {
        (ratio_key("precision", run), f"float32/bfloat16, {run}"): rounds["float32"] / rounds["bfloat16"]
        for run, rounds in by_run
    }


def ceiling_shares(folder: Path) -> Ratios:
    """The share of the training time that the matrix products alone take."""
    table = pd.read_csv(folder / "ceiling.csv")
    shares = table["product_seconds"] / table["seconds"]
    return {
        (ratio_key("products", f"{run}.{case}"), f"products/training, {run}, {case}"): shares[rows.index]
        for (run, case), rows in table.groupby(["of", "case"], sort=False)
    }


def step_floors(folder: Path) -> Ratios:
    """The share of a step that its floor would take, if measured."""
    if not (folder / "step.csv").is_file():
        return {}
    table = pd.read_csv(folder / "step.csv")
    table["share"] = table["floor_milliseconds"] / table["milliseconds"]
    return {
        (ratio_key("floor", f"{run}.{n}"), f"floor/step, {run}, S = {n}"): rows.set_index("round")["share"]
        for (run, n), rows in table.groupby(["of", "seeds"], sort=False)
    }


def growth_ratios(folder: Path) -> Ratios:
    """How the time of a cell grows with the number of cells, and the peak memory of the largest dataset in GiB."""
    seconds = seconds_per_row(folder / "growth.csv").dropna(subset=["10000", "1000000"])
    table = pd.read_csv(folder / "growth.csv")
    memory = table.loc[table["case"] == 1_000_000, "megabytes"] / 1024
    return {
        ("growth.time", "time per cell, a million cells/10,000"): seconds["1000000"] / seconds["10000"],
        ("growth.memory", "GiB of memory, a million cells"): memory,
    }


def workflow_ratio(folder: Path) -> Ratios:
    """How many times the seconds of its jobs a study takes as a whole, one job at a time."""
    seconds = pd.read_csv(folder / "workflow.csv").set_index("rule")["seconds"]
    jobs = seconds.drop(["whole call", "nothing to do"]).sum()
    return {("workflow", "study/sum of its jobs"): pd.Series([seconds["whole call"] / jobs])}


def gpu_ratios(folder: Path) -> Ratios:
    """On a GPU, if measured: the time of ten seeds by that of one, and the rows a second by those of scvi-tools.

    A run that was measured in tf32, which is the default there, counts in tf32; another in float32.
    """
    if not (folder / "gpu.csv").is_file():
        return {}
    table = pd.read_csv(folder / "gpu.csv")
    ours = table[(table["device"] == "cuda") & (table["software"] == "this project")]
    steps = ours.pivot(index=["of", "precision"], columns="seeds", values="milliseconds_per_step")[[1, 10]].dropna()
    steps = steps.sort_index(level="precision").groupby("of").last()  # tf32 before float32
    ratios = {
        (ratio_key("gpu.seeds", run), f"10 seeds/1 on a GPU, {run}"): pd.Series([step[10] / step[1]])
        for run, step in steps.iterrows()
    }
    cells = "cells 18,641 x 1,200"
    rows = ours[(ours["of"] == cells) & (ours["precision"] == "tf32")].set_index("seeds")["rows_per_second"]
    peers = table.loc[(table["software"] == "scvi-tools") & (table["of"] == cells), "rows_per_second"]
    peer = peers.iloc[0] if len(peers) else SCVI_ON_GPU
    return ratios | {
        (ratio_key("gpu.scvi", cells), f"rows of 10 seeds/scvi-tools on a GPU, {cells}"): pd.Series([rows[10] / peer])
    }


def ratio_key(benchmark: str, run: str) -> str:
    """A short name without spaces."""
    return f"{benchmark}.{re.sub(r'(?<=[0-9]),(?=[0-9])', '', run).replace(', ', '.').replace(' ', '_')}"


if __name__ == "__main__":
    run_step(write_ratios)
