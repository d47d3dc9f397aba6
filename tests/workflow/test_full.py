"""The study of public data: every file comes from a mirror over HTTP, every dataset is prepared, every task planned."""

import functools
import http.server
import os
import threading
from pathlib import Path

import pytest
from support.checkout import copied, planned, snakemake

from gmvae.data.fetch import fetch
from gmvae.formats.dataset import load_dataset
from gmvae.pipeline.config_files import read_config
from gmvae.pipeline.sources import ROOT

MIRROR = Path(os.environ.get("GMVAE_MIRROR") or ROOT.parent / "shared/data")
CONFIG = read_config(ROOT / "config.yaml")
FILES = [(source, file) for source, files in CONFIG["downloads"].items() for file in files]
SIZES = {  # rows in all, as published or as the quality control leaves them; classes with rows to test
    "mnist": (70_000, 10),
    "fashion_mnist": (70_000, 10),
    "pbmc3k": (2_616, 9),
    "sc_mixology3": (450, 3),
    "sc_mixology5": (542, 5),
    "kang": (2_800, 7),
    "kang_control": (1_310, 7),
    "pbmc3k_kang": (3_948, 7),
}


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder without logging."""

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def url():
    """The mirror's folder as a base URL on this machine."""
    handler = functools.partial(QuietHandler, directory=MIRROR)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_study_is_planned_from_its_files_to_the_thesis():
    files = planned(ROOT, "--config", "study=full")
    assert "results/thesis.pdf" in files
    for task in CONFIG["studies"]["full"]["tasks"]:
        assert f"results/data/{CONFIG['tasks'][task]['dataset']}.h5ad" in files
        assert f"results/tables/{task}.tex" in files
    assert {f"results/raw/{source}/{file}" for source, file in FILES} <= files


@pytest.mark.mirror
@pytest.mark.skipif(not MIRROR.is_dir(), reason=f"no mirror at {MIRROR}")
@pytest.mark.parametrize(("source", "file"), FILES)
def test_every_file_comes_from_a_url_as_from_a_folder(url, tmp_path, source, file):
    entry = CONFIG["downloads"][source][file] | {"url": "https://publisher.invalid", "progress": False}
    fetch(source, file, tmp_path / "url", mirror=url, **entry)
    fetch(source, file, tmp_path / "folder", mirror=str(MIRROR), offline=True, **entry)
    assert (
        (tmp_path / "url").read_bytes() == (tmp_path / "folder").read_bytes() == (MIRROR / source / file).read_bytes()
    )


@pytest.mark.slow
@pytest.mark.mirror
@pytest.mark.skipif(not MIRROR.is_dir(), reason=f"no mirror at {MIRROR}")
def test_every_set_is_prepared_from_the_mirror(tmp_path):
    project = copied(tmp_path / "project")
    run = snakemake(project, "prepared", "--config", "study=full", f"mirror={MIRROR}", "offline=True")
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-4000:]
    for dataset in {CONFIG["tasks"][task]["dataset"] for task in CONFIG["studies"]["full"]["tasks"]}:
        adata = load_dataset(project / f"results/data/{dataset}.h5ad")
        tested = adata.obs["label"][adata.obs["split"] == "test"].nunique()
        assert (adata.n_obs, tested) == SIZES.get(dataset, (2_800, 7)), dataset
        assert ("steps" in adata.uns) == ("cells" in CONFIG["datasets"][dataset])
    assert planned(project, "prepared", "--config", "study=full") == set()
