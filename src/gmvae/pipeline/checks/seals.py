"""Seals of results: what each file was when its job had ended, so that no file changed by hand is taken for a result.

results/seals.json has size, times and SHA-256 of every file that jobs made. A call of Snakemake looks at sizes and
times, and takes a checksum only where these have changed: a touched or copied file is no changed one. Files are sealed
when a call ends. Results of earlier versions, or of a call that was killed, have no seal until then.
"""

import hashlib
import json
import os
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path

from gmvae.pipeline.errors import Refused

RESULTS = Path("results")
SEALS = RESULTS / "seals.json"
METADATA, INCOMPLETE = Path(".snakemake/metadata"), Path(".snakemake/incomplete")
NO_RESULTS = {"logs", "latex", "reference", "archive", "seals.json", "report.html"}  # made by no job, or never read
UNFINISHED = "checkpoint.safetensors"
SAME_TIME = 1e-5  # seconds; Snakemake keeps times as floating-point numbers


def check_seals(forced: set[str]) -> None:
    """Refuse results that were changed after their job ended, unless the call makes them again.

    Args:
        forced: The files and rules of --forcerun.

    Raises:
        Refused: For the first file whose content is not what its job wrote.
    """
    for file, seal in read_seals().items():
        if file not in forced and is_changed(Path(file), seal) and rule_of(file) not in forced:
            raise Refused(
                f"{file}: was changed after its job wrote it, so no result is made of it; delete it, or add "
                f"`--forcerun {file}`, to make it again"
            )


def seal_results() -> None:
    """Seal the files that jobs made; files that are as they were sealed keep their seals."""
    before, seals = read_seals(), {}
    for path in result_files():
        file, seal = str(path), before.get(str(path))
        if seal and has_same_times(path, seal):
            seals[file] = seal
        elif is_as_written(path, after=seal["times"][0] if seal else 0):
            seals[file] = make_seal(path)
        elif seal and file_digest(path) == seal["sha256"]:
            seals[file] = make_seal(path)  # touched or copied
        elif seal:
            seals[file] = seal  # changed: the next call says so
    temporary = SEALS.with_name(f".seals.{os.getpid()}.json")
    try:
        temporary.write_text(json.dumps(seals, sort_keys=True, indent=0) + "\n", encoding="utf-8")
        os.replace(temporary, SEALS)
    except OSError as failure:
        temporary.unlink(missing_ok=True)
        print(f"warning: {SEALS} was not written ({failure.strerror}): a file changed by hand will not be noticed")


def read_seals() -> dict[str, dict]:
    """The seals by file; none where there is no readable file of them."""
    try:
        seals = json.loads(SEALS.read_text(encoding="utf-8"))
        return {file: seal for file, seal in seals.items() if {"size", "times", "sha256"} <= seal.keys()}
    except (OSError, ValueError, AttributeError):
        return {}


def result_files() -> Iterator[Path]:
    """The files below results/ that a job may have made; neither temporary nor hidden ones."""
    for folder, folders, names in os.walk(RESULTS):
        at_top = Path(folder) == RESULTS
        folders[:] = sorted(name for name in folders if not (name.startswith(".") or (at_top and name in NO_RESULTS)))
        for name in sorted(names):
            if not name.startswith(".") and name != UNFINISHED and not (at_top and name in NO_RESULTS):
                yield Path(folder, name)


def make_seal(path: Path) -> dict:
    """Size, times and SHA-256 of a file."""
    return {"size": path.stat().st_size, "times": change_times(path), "sha256": file_digest(path)}


def change_times(path: Path) -> list[int]:
    """When the content and the entry of a file were changed last, in nanoseconds: no program can set the second."""
    status = path.stat()
    return [status.st_mtime_ns, status.st_ctime_ns]


def has_same_times(path: Path, seal: dict) -> bool:
    """Whether size and times of a file are still those of its seal."""
    return path.stat().st_size == seal["size"] and change_times(path) == seal["times"]


def is_changed(path: Path, seal: dict) -> bool:
    """Whether a file is neither what was sealed nor what a later job wrote; a file that was deleted is not changed.

    Nor is one that Snakemake has marked as incomplete: it was killed while a job wrote it, and makes it again.
    """
    if not path.is_file() or has_same_times(path, seal) or record_path(INCOMPLETE, str(path)).exists():
        return False
    return file_digest(path) != seal["sha256"] and not is_as_written(path, after=seal["times"][0])


def is_as_written(path: Path, after: int = 0) -> bool:
    """Whether a file has the time that Snakemake noted when its job had written it, and a later one than `after`."""
    noted = job_record(str(path)).get("endtime")
    written = path.stat().st_mtime_ns
    return noted is not None and abs(noted - written / 1e9) < SAME_TIME and written > after


def rule_of(file: str) -> str:
    """The rule of the job that wrote a file, "" where Snakemake has no record of it."""
    return job_record(file).get("rule") or ""


def record_path(folder: Path, file: str) -> Path:
    """Where Snakemake notes something about a file: under the file's name in base 64, in parts."""
    longest = os.pathconf(folder, "PC_NAME_MAX") - 1 if folder.exists() else 254
    name = urlsafe_b64encode(file.encode()).decode()
    parts = [name[i : i + longest] for i in range(0, len(name), longest)]
    return folder.joinpath(*(f"@{part}" for part in parts[:-1]), parts[-1])


def job_record(file: str) -> dict:
    """What Snakemake noted of the job that wrote a file."""
    try:
        record = json.loads(record_path(METADATA, file).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def file_digest(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
