"""The configuration: what is refused, which entry wins, and that the comments are the manual."""

import copy
import dataclasses
import inspect
import re
import time
from pathlib import Path

import pytest
import yaml

from gmvae.models import gmdvae
from gmvae.pipeline import dataset_plan, plan, step_options
from gmvae.pipeline.config_checks import check_config
from gmvae.pipeline.config_files import catalogue_files, read_config
from gmvae.pipeline.config_model import Config, Dataset, Download, Model, Task, TrainingSettings
from gmvae.pipeline.config_refusals import allowed_values, resolve_reference
from gmvae.pipeline.errors import Refused
from gmvae.pipeline.sources import keyword_types
from gmvae.pipeline.step_options import encoder_input
from gmvae.training.schedule import Training

ROOT = Path(__file__).resolve().parents[2]
PARSED = read_config(ROOT / "config.yaml")
REMOVE = object()


@pytest.fixture
def shipped() -> dict:
    return copy.deepcopy(PARSED)


def changed(original: dict, key: str, value: object) -> dict:
    """A copy of the config with another value at the dotted key."""
    copied = copy.deepcopy(original)
    *outer, last = key.split(".")
    part = copied
    for step in outer:
        part = part[step]
    if value is REMOVE:
        del part[last]
    else:
        part[last] = value
    return copied


def message(config: object) -> str:
    with pytest.raises(Refused) as refusal:
        check_config(config)
    return str(refusal.value)


def test_the_shipped_config_is_accepted(shipped):
    check_config(shipped)


