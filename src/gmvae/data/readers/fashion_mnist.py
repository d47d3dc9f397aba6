"""Fashion-MNIST: 70,000 pieces of clothing of 28 x 28 pixels (Xiao, Rasul and Vollgraf 2017), in the IDX format."""

from pathlib import Path

import anndata

from gmvae.data.readers.idx_images import read_images

NAMES = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
SIZES = {"train": [6000] * 10, "test": [1000] * 10}


def read(raw: Path | None, likelihood: str = "bernoulli", binarised: bool = False) -> anndata.AnnData:
    """Read the pieces of clothing, with the publisher's split.

    Args:
        raw: Folder of the four IDX files.
        likelihood: Likelihood of the pixels.
        binarised: Whether pixels become 0 or 1.

    Returns:
        Images [70000, 784].

    Raises:
        Refused: A file is missing, damaged or not the known one.
    """
    return read_images(raw, NAMES, SIZES, likelihood, binarised)
