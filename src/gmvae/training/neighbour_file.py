"""The file of nearest neighbours of a dataset: a safetensors file that the step `neighbours` writes."""

import json
from pathlib import Path

import numpy as np

from gmvae.formats.writing import write_atomically
from gmvae.pipeline.errors import Refused


def save_neighbours(neighbours: np.ndarray, description: dict, path: Path) -> None:
    """Write the neighbours of a dataset's rows; the same neighbours always give the same bytes.

    Args:
        neighbours: Positions among the training rows, the nearest first, [N, k].
        description: What they were found with, for the one metadata key.
        path: The file to write, .safetensors.
    """
    from safetensors.numpy import save  # training needs only torch and numpy; this file needs more

    tensors = {"neighbours": np.ascontiguousarray(neighbours, dtype=np.int32)}
    with write_atomically(path) as temporary:
        temporary.write_bytes(save(tensors, metadata={"graph": json.dumps(description, sort_keys=True)}))


def load_neighbours(path: Path | None, train: np.ndarray) -> np.ndarray:
    """Read the neighbours of a dataset's rows.

    Args:
        path: A file that `save_neighbours` wrote.
        train: Mask of the dataset's training rows [N].

    Returns:
        Positions among the training rows, the nearest first, int64 [N, k].

    Raises:
        Refused: There is no file, it cannot be read, or it belongs to other rows.
    """
    from safetensors.numpy import load_file  # training needs only torch and numpy; this file needs more

    if path is None:
        raise Refused("--graph is missing: name the file of neighbours that `python -m gmvae.runs.neighbours` writes")
    try:
        neighbours = load_file(path)["neighbours"].astype(np.int64)
    except Exception as error:
        raise Refused(f"{path}: not a readable file of neighbours ({error}); delete it and run again") from None
    if neighbours.ndim != 2 or len(neighbours) != len(train) or neighbours.max() >= train.sum():
        raise Refused(f"{path} has other rows than the dataset: run the step `neighbours` again")
    return neighbours
