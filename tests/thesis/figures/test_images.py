"""Images: mosaics, the order of samples, and pictures that stay on the page."""

from itertools import combinations

import numpy as np
import pytest
from support.drawing import NAMES, overlapping_texts, random_latent, striped_images

from gmvae.pipeline.errors import Refused
from gmvae.thesis.figures import images


def test_a_mosaic_is_its_images_with_paper_between():
    values = np.arange(24).reshape(2, 3, 4)  # two rows of three images of 2 x 2
    picture = images.mosaic(values, (2, 2), paper=-1)
    assert picture.tolist() == [
        [0, 1, -1, 4, 5, -1, 8, 9],
        [2, 3, -1, 6, 7, -1, 10, 11],
        [-1] * 8,
        [12, 13, -1, 16, 17, -1, 20, 21],
        [14, 15, -1, 18, 19, -1, 22, 23],
    ]


def test_samples_are_in_the_order_of_the_classes():
    adata = striped_images()
    truth = adata.obs["label"].cat.codes.to_numpy().astype(int)
    run = random_latent(adata, "gmdvae", 4)
    run.obs["cluster_0"] = (truth + 1) % 4  # class 0 is component 1
    assert images.components_by_class(run, adata, 0).tolist() == [1, 2, 3, 0]


@pytest.mark.parametrize(("n_models", "k"), [(1, 10), (3, 20), (25, 20)])
def test_images_fit_the_page(n_models, k):
    generator = np.random.default_rng(0)
    shown = {"Test images": generator.random((1, 10, 16))}
    shown |= {f"model number {i}": generator.random((1, 10, 16)) for i in range(n_models)}
    samples = {f"model number {i}": generator.random((8, k, 16)) for i in range(n_models)}
    figure = images.image_figure(shown, samples, (4, 4))
    assert overlapping_texts(figure) == []
    places = [axes.get_position() for axes in figure.axes]
    assert all(place.y0 >= 0 and place.y1 <= 1 and place.x1 <= 1 for place in places)
    assert not any(a.y0 < b.y1 and b.y0 < a.y1 for a, b in combinations(places, 2))


def test_what_is_no_image_is_refused(folder, tmp_path):
    adata = striped_images()
    adata.uns["shape"] = np.array([], dtype=np.int64)
    adata.write_h5ad(tmp_path / "cells.h5ad")
    with pytest.raises(Refused, match=r"cells\.h5ad.*shape.*no image"):
        images.draw(tmp_path / "out.pdf", "cells", NAMES, tmp_path / "cells.h5ad", [folder / "ae.h5ad"], ["ae"])
    with pytest.raises(Refused, match=r"digits.*decodes.*images"):
        images.draw(tmp_path / "out.pdf", "digits", NAMES, folder / "data.h5ad", [folder / "kmeans.h5ad"], ["kmeans"])
    assert list(tmp_path.glob("out*")) == []