REFUSALS = {
    # what is changed and to what; the key that the message names, what it says was found, the name that it suggests
    "unknown key": ("studdy", "x", "studdy", "an unknown key", "study"),
    "unknown training key": ("training.epoch", 3, "training.epoch", "an unknown key", "epochs"),
    "unknown key of a task": ("tasks.toy.lables", "all", "tasks.toy.lables", "an unknown key", "labels"),
    "unknown key of a model": ("models.vae.modul", "vae", "models.vae.modul", "an unknown key", "module"),
    "unknown study": ("study", "embeded", "study", '"embeded"', "embedded"),
    "unknown study, nothing near": ("study", "xyz", "study", '"xyz"', ""),
    "unknown task of a study": (
        "studies.other",
        {"title": "Other", "seeds": [0], "tasks": ["digit"]},
        "studies.other.tasks",
        '"digit"',
        "digits",
    ),
    "letters of another script": ("models.vae.name", "Клетки", "models.vae.name", "the letter К (U+041A) in ", ""),
    "an institution without a name": ("thesis.institution", None, "thesis.institution", "nothing", ""),
    "an empty degree": ("thesis.degree", "", "thesis.degree", '""', ""),
    "a degree that LaTeX cannot set": ("thesis.degree", "学位", "thesis.degree", "the letter 学 (U+5B66) in ", ""),
    "a mistyped degree": ("thesis.degre", "MSc", "thesis.degre", "an unknown key", "degree"),
    "a sign that LaTeX has not": ("thesis.author", "A 😀", "thesis.author", "the letter 😀 (U+1F600) in ", ""),
    "a letter with two accents": (
        "names.accuracy",
        "x\u0304\u0301",
        "names.accuracy",
        "the letter x\u0304\u0301 (U+0078 U+0304 U+0301)",
        "",
    ),
    "unknown data set": ("tasks.toy.dataset", "toys", "tasks.toy.dataset", '"toys"', "toy"),
    "unknown model": ("tasks.toy.models", ["vaee"], "tasks.toy.models", '"vaee"', "vae"),
    "unknown module": ("models.vae.module", "vea", "models.vae.module", '"vea"', "vae"),
    "unknown baseline": ("models.pca_kmeans.baseline", "k_means", "models.pca_kmeans.baseline", '"k_means"', "kmeans"),
    "unknown space": ("models.pca_kmeans.space", "gmdva", "models.pca_kmeans.space", '"gmdva"', "gmdvae"),
    "a space that the task lacks": (
        "tasks.toy.models",
        ["truth", "ae_kmeans"],
        "tasks.toy.models",
        "ae_kmeans without ae",
        "",
    ),
    "unknown source": ("datasets.toy.source", "toyy", "datasets.toy.source", '"toyy"', "toy"),
    "unknown source of a download": (
        "downloads.digit",
        {"f": {"url": "https://x.org/f", "sha256": "0" * 64}},
        "downloads",
        '"digit"',
        "digits",
    ),
    "components for a model on its own data": (
        "models.scgen.encode",
        "components",
        "models.scgen.encode",
        "components",
        "",
    ),
    "an unknown encoder's input": ("tasks.pbmc3k.encode", "gene", "tasks.pbmc3k.encode", '"gene"', "genes"),
    "a baseline that encodes": ("models.pca.encode", "genes", "models.pca", "", ""),
    "labels in the start of a task without a response": (
        "training.start",
        "balanced",
        "training.start",
        "balanced for",
        "",
    ),
    "unknown figure": ("thesis.figures.latent", "all", "thesis.figures", '"latent"', "latents"),
    "unknown task of a figure": ("thesis.figures.images", ["digitz"], "thesis.figures.images", '"digitz"', "digits"),
    "unknown setting of a model": (
        "models.vae.settings",
        {"n_laten": 3},
        "models.vae.settings.n_laten",
        "an unknown setting",
        "n_latent",
    ),
    "unknown setting of a baseline": (
        "models.pca_kmeans.settings",
        {"n_starts": 3},
        "models.pca_kmeans.settings.n_starts",
        "an unknown setting",
        "",
    ),
    "a setting of another baseline": (
        "models.truth.settings",
        {"n_init": 3},
        "models.truth.settings.n_init",
        "an unknown setting",
        "n_dimensions",
    ),
    "a setting that none of the task's models takes": (
        "tasks.toy.settings.n_hiden",
        3,
        "tasks.toy.settings.n_hiden",
        "an unknown setting",
        "n_hidden",
    ),
    "unknown setting of a reader": (
        "datasets.toy.settings",
        {"sed": 1},
        "datasets.toy.settings.sed",
        "an unknown setting",
        "seed",
    ),
    "a setting of the wrong kind": ("tasks.toy.settings.n_hidden", "many", "tasks.toy.settings.n_hidden", '"many"', ""),
    "a baseline's setting of the wrong kind": (
        "models.pca.settings",
        {"n_dimensions": 2.5},
        "models.pca.settings.n_dimensions",
        "2.5",
        "",
    ),
    "a reader's setting of the wrong kind": (
        "datasets.toy.settings",
        {"distance": "far"},
        "datasets.toy.settings.distance",
        '"far"',
        "",
    ),
    "a key that is missing": ("training.epochs", REMOVE, "training.epochs", "nothing", ""),
    "a top key that is missing": ("device", REMOVE, "device", "nothing", ""),
    "an empty entry": ("tasks.toy.settings", None, "tasks.toy.settings", "nothing", ""),
    "zero seeds": ("studies.embedded.seeds", [], "studies.embedded.seeds", "[]", ""),
    "a seed twice": ("studies.embedded.seeds", [1, 2, 1], "studies.embedded.seeds", "[1, 2, 1]", ""),
    "a negative seed": ("studies.embedded.seeds", [-1], "studies.embedded.seeds.0", "-1", ""),
    "seeds as a number": ("studies.embedded.seeds", 10, "studies.embedded.seeds", "10", ""),
    "no component": ("tasks.toy.n_components", 0, "tasks.toy.n_components", "0", ""),
    "a number of components that is no word for it": (
        "tasks.toy.n_components",
        "autoo",
        "tasks.toy.n_components",
        '"autoo"',
        "auto",
    ),
    "candidates that hold one twice": ("tasks.toy.n_components", [2, 2], "tasks.toy.n_components", "[2, 2]", ""),
    "a single candidate": ("tasks.toy.n_components", [4], "tasks.toy.n_components", "[4]", ""),
    "a choice beside labels": (
        "tasks.digits_labels100.n_components",
        "auto",
        "tasks.digits_labels100.n_components",
        '"auto"',
        "",
    ),
    "a choice without a model to choose by": (
        "tasks.toy",
        {"dataset": "toy", "labels": "none", "n_components": [2, 3], "models": ["pca", "pca_kmeans", "idec"]},
        "tasks.toy.n_components",
        "[2, 3]",
        "",
    ),
    "no component of a model": ("models.vae.n_components", -1, "models.vae.n_components", "-1", ""),
    "no row in a batch": ("training.batch_size", 0, "training.batch_size", "0", ""),
    "no epoch left for the objective": (
        "studies.embedded.training",
        {"epochs": 5, "autoencode_epochs": 3, "guide_epochs": 2},
        "training.epochs",
        "5 for",
        "",
    ),
    "half an epoch": ("training.epochs", 0.5, "training.epochs", "0.5", ""),
    "a whole number with a point": ("training.epochs", 10.0, "training.epochs", "10.0", ""),
    "a switch as --config reads it": ("offline", "true", "offline", '"true"', ""),
    "a truth for a number": ("threads", True, "threads", "true", ""),
    "a number that YAML reads as text": ("training.learning_rate", "1e-3", "training.learning_rate", '"1e-3"', ""),
    "no number": ("training.learning_rate", float("nan"), "training.learning_rate", "NaN", ""),
    "unknown schedule": ("training.schedule", "cosin", "training.schedule", '"cosin"', "cosine"),
    "an override of the wrong kind": ("models.vae.training", {"clip": "off"}, "models.vae.training.clip", '"off"', ""),
    "settings of a model that the task has not": (
        "tasks.toy.training_of",
        {"pca": {"epochs": 5}},
        "tasks.toy.training_of",
        '"pca"',
        "cvae",
    ),
    "unknown guide": ("training.guide", "leidn", "training.guide", '"leidn"', "leiden"),
    "unknown graph": ("models.gmvae.training", {"graph": "fair"}, "models.gmvae.training.graph", '"fair"', ""),
    "a guide of negative weight": ("training.guide_weight", -1, "training.guide_weight", "-1", ""),
    "a phase without a guide": ("training.guide", "none", "training.guide_epochs", "20 for gmvae on toy", ""),
    "one start for two graphs": (
        "tasks.toy",
        {
            "dataset": "toy",
            "labels": "none",
            "n_components": 5,
            "models": ["gmvae", "gmdvae", "leiden_start"],
            "training": {"guide": "leiden"},
            "training_of": {"gmvae": {"graph": "balanced"}},
        },
        "training.graph",
        "plain and balanced on toy",
        "",
    ),
    "a checkpoint in the past": ("checkpoint_minutes", -1, "checkpoint_minutes", "-1", ""),
    "less memory than none": ("memory", -1, "memory", "-1", ""),
    "half an epoch's patience": ("training.patience", 0.5, "training.patience", "0.5", ""),
    "unknown fate of what diverged": ("training.diverged", "kep", "training.diverged", '"kep"', "keep"),
    "the old label weight": ("training.label_weight", "auto", "training.label_weight", '"auto"', ""),
    "unknown view": ("training.views", ["affin"], "training.views.0", '"affin"', "affine"),
    "a view twice": ("training.views", ["affine", "affine"], "training.views", '["affine", "affine"]', ""),
    "images and counts": ("training.views", ["affine", "thinning"], "training.views", '["affine", "thinning"]', ""),
    "moved cells": ("tasks.kang.training", {"views": ["affine"]}, "training.views", "affine for", ""),
    "no job on the card": ("share_gpu", 0, "share_gpu", "0", ""),
    "unknown share of the card": ("share_gpu", "aut", "share_gpu", '"aut"', "auto"),
    "unknown device": ("device", "cud", "device", '"cud"', "cuda"),
    "all rows held out": ("datasets.toy.test_share", 1, "datasets.toy.test_share", "1", ""),
    "no row held out": ("datasets.toy.test_share", 0.0, "datasets.toy.test_share", "0.0", ""),
    "no such labels": ("tasks.toy.labels", 1.5, "tasks.toy.labels", "1.5", ""),
    "a model that is nothing": ("models.vae.module", REMOVE, "models.vae", "keys (name)", ""),
    "a model that is both": ("models.vae.baseline", "kmeans", "models.vae", "keys (name, module, baseline)", ""),
    "a name that is no file name": ("tasks.toy/2", {}, "tasks", '"toy/2"', ""),
    "a checksum cut short": (
        "downloads.toy",
        {"f": {"url": "https://x.org/f", "sha256": "ab"}},
        "downloads.toy.f.sha256",
        '"ab"',
        "",
    ),
    "a share in percent": ("datasets.kang.cells.max_mito", 5, "datasets.kang.cells.max_mito", "5", ""),
    "a score above 1": ("datasets.kang.cells.max_doublet", 1.5, "datasets.kang.cells.max_doublet", "1.5", ""),
    "a negative share": ("datasets.kang.cells.max_mito", -0.1, "datasets.kang.cells.max_mito", "-0.1", ""),
    "a text for a threshold": ("datasets.kang.cells.max_mito", "5%", "datasets.kang.cells.max_mito", '"5%"', ""),
    "a number for a column": ("datasets.kang.cells.mito_genes", 1, "datasets.kang.cells.mito_genes", "1", ""),
    "a column that the reader cannot read": (
        "datasets.kang.cells.mito_genes",
        "mt",
        "datasets.kang.cells.mito_genes",
        '"mt"',
        "",
    ),
    "an unknown threshold": ("datasets.kang.cells.max_mit", 0.1, "datasets.kang.cells", '"max_mit"', "max_mito"),
    "a margin of zero": ("thesis.margins.nmi", 0, "thesis.margins.nmi", "0", ""),
    "a margin of no metric": ("thesis.margins.accuraci", 0.1, "thesis.margins", '"accuraci"', "accuracy"),
    "a date for a text": ("thesis.author", yaml.safe_load("2026-11-01"), "thesis.author", '"2026-11-01"', ""),
}


