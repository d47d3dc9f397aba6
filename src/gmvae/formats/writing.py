"""Writing results so that nothing half-written stays: beside the target first, renamed once whole."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; rename it to `path` on success, remove it on any failure."""
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
    """Write a pandas frame without its index, nine significant digits: the same bytes anywhere."""
    with write_atomically(path) as temporary:
        frame.to_csv(temporary, index=False, float_format="%.9g", lineterminator="\n")


def write_json(content: object, path: Path) -> None:
    """Write JSON with sorted keys."""
    write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", path)


def write_text(text: str, path: Path) -> None:
    """Write UTF-8 text."""
    with write_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_h5ad(adata, path: Path) -> None:
    """Write an AnnData, compressed."""
    with write_atomically(path) as temporary:
        adata.write_h5ad(temporary, compression="gzip")
