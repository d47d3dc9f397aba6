"""Checkouts that share raw files and data sets: `snakemake --cache`, with a folder in SNAKEMAKE_OUTPUT_CACHE."""

import hashlib
import os

import pytest
import yaml
from support.checkout import TINY, copied, snakemake

CELLS = b"not read by any test"


@pytest.fixture
def checkouts(tmp_path, monkeypatch):
    """Two copies of the project, and the folder that they share."""
    shared = tmp_path / "shared"
    shared.mkdir()
    monkeypatch.setenv("SNAKEMAKE_OUTPUT_CACHE", str(shared))
    return copied(tmp_path / "first"), copied(tmp_path / "second"), shared


def make_shared(project, target, *arguments):
    """Make one file with --cache, and return its path."""
    run = snakemake(project, target, "--cache", *arguments, cores="1")
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-3000:]
    return project / target


@pytest.mark.slow
def test_a_second_checkout_takes_a_prepared_set_and_a_changed_setting_makes_its_own(checkouts):
    first, second, shared = checkouts
    made = make_shared(first, "results/data/toy_tiny.h5ad", *TINY)
    (kept,) = shared.iterdir()
    assert os.path.samefile(made, kept)
    number = kept.stat().st_ino  # another one, if the second checkout made the file anew
    taken = make_shared(second, "results/data/toy_tiny.h5ad", *TINY)
    assert os.path.samefile(taken, kept) and kept.stat().st_ino == number
    (second / "other.yaml").write_text(yaml.safe_dump({"datasets": {"toy_tiny": {"settings": {"n_per_group": 13}}}}))
    other = make_shared(second, "results/data/toy_tiny.h5ad", *TINY, "other.yaml")
    assert not os.path.samefile(other, kept) and other.read_bytes() != kept.read_bytes()
    assert len(list(shared.iterdir())) == 2


@pytest.mark.slow
def test_a_second_checkout_takes_a_raw_file_without_a_place_to_fetch_it_from(checkouts, tmp_path):
    first, second, shared = checkouts
    mirror = tmp_path / "mirror"
    (mirror / "h5ad").mkdir(parents=True)
    (mirror / "h5ad/mine.h5ad").write_bytes(CELLS)
    download = {"url": "https://localhost/none.h5ad", "sha256": hashlib.sha256(CELLS).hexdigest()}
    mine = {"name": "Mine", "source": "h5ad", "test_share": 0.2, "download": download}
    for project, place in ((first, str(mirror)), (second, str(tmp_path / "nothing"))):
        config = {"mirror": place, "offline": True, "datasets": {"mine": mine}}
        (project / "mine.yaml").write_text(yaml.safe_dump(config))
        made = make_shared(project, "results/raw/h5ad/mine.h5ad", *TINY, "mine.yaml")
        assert made.read_bytes() == CELLS
    assert len(list(shared.iterdir())) == 1
