"""How long the jobs of a finished study took, from the benchmark files that Snakemake writes below results/logs.

A file says how many seconds its job took. It is written as soon as the job has ended, so its time of modification is
the end of the job: a copy of results must keep it (`cp -a`, `rsync -t`).
"""

import platform
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from gmvae.pipeline.errors import Refused

SUFFIX = ".benchmark.tsv"
TICK = 0.01  # seconds: times of files are those of a clock that ticks 100 to 1,000 times a second


@dataclass(frozen=True, order=True)
class Job:
    """One finished job: when it began and ended (seconds since 1970), its rule and what its wildcards are."""

    start: float
    end: float
    rule: str
    wildcards: tuple[str, ...]


def read_jobs(logs: Path) -> list[Job]:
    """Read the jobs whose benchmark files lie below a folder, `{rule}/{wildcards}.benchmark.tsv`.

    Args:
        logs: results/logs.

    Returns:
        The jobs in the order in which they began. A job that ran again counts as it ran last.

    Raises:
        Refused: there is no such file, or one does not say how many seconds its job took.
    """
    jobs = []
    for file in logs.rglob(f"*{SUFFIX}"):
        rule, *wildcards = str(file.relative_to(logs)).removesuffix(SUFFIX).split("/")
        try:
            seconds = float(pd.read_csv(file, sep="\t")["s"].sum())
        except (ValueError, KeyError) as fault:
            raise Refused(f"{file}: no times of a finished job ({fault}); run the study to its end first") from fault
        end = file.stat().st_mtime
        jobs.append(Job(end - seconds, end, rule, tuple(wildcards)))
    if not jobs:
        raise Refused(f"{logs}: no benchmark files of finished jobs; run the study to its end first")
    return sorted(jobs)


def times_by_rule(jobs: list[Job]) -> dict[str, dict[str, float]]:
    """For each rule: how many jobs, the sum of their wall times and the longest, in seconds."""
    times = {}
    for job in jobs:
        times.setdefault(job.rule, []).append(job.end - job.start)
    return {
        rule: {"jobs": len(seconds), "sum_s": round(sum(seconds), 1), "max_s": round(max(seconds), 1)}
        for rule, seconds in sorted(times.items())
    }


def busy_seconds(jobs: list[Job]) -> float:
    """Seconds in which at least one of the jobs ran: the length of the union of their times.

    Of a study that was not interrupted it is the wall time, less what Snakemake needs before, between and after.
    """
    total, reached = 0.0, float("-inf")
    for job in sorted(jobs):
        total += max(0.0, job.end - max(job.start, reached))
        reached = max(reached, job.end)
    return total


def most_at_once(jobs: list[Job]) -> int:
    """The most jobs that ran at one moment; one that begins as another ends does not overlap it.

    A job's start is the time of its file less its seconds, so it may seem up to a tick of the files' clock too early.
    """
    ends = [(job.end - min(TICK, (job.end - job.start) / 2), -1) for job in jobs]
    changes = sorted([(job.start, 1) for job in jobs] + ends)
    running, most = 0, 0
    for _, change in changes:
        running += change
        most = max(most, running)
    return most


def processor_name() -> str:
    """The name of this machine's processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def format_duration(seconds: float) -> str:
    """A duration as people say it: 38 s, 18 min, 1 h 52 min."""
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