@pytest.mark.parametrize(("key", "value", "at", "shown", "near"), REFUSALS.values(), ids=REFUSALS)
def test_it_is_refused_in_one_line_with_key_value_and_nearest_name(shipped, key, value, at, shown, near):
    line = message(changed(shipped, key, value))
    assert line.startswith(f"config.yaml: {at}: found {shown}") and "; allowed: " in line and "\n" not in line
    assert line.endswith(f"; did you mean {near}?") if near else "did you mean" not in line


def test_a_config_that_is_no_mapping_is_refused():
    assert message([]).startswith("config.yaml: all of it: found []; allowed: ")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("models.vae.name", "GMΔVAE α–ω, R² 10⁻³ ≤ é x\u0304 Ō"),
        ("tasks.toy.n_components", 1),
        ("training.batch_size", 1_000_000),
        ("tasks.toy.labels", 0.05),
        ("tasks.toy.labels", 100),
        ("tasks.toy.labels", "all"),
        ("tasks.toy.labels", "louvain"),
        ("studies.embedded.seeds", [7]),
        ("training.label_weight", 3),
        ("training.views", []),
        ("tasks.mnist.training", {"views": ["neighbours", "affine"], "information": 100, "guide_weight": 50}),
        ("training.clip", 0.5),
        ("training.guide", "leiden"),
        ("training.graph", "balanced"),
        ("training.guide_weight", 50),
        ("studies.embedded.training", {"guide": "none", "guide_epochs": 0}),
        ("training.start", "zero"),
        ("tasks.pbmc3k.encode", "genes"),
        ("models.vae.encode", "components"),
        ("checkpoint_minutes", 0),
        ("checkpoint_minutes", 0.5),
        ("memory", 0.5),
        ("thesis.figures.images", ["digits", "toy"]),
        ("studies.embedded.training", {"epochs": 100}),
        ("datasets.kang.cells", {"max_mito": 0, "max_doublet": 1}),
        ("datasets.kang", {"name": "K", "source": "h5ad", "test_share": 0.2, "cells": {"mito_genes": "mt"}}),
    ],
)
def test_it_is_accepted(shipped, key, value):
    check_config(changed(shipped, key, value))


