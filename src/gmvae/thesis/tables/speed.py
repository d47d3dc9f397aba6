"""Step: how fast training is and how much memory it takes, as the appendix tells it: macros, tables' rows, the figure.

It reads the csv that `make bench` left in benchmarks/ and that are kept with the text: no time of a run of the study
itself enters the book, so the same results always give the same PDF.
"""

import re
from pathlib import Path

import pandas as pd

from gmvae.formats.writing import write_text
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.thesis import typeset
from gmvae.thesis.figures.speed import draw_speed

PARTS = ("ratios", "provenance", "peer", "seeds", "precision", "ceiling", "growth", "workflow", "startup")
MACHINE = ("processor", "cores", "gigabytes", "python", "torch", "scvi-tools", "lightning", "snakemake")
VERDICT = {"yes": "met", "no": "missed"}


def speed(benchmarks: list[Path], names: dict, output: Path, figure: Path) -> None:
    """Write what \\measured quotes and the rows of two tables, and draw the figure.

    benchmarks: the csv of the benchmarks, told apart by their names; names: display names of models; output:
    results/tables/speed.tex; figure: the pdf, with the svg beside it. Raises Refused where one of the csv is missing.
    """
    tables = {path.stem: pd.read_csv(path, dtype={"case": str, "commit": str}) for path in benchmarks}
    missing = [part for part in PARTS if part not in tables]
    if missing:
        raise Refused(f"benchmarks: {', '.join(missing)}.csv is missing; measure it with `make bench`")
    for part, column in (("ratios", "ratio"), *((part, "of") for part in ("seeds", "precision", "ceiling"))):
        tables[part][column] = [name_models(text, names) for text in tables[part][column]]
    lines = ["% Written by gmvae.thesis.tables.speed: a change here is lost.", *ratio_macros(tables["ratios"])]
    lines += [*time_macros(tables), *machine_macros(tables["provenance"])]
    lines += speed_rows("ratiorows", tables["ratios"].to_dict("records"), ratio_row)
    lines += speed_rows("startuprows", startup(tables["startup"]), startup_row)
    write_text("\n".join(lines) + "\n", output)
    draw_speed(tables, figure)


def name_models(text: str, names: dict) -> str:
    """A run's description with the models' display names."""
    return re.sub(r"\w+", lambda word: names.get(word[0], word[0]), text)


def ratio_macros(table: pd.DataFrame) -> list[str]:
    """Each ratio's median under its key, its smallest and largest round, and its aim."""
    found = []
    for row in table.itertuples():
        found += [define_speed(row.key, typeset.number(row.median, 2))]
        found += [define_speed(f"{row.key}.low", typeset.number(row.low, 2))]
        found += [define_speed(f"{row.key}.high", typeset.number(row.high, 2))]
        if not pd.isna(row.aim):
            found += [define_speed(f"{row.key}.aim", typeset.number(row.aim, 1).replace(".0}", "}"))]
            found += [define_speed(f"{row.key}.verdict", VERDICT[row.met])]
    return found


def time_macros(tables: dict[str, pd.DataFrame]) -> list[str]:
    """Seconds of an epoch of 10,000 cells by program and threads, and of Snakemake's calls."""
    peer = tables["peer"].assign(epoch=1e4 * tables["peer"]["seconds"] / tables["peer"]["rows"])
    epochs = peer.groupby(["case", "threads"])["epoch"].median()
    found = [define_speed(f"epoch.{case}.{n}", typeset.number(value, 2)) for (case, n), value in epochs.items()]
    of_rule = tables["workflow"].set_index("rule")
    jobs = of_rule.drop(["whole call", "nothing to do"])
    found.append(define_speed("jobs", rf"\num{{{int(jobs['jobs'].sum())}}}"))
    found.append(define_speed("study", typeset.text(str(of_rule["study"].iloc[0]))))
    for name, value in (("whole", of_rule.loc["whole call"]), ("again", of_rule.loc["nothing to do"])):
        found.append(define_speed(f"workflow.{name}", typeset.number(value["seconds"], 1)))
    found.append(
        define_speed("workflow.own", typeset.number(of_rule.loc["whole call"]["seconds"] - jobs["seconds"].sum(), 1))
    )
    return found


def machine_macros(table: pd.DataFrame) -> list[str]:
    """The machine, the versions, the day and the commit of the benchmark against scvi-tools, which needs the most."""
    row = table.set_index("benchmark").loc["peer"]
    found = [define_speed(f"machine.{name}", typeset.text(str(row[name]))) for name in MACHINE]
    none = row["accelerator"] == "none"
    told = "no accelerator: nothing was measured on a GPU" if none else f"the accelerator {row['accelerator']}"
    found.append(define_speed("machine.accelerator", typeset.text(told)))
    found.append(define_speed("machine.load", typeset.number(table["load"].max(), 0)))
    found.append(define_speed("machine.day", str(row["date"])[:10]))
    return [*found, define_speed("machine.commit", str(row["commit"])[:10])]


def startup(table: pd.DataFrame) -> list[dict]:
    """Each step's median seconds and what it imports, the slowest first."""
    found = table.fillna({"imports": ""}).groupby("step").agg({"seconds": "median", "imports": "first"})
    return found.sort_values("seconds", ascending=False).reset_index().to_dict("records")


def ratio_row(row: dict) -> str:
    """A row of the table of ratios: name, median, smallest and largest round, aim, verdict."""
    aim = "" if pd.isna(row["aim"]) else f"{row['aim']:g}"
    spread = "" if row["low"] == row["high"] else f"{row['low']:.2f} to {row['high']:.2f}"
    cells = [typeset.text(row["ratio"]), f"{row['median']:.2f}", spread, aim, VERDICT.get(row["met"], "")]
    return " & ".join(cells) + r" \\"


def startup_row(row: dict) -> str:
    """A row of the table of steps."""
    step = rf"\codename{{{row['step']}}}"
    return f"{step} & {row['seconds']:.2f} & {typeset.text(row['imports'].replace(' ', ', '))} " + r"\\"


def speed_rows(macro: str, entries: list[dict], form) -> list[str]:
    r"""The lines that define \macro as a table's rows."""
    return [rf"\def\{macro}{{%", *(form(entry) for entry in entries), "}"]


def define_speed(key: str, value: str) -> str:
    """The line that sets a measured value."""
    return rf"\setmeasured{{{key}}}{{{value}}}"


if __name__ == "__main__":
    run_step(speed)
