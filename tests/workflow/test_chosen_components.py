"""A task without a number of components: K is chosen first, all steps use it, and a new choice trains again."""

import json

import pandas as pd
import pytest
import yaml
from support.checkout import copied, planned, snakemake

from gmvae.formats.provenance_reader import read_provenance

TASK = {
    "dataset": "toy_auto",
    "labels": "none",
    "n_components": "auto",
    "models": ["pca_kmeans", "gmdvae"],
    "settings": {"n_dimensions": 4, "n_latent": 4, "n_hidden": 16},
    "training": {"epochs": 4, "autoencode_epochs": 1, "guide_epochs": 1},
}
CONFIG = {
    "study": "choice",
    "studies": {"choice": {"title": "Choice", "seeds": [0, 1], "tasks": ["toy_auto"]}},
    "datasets": {
        "toy_auto": {
            "name": "Toy without K",
            "source": "toy",
            "test_share": 0.2,
            "settings": {"n_classes": 3, "n_per_group": 16},
        }
    },
    "tasks": {"toy_auto": TASK},
    "thesis": {"figures": {"latents": "all"}},
}
FILES = [f"results/{file}.tex" for file in ("tables/toy_auto", "tables/runs", "numbers")]
RUNS = "results/runs/toy_auto"


@pytest.mark.slow
def test_k_is_chosen_first_and_used_by_every_step_that_needs_it(tmp_path):
    project = copied(tmp_path / "project")
    (project / "auto.yaml").write_text(yaml.safe_dump(CONFIG))
    call = [*FILES, "--configfile", "auto.yaml"]
    run = snakemake(project, *call)
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-3000:]

    choice = project / "results/choices/toy_auto/components.json"
    record, evidence = json.loads(choice.read_text()), pd.read_csv(choice.with_suffix(".csv"))
    k = record["n_components"]
    assert list(evidence.n_components) == [2, 3] and list(evidence.n_components[evidence.chosen]) == [k]
    assert read_provenance(project / RUNS / "gmdvae/provenance.json")["settings"]["n_components"] == k
    table = pd.read_csv(project / "results/tables/toy_auto.csv")
    assert set(table.n_components) == {k}
    assert rf"\setfact{{toy_auto.components}}{{{k}}}" in (project / FILES[2]).read_text()
    assert rf"\(K={k}\)" in (project / FILES[1]).read_text()
    assert planned(project, *call) == set()

    (project / "results/seals.json").unlink()  # it would tell that the file is no job's
    choice.write_text(json.dumps(record | {"n_components": 5 - k}))
    again = planned(project, *call)
    assert {f"{RUNS}/gmdvae/weights.safetensors", f"{RUNS}/pca_kmeans/latent.h5ad", *FILES[:2]} <= again
    assert not any(file.startswith(("results/choices", "results/data", "results/tasks")) for file in again)

    TASK["n_components"] = 5 - k
    (project / "auto.yaml").write_text(yaml.safe_dump(CONFIG))
    assert not any("choices" in file for file in planned(project, *call))