def test_all_studies_are_checked_not_only_the_current_one(shipped):
    other = {"title": "Other", "seeds": [0], "tasks": ["nothing"]}
    assert "studies.other.tasks" in message(changed(shipped, "studies.other", other))


def test_reading_is_cheap(shipped):
    """Snakemake reads the config on every call, and once more in each job."""
    start = time.perf_counter()
    check_config(shipped)
    assert time.perf_counter() - start < 2


def test_later_entries_win_for_training(shipped):
    shipped["training"] |= {"epochs": 1, "clip": 1, "n_samples": 1, "batch_size": 1}
    shipped["models"]["vae"]["training"] = {"epochs": 2, "clip": 2, "n_samples": 2}
    shipped["tasks"]["toy"]["training"] = {"epochs": 3, "clip": 3}
    shipped["tasks"]["toy"]["training_of"] = {"vae": {"epochs": 5, "weight_decay": 5}, "ae": {"epochs": 6}}
    shipped["studies"]["embedded"]["training"] = {"epochs": 4}
    settings = plan.training_settings(shipped, "toy", "vae")
    assert [settings[key] for key in ("batch_size", "n_samples", "clip", "weight_decay", "epochs")] == [1, 2, 3, 5, 4]
    del shipped["studies"]["embedded"]["training"]
    assert [plan.training_settings(shipped, "toy", model)["epochs"] for model in ("vae", "ae", "gmvae")] == [5, 6, 3]
    assert set(settings) == set(shipped["training"])
    assert shipped["training"]["epochs"] == 1  # the defaults are left as they were


