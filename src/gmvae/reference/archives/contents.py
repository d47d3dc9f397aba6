"""The files of an archive that came from elsewhere: none that it does not describe, and none outside of results/."""

import hashlib
import json
import re
import shutil
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from gmvae.pipeline.checks.unpacked import CRATE
from gmvae.pipeline.errors import Refused

LONGEST = 64 * 2**20  # bytes of a description
PART = re.compile(r"[^./\\\0][^/\\\0]*")  # of a path: neither empty, hidden, nor .. or C:\
KEPT = {"archive", "latex", "logs", "raw", "reference", "seals.json", "thesis.pdf", CRATE}  # never from an archive
BLOCK = 2**20


def unpack_files(packed: Path, folder: Path, archive: str) -> list[str]:
    """Unpack an archive below a folder.

    Args:
        packed: A .tar.gz, of a task's runs or a crate.
        folder: The folder, which need not exist.
        archive: The archive's name in messages.

    Returns:
        The names of its files; the first one of a crate is its description.

    Raises:
        Refused: It is no whole .tar.gz, or has an entry that is no file or has a name which is not allowed; or, in a
            crate, a file is missing, is not described, or has another checksum than the description says.
    """
    try:
        with tarfile.open(packed, "r:gz") as entries:
            first = entries.next()
            if first is None:
                raise Refused(f"{archive}: found an archive without files; get it again")
            if first.name == CRATE:
                return unpack_crate(entries, first, folder, archive)
            return unpack_runs(entries, first, folder, archive)
    except (tarfile.TarError, EOFError, OSError, zlib.error) as failure:
        raise Refused(f"{archive}: found no whole .tar.gz ({failure}); get it again") from None


def unpack_runs(entries: tarfile.TarFile, first: tarfile.TarInfo, folder: Path, archive: str) -> list[str]:
    """Unpack the runs of a task; names are runs/TASK/MODEL/FILE each."""
    names, entry = [], first
    while entry is not None:
        parts = PurePosixPath(entry.name).parts
        if not entry.isfile() or len(parts) != 4 or parts[0] != "runs" or not is_allowed(entry.name):
            raise Refused(f"{archive}: found {entry.name}; allowed: files runs/TASK/MODEL/FILE only")
        copy_entry(entries, entry, folder / entry.name)
        names.append(entry.name)
        entry = entries.next()
    return names


def unpack_crate(entries: tarfile.TarFile, first: tarfile.TarInfo, folder: Path, archive: str) -> list[str]:
    """Unpack a crate, whose description comes first."""
    if not first.isfile() or first.size > LONGEST:
        raise Refused(f"{archive}: found {CRATE} of {first.size} bytes; allowed: a file of {LONGEST} at most")
    copy_entry(entries, first, folder / CRATE)
    expected = described_files(folder / CRATE, archive)
    room, needed = shutil.disk_usage(folder).free, sum(size for size, _ in expected.values())
    if needed > room:
        raise Refused(f"{archive}: its files take {needed} bytes, {room} are free in {folder.parent}; make room")
    names = [CRATE]
    while (entry := entries.next()) is not None:
        if not entry.isfile() or entry.name not in expected or entry.name in names:
            raise Refused(f"{archive}: found {entry.name}; allowed: each file that its {CRATE} names, once")
        size, sha256 = expected[entry.name]
        if entry.size != size:
            raise Refused(f"{archive}: {entry.name}: expected {size} bytes, found {entry.size}; get it again")
        digest = copy_entry(entries, entry, folder / entry.name)
        if digest != sha256:
            raise Refused(f"{archive}: {entry.name}: expected sha256 {sha256}, found {digest}; get it again")
        names.append(entry.name)
    missing = sorted(expected.keys() - set(names))
    if missing:
        raise Refused(f"{archive}: {missing[0]}, which its {CRATE} names, is missing; get it again")
    return names


def copy_entry(entries: tarfile.TarFile, entry: tarfile.TarInfo, target: Path) -> str:
    """Write a file of an archive, and return its sha256."""
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, content = hashlib.sha256(), entries.extractfile(entry)
    with open(target, "xb") as file:
        while block := content.read(BLOCK):
            file.write(block)
            digest.update(block)
    return digest.hexdigest()


def described_files(description: Path, archive: str) -> dict[str, tuple[int, str]]:
    """The files that a crate describes.

    Args:
        description: Its ro-crate-metadata.json.
        archive: The archive's name in messages.

    Returns:
        Size and sha256 by name.

    Raises:
        Refused: It is no description of a crate, or names a file that does not belong below results/.
    """
    try:
        graph = json.loads(description.read_text(encoding="utf-8"))["@graph"]
        files = [entity for entity in graph if entity["@type"] == "File" and not entity["@id"].startswith("#")]
        expected = {unquote(file["@id"]): (int(file["contentSize"]), str(file["sha256"])) for file in files}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as failure:
        raise Refused(f"{archive}: {CRATE}: found no description of a crate ({failure!r}); get it again") from None
    for name, (size, _) in expected.items():
        if not is_allowed(name) or size < 0:
            raise Refused(f"{archive}: {CRATE}: found {name} ({size} bytes); allowed: files below results/")
    return expected


def is_allowed(name: str) -> bool:
    """Whether a name may be that of a file below results/ that an archive brings."""
    parts = name.split("/")
    return all(PART.fullmatch(part) for part in parts) and parts[0] not in KEPT
