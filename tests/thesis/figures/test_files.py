"""The files of figures: PDF and SVG, the same bytes each time, without a date."""

import os
import subprocess
import sys

import pytest

from gmvae.pipeline.sources import ROOT

MODELS = ["ae", "gmdvae", "kmeans"]
INPUTS = {  # of each figure, besides what all have
    "angles": ("data", "latents", "models"),
    "comparison": ("metrics", "compared", "controls"),
    "conditions": ("latents", "models"),
    "curves": ("histories", "trained"),
    "images": ("data", "latents", "models"),
    "latents": ("data", "latents", "models", "projection"),
}


def figure_command(figure, folder, output):
    """The command line of a figure on the stand-ins."""
    values = {
        "data": [folder / "data.h5ad"],
        "metrics": [folder / "metrics.csv"],
        "projection": [folder / "projection.csv"],
        "latents": [folder / f"{model}.h5ad" for model in MODELS],
        "histories": [folder / f"{model}.csv" for model in MODELS],
    }
    values |= dict.fromkeys(("models", "compared", "trained", "controls"), MODELS)
    arguments = [part for name in INPUTS[figure] for part in (f"--{name}", *values[name])]
    arguments += ["--output", output, "--task", "digits", "--names", '{"gmdvae": "GMΔVAE"}']
    return [sys.executable, "-m", f"gmvae.thesis.figures.{figure}", *map(str, arguments)]


@pytest.mark.parametrize("figure", INPUTS)
def test_a_figure_drawn_twice_has_the_same_bytes_and_no_date(figure, folder, tmp_path):
    for attempt in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": attempt, "PYTHONPATH": str(ROOT / "src")}
        command = figure_command(figure, folder, tmp_path / attempt / "f.pdf")
        process = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert process.returncode == 0, process.stderr
        assert process.stderr == ""
        assert sorted(path.name for path in (tmp_path / attempt).iterdir()) == ["f.pdf", "f.svg"]
    for name in ("f.pdf", "f.svg"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()
    pdf, svg = (tmp_path / "1" / "f.pdf").read_bytes(), (tmp_path / "1" / "f.svg").read_text()
    assert pdf.startswith(b"%PDF") and b"CreationDate" not in pdf
    assert "<svg" in svg and "<dc:date>" not in svg
    assert b"/CIDFontType2" in pdf and b"/Type3" not in pdf  # letters as letters, to be searched and copied
