"""Step: pack a study as an RO-Crate: the book's results for everybody, and the runs of each finished task."""

from pathlib import Path

from gmvae.formats.provenance_reader import read_provenance
from gmvae.formats.writing import write_json
from gmvae.pipeline import plan, step_options
from gmvae.pipeline.checks.unpacked import CRATE, SETTINGS
from gmvae.pipeline.command import run_step
from gmvae.pipeline.config_files import read_config
from gmvae.pipeline.errors import Refused
from gmvae.reference.archives.book_part import pack_book
from gmvae.reference.archives.crate import CrateRun, crate_metadata, file_of_crate
from gmvae.reference.archives.packing import clean_up_if_ended, pack_files
from gmvae.reference.keep import study_part
from gmvae.reference.parts import limit_to_tasks

LEFT_OUT = {"latent.h5ad", "checkpoint.safetensors"}  # large, and made again from the weights in moments; unfinished
BOOK = "book.tar.gz"
PARTS = ("book", "full")
DESCRIPTION = (
    "The runs of each finished task (weights, histories, provenance, metrics, predicted responses), one archive a task,"
    f" and in {BOOK} all that the thesis is made of, where the study is finished. `make unpack ARCHIVE=...` puts one "
    "of them into a checkout of the code."
)


def archive_study(
    study: str,
    results: Path,
    output: Path,
    config: Path,
    configfile: list[Path] | None = None,
    part: str = "",
) -> None:
    """Pack a study in a folder that is an RO-Crate: book.tar.gz, {task}.tar.gz and a description with checksums.

    The archive of a task has the files of its runs but their latents; a task is packed if it is finished and not packed
    yet, or has changed since. The same files give the same bytes.

    Args:
        study: The study, an entry of config.yaml's `studies`.
        results: The folder results of a checkout.
        output: The folder of the archives.
        config: The file config.yaml.
        configfile: Files of your own that the results were made with, as for `snakemake --configfile`.
        part: book (what the thesis is made of), full (the tasks), or without it both, the book where it can be made.

    Raises:
        Refused: The study or the part is unknown, none of the tasks is finished, or with `--part book` jobs are to run
            before the book.
    """
    if part and part not in PARTS:
        raise Refused(f"--part {part}: found no part of an archive; allowed: {', '.join(PARTS)}, or none for both")
    every = read_config(config, configfile or [])
    settings = study_part(every, study)
    author = str(every.get("thesis", {}).get("author", ""))
    with clean_up_if_ended():
        tasks = finished_tasks(settings, results)
        if part != "book":
            pack_tasks(tasks, results, output)
        if part != "full":
            try:
                pack_book(settings, results, output / BOOK, configfile or [], author)
            except Refused as refusal:
                if part == "book":
                    raise
                print(f"{output / BOOK} was not packed: {refusal}")
        describe_folder(settings, results, output, author)


def finished_tasks(settings: dict, results: Path) -> list[str]:
    """The finished tasks of the study. Raises Refused where there is none."""
    tasks = [task for task in plan.tasks(settings) if is_finished(limit_to_tasks(settings, [task]), results)]
    if not tasks:
        remedy = f"run `snakemake --cores all --config study={settings['study']}` first"
        raise Refused(f"{results}: no task of study {settings['study']} is finished; {remedy}")
    return tasks


def is_finished(chosen: dict, results: Path) -> bool:
    """Whether each run of the only task in this part of the config has its measures."""
    return all((results / Path(file).relative_to("results")).is_file() for file in step_options.measures_files(chosen))


def task_files(task: str, results: Path) -> list[Path]:
    """The files of the task's runs that are packed, sorted."""
    files = (file for file in (results / "runs" / task).rglob("*") if file.is_file())
    return sorted(file for file in files if file.name not in LEFT_OUT and not file.name.startswith("."))


def pack_tasks(tasks: list[str], results: Path, output: Path) -> None:
    """Pack the tasks whose archives are missing or older than a file in them."""
    for task in tasks:
        files = task_files(task, results)
        archive = output / f"{task}.tar.gz"
        if archive.exists() and archive.stat().st_mtime >= max(file.stat().st_mtime for file in files):
            continue
        pack_files(files, results, archive)
        print(f"{archive}: {len(files)} files, {archive.stat().st_size / 2**20:.1f} MiB")


def describe_folder(settings: dict, results: Path, output: Path, author: str) -> None:
    """Write the description of the folder: which archives are there, and which runs made them."""
    write_json(settings, output / SETTINGS)
    tasks = [task for task in plan.tasks(settings) if (output / f"{task}.tar.gz").is_file()]
    names = [name for name in (SETTINGS, BOOK, *(f"{task}.tar.gz" for task in tasks)) if (output / name).is_file()]
    runs = [
        CrateRun(task, model, read_provenance(file), [SETTINGS], [f"{task}.tar.gz"])
        for task in tasks
        for model in plan.models(settings, task)
        if (file := results / "runs" / task / model / "provenance.json").is_file()
    ]
    files = [file_of_crate(output / name, name) for name in names]
    title = f"The study {settings['studies'][settings['study']]['title']}"
    write_json(crate_metadata(title, DESCRIPTION, author, files, runs), output / CRATE)


if __name__ == "__main__":
    run_step(archive_study)