def test_settings_of_a_task_reach_those_who_take_them_and_a_models_own_win(shipped):
    shipped["tasks"]["toy"]["settings"] = {"n_latent": 3, "n_hidden": 4, "n_dimensions": 5}
    shipped["models"]["vae"]["settings"] = {"n_hidden": 6}
    check_config(shipped)
    assert plan.model_settings(shipped, "toy", "vae") == {"n_latent": 3, "n_hidden": 6}
    assert plan.model_settings(shipped, "toy", "ae") == {"n_latent": 3, "n_hidden": 4}
    assert plan.model_settings(shipped, "toy", "pca_kmeans") == {"n_dimensions": 5}
    assert plan.model_settings(shipped, "toy", "ae_kmeans") == {}


def test_a_model_s_own_input_wins_over_the_task_s_and_some_models_have_no_choice(shipped):
    inputs = {(task, model): encoder_input(shipped, task, model) for task in ("kang", "toy") for model in ("vae",)}
    assert set(inputs.values()) == {"auto"} and encoder_input(shipped, "toy", "scgen") == "genes"
    shipped["tasks"]["kang_without_b"]["encode"] = "components"
    shipped["models"]["cvae"]["encode"] = "genes"
    check_config(shipped)
    inputs = [encoder_input(shipped, "kang_without_b", model) for model in ("cvae", "cgmdvae", "scgen")]
    assert inputs == ["genes", "components", "genes"]


def test_the_start_uses_labels_only_where_a_response_is_predicted(shipped):
    starts = [plan.training_settings(shipped, task, "cgmdvae")["start"] for task in ("kang", "kang_without_b")]
    assert starts == ["data", "balanced"]
    shipped["tasks"]["kang_without_b"]["training"] = {"start": "data"}
    assert plan.training_settings(shipped, "kang_without_b", "cvae")["start"] == "data"


def test_linear_autoencoders_have_no_first_phase(shipped):
    """They are centred at its end; with one, all rows at once miss the plane of the digits by tens of degrees."""
    trained = [(task, model) for task, entry in shipped["tasks"].items() for model in entry["models"]]
    linear = [pair for pair in trained if shipped["models"][pair[1]].get("module") == "linear_ae"]
    assert linear
    assert {plan.training_settings(shipped, *pair)["autoencode_epochs"] for pair in linear} == {0}


def test_a_model_may_have_its_own_number_of_components(shipped):
    shipped["models"]["vae"]["n_components"] = 20
    assert plan.n_components(shipped, "toy", "vae") == 20
    assert plan.n_components(shipped, "toy", "ae") == shipped["tasks"]["toy"]["n_components"]


