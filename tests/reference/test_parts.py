"""A reference that is kept task by task."""

import json

import pandas as pd
import pytest
import yaml
from support import finished

from gmvae.formats.metrics_table import read_metrics_text
from gmvae.pipeline.errors import Refused
from gmvae.reference.keep import keep_reference


@pytest.fixture
def checkout(tmp_path):
    """A study that has been run, with the metrics of each run in its folder, and no collected table."""
    folder = finished.checkout(tmp_path)
    table = read_metrics_text(folder / "results/metrics.csv", "")
    for (task, model), rows in table.groupby(["task", "model"]):
        rows.to_csv(folder / "results/runs" / task / model / "metrics.csv", index=False)
    return folder


def kept(folder, *tasks: str):
    """The reference after these tasks are kept."""
    output = folder / "results/reference/small"
    keep_reference("small", folder / "results", output, folder / "config.yaml", list(tasks) or None)
    return output


def change_config(folder, change):
    """Change the checkout's config.yaml."""
    config = yaml.safe_load((folder / "config.yaml").read_text())
    change(config)
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


def test_the_parts_together_are_the_whole(checkout):
    whole = {path.name: path.read_text() for path in kept(checkout).iterdir()}
    (checkout / "results/metrics.csv").unlink()
    for path in (checkout / "results/reference/small").iterdir():
        path.unlink()
    kept(checkout, "digits_20")
    folder = kept(checkout, "toy")
    columns = ["task", "model", "seed", "split", "metric"]
    values = pd.read_csv(folder / "metrics.csv").set_index(columns).value
    all_values = pd.read_csv(checkout / "results/reference/small/metrics.csv").set_index(columns).value
    assert values.to_dict() == all_values.to_dict() and len(values) == len(finished.metrics())
    said, of_whole = json.loads((folder / "provenance.json").read_text()), json.loads(whole["provenance.json"])
    assert said["config"] == of_whole["config"]
    assert said["commits"] == of_whole["commits"] and said["versions"] == of_whole["versions"]
    assert sorted((folder / "runs.csv").read_text().splitlines()) == sorted(whole["runs.csv"].splitlines())


def test_a_task_kept_again_replaces_its_rows(checkout):
    kept(checkout, "toy")
    path = checkout / "results/runs/toy/ae/metrics.csv"
    path.write_text(path.read_text().replace("-90.", "-70.").replace("-89.", "-70."))
    table = read_metrics_text(kept(checkout, "toy") / "metrics.csv", "")
    assert (table.task == "toy").all() and table[table.model == "ae"].value.astype(float).eq(-70).sum() == 0
    assert table[table.model == "ae"].value.str.startswith("-70.").all()


@pytest.mark.parametrize(
    "change",
    [
        lambda config: config["tasks"]["toy"].update(n_components=6),
        lambda config: config["models"]["ae"].update(training={"epochs": 3}),
        lambda config: config["training"].update(epochs=3),
        lambda config: config["studies"]["small"].update(seeds=[7]),
        lambda config: config["studies"]["small"].update(tasks=["digits_20"]),
    ],
)
def test_results_of_other_settings_do_not_stay(checkout, change):
    kept(checkout, "toy")
    change_config(checkout, change)
    table = read_metrics_text(kept(checkout, "digits_20") / "metrics.csv", "")
    assert set(table.task) == {"digits_20"}


def test_a_new_name_does_not_undo_a_part(checkout):
    kept(checkout, "toy")
    change_config(checkout, lambda config: config["models"]["ae"].update(name="Autoencoder"))
    table = read_metrics_text(kept(checkout, "digits_20") / "metrics.csv", "")
    assert set(table.task) == {"toy", "digits_20"}


def test_an_unknown_task_and_an_unfinished_run_are_refused(checkout):
    with pytest.raises(Refused, match=r"--tasks mars: no task of study small; allowed: toy, digits_20"):
        kept(checkout, "mars")
    (checkout / "results/runs/toy/ae/metrics.csv").unlink()
    with pytest.raises(Refused, match=r"toy/ae/metrics.csv is missing: run .*study=small"):
        kept(checkout, "toy")
    assert not (checkout / "results/reference").exists()
