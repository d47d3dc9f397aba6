"""The most memory that this process has had at once."""

import resource
from pathlib import Path


def peak_megabytes() -> float:
    """The peak of the resident memory, in units of 1024² bytes.

    Linux's getrusage would also count what the parent had before this process became itself; its status file does not.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        of = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(of["VmHWM"].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
