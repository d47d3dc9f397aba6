"""Hostile inputs: mutations of good files, and a process of its own in which each input is tried under limits."""

import contextlib
import json
import multiprocessing
import os
import random
import resource
import select
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

from gmvae.pipeline.errors import Refused

SECONDS = 10  # of computing for one input, or of sleep: time by the clock says little on a machine with other work
POLL = 0.25  # seconds
MEMORY = 1 << 30  # bytes that all inputs together may add to the process
PROGRAMS = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "pickle.find_class"}
NETWORK = {"socket.connect", "socket.getaddrinfo"}
CHANGES = {"os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.symlink", "os.link", "os.truncate", "shutil.rmtree"}


class Trial(NamedTuple):
    """One input: what was done to it, the words one of which its refusal must have, and the call that reads it."""

    name: str
    words: tuple[str, ...]
    call: Callable[[], object]


class Outcome(NamedTuple):
    """What became of a trial: accepted, refused (the text is the message), or a fault (what is wrong)."""

    name: str
    kind: str
    text: str


def mutated_bytes(content: bytes, n: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Mutations of a file's bytes, each with its name; the same seed gives the same ones."""
    draws = random.Random(seed)
    kinds = [cut_off, flip_bits, write_zeros, write_huge, insert_noise, repeat_part, swap_parts]
    for i in range(n):
        kind = kinds[i % len(kinds)]
        yield f"{kind.__name__} {i} of seed {seed}", kind(content, draws)


def cut_off(content: bytes, draws: random.Random) -> bytes:
    return content[: draws.randrange(len(content))]


def flip_bits(content: bytes, draws: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(draws.choice([1, 2, 8, 64])):
        changed[draws.randrange(len(changed))] ^= 1 << draws.randrange(8)
    return bytes(changed)


def write_zeros(content: bytes, draws: random.Random) -> bytes:
    start, length = draws.randrange(len(content)), draws.choice([1, 8, 100, 1000])
    return content[:start] + bytes(len(content[start : start + length])) + content[start + length :]


def write_huge(content: bytes, draws: random.Random) -> bytes:
    """A number of eight bytes in the place of others: -1, 2^40 or 2^62."""
    start = draws.randrange(max(1, len(content) - 8)) // 8 * 8
    number = draws.choice([2**64 - 1, 2**40, 2**62]).to_bytes(8, draws.choice(["little", "big"]))
    return content[:start] + number + content[start + 8 :]


def insert_noise(content: bytes, draws: random.Random) -> bytes:
    start = draws.randrange(len(content))
    return content[:start] + draws.randbytes(draws.choice([1, 7, 300])) + content[start:]


def repeat_part(content: bytes, draws: random.Random) -> bytes:
    start = draws.randrange(len(content))
    part = content[start : start + draws.choice([10, 500])]
    return content[:start] + part * draws.choice([2, 50]) + content[start:]


def swap_parts(content: bytes, draws: random.Random) -> bytes:
    middle = draws.randrange(len(content))
    return content[middle:] + content[:middle]


def try_all(trials: list[Trial], writable: Path) -> list[Outcome]:
    """Try each input in a forked process, which is forked again after one that ended it or took too long.

    Args:
        trials: What to try; each may only write below `writable`.
        writable: A folder.

    Returns:
        An outcome for each trial.
    """
    outcomes = []
    while len(outcomes) < len(trials):
        outcomes += run_fork(trials[len(outcomes) :], writable.resolve())
    return outcomes


def run_fork(trials: list[Trial], writable: Path) -> list[Outcome]:
    """The outcomes of the first trials, at least one: all, or those up to one that ended the process."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    pid = os.fork()
    if pid == 0:
        try_in_child(trials, writable, theirs)
    theirs.close()
    outcomes = []
    while len(outcomes) < len(trials):
        fault = wait_for_answer(ours, psutil.Process(pid))
        try:
            outcomes.append(Outcome(*json.loads(ours.recv_bytes())) if not fault else None)
        except EOFError:
            fault = "it ended the process"
        if fault:
            outcomes = [
                *filter(None, outcomes),
                Outcome(trials[len(list(filter(None, outcomes)))].name, "fault", fault),
            ]
            break
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    if outcomes[-1].text == "it ended the process":
        outcomes[-1] = outcomes[-1]._replace(text=f"it ended the process (status {status})")
    return outcomes


def wait_for_answer(pipe: object, process: psutil.Process) -> str:
    """Wait for the next answer; what is wrong if none comes."""
    used, asleep = sum(process.cpu_times()[:2]), 0.0
    while not select.select([pipe], [], [], POLL)[0]:
        seconds = sum(process.cpu_times()[:2]) - used
        asleep = asleep + POLL if process.status() == psutil.STATUS_SLEEPING else 0.0
        if max(seconds, asleep) > SECONDS:
            return f"it hangs: {seconds:.0f} s of computing, then {asleep:.0f} s of sleep"
    return ""


def try_in_child(trials: list[Trial], writable: Path, pipe: object) -> None:
    """Try the inputs in this process under limits and send their outcomes; it ends here."""
    try:
        events = watch_events(writable)
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1), os.dup2(quiet, 2)
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115 (until the process ends)
        size = psutil.Process().memory_info().vms + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (size, size))
        before = peak_memory()
        for trial in trials:
            kind, text = outcome_of(trial)
            before, added = peak_memory(), peak_memory() - before
            if events or added > MEMORY // 2:
                kind, text = "fault", "; ".join(events) or f"it takes {added / 1e6:.0f} MB"
            events.clear()
            pipe.send_bytes(json.dumps([trial.name, kind, text]).encode())
    finally:
        os._exit(0)


def peak_memory() -> int:
    """The most memory that this process has had at once, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def outcome_of(trial: Trial) -> tuple[str, str]:
    """Kind and text of an outcome."""
    try:
        trial.call()
    except Refused as refusal:
        text, cause = str(refusal), refusal
        while cause is not None:
            if isinstance(cause, MemoryError):
                return "fault", f"it asks for more memory than there is: {text}"
            cause = cause.__cause__ or cause.__context__
        is_clear = text and text.isprintable() and any(word in text for word in trial.words) and len(text) < 5000
        return ("refused", text) if is_clear else ("fault", f"its message is not one clear line: {text!r}")
    except BaseException as failure:
        trace, places = failure.__traceback__, []
        while trace:
            places.append(f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}")
            trace = trace.tb_next
        return "fault", f"{type(failure).__name__}: {failure}"[:300] + f" at {' '.join(places[-6:])}"
    return "accepted", ""


def watch_events(writable: Path) -> list[str]:
    """A list that gets each program started, connection made and file changed outside of the folder from now on."""
    events = []
    sys.dont_write_bytecode = True

    def watch(event: str, values: tuple) -> None:
        if event in PROGRAMS or event in NETWORK:
            events.append(f"it calls {event}: {values!r}"[:300])
        elif event in CHANGES or (event == "open" and values[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)):
            path = os.fsdecode(values[0]) if isinstance(values[0], str | bytes | os.PathLike) else os.devnull
            if not is_allowed(path, writable):
                events.append(f"{event} changes {path}")

    sys.addaudithook(watch)
    return events


def is_allowed(path: str, writable: Path) -> bool:
    """Whether a path lies in the folder that may be changed, its links followed, or is the null device."""
    return path == os.devnull or Path(os.path.realpath(path)).is_relative_to(writable)


def summary(outcomes: list[Outcome]) -> str:
    """The faults, one a line."""
    return "\n".join(f"{outcome.name}: {outcome.text}" for outcome in outcomes if outcome.kind == "fault")