def test_a_number_that_a_sweep_chose_is_read_from_its_file(shipped, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shipped["tasks"]["toy"]["n_components"] = "auto"
    check_config(shipped)
    with pytest.raises(FileNotFoundError) as missing:
        plan.n_components(shipped, "toy", "gmdvae")
    assert [missing.value.filename] == step_options.choice_files(shipped, "toy", "digits")
    file = tmp_path / "results/choices/toy/components.json"
    file.parent.mkdir(parents=True)
    file.write_text('{"n_components": 7}')
    shipped["models"]["vae"]["n_components"] = 20
    assert [plan.n_components(shipped, "toy", model) for model in ("gmdvae", "vae")] == [7, 20]
    assert dataset_plan.swept_model(shipped, "toy") == "vade"
    shipped["tasks"]["toy"]["n_components"] = [4, 2]
    assert step_options.sweep_options(shipped, "toy")["candidates"] == [2, 4]


def test_the_current_study_decides_seeds_tasks_and_figures(shipped):
    shipped["studies"]["small"] = {"title": "Small", "seeds": [4, 2], "tasks": ["pbmc68k"]}
    shipped["study"] = "small"
    assert plan.seeds(shipped) == [4, 2]
    assert plan.tasks(shipped) == ["pbmc68k"]
    shipped["thesis"]["figures"] = {"latents": "all", "images": ["digits"]}
    assert plan.thesis_figures(shipped) == [("pbmc68k", "latents")]


def test_every_model_is_trained_or_a_baseline(shipped):
    for task in plan.tasks(shipped):
        both = plan.trained_models(shipped, task) + plan.baseline_models(shipped, task)
        assert sorted(both) == sorted(plan.models(shipped, task))
        assert "gmdvae" in plan.trained_models(shipped, task)
        assert {"truth", "random"} <= set(plan.baseline_models(shipped, task))


def test_a_task_is_shown_by_its_own_name_or_its_data_sets(shipped):
    assert plan.display_names(shipped)["digits"] == "Digits"
    shipped["tasks"]["digits_few"] = shipped["tasks"]["digits"] | {"name": "Digits, few labels"}
    names = plan.display_names(shipped)
    assert (names["digits"], names["digits_few"]) == ("Digits", "Digits, few labels")
    assert names["pca_kmeans"] == "PCA + k-means"
    assert names["accuracy"] == "Accuracy"


def test_what_the_shipped_config_names_has_a_display_name(shipped):
    """Metrics and terms are named by their keys; none is shown by two names."""
    texts = list(shipped["names"].values())
    assert len(set(texts)) == len(texts)
    assert {"accuracy", "purity", "nmi", "ari", "elbo", "reconstruction"} < set(shipped["names"])


def test_the_form_and_the_training_loop_have_the_same_settings():
    assert set(TrainingSettings.model_fields) == {field.name for field in dataclasses.fields(Training)}


def test_every_key_of_config_yaml_has_a_comment_above_it(shipped):
    text = (ROOT / "config.yaml").read_text(encoding="utf-8")
    lines = text.splitlines()
    for key in yaml.safe_load(text):
        line = next(number for number, text in enumerate(lines) if text.startswith(f"{key}:"))
        assert lines[line - 1].startswith("# "), key
    for key in shipped["training"]:
        line = next(number for number, text in enumerate(lines) if text.startswith(f"  {key}:"))
        assert lines[line - 1].startswith("  # "), key


@pytest.mark.parametrize("file", catalogue_files(ROOT), ids=lambda file: file.stem)
def test_a_catalogue_holds_one_section_under_a_comment_that_names_all_its_keys(file):
    text = file.read_text(encoding="utf-8")
    comment = text.partition(f"\n{file.stem}:")[0]
    assert list(yaml.safe_load(text)) == [file.stem]
    assert all(line.startswith("#") for line in comment.splitlines())
    form = {"datasets": Dataset, "tasks": Task, "models": Model, "downloads": Download}.get(file.stem)
    assert all(re.search(rf"\b{key}\b", comment) for key in (form.model_fields if form else []))


def test_config_yaml_holds_only_what_a_user_changes():
    lines = (ROOT / "config.yaml").read_text(encoding="utf-8").splitlines()
    assert len(lines) < 200
    assert not set(yaml.safe_load("\n".join(lines))) & {file.stem for file in catalogue_files(ROOT)}


def test_a_refusal_has_words_for_every_part_of_the_form():
    schema = Config.model_json_schema()

    def parts(part):
        yield part
        for name in ("properties", "patternProperties"):
            for inner in part.get(name, {}).values():
                yield from parts(inner)
        for name in ("items", "additionalProperties", "propertyNames"):
            if part.get(name):
                yield from parts(part[name])

    for form in [schema, *schema["$defs"].values()]:
        for part in parts(form):
            if part:  # items of any kind
                assert allowed_values(resolve_reference(schema, part))


def test_settings_are_read_off_the_source_as_python_sees_them():
    parameters = inspect.signature(gmdvae.Model.__init__).parameters.values()
    expected = {
        parameter.name: parameter.annotation.__name__
        for parameter in parameters
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    assert keyword_types("gmvae.models.gmdvae", "Model.__init__") == expected
