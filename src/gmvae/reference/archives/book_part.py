"""The part `book` of an archive: all results that the thesis is made of, and nothing that a computer trained for hours.

Large files are thinned where the figures, tables and numbers made of them stay the same to the byte: each is made from
the thinned files in a folder of its own, and compared with that of the study.
"""

import filecmp
import tempfile
from pathlib import Path

from gmvae.formats.provenance_reader import read_provenance
from gmvae.formats.writing import write_json
from gmvae.pipeline.checks.unpacked import CRATE, SETTINGS
from gmvae.pipeline.errors import Refused
from gmvae.reference.archives.book_plan import Job, book_jobs, files_read, pending_jobs, run_snakemake
from gmvae.reference.archives.crate import CrateFile, CrateRun, crate_metadata, file_of_crate
from gmvae.reference.archives.packing import pack_files
from gmvae.reference.archives.thinning import LEVELS, thin_file

DESCRIPTION = (
    "All results that the thesis is made of, without weights and without most of the latents. When they are unpacked "
    "into results/ of a checkout of the code (`make unpack ARCHIVE=book.tar.gz`), `make thesis` makes the PDF, and "
    "trains nothing."
)


def pack_book(settings: dict, results: Path, archive: Path, configfiles: list[Path], author: str) -> None:
    """Write the part `book` of a study.

    Args:
        settings: The study's part of the configuration.
        results: The folder results.
        archive: The .tar.gz to write.
        configfiles: Files of one's own that the study was run with.
        author: Who publishes it; may be "".

    Raises:
        Refused: The study is not finished, or results are not as their jobs wrote them.
    """
    place = (settings["study"], results.absolute().parent, configfiles)
    check_finished(pending_jobs(*place), settings["study"])
    jobs = book_jobs(*place)
    names = [file.removeprefix("results/") for file in files_read(jobs)]
    with tempfile.TemporaryDirectory(prefix="archive-") as folder:
        crate = Path(folder, "results")
        for name in names:
            link_file(results / name, crate / name)
        write_json(settings, crate / SETTINGS)
        write_json({}, crate / CRATE)  # so that Snakemake plans nothing but the thesis in this folder
        thinned = thin_results(jobs, results, crate, configfiles)
        files = [file_of_crate(crate / name, name, results / name if name in thinned else None) for name in names]
        files.append(file_of_crate(crate / SETTINGS, SETTINGS))
        title = f"The book of the study {settings['studies'][settings['study']]['title']}"
        write_json(crate_metadata(title, DESCRIPTION, author, files, runs_of_files(files, crate)), crate / CRATE)
        pack_files([crate / name for name in (CRATE, SETTINGS, *names)], crate, archive)
    print(f"{archive}: {len(files)} files, {len(thinned)} of them thinned, {archive.stat().st_size / 1e6:.1f} MB")


def check_finished(pending: list[Job], study: str) -> None:
    """Refuse a study that has jobs to run before its book is typeset."""
    if pending:
        first = pending[0].outputs[0] if pending[0].outputs else pending[0].rule
        number = "1 job, of" if len(pending) == 1 else f"{len(pending)} jobs, one of them of"
        raise Refused(
            f"part book: results are to be made first ({number} {first}): "
            f"run `snakemake --cores all results --config study={study}`"
        )


def link_file(file: Path, link: Path) -> None:
    """Link a file, in the place of an earlier one."""
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(file.absolute())


def thin_results(jobs: list[Job], results: Path, crate: Path, configfiles: list[Path]) -> set[str]:
    """Put thinned files in the places of linked ones, as far as what is made of them stays the same.

    Args:
        jobs: The jobs of the book.
        results: The study's results.
        crate: The folder with links to them.
        configfiles: Files of one's own that the study was run with.

    Returns:
        The names of the thinned files.
    """
    names = {
        file.removeprefix("results/")
        for job in jobs
        for file in job.inputs
        if file.startswith("results/") and file.endswith(".h5ad")
    }
    left = [job for job in jobs if {file.removeprefix("results/") for file in job.inputs} & names]
    thinned, changing = set(), names
    for level in LEVELS:
        for name in sorted(changing):
            (crate / name).unlink()
            if thin_file(results / name, level, crate / name):
                thinned.add(name)
            else:
                thinned.discard(name)
                link_file(results / name, crate / name)
        left = [job for job in left if {file.removeprefix("results/") for file in job.inputs} & thinned]
        left = unequal_jobs(left, results.absolute().parent, crate.parent, configfiles)
        changing = {file.removeprefix("results/") for job in left for file in job.inputs} & names
    return thinned


def unequal_jobs(jobs: list[Job], study: Path, folder: Path, configfiles: list[Path]) -> list[Job]:
    """Run jobs in a folder, and return those whose files are not those of the study."""
    targets = [file for job in jobs for file in job.outputs]
    if targets:
        run_snakemake(folder, configfiles, "--keep-going", *targets, "--forcerun", *targets, can_fail=True)
    return [job for job in jobs if not all(is_same(study / file, folder / file) for file in job.outputs)]


def is_same(one: Path, other: Path) -> bool:
    """Whether both are files of the same bytes."""
    return one.is_file() and other.is_file() and filecmp.cmp(one, other, shallow=False)


def runs_of_files(files: list[CrateFile], crate: Path) -> list[CrateRun]:
    """The runs whose provenance is among the files, each with its files."""
    names, runs = [file.name for file in files], []
    for name in names:
        if name.startswith("runs/") and name.endswith("/provenance.json"):
            _, task, model, _ = name.split("/")
            outputs = [other for other in names if other.startswith(f"runs/{task}/{model}/")]
            runs.append(CrateRun(task, model, read_provenance(crate / name), [SETTINGS], outputs))
    return runs
