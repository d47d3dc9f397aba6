"""Compressed archives: written so that the same files give the same bytes, and never in part."""

import gzip
import signal
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gmvae.formats.writing import write_atomically


def pack_files(files: list[Path], folder: Path, archive: Path) -> None:
    """Write a compressed archive of files by their names below a folder, without times and owners.

    Args:
        files: The files, in the order of the archive; of a link its file is packed.
        folder: The folder.
        archive: The .tar.gz to write.
    """
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


@contextmanager
def clean_up_if_ended() -> Iterator[None]:
    """Let a process that gets SIGTERM remove its temporary files before it ends."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit("error: ended before it was complete; start it again"))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
