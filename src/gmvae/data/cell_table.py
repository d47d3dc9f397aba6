"""From names, annotations and counts of cells to the AnnData that a reader of users' files returns."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd

from gmvae.data.row_blocks import Counts
from gmvae.formats.dataset import first_line
from gmvae.formats.labels import categories_with_gaps
from gmvae.formats.likelihoods import COUNT_LIKELIHOODS
from gmvae.pipeline.errors import Refused


def check_likelihood(likelihood: str) -> None:
    """Check the setting of the likelihood of counts.

    Args:
        likelihood: Its value.

    Raises:
        Refused: It is not one of counts.
    """
    if likelihood not in COUNT_LIKELIHOODS:
        raise Refused(f"likelihood is '{likelihood}'; allowed for counts: {', '.join(COUNT_LIKELIHOODS)}")


def file_location(source: str, raw: Path | None, path: str, file: str) -> Path:
    """Find the file that an entry's settings name.

    Args:
        source: The reader.
        raw: Folder of the source's downloaded files.
        path: A local file or folder.
        file: Name of a downloaded file in `raw`.

    Returns:
        Its path.

    Raises:
        Refused: Both or neither of them are given, or nothing was downloaded.
    """
    if bool(path) == bool(file):
        raise Refused(
            f"settings of source {source}: give either path (a local file) or file (a downloaded one), "
            f"found {'both' if path else 'neither'}"
        )
    if path:
        return Path(path)
    if raw is None:
        raise Refused(
            f"settings of source {source}: file is '{file}' but nothing was downloaded: give the entry a download"
        )
    return raw / file


def assemble_cells(
    names: tuple[pd.Index, pd.Index],
    annotations: dict[str, pd.Series],
    counts: Counts,
    where: str,
    likelihood: str,
    drop_unlabelled: bool,
) -> anndata.AnnData:
    """Put the parts of a user's file together.

    Args:
        names: Names of the cells [N] and of the genes [D].
        annotations: Values [N] of label, condition and batch, as far as they exist; the name of each is its column.
        counts: Raw counts [N, D].
        where: The file, for messages.
        likelihood: Likelihood of the counts.
        drop_unlabelled: Whether some cells may have no label; the step `prepare` leaves them out.

    Returns:
        Cells with their raw counts in layers["counts"].

    Raises:
        Refused: A name repeats, or an annotation has gaps that may not be dropped.
    """
    cells, genes = (unique_names(part, table, where) for part, table in zip(names, ("obs", "var"), strict=True))
    obs = pd.DataFrame({key: annotation_column(values) for key, values in annotations.items()}, index=cells)
    adata = anndata.AnnData(obs=obs, var=pd.DataFrame(index=genes), layers={"counts": counts})
    adata.uns = {"likelihood": likelihood, "shape": np.array([], dtype=np.int64)}
    columns = {key: str(values.name) for key, values in annotations.items()}
    check_annotation_gaps(adata.obs, columns, where, drop_unlabelled)
    return adata


def annotation_column(values: pd.Series) -> pd.Categorical:
    """The values of an annotation [N] as a categorical of str, its categories sorted; gaps stay gaps."""
    return categories_with_gaps(values)


def unique_names(names: pd.Index, table: str, where: str) -> pd.Index:
    """The names as str. Raises Refused where a name repeats."""
    if not names.is_unique:
        n = int(names.duplicated().sum())
        raise Refused(f"{where}: {n} {table} names repeat; call {table}_names_make_unique()")
    return names.astype(str)


def check_annotation_gaps(obs: pd.DataFrame, columns: dict[str, str], where: str, drop_unlabelled: bool) -> None:
    """Raise Refused where an annotation of the cells has gaps other than labels that may be dropped."""
    for key in obs:
        gaps = int(obs[key].isna().sum())
        if gaps and not (key == "label" and drop_unlabelled):
            remedy = "set drop_unlabelled: true, or fill them" if key == "label" else "fill them"
            column = f"{where}: {key} column '{columns[key]}'"
            raise Refused(f"{column} has {gaps} gaps among {len(obs)} cells; {remedy}")


def read_annotations(path: str, barcodes: pd.Index, columns: dict[str, str | None]) -> dict[str, pd.Series]:
    """Read the annotations of cells from a table beside the file that has their counts.

    Args:
        path: A csv or tsv file, packed by gzip or not, with a header; its first column holds the barcodes.
        barcodes: Names of the cells [N].
        columns: For label, condition and batch, the name of the column that has them; None for none.

    Returns:
        For each named column its values [N] as text, with gaps for cells that the table does not list.

    Raises:
        Refused: A column is named but no table is given, or the table is damaged, lacks a column, lists a barcode
            twice or lists none of the cells.
    """
    named = {key: name for key, name in columns.items() if name}
    if not named:
        return {}
    if not path:
        key, name = next(iter(named.items()))
        raise Refused(f"{key} is '{name}', but annotations is not set; set it to a csv file indexed by barcode")
    table = read_annotation_table(path)
    for key, name in named.items():
        if name not in table:
            allowed = ", ".join(map(str, table.columns)) or "none"
            raise Refused(f"{path}: {key} is '{name}', not a column of annotations; allowed: {allowed}")
    if not table.index.isin(barcodes).any():
        example = f"'{table.index[0]}'" if len(table) else "none"
        raise Refused(
            f"{path}: no barcode is one of the {len(barcodes)} cells; found {example}, allowed such as '{barcodes[0]}'"
        )
    return {key: table[name].reindex(barcodes) for key, name in named.items()}


def read_annotation_table(path: str) -> pd.DataFrame:
    """The columns of a table as text, by barcode. Raises Refused where it is damaged or lists a barcode twice."""
    if not Path(path).is_file():
        raise Refused(f"annotations: {path}: no such file; correct it in the entry's settings")
    separator = "\t" if {".tsv", ".txt"} & set(Path(path).suffixes) else ","
    try:
        table = pd.read_csv(path, sep=separator, index_col=0, dtype=str)
    except Exception as failure:  # pandas and gzip raise a dozen kinds for one cause
        raise Refused(f"annotations: {path}: no table ({first_line(failure)}); give a csv or tsv file") from failure
    table.index = table.index.astype(str)
    if not table.index.is_unique:
        raise Refused(f"{path}: {int(table.index.duplicated().sum())} barcodes repeat; allowed: one row a barcode")
    return table
