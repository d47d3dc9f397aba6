"""Step: pack the finished tasks of a study, one archive a task, so that a long study can be kept as it goes."""

import gzip
import tarfile
from pathlib import Path

from gmvae.formats.writing import write_atomically
from gmvae.pipeline import plan, step_options
from gmvae.pipeline.command import run_step
from gmvae.pipeline.config_files import read_config
from gmvae.pipeline.errors import Refused
from gmvae.reference.keep import study_part
from gmvae.reference.parts import limit_to_tasks

LEFT_OUT = {"latent.h5ad", "checkpoint.safetensors"}  # large, and made again from the weights in moments; unfinished


def archive_tasks(study: str, results: Path, output: Path, config: Path) -> None:
    """Pack each finished task of the study that is not packed yet, or that has changed since.

    An archive has the files of the task's runs but their latents: weights, histories, provenance, metrics, predicted
    responses. The same files give the same bytes.

    Args:
        study: The study, an entry of config.yaml's `studies`.
        results: The folder with runs/.
        output: The folder of the archives, {task}.tar.gz.
        config: The file config.yaml.

    Raises:
        Refused: The study is unknown, or none of its tasks is finished.
    """
    chosen = study_part(read_config(config), study)
    finished = [task for task in plan.tasks(chosen) if is_finished(limit_to_tasks(chosen, [task]), results)]
    if not finished:
        raise Refused(
            f"{results}: no task of study {study} is finished; run `snakemake --cores all --config study={study}` first"
        )
    for task in finished:
        files = task_files(task, results)
        archive = output / f"{task}.tar.gz"
        if archive.exists() and archive.stat().st_mtime >= max(file.stat().st_mtime for file in files):
            continue
        output.mkdir(parents=True, exist_ok=True)
        pack_files(files, results, archive)
        print(f"{archive}: {len(files)} files, {archive.stat().st_size / 2**20:.1f} MiB")


def is_finished(chosen: dict, results: Path) -> bool:
    """Whether each run of the only task in this part of the config has its measures."""
    return all((results / Path(file).relative_to("results")).is_file() for file in step_options.measures_files(chosen))


def task_files(task: str, results: Path) -> list[Path]:
    """The files of the task's runs that are packed, sorted."""
    return sorted(file for file in (results / "runs" / task).rglob("*") if file.is_file() and file.name not in LEFT_OUT)


def pack_files(files: list[Path], folder: Path, archive: Path) -> None:
    """Write a compressed archive of the files by their names below the folder, without times and owners."""
    with (
        write_atomically(archive) as temporary,
        open(temporary, "wb") as raw,
        gzip.GzipFile("", "wb", 6, raw, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as packed,
    ):
        for file in files:
            entry = tarfile.TarInfo(str(file.relative_to(folder)))
            entry.size, entry.mode = file.stat().st_size, 0o644
            with open(file, "rb") as content:
                packed.addfile(entry, content)


if __name__ == "__main__":
    run_step(archive_tasks)
