"""What a command costs: the processor time of it and of the processes that it waits for, and the peak of its memory."""

import json
import sys
from pathlib import Path

from benchmarks.support.processes import run_command
from gmvae.pipeline.sources import ROOT

# A small process before the command: Linux counts the memory that a process had before it became the command.
LAUNCHER = """
import json, resource, subprocess, sys
status = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({"seconds": usage.ru_utime + usage.ru_stime, "megabytes": usage.ru_maxrss / 1024}))
sys.exit(status)
"""


def command_cost(command: list[str], folder: Path = ROOT) -> dict[str, float]:
    """Run a command with one compute thread and without a word, and measure it.

    Args:
        command: The program and its arguments.
        folder: Where it runs.

    Returns:
        seconds of processor time, and megabytes (1024² bytes).

    Raises:
        Refused: The command fails; the message has the last line of its error output.
    """
    return json.loads(run_command([sys.executable, "-S", "-c", LAUNCHER, *command], folder=folder))
