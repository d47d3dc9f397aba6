"""Step: take what `make archive` packed, here or somewhere else: the runs of a task, or the results of the book."""

import os
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from gmvae.data.download import NotObtained, checksum_fault, download_file
from gmvae.data.fetch import LOCAL, is_url
from gmvae.formats.writing import write_json
from gmvae.pipeline.checks.seals import SEALS
from gmvae.pipeline.checks.unpacked import CRATE, has_crate, thinned_files
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.reference.archives.contents import described_files, unpack_files
from gmvae.reference.archives.packing import clean_up_if_ended

NEXT = "Its runs are trained: `snakemake --cores all --config study=...` makes what follows from them."
NEXT_OF_BOOK = "`snakemake -n` lists the jobs of the book, `make thesis` runs them. Nothing is trained."


def unpack_archive(archive: str, results: Path, sha256: str = "") -> None:
    """Put the files of an archive in their places, all of them or none.

    From an archive of the book on, Snakemake has no rules but those of the thesis, until `make clean SURE=yes`.

    With an archive of a task, Snakemake trains a run anew whose data set or labels are newer than its weights: make
    these first, as in `snakemake --cores all results/data/toy.h5ad results/tasks/toy/observed.csv`.

    Args:
        archive: A file, book.tar.gz or {task}.tar.gz, or its address, https.
        results: The folder results of a checkout.
        sha256: SHA-256 of the archive: of an address it must be given.

    Raises:
        Refused: The archive was not obtained, has other bytes or names what does not belong in results/; a file is
            there with other content; or results/ has runs of its own beside those of the book.
    """
    check_address(archive, sha256)
    results.mkdir(parents=True, exist_ok=True)
    with clean_up_if_ended(), tempfile.TemporaryDirectory(dir=results, prefix=".unpack.") as folder:
        packed = obtain_archive(archive, Path(folder, "archive.tar.gz"), sha256)
        files = Path(folder, "files")
        names = unpack_files(packed, files, archive)
        is_book = names[0] == CRATE
        if is_book:
            check_own_results(results, set(names))
        new = [name for name in names if not is_there(files / name, results / name, archive)]
        if is_book and not has_crate(results):
            seal_thinned(files, results)
        for name in new:  # of a crate, the description comes first: Snakemake then never trains on a thinned file
            (results / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(files / name, results / name)
    print(f"{archive}: {len(names)} files. {NEXT_OF_BOOK if is_book else NEXT}")


def check_own_results(results: Path, names: set[str]) -> None:
    """Refuse to put the results of a book among runs that are not of it."""
    if has_crate(results):
        return  # the same crate, or the comparison of its description refuses it
    own = [file for part in ("data", "runs") for file in sorted((results / part).rglob("*")) if file.is_file()]
    for file in own:
        if str(file.relative_to(results)) not in names:
            raise Refused(f"{file} is no file of the archive: unpack it in a new checkout, or `make clean SURE=yes`")


def seal_thinned(files: Path, results: Path) -> None:
    """Seal the whole files in the places of thinned ones: without the crate, Snakemake refuses these as changed.

    Args:
        files: The folder of the unpacked crate.
        results: The folder of the results.
    """
    seals = {name: whole | {"times": [0, 0]} for name, whole in thinned_files(files).items()}
    write_json(seals, results / SEALS.name)


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
        fault = checksum_fault(Path(archive), expected if sha256 else checksum_beside(Path(archive)))
        if fault:
            raise NotObtained(fault)
        return Path(archive)
    except NotObtained as failure:
        raise Refused(f"{archive}: {failure}; get it again, or correct --archive or --sha256") from None


def checksum_beside(archive: Path) -> dict[str, str]:
    """The checksum of an archive that the description in its own folder names; none without one."""
    description = archive.with_name(CRATE)
    described = described_files(description, str(description)) if description.is_file() else {}
    return {"sha256": described[archive.name][1]} if archive.name in described else {"sha256": ""}


def is_there(new: Path, old: Path, archive: str) -> bool:
    """Whether a file is there already. Raises Refused where it has other content."""
    if not old.exists():
        return False
    if not old.is_file() or old.read_bytes() != new.read_bytes():
        raise Refused(f"{old} is there, with other content than in {archive}; move it away")
    return True


if __name__ == "__main__":
    run_step(unpack_archive)
