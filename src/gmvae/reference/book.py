"""Step: keep the book of a kept study beside its results, so that it can be read without being made.

`thesis.pdf` is copied as it was set; `book.json` says at which commit, and names by their checksums the PDF and the
metrics.csv that it shows, which has to be the one that is kept.
"""

import shutil
from pathlib import Path

from gmvae.formats.provenance import git
from gmvae.formats.writing import write_atomically, write_json
from gmvae.pipeline.checks.seals import file_digest
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused

LARGEST = 6_000_000  # bytes of a book that is kept in git


def keep_book(results: Path, output: Path) -> None:
    """Copy the book of the results that a folder keeps into this folder.

    Args:
        results: The folder with thesis.pdf and metrics.csv of the study last run.
        output: The folder of the kept study; thesis.pdf and book.json are written.

    Raises:
        Refused: There is no book, it shows other results than those that are kept, or it is too large.
    """
    book, shown, kept = results / "thesis.pdf", results / "metrics.csv", output / "metrics.csv"
    for path in (book, shown, kept):
        if not path.is_file():
            raise Refused(f"{path}: no such file; make the book with `make`, and keep its study with `make reference`")
    if file_digest(shown) != file_digest(kept):
        raise Refused(f"{shown} is not what {kept} keeps; keep the study first: `make reference STUDY=...`")
    if book.stat().st_size > LARGEST:
        raise Refused(f"{book}: found {book.stat().st_size:,} bytes; allowed: {LARGEST:,}; draw fewer figures")
    with write_atomically(output / "thesis.pdf") as temporary:
        shutil.copyfile(book, temporary)
    record = {"commit": git("rev-parse", "HEAD"), "pdf_sha256": file_digest(book), "metrics_sha256": file_digest(kept)}
    write_json(record, output / "book.json")


if __name__ == "__main__":
    run_step(keep_book)
