"""What a command costs: the processor time of it and of the processes that it waits for, and the peak of its memory."""

import os
import subprocess
import tempfile
from pathlib import Path

from benchmarks.support.processes import environment
from gmvae.pipeline.errors import Refused
from gmvae.pipeline.sources import ROOT


def command_cost(command: list[str], folder: Path = ROOT) -> dict[str, float]:
    """Run a command with one compute thread and without a word, and measure it.

    Args:
        command: The program and its arguments.
        folder: Where it runs.

    Returns:
        seconds of processor time, and megabytes (1024² bytes).

    Raises:
        Refused: The command fails.
    """
    with tempfile.TemporaryFile("w+") as messages:
        process = subprocess.Popen(command, cwd=folder, env=environment(1), stdout=messages, stderr=messages)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            messages.seek(0)
            last = (messages.read().strip().splitlines() or ["no message"])[-1]
            raise Refused(f"{' '.join(command)[:300]}: exit status {process.returncode}: {last}")
    return {"seconds": usage.ru_utime + usage.ru_stime, "megabytes": usage.ru_maxrss / 1024}
