"""Step: look at a file of cells without loading it whole, and write the configuration that models it."""

import re
import shlex
from pathlib import Path

import numpy as np

from gmvae.cells.survey.columns import choose_columns, summarise_columns
from gmvae.cells.survey.files import CellFile, open_cells
from gmvae.cells.survey.genes import describe_genes
from gmvae.cells.survey.mine import write_entries
from gmvae.cells.survey.report import Survey, describe_survey
from gmvae.cells.survey.thresholds import measure_sample
from gmvae.cells.survey.values import choose_counts
from gmvae.data.cell_table import unique_names
from gmvae.formats.dataset import first_line
from gmvae.formats.writing import write_atomically
from gmvae.pipeline.command import run_step
from gmvae.pipeline.config_checks import check_config
from gmvae.pipeline.config_files import merge_config, read_config, read_yaml
from gmvae.pipeline.errors import Refused
from gmvae.pipeline.sources import ROOT


def inspect(
    path: Path,
    output: Path = Path("mine.yaml"),
    key: str = "mine",
    label: str | None = None,
    condition: str | None = None,
    batch: str | None = None,
    counts: str | None = None,
    annotations: str = "",
    genome: str = "",
    prefix: str | None = None,
    overwrite: bool = False,
    config: Path = ROOT / "config.yaml",
) -> None:
    """Look at a file of cells, print what it holds, and write a configuration file that models it.

    Args:
        path: An .h5ad, an .h5 of 10x, a folder with a matrix.mtx, or a zarr store of anndata.
        output: The configuration file to write.
        key: The name of the dataset, task and study in it.
        label: Column of obs with the labels; "" for none. By default it is chosen by its name.
        condition: Column of obs with the conditions, likewise.
        batch: Column of obs with the batches, likewise.
        counts: Where the raw counts are: X, raw, or the name of a layer. By default it is chosen by the values.
        annotations: For 10x, a csv or tsv file whose first column holds the barcodes.
        genome: For an .h5 of 10x with several genomes: the one to read.
        prefix: For a folder of 10x with several sets of files: what the names of one begin with.
        overwrite: Whether to replace an existing output.
        config: The file config.yaml, with which the output is checked; that of this checkout by default.

    Raises:
        Refused: The file is missing, damaged, of another form or without raw counts; a named column does not exist; or
            the output exists.
    """
    settings = read_config(config)
    check_names(output, overwrite, key, settings)
    try:
        file = open_cells(path, annotations, genome, prefix)
        survey = survey_cells(file, counts, {"label": label, "condition": condition, "batch": batch})
    except Refused:
        raise
    except Exception as failure:  # h5py, zarr and pandas raise a dozen kinds for one cause
        raise Refused(f"{path}: not readable: truncated or damaged ({first_line(failure)}); copy it again") from failure
    command = command_for(output)
    text = write_entries(survey, key, command)
    print("\n".join(describe_survey(survey)))
    with write_atomically(output) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
        check_config(merge_config(settings, read_yaml(temporary)))
    print(f"Written: {output}. Check it, then run:\n    {command}")
    print(f"Then open results/cells/{key}.html. Without the word results it makes a book, too, which needs LaTeX.")


def command_for(output: Path) -> str:
    """The command that runs a configuration file, from the current folder."""
    if Path.cwd() == ROOT:
        return f"snakemake --cores all results --configfile {shlex.quote(str(output))}"
    folder, file = shlex.quote(str(ROOT)), shlex.quote(str(output.absolute()))
    return f"cd {folder} && snakemake --cores all results --configfile {file}"


def check_names(output: Path, overwrite: bool, key: str, config: dict) -> None:
    """Raise Refused where the output exists, or the name of its entries is none or is taken."""
    if output.exists() and not overwrite:
        raise Refused(f"{output} exists; remove it, pass --overwrite, or name another --output")
    if not re.fullmatch("[a-z][a-z0-9_]*", key):
        raise Refused(f"key is '{key}'; allowed: a name of small letters, digits and _, a letter first")
    taken = [part for part in ("datasets", "tasks", "studies") if key in config[part]]
    if taken:
        raise Refused(f"key is '{key}', which is an entry of {' and '.join(taken)} already; allowed: another name")


def survey_cells(file: CellFile, counts: str | None, named: dict[str, str | None]) -> Survey:
    """Find out all about a file.

    Args:
        file: The file.
        counts: Where the user says that the raw counts are; None for a choice by the values.
        named: For label, condition and batch the column that the user names, "" for none, None for a choice.

    Returns:
        What was found out.

    Raises:
        Refused: It has no raw counts, a name repeats, or a named column does not exist.
    """
    matrix, contents = choose_counts(file.matrices, counts, str(file.path))
    columns = summarise_columns(file)
    chosen = choose_columns(file, columns, named)
    genes = describe_genes(file.var[matrix.table])
    if matrix.name and not genes.column:  # elsewhere repeated names get a number
        unique_names(file.var[matrix.table].index, matrix.table, str(file.path))
    mitochondrial = np.asarray(genes.mitochondrial)
    return Survey(file, matrix, contents, columns, chosen, genes, measure_sample(matrix, mitochondrial, file.is_gene))


if __name__ == "__main__":
    run_step(inspect)
