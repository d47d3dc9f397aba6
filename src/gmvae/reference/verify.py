"""Step: make some finished runs again, in a folder of their own, and set them beside the results, file by file."""

import math
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from gmvae.pipeline import plan
from gmvae.pipeline.command import run_step
from gmvae.pipeline.config_files import read_config
from gmvae.pipeline.errors import Refused
from gmvae.pipeline.sources import ROOT
from gmvae.reference.keep import study_part
from gmvae.reference.remade import RunState, compare_run

RULES = ("train", "embed", "baseline", "respond", "expect", "evaluate")  # those that make a run
FOLDERS = ("data", "tasks", "graphs", "runs")  # what these rules read
SHOWN = 3000  # last characters of what Snakemake printed, where it fails


def verify_runs(
    study: str,
    results: Path,
    config: Path,
    configfile: list[Path] | None = None,
    share: float = 0.1,
    seed: int | None = None,
    tolerance: float = 1e-6,
) -> None:
    """Make a random part of the finished runs of a study again, and tell of each whether it is the same.

    Only the runs themselves are made again, from the prepared data of the results; nothing in the results changes.

    Args:
        study: The study, an entry of config.yaml's `studies`.
        results: The folder with data/ and runs/.
        config: The file config.yaml.
        configfile: Files of your own that the results were made with, as for `snakemake --configfile`.
        share: The part of the finished runs that is drawn; always one run or more.
        seed: Seed of the draw; without it a random one, which is printed.
        tolerance: How far a measure may be from the kept one, as a part of it or, below 1, absolutely.

    Raises:
        Refused: The study is unknown or has no finished run; a run could not be made again; or one is not the same.
    """
    every = read_config(config, configfile or [])
    runs = finished_runs(study_part(every, study), results)
    if not runs:
        raise Refused(
            f"{results}: no run of study {study} is finished; run `snakemake --cores all --config study={study}` first"
        )
    seed = random.SystemRandom().randrange(10**6) if seed is None else seed
    chosen = draw_runs(list(runs), share, seed)
    print(f"{len(chosen)} of {len(runs)} finished runs are made again (--seed {seed})", flush=True)
    with tempfile.TemporaryDirectory(prefix="verify-") as folder:
        link_results(results, Path(folder, "results"), chosen)
        targets = [f"results/runs/{task}/{model}/{file}" for task, model in chosen for file in runs[task, model]]
        make_again(Path(folder), targets, study, [path.absolute() for path in configfile or []])
        states = {
            run: compare_run(results.joinpath("runs", *run), Path(folder, "results", "runs", *run), tolerance)
            for run in chosen
        }
    report_states(states)


def finished_runs(chosen: dict, results: Path) -> dict[tuple[str, str], list[str]]:
    """The runs of a study, (task, model), whose measures are all there, with the names of the measures' files."""
    runs = {}
    for task in plan.tasks(chosen):
        for model in plan.models(chosen, task):
            files = ["metrics.csv"] if model in plan.evaluated_models(chosen, task) else []
            files += ["response.csv"] if model in plan.response_models(chosen, task) else []
            if all((results / "runs" / task / model / file).is_file() for file in files):
                runs[task, model] = files
    return runs


def draw_runs(runs: list[tuple[str, str]], share: float, seed: int) -> list[tuple[str, str]]:
    """A random part of the runs, one or more, in their order; the same seed draws the same of them."""
    number = min(len(runs), max(1, math.ceil(share * len(runs))))
    return sorted(random.Random(seed).sample(runs, number), key=runs.index)


def link_results(results: Path, folder: Path, left_out: list[tuple[str, str]]) -> None:
    """Fill a folder with links to the files of the results, but for those of some runs.

    A link has the time of its file, as Snakemake compares times; a job that writes replaces the link, not the file.
    """
    omitted = {results.joinpath("runs", *run) for run in left_out}
    for path in sorted(file for part in FOLDERS for file in (results / part).rglob("*")):
        if path.is_file() and not path.name.startswith(".") and path.parent not in omitted:
            link = folder / path.relative_to(results)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path.absolute())
            status = path.stat()
            os.utime(link, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)


def make_again(folder: Path, targets: list[str], study: str, configfiles: list[Path]) -> None:
    """Run Snakemake in a folder for the targets; all that is no part of a run is taken as it is there."""
    command = [sys.executable, "-m", "snakemake", *targets, "--snakefile", str(ROOT / "Snakefile"), "--cores", "all"]
    command += ["--rerun-triggers", "mtime", "--allowed-rules", *RULES]
    command += ["--configfile", *map(str, configfiles)] if configfiles else []
    run = subprocess.run([*command, "--config", f"study={study}"], cwd=folder, capture_output=True, text=True)
    if run.returncode:
        print((run.stdout + run.stderr)[-SHOWN:], file=sys.stderr)
        raise Refused("the runs could not be made again; what Snakemake printed is above")


def report_states(states: dict[tuple[str, str], RunState]) -> None:
    """Print a line for each run. Raises Refused where one is not the same."""
    for run, state in states.items():
        print(f"{'/'.join(run)}: {state.text}")
    others = ["/".join(run) for run, state in states.items() if not state.is_same]
    if others:
        raise Refused(f"{len(others)} of {len(states)} runs are not what the results say: {', '.join(others)}")
    print(f"{len(states)} of {len(states)} runs are what the results say.")


if __name__ == "__main__":
    run_step(verify_runs)
