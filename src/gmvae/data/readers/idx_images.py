"""The images of a folder of four IDX files, the form in which MNIST and Fashion-MNIST are published."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd

from gmvae.data.readers.raw_files import check_published, read_idx, read_whole
from gmvae.pipeline.errors import Refused

FILES = {"train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz")}
FILES["test"] = ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz")


def read_images(
    raw: Path | None, names: list[str], sizes: dict[str, list[int]], likelihood: str, binarised: bool
) -> anndata.AnnData:
    """Read images with the publisher's split, training rows first.

    Args:
        raw: Folder of the four files.
        names: Names of the classes.
        sizes: Published number of images of each class, by split.
        likelihood: Likelihood of the pixels.
        binarised: Whether a pixel becomes 1 above 0.5, else 0.

    Returns:
        Images [70000, 784] in [0, 1].

    Raises:
        Refused: A file is missing, damaged or not the known one.
    """
    if raw is None:
        raise Refused(f"raw is missing: the folder of {', '.join(FILES['train'] + FILES['test'])}")
    pixels, labels, index = [], [], []
    for split, (image_file, label_file) in FILES.items():
        pixels.append(read_whole(raw / image_file, read_idx).reshape(-1, 28 * 28))
        labels.append(read_whole(raw / label_file, read_idx))
        check_published(f"{raw / label_file}: images of each class", np.bincount(labels[-1]).tolist(), sizes[split])
        check_published(f"{raw / image_file}: shape", pixels[-1].shape, (sum(sizes[split]), 28 * 28))
        index += [f"{split} {i:05d}" for i in range(len(labels[-1]))]
    values = np.concatenate(pixels).astype(np.float32) / 255
    split = np.repeat(list(FILES), [len(part) for part in labels])
    adata = anndata.AnnData(
        X=(values > 0.5).astype(np.float32) if binarised else values,
        obs=pd.DataFrame(
            {
                "label": pd.Categorical([names[k] for k in np.concatenate(labels)]),
                "split": pd.Categorical(split),
            },
            index=index,
        ),
        var=pd.DataFrame(index=[f"pixel {row},{column}" for row in range(28) for column in range(28)]),
    )
    adata.uns = {"likelihood": likelihood, "shape": np.array([28, 28], dtype=np.int64)}
    return adata
