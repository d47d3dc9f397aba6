"""Step: the appendix on speed and memory: the values that the text quotes, the rows of its tables, the figure.

It reads the csv files that `make bench` wrote to benchmarks/ and that are committed with the text. No time of a run of
the study enters the book, so the same results always give the same PDF.
"""

import re
from pathlib import Path

import pandas as pd

from gmvae.formats.writing import write_text
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.thesis.figures.speed import draw_speed
from gmvae.thesis.tabular import define_macro, header_line, table_row
from gmvae.thesis.typeset import latex_number, latex_text

PARTS = ("ratios", "provenance", "peer", "seeds", "precision", "ceiling", "growth", "workflow")
MACHINE = ("processor", "cores", "gigabytes", "python", "torch", "scvi-tools", "lightning", "snakemake")
VERDICT_WORDS = {"yes": "met", "no": "missed"}


def tabulate_speed(benchmarks: list[Path], names: dict, output: Path, figure: Path) -> None:
    r"""Write what \measured quotes, the rows of the table and the sentences on the GPU, and draw the figure.

    Args:
        benchmarks: The csv files of the benchmarks, identified by their names; gpu.csv may be missing.
        names: Display names of models by key.
        output: The LaTeX file to write, results/tables/speed.tex.
        figure: The pdf to draw, results/figures/speed.pdf; the svg has the same name.

    Raises:
        Refused: One of the csv files is missing.
    """
    tables = {path.stem: pd.read_csv(path, dtype={"case": str, "commit": str}) for path in benchmarks}
    missing = [part for part in PARTS if part not in tables]
    if missing:
        raise Refused(f"benchmarks: {', '.join(missing)}.csv is missing; measure it with `make bench`")
    for part, column in (("ratios", "ratio"), *((part, "of") for part in ("seeds", "precision", "ceiling"))):
        tables[part][column] = [name_models(text, names) for text in tables[part][column]]
    lines = [
        header_line("gmvae.thesis.tables.speed"),
        *ratio_values(tables["ratios"]),
        *time_values(tables),
        *machine_values(tables["provenance"]),
        define_macro("ratiorows", "\n".join(ratio_row(row) for row in tables["ratios"].to_dict("records"))),
        define_macro("gpumeasurements", gpu_sentences(tables.get("gpu"))),
    ]
    write_text("\n".join(lines) + "\n", output)
    draw_speed(tables, figure)


def name_models(text: str, names: dict) -> str:
    """A run's description with the models' display names."""
    return re.sub(r"\w+", lambda word: names.get(word[0], word[0]), text)


def ratio_values(ratios: pd.DataFrame) -> list[str]:
    """Each ratio's median under its key, its smallest and largest round, its aim and whether that was met."""
    lines = []
    for row in ratios.itertuples():
        lines.append(define_value(row.key, latex_number(row.median, 2)))
        lines.append(define_value(f"{row.key}.low", latex_number(row.low, 2)))
        lines.append(define_value(f"{row.key}.high", latex_number(row.high, 2)))
        if not pd.isna(row.aim):
            lines.append(define_value(f"{row.key}.aim", latex_number(row.aim, 1).replace(".0}", "}")))
            lines.append(define_value(f"{row.key}.verdict", VERDICT_WORDS[row.met]))
    return lines


def time_values(tables: dict[str, pd.DataFrame]) -> list[str]:
    """Seconds of an epoch of 10,000 cells by program and threads, and of Snakemake's calls."""
    peer = tables["peer"].assign(epoch=1e4 * tables["peer"]["seconds"] / tables["peer"]["rows"])
    epochs = peer.groupby(["case", "threads"])["epoch"].median()
    lines = [define_value(f"epoch.{case}.{n}", latex_number(seconds, 2)) for (case, n), seconds in epochs.items()]
    workflow = tables["workflow"].set_index("rule")
    jobs = workflow.drop(["whole call", "nothing to do"])
    whole, again = workflow.loc["whole call", "seconds"], workflow.loc["nothing to do", "seconds"]
    return [
        *lines,
        define_value("jobs", rf"\num{{{int(jobs['jobs'].sum())}}}"),
        define_value("study", latex_text(str(workflow["study"].iloc[0]))),
        define_value("workflow.whole", latex_number(whole, 1)),
        define_value("workflow.again", latex_number(again, 1)),
        define_value("workflow.own", latex_number(whole - jobs["seconds"].sum(), 1)),
    ]


