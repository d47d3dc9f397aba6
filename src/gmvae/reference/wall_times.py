"""How long the jobs of a finished study took, from the records that Snakemake keeps of every output in `.snakemake`."""

import base64
import json
import platform
from dataclasses import dataclass
from pathlib import Path

from gmvae.pipeline.errors import Refused


@dataclass(frozen=True, order=True)
class Job:
    """One finished job: its rule, when it began and ended (seconds since 1970), its first output."""

    start: float
    end: float
    rule: str
    output: str


def read_jobs(records: Path) -> list[Job]:
    """The jobs whose outputs are recorded below `.snakemake/metadata`, in the order of their beginning.

    A job leaves one record for each of its outputs, at moments that differ a little, and counts once: records belong
    together by their rule and log. What was made anew counts as last made.
    """
    found = {}
    for file in sorted(path for path in records.rglob("*") if path.is_file()):
        try:
            record = json.loads(file.read_text(encoding="utf-8"))
            output = output_of(file.relative_to(records))
            job = Job(float(record["starttime"]), float(record["endtime"]), record["rule"], output)
            key = (job.rule, *(record["log"] or [output]))
        except (ValueError, KeyError, TypeError) as fault:
            raise Refused(f"{file}: no record of a finished job ({fault}); run the study to its end first") from fault
        known = found.get(key, job)
        found[key] = Job(min(known.start, job.start), max(known.end, job.end), job.rule, min(known.output, output))
    return sorted(found.values())


def output_of(record: Path) -> str:
    """The output that a record is about: its file name is that path in base 64, cut into folders `@...` where long."""
    return base64.urlsafe_b64decode("".join(part.removeprefix("@") for part in record.parts)).decode()


def times_by_rule(found: list[Job]) -> dict[str, dict[str, float]]:
    """For each rule: how many jobs, the sum of their wall times and the longest, in seconds."""
    times = {}
    for job in found:
        times.setdefault(job.rule, []).append(job.end - job.start)
    return {
        rule: {"jobs": len(each), "sum_s": round(sum(each), 1), "max_s": round(max(each), 1)}
        for rule, each in sorted(times.items())
    }


def busy_seconds(found: list[Job]) -> float:
    """Seconds in which at least one of the jobs ran: the length of the union of their times.

    Of a study that was not interrupted it is the wall time, less what Snakemake needs before, between and after.
    """
    total, reached = 0.0, float("-inf")
    for job in sorted(found):
        total += max(0.0, job.end - max(job.start, reached))
        reached = max(reached, job.end)
    return total


def most_at_once(found: list[Job]) -> int:
    """The most jobs that ran at one moment; one that begins as another ends does not overlap it."""
    changes = sorted([(job.start, 1) for job in found] + [(job.end, -1) for job in found])
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
