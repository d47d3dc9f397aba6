"""Writing results atomically: into a temporary file in the same folder, which is renamed when it is complete."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Write a file or folder so that it is never incomplete.

    Args:
        path: The target.

    Yields:
        A temporary path in the same folder; it is renamed to the target on success, and removed on failure.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        temporary.unlink(missing_ok=True)


def write_csv(frame, path: Path) -> None:
    """Write a table without its index, with nine significant digits, so that the bytes are the same on all systems.

    Args:
        frame: A pandas.DataFrame.
        path: The file to write.
    """
    with write_atomically(path) as temporary:
        frame.to_csv(temporary, index=False, float_format="%.9g", lineterminator="\n")


def write_json(content: object, path: Path) -> None:
    """Write an object as JSON with sorted keys."""
    write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", path)


def write_text(text: str, path: Path) -> None:
    """Write text as UTF-8."""
    with write_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_h5ad(adata, path: Path) -> None:
    """Write an AnnData with compression."""
    with write_atomically(path) as temporary:
        adata.write_h5ad(temporary, compression="gzip")
