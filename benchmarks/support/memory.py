"""The peak memory of this process."""

import resource
from pathlib import Path


def peak_megabytes() -> float:
    """The peak of the resident memory of this process, in units of 1024² bytes.

    On Linux getrusage also counts memory of the parent before the process was started, so its status file is read.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(fields["VmHWM"].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
