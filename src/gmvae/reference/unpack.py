"""Step: take the runs of a task from an archive that `make archive` packed, here or somewhere else."""

import os
import shutil
import tarfile
import tempfile
import zlib
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from gmvae.data.download import NotObtained, checksum_fault, download_file
from gmvae.data.fetch import LOCAL, is_url
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused

NEXT = "Its runs are trained: `snakemake --cores all --config study=...` makes what follows from them."


def unpack_archive(archive: str, results: Path, sha256: str = "") -> None:
    """Put the files of an archive's runs in their places, all of them or none.

    Snakemake trains a run anew whose data set or labels are newer than its weights: make these first, as in
    `snakemake --cores all results/data/toy.h5ad results/tasks/toy/observed.csv`.

    Args:
        archive: A file, {task}.tar.gz, or its address, https.
        results: The folder with runs/.
        sha256: SHA-256 of the archive: of an address it must be given.

    Raises:
        Refused: The archive was not obtained or has other bytes, is not one of runs, or a file of a run is there with
            other content.
    """
    check_address(archive, sha256)
    results.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=results, prefix=".unpack.") as folder:
        packed = obtain_archive(archive, Path(folder, "archive.tar.gz"), sha256)
        names = unpack_files(packed, Path(folder, "files"), archive)
        other = [name for name in names if differs(Path(folder, "files", name), results / name)]
        if other:
            raise Refused(f"{results / other[0]} is there, with other content than in {archive}; move its run away")
        for name in names:
            (results / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(Path(folder, "files", name), results / name)
    print(f"{archive}: {len(names)} files. {NEXT}")


def check_address(archive: str, sha256: str) -> None:
    """Refuse an address without https, or without a checksum."""
    parts = urlsplit(archive)
    if "://" in archive and parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOCAL):
        raise Refused(f"--archive {archive}: found {parts.scheme}://; allowed: a file, or https://...")
    if is_url(archive) and not sha256:
        raise Refused(f"--archive {archive}: --sha256 is missing; give what `sha256sum` says of the packed file")


def obtain_archive(archive: str, target: Path, sha256: str) -> Path:
    """The archive as a file here, its checksum right where one is given."""
    expected = {"sha256": sha256}
    try:
        if is_url(archive):
            download_file(archive, target, expected, progress=False)
            return target
        if not Path(archive).is_file():
            raise NotObtained("expected a file, found none")
        fault = checksum_fault(Path(archive), expected)
        if fault:
            raise NotObtained(fault)
        return Path(archive)
    except NotObtained as failure:
        raise Refused(f"{archive}: {failure}; get it again, or correct --archive or --sha256") from None


def unpack_files(packed: Path, folder: Path, archive: str) -> list[str]:
    """Unpack the archive's files below a folder, and return their names, runs/TASK/MODEL/FILE each."""
    names = []
    try:
        with tarfile.open(packed, "r:gz") as entries:
            for entry in entries:
                parts = PurePosixPath(entry.name).parts
                if not entry.isfile() or len(parts) != 4 or parts[0] != "runs" or ".." in parts:
                    raise Refused(f"{archive}: found {entry.name}; allowed: files runs/TASK/MODEL/FILE only")
                target = folder.joinpath(*parts)
                target.parent.mkdir(parents=True, exist_ok=True)
                with open(target, "wb") as file:
                    shutil.copyfileobj(entries.extractfile(entry), file)
                names.append("/".join(parts))
    except (tarfile.TarError, EOFError, OSError, zlib.error) as failure:
        raise Refused(f"{archive}: found no whole .tar.gz ({failure}); get it again") from None
    return names


def differs(new: Path, old: Path) -> bool:
    """Whether there is an old file, with other content."""
    return old.exists() and (not old.is_file() or old.read_bytes() != new.read_bytes())


if __name__ == "__main__":
    run_step(unpack_archive)
