"""Results from an archive: the configuration is that of its study, and Snakemake has only the rules of the thesis."""

import json

import pytest

from gmvae.pipeline.checks import unpacked
from gmvae.pipeline.errors import Refused
from gmvae.reference.archives.crate import CrateFile, crate_metadata

FILES = [
    CrateFile("runs/toy/my model/latent.h5ad", 1, "a" * 64, {"size": 7, "sha256": "b" * 64}),
    CrateFile("metrics.csv", 1, "a" * 64),
]


@pytest.fixture
def results(tmp_path):
    """Results of a study `small`."""
    (tmp_path / "ro-crate-metadata.json").write_text(json.dumps(crate_metadata("A", "B", "", FILES, [])))
    (tmp_path / "settings.json").write_text('{"study": "small"}')
    return tmp_path


def test_the_configuration_takes_the_study_of_the_archive(results):
    config = {"study": "embedded", "studies": {"small": {}, "embedded": {}}}
    unpacked.take_study(config, {}, results)
    assert config["study"] == "small"
    unpacked.take_study(config, {"study": "small"}, results)


def test_without_an_archive_nothing_changes(tmp_path):
    config = {"study": "embedded", "studies": {}}
    unpacked.take_study(config, {"study": "other"}, tmp_path)
    assert config["study"] == "embedded" and not unpacked.has_crate(tmp_path)
    assert unpacked.thinned_files(tmp_path) == {}


def test_another_study_on_the_command_line_is_refused(results):
    with pytest.raises(Refused, match=r"study: found full; .* is an archive of study small"):
        unpacked.take_study({"studies": {"small": {}, "full": {}}}, {"study": "full"}, results)


def test_a_study_that_the_configuration_does_not_have_is_refused(results):
    with pytest.raises(Refused, match=r"study small, which config.yaml has not; add the file"):
        unpacked.take_study({"studies": {"full": {}}}, {}, results)


@pytest.mark.parametrize("content", ["", "[]", "{"])
def test_damaged_settings_are_refused_in_one_line(results, content):
    (results / "settings.json").write_text(content)
    with pytest.raises(Refused, match="unpack the archive again") as refused:
        unpacked.take_study({"studies": {}}, {}, results)
    assert "\n" not in str(refused.value)


def test_thinned_files_are_listed_with_the_whole_ones(results):
    whole = {"size": 7, "sha256": "b" * 64}
    assert unpacked.thinned_files(results) == {"results/runs/toy/my model/latent.h5ad": whole}


def test_settings_that_the_archive_was_not_made_with_are_named(results, capsys):
    tasks = {"toy": {"name": "Toy", "models": ["ae"], "n_components": 5}}
    made = {"study": "small", "tasks": tasks, "training": {"epochs": 5}, "names": {"elbo": "ELBO"}}
    (results / "settings.json").write_text(json.dumps(made))
    config = json.loads(json.dumps(made)) | {"names": {"elbo": "Bound"}, "more": 1}
    config["tasks"]["toy"]["name"] = "A toy"
    unpacked.print_archive(config, results)
    printed = capsys.readouterr().err
    assert "archive of study small" in printed and "1 of its files are thinned" in printed and "warning" not in printed
    config["tasks"]["toy"]["models"], config["training"] = ["ae", "vae"], {"epochs": 6}
    unpacked.print_archive(config, results)
    assert "warning: tasks.toy.models, training.epochs: other than in" in capsys.readouterr().err
