"""A cluster of one machine for tests: Debian's slurm-wlm and munge on loopback, started and stopped. Needs root."""

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "squeue", "munged")
FILES = Path("/etc/slurm")  # a job's environment has no SLURM_CONF, so the files must be where every program looks
CPUS = 4
CONF = """# Written by a test of gmvae, which removes it.
ClusterName=gmvae
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmUser=root
SlurmdUser=root
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=sched_min_interval=0,batch_sched_delay=0
SlurmdParameters=config_overrides
ReturnToService=2
MinJobAge=300
KillWait=30
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=200000 Gres=gpu:2 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
CGROUP = "CgroupPlugin=cgroup/v1\n"
GRES = "Name=gpu Count=2 File=/dev/null,/dev/zero\n"


def reason_to_skip() -> str:
    """Why no cluster can be started here; "" if one can."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"needs Slurm ({', '.join(missing)} is missing): make test-slurm installs it"
    if getpass.getuser() != "root":
        return "needs root to start Slurm"
    conf = FILES / "slurm.conf"
    is_left_over = conf.exists() and conf.read_text().startswith(CONF.partition("\n")[0]) and not is_running()
    if not is_left_over and any((FILES / name).exists() for name in ("slurm.conf", "gres.conf", "cgroup.conf")):
        return f"{FILES} has the files of another cluster"
    return ""


def is_running() -> bool:
    """Whether the cluster of /etc/slurm answers."""
    return "UP" in subprocess.run(["scontrol", "ping"], capture_output=True, text=True).stdout.split()


def free_ports(n: int) -> list[int]:
    """Ports on which nothing listens."""
    sockets = [socket.socket() for _ in range(n)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def slurm(*command: str) -> str:
    """Run one of Slurm's programs and return what it prints."""
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


@contextmanager
def run_cluster(folder: Path) -> Iterator[str]:
    """Start munged, slurmctld and slurmd, which keep all in a folder; yield the name of the node.

    Args:
        folder: An empty folder with a short path, as a socket's path has at most 107 characters.
    """
    host = socket.gethostname().partition(".")[0]
    for name in ("state", "spool"):
        (folder / name).mkdir()
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o400)
    FILES.mkdir(exist_ok=True)
    conf = CONF.format(host=host, folder=folder, cpus=CPUS, ports=free_ports(2))
    texts = {"slurm.conf": conf, "cgroup.conf": CGROUP, "gres.conf": GRES}
    processes = []
    try:
        for name, text in texts.items():
            (FILES / name).write_text(text)
        files = {"key-file": "munge.key", "socket": "munge.socket", "pid-file": "munge.pid", "log-file": "munge.log"}
        options = [f"--{name}={folder / file}" for name, file in {**files, "seed-file": "munge.seed"}.items()]
        for command in (["munged", "--foreground", "--force", *options], ["slurmctld", "-D"], ["slurmd", "-D"]):
            with open(folder / f"{command[0]}.out", "w") as output:
                processes.append(subprocess.Popen(command, stdout=output, stderr=output))
            time.sleep(1)
        wait_for_state(host, "idle")
        yield host
    finally:
        end_jobs()
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            process.wait(60)
        for name in texts:
            (FILES / name).unlink(missing_ok=True)


def end_jobs(seconds: float = 60) -> None:
    """End what a test that failed has left in the queue."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        jobs = subprocess.run(["squeue", "-h", "-o", "%i"], capture_output=True, text=True).stdout.split()
        if not jobs:
            return
        subprocess.run(["scancel", *jobs], capture_output=True)
        time.sleep(1)


def wait_for_state(node: str, state: str, seconds: float = 60) -> None:
    """Wait until the node is in a state, such as idle or drained."""
    command, end = ["sinfo", "-h", "-n", node, "-o", "%T"], time.monotonic() + seconds
    while state not in (shown := subprocess.run(command, capture_output=True, text=True)).stdout.split():
        assert time.monotonic() < end, f"{node} is {shown.stdout}{shown.stderr}, not {state}"
        time.sleep(0.2)
