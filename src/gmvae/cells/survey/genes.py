"""How a file names genes: symbols or identifiers, of which species, and which genes are mitochondrial."""

import re
from typing import NamedTuple

import numpy as np
import pandas as pd

from gmvae.data.quality_control import TRUTHS, mitochondrial_genes
from gmvae.formats.labels import is_gap

ENSEMBL = re.compile(r"ENS([A-Z]{3,4})?G\d{6,}|(FBgn)\d+|(WBGene)\d+")
SPECIES = {"": "human", "MUS": "mouse", "RNO": "rat", "DAR": "zebrafish", "MMU": "macaque", "SSC": "pig"} | {
    "GAL": "chicken",
    "BTA": "cow",
    "FBgn": "fly",
    "WBGene": "worm",
}
SYMBOLS = re.compile(r"symbol|^(feature|gene)_?(short_?)?names?$|^genes?$|hgnc|mgi|^names?$", re.IGNORECASE)
MITO_COLUMN = re.compile(r"^(is_)?(mt|mito|mitochondrial|mito_genes?)$", re.IGNORECASE)


class Genes(NamedTuple):
    """How the genes of a matrix are named."""

    kind: str  # symbols, Ensembl ids, or numbers
    species: str  # "" where nothing shows it
    column: str | None  # the column of var with their symbols, where the names are ids
    mitochondrial: np.ndarray  # [D] mask
    mito_column: str | None  # the column of var that says which genes are, where their names do not


def describe_genes(var: pd.DataFrame) -> Genes:
    """Find out how genes are named.

    Args:
        var: The table of the genes [D], their names as index.

    Returns:
        What is known of them.
    """
    names = var.index.astype(str)
    has_ids = is_mostly_ids(names)
    column = symbol_column(var) if has_ids else None
    symbols = pd.DataFrame(index=var[column].astype(str)) if column else pd.DataFrame(index=names)
    mask, mito_column = mitochondrial_genes(symbols, None, "cells"), None
    if not mask.any():
        mito_column = next((str(name) for name in var if MITO_COLUMN.match(str(name)) and is_truth(var[name])), None)
        mask = mitochondrial_genes(var, mito_column, "cells") if mito_column else mask
    ids = names if has_ids else var["gene_ids"].astype(str) if "gene_ids" in var else []
    species = species_of_ids(ids) or species_of_symbols(symbols.index, mask)
    has_numbers = symbols.index.str.fullmatch(r"\d+").mean() > 0.5
    kind = "Ensembl ids" if has_ids else "numbers" if has_numbers else "symbols"
    return Genes(kind, species, column, mask, mito_column)


def is_mostly_ids(names: pd.Index | pd.Series) -> bool:
    """Whether more than half of the names are identifiers."""
    return bool(np.mean([ENSEMBL.match(str(name)) is not None for name in names]) > 0.5) if len(names) else False


def symbol_column(var: pd.DataFrame) -> str | None:
    """The column of var with the symbols of the genes: most of its texts are there and are no identifiers."""
    for name in var:
        values = var[name]
        if SYMBOLS.search(str(name)) and values.map(lambda value: isinstance(value, str)).mean() > 0.5:
            blank = values.map(lambda value: is_gap(str(value))).mean()
            if blank < 0.5 and not is_mostly_ids(values) and values.nunique() > len(values) / 2:
                return str(name)
    return None


def is_truth(values: pd.Series) -> bool:
    """Whether a column says true for some genes and false for others."""
    truths = {TRUTHS.get(str(value).lower()) for value in values}
    return truths == {True, False}


def species_of_ids(ids: pd.Index | pd.Series) -> str:
    """The species whose prefix most identifiers have; "" where most are none."""
    matches = [ENSEMBL.match(str(name)) for name in ids]
    prefixes = pd.Series([next(filter(None, match.groups()), "") for match in matches if match], dtype=object)
    if not len(ids) or len(prefixes) <= len(ids) / 2:
        return ""
    prefix = prefixes.mode()[0]
    return SPECIES.get(prefix, f"species of prefix ENS{prefix}")


def species_of_symbols(symbols: pd.Index, mitochondrial: np.ndarray) -> str:
    """The species by how genes are written.

    Args:
        symbols: The names of the genes [D].
        mitochondrial: Which genes are mitochondrial, a mask [D].

    Returns:
        By the mitochondrial genes MT-, mt- or Mt-; without any, human where most symbols begin with two capitals
        (ACTB), mouse or rat where most begin with one (Actb); "" where nothing shows it.
    """
    names = [str(name) for name in symbols]
    found_names = [name for name, is_found in zip(names, mitochondrial, strict=False) if is_found]
    for sign, species in {"mt:": "fly", "MT": "human", "Mt": "rat", "mt": "mouse or zebrafish"}.items():
        if any(re.search(rf"(^|[_-]){sign}", name) for name in found_names):
            return species
    for form, species in {"[A-Z][A-Z]": "human", "[A-Z][a-z]": "mouse or rat"}.items():
        if sum(bool(re.match(form, name)) for name in names) > len(names) / 2:
            return species
    return ""