def machine_values(provenance: pd.DataFrame) -> list[str]:
    """The machine, the versions, the day and the commit of the benchmark against scvi-tools, which needs the most."""
    peer = provenance.set_index("benchmark").loc["peer"]
    accelerator = f"the accelerator {peer['accelerator']}"
    if peer["accelerator"] == "none":
        accelerator = "no accelerator"
    return [
        *(define_value(f"machine.{name}", latex_text(str(peer[name]))) for name in MACHINE),
        define_value("machine.accelerator", latex_text(accelerator)),
        define_value("machine.load", latex_number(provenance["load"].max(), 0)),
        define_value("machine.day", str(peer["date"])[:10]),
        define_value("machine.commit", str(peer["commit"])[:10]),
    ]


def gpu_sentences(table: pd.DataFrame | None) -> str:
    """What was measured on a GPU, as LaTeX: for each dataset the case with the most seeds, beside the CPU.

    Args:
        table: benchmarks/gpu.csv with the columns card, of, software, device, precision, seeds, rows_per_second,
            milliseconds_per_step and busy; None where there is no such file.

    Returns:
        Sentences; one that says that nothing was measured where there is no row of a GPU.
    """
    on_gpu = pd.DataFrame() if table is None else table[table["device"] != "cpu"]
    if on_gpu.empty:
        return "No GPU was measured."
    cpu = table[table["device"] == "cpu"].set_index(["of", "seeds"])["rows_per_second"]
    ours, peers = (on_gpu[on_gpu["software"] == name] for name in ("this project", "scvi-tools"))
    most = ours.sort_values(["seeds", "precision"]).groupby("of", sort=False).last().reset_index()  # tf32 is last
    cards = ", ".join(latex_text(card) for card in dict.fromkeys(on_gpu["card"]))
    parts = [gpu_case(case, cpu.get((case["of"], case["seeds"]))) for case in most.to_dict("records")]
    beside = "".join(
        f" On the same card scvi-tools trains one model on {latex_text(peer['of'])} at "
        f"{latex_number(peer['rows_per_second'], 0)} rows a second."
        for peer in peers.to_dict("records")
    )
    sentence = (
        f"On the card {cards}, with rows counted once for each seed, the \\gmdvae{{}} trains on {'; on '.join(parts)}."
    )
    return sentence + beside


def gpu_case(case: dict, cpu_rows: float | None) -> str:
    """One case on a GPU, as LaTeX: rows a second, how many times those of the CPU, time of a step, how busy it is."""
    times = "" if cpu_rows is None else f", {latex_number(case['rows_per_second'] / cpu_rows, 0)} times one core's"
    busy = "" if pd.isna(case["busy"]) else f", the card busy for {latex_number(100 * case['busy'], 0)} in a hundred"
    rate = f"{latex_number(case['rows_per_second'], 0)} rows a second{times}"
    return (
        f"{latex_text(case['of'])} with {case['seeds']} seeds in {case['precision']} at {rate} "
        rf"({latex_number(case['milliseconds_per_step'], 1)}\,\unit{{ms}} a step{busy})"
    )


def ratio_row(row: dict) -> str:
    """A row of the table of ratios: name, median, smallest and largest round, aim, verdict."""
    aim = "" if pd.isna(row["aim"]) else f"{row['aim']:g}"
    rounds = "" if row["low"] == row["high"] else f"{row['low']:.2f} to {row['high']:.2f}"
    return table_row([latex_text(row["ratio"]), f"{row['median']:.2f}", rounds, aim, VERDICT_WORDS.get(row["met"], "")])


def define_value(key: str, value: str) -> str:
    """The line that sets a measured value."""
    return rf"\setmeasured{{{key}}}{{{value}}}"


if __name__ == "__main__":
    run_step(tabulate_speed)
