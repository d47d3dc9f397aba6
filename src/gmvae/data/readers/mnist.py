"""MNIST: 70,000 handwritten digits of 28 x 28 pixels (LeCun, Bottou, Bengio and Haffner 1998), in the IDX format."""

from pathlib import Path

import anndata

from gmvae.data.readers.idx_images import read_images

SIZES = {
    "train": [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
    "test": [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
}


def read(raw: Path | None, likelihood: str = "bernoulli", binarised: bool = False) -> anndata.AnnData:
    """Read the digits, with the publisher's split.

    Args:
        raw: Folder of the four IDX files.
        likelihood: Likelihood of the pixels.
        binarised: Whether pixels become 0 or 1.

    Returns:
        Images [70000, 784].

    Raises:
        Refused: A file is missing, damaged or not the known one.
    """
    return read_images(raw, [str(k) for k in range(10)], SIZES, likelihood, binarised)
