"""config.yaml: what is refused and in which words, which entry wins, and that the comments are the manual."""

import copy
import dataclasses
import inspect
import re
import time
from pathlib import Path

import pytest
import yaml

from gmvae.models.gmdvae import Model
from gmvae.pipeline import plan
from gmvae.pipeline.config_checks import check_config
from gmvae.pipeline.config_files import read_config
from gmvae.pipeline.errors import Refused
from gmvae.pipeline.sources import keyword_types
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


def message(config_: dict) -> str:
    with pytest.raises(Refused) as refusal:
        check_config(config_)
    return str(refusal.value)


def test_the_shipped_config_is_accepted(shipped):
    check_config(shipped)


REFUSALS = {
    # key, value, the message after "config.yaml: "; `...` stands for a list of names
    "unknown key": ("studdy", "x", "studdy: found an unknown key; allowed: ...; did you mean study?"),
    "unknown training key": (
        "training.epoch",
        3,
        "training.epoch: found an unknown key; allowed: ...; did you mean epochs?",
    ),
    "unknown key of a task": (
        "tasks.toy.lables",
        "all",
        "tasks.toy.lables: found an unknown key; ...; did you mean labels?",
    ),
    "unknown key of a model": (
        "models.vae.modul",
        "vae",
        "models.vae.modul: found an unknown key; ...; did you mean module?",
    ),
    "unknown study": ("study", "embeded", 'study: found "embeded"; allowed: ...; did you mean embedded?'),
    "unknown study, nothing near": ("study", "xyz", 'study: found "xyz"; allowed: embedded...'),
    "unknown task of a study": (
        "studies.other",
        {"title": "Other", "seeds": [0], "tasks": ["digit"]},
        'studies.other.tasks: found "digit"; allowed: ...; did you mean digits?',
    ),
    "unknown data set": (
        "tasks.toy.dataset",
        "toys",
        'tasks.toy.dataset: found "toys"; allowed: ...; did you mean toy?',
    ),
    "unknown model": ("tasks.toy.models", ["vaee"], 'tasks.toy.models: found "vaee"; allowed: ...; did you mean vae?'),
    "unknown module": ("models.vae.module", "vea", 'models.vae.module: found "vea"; allowed: ...; did you mean vae?'),
    "unknown baseline": (
        "models.pca_kmeans.baseline",
        "k_means",
        'models.pca_kmeans.baseline: found "k_means"; allowed: none, ...; did you mean kmeans?',
    ),
    "unknown space": (
        "models.pca_kmeans.space",
        "gmdva",
        'models.pca_kmeans.space: found "gmdva"; allowed: data, pca, ...; did you mean gmdvae?',
    ),
    "a space that the task lacks": (
        "tasks.toy.models",
        ["truth", "ae_kmeans"],
        "tasks.toy.models: found ae_kmeans without ae; allowed: ae beside ae_kmeans, which is computed from it",
    ),
    "unknown source": (
        "datasets.toy.source",
        "toyy",
        'datasets.toy.source: found "toyy"; allowed: ...; did you mean toy?',
    ),
    "unknown source of a download": (
        "downloads.digit",
        {"f": {"url": "https://x.org/f", "sha256": "0" * 64}},
        'downloads: found "digit"; ...',
    ),
    "unknown figure": (
        "thesis.figures.latent",
        "all",
        'thesis.figures: found "latent"; allowed: ...; did you mean latents?',
    ),
    "unknown task of a figure": (
        "thesis.figures.images",
        ["digitz"],
        'thesis.figures.images: found "digitz"; allowed: ...; did you mean digits?',
    ),
    "unknown setting of a model": (
        "models.vae.settings",
        {"n_laten": 3},
        "models.vae.settings.n_laten: found an unknown setting; allowed: ...; did you mean n_latent?",
    ),
    "unknown setting of a baseline": (
        "models.pca_kmeans.settings",
        {"n_starts": 3},
        "models.pca_kmeans.settings.n_starts: found an unknown setting; allowed: n_dimensions, n_init",
    ),
    "a setting of another baseline": (
        "models.truth.settings",
        {"n_init": 3},
        "models.truth.settings.n_init: found an unknown setting; allowed: n_dimensions; did you mean n_dimensions?",
    ),
    "a setting that none of the task's models takes": (
        "tasks.toy.settings.n_hiden",
        3,
        "tasks.toy.settings.n_hiden: found an unknown setting; allowed: ...; did you mean n_hidden?",
    ),
    "unknown setting of a reader": (
        "datasets.toy.settings",
        {"sed": 1},
        "datasets.toy.settings.sed: found an unknown setting; allowed: seed, ...; did you mean seed?",
    ),
    "a setting of the wrong kind": (
        "tasks.toy.settings.n_hidden",
        "many",
        'tasks.toy.settings.n_hidden: found "many"; allowed: a whole number',
    ),
    "a baseline's setting of the wrong kind": (
        "models.pca.settings",
        {"n_dimensions": 2.5},
        "models.pca.settings.n_dimensions: found 2.5; allowed: a whole number",
    ),
    "a reader's setting of the wrong kind": (
        "datasets.toy.settings",
        {"distance": "far"},
        'datasets.toy.settings.distance: found "far"; allowed: a number ...',
    ),
    "a key that is missing": (
        "training.epochs",
        REMOVE,
        "training.epochs: found nothing; allowed: a whole number from 1",
    ),
    "a top key that is missing": ("device", REMOVE, "device: found nothing; allowed: auto, cpu or cuda"),
    "an empty entry": (
        "tasks.toy.settings",
        None,
        "tasks.toy.settings: found nothing; allowed: settings with their values",
    ),
    "zero seeds": (
        "studies.embedded.seeds",
        [],
        "studies.embedded.seeds: found []; allowed: a list of different whole numbers from 0, at least one",
    ),
    "a seed twice": (
        "studies.embedded.seeds",
        [1, 2, 1],
        "studies.embedded.seeds: found [1, 2, 1]; allowed: a list of different whole numbers from 0, at least one",
    ),
    "a negative seed": (
        "studies.embedded.seeds",
        [-1],
        "studies.embedded.seeds.0: found -1; allowed: a whole number from 0",
    ),
    "seeds as a number": ("studies.embedded.seeds", 10, "studies.embedded.seeds: found 10; allowed: a list of ..."),
    "no component": ("tasks.toy.n_components", 0, "tasks.toy.n_components: found 0; allowed: a whole number from 1"),
    "no component of a model": (
        "models.vae.n_components",
        -1,
        "models.vae.n_components: found -1; allowed: a whole number from 1",
    ),
    "no row in a batch": ("training.batch_size", 0, "training.batch_size: found 0; allowed: a whole number from 1"),
    "no epoch left for the objective": (
        "studies.embedded.training",
        {"epochs": 5, "autoencode_epochs": 3, "guide_epochs": 2},
        "training.epochs: found 5 for ... on toy; allowed: more than its autoencode_epochs and guide_epochs, ...",
    ),
    "half an epoch": ("training.epochs", 0.5, "training.epochs: found 0.5; allowed: a whole number from 1"),
    "a whole number with a point": (
        "training.epochs",
        10.0,
        "training.epochs: found 10.0; allowed: a whole number from 1",
    ),
    "a switch as --config reads it": (
        "offline",
        "true",
        'offline: found "true"; allowed: true or false (in --config: True or False)',
    ),
    "a truth for a number": ("threads", True, "threads: found true; allowed: a whole number from 1"),
    "a number that YAML reads as text": (
        "training.learning_rate",
        "1e-3",
        'training.learning_rate: found "1e-3"; allowed: a number above 0 (YAML reads 1e-3 as text: write 1.0e-3)',
    ),
    "no number": (
        "training.learning_rate",
        float("nan"),
        "training.learning_rate: found NaN; allowed: a number above 0 ...",
    ),
    "unknown schedule": (
        "training.schedule",
        "cosin",
        'training.schedule: found "cosin"; allowed: constant, cosine or one_cycle; did you mean cosine?',
    ),
    "an override of the wrong kind": (
        "models.vae.training",
        {"clip": "off"},
        'models.vae.training.clip: found "off"; allowed: a number from 0 ...',
    ),
    "settings of a model that the task has not": (
        "tasks.toy.training_of",
        {"pca": {"epochs": 5}},
        'tasks.toy.training_of: found "pca"; allowed: linear_ae, ae, ...',
    ),
    "a checkpoint in the past": (
        "checkpoint_minutes",
        -1,
        "checkpoint_minutes: found -1; allowed: a number from 0 ...",
    ),
    "less memory than none": ("memory", -1, "memory: found -1; allowed: a number from 0 ..."),
    "half an epoch's patience": (
        "training.patience",
        0.5,
        "training.patience: found 0.5; allowed: a whole number from 0",
    ),
    "unknown fate of what diverged": (
        "training.diverged",
        "kep",
        'training.diverged: found "kep"; allowed: fail or keep; did you mean keep?',
    ),
    "label weight": (
        "training.label_weight",
        "aut",
        'training.label_weight: found "aut"; allowed: auto, ...; did you mean auto?',
    ),
    "unknown device": ("device", "cud", 'device: found "cud"; allowed: auto, cpu or cuda; did you mean cuda?'),
    "all rows held out": (
        "datasets.toy.test_share",
        1,
        "datasets.toy.test_share: found 1; allowed: a share between 0 and 1, ...",
    ),
    "no row held out": (
        "datasets.toy.test_share",
        0.0,
        "datasets.toy.test_share: found 0.0; allowed: a share between 0 and 1, ...",
    ),
    "no such labels": (
        "tasks.toy.labels",
        1.5,
        "tasks.toy.labels: found 1.5; allowed: none, all, louvain, a share ...",
    ),
    "a model that is nothing": (
        "models.vae.module",
        REMOVE,
        "models.vae: found keys (name); allowed: an entry with name and module ...",
    ),
    "a model that is both": (
        "models.vae.baseline",
        "kmeans",
        "models.vae: found keys (name, module, baseline); allowed: ...",
    ),
    "a name that is no file name": (
        "tasks.toy/2",
        {},
        'tasks: found "toy/2"; allowed: a name of small letters, digits and _, ...',
    ),
    "a checksum cut short": (
        "downloads.toy",
        {"f": {"url": "https://x.org/f", "sha256": "ab"}},
        'downloads.toy.f.sha256: found "ab"; allowed: 64 hexadecimal digits in small letters, in quotes',
    ),
    "a date for a text": (
        "thesis.author",
        yaml.safe_load("2026-11-01"),
        'thesis.author: found "2026-11-01"; allowed: a text...',
    ),
}


@pytest.mark.parametrize(("key", "value", "expected"), REFUSALS.values(), ids=REFUSALS)
def test_it_is_refused_in_one_line(shipped, key, value, expected):
    line = message(changed(shipped, key, value))
    assert "\n" not in line
    assert re.fullmatch(re.escape(f"config.yaml: {expected}").replace(r"\.\.\.", ".*"), line), line


def test_a_config_that_is_no_mapping_is_refused():
    assert message([]).startswith("config.yaml: all of it: found []; allowed: ")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("tasks.toy.n_components", 1),
        ("training.batch_size", 1_000_000),
        ("tasks.toy.labels", 0.05),
        ("tasks.toy.labels", 100),
        ("tasks.toy.labels", "all"),
        ("tasks.toy.labels", "louvain"),
        ("studies.embedded.seeds", [7]),
        ("training.label_weight", 3),
        ("training.clip", 0.5),
        ("checkpoint_minutes", 0),
        ("checkpoint_minutes", 0.5),
        ("memory", 0.5),
        ("thesis.figures.images", ["digits", "toy"]),
        ("studies.embedded.training", {"epochs": 100}),
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


def test_a_model_may_have_its_own_number_of_components(shipped):
    shipped["models"]["vae"]["n_components"] = 20
    assert plan.n_components(shipped, "toy", "vae") == 20
    assert plan.n_components(shipped, "toy", "ae") == shipped["tasks"]["toy"]["n_components"]


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


def test_the_schema_and_the_training_loop_know_the_same_settings():
    schema = yaml.safe_load(PATH.read_text(encoding="utf-8"))["$defs"]["training"]["properties"]
    assert set(schema) == {field.name for field in dataclasses.fields(Training)}
    assert tuple(schema["schedule"]["enum"]) == SCHEDULES
    assert tuple(schema["diverged"]["enum"]) == DIVERGED


def test_every_key_has_a_comment_above_it(shipped):
    lines = TEXT.splitlines()
    for key in shipped:
        line = next(number for number, text in enumerate(lines) if text.startswith(f"{key}:"))
        assert lines[line - 1].startswith("# "), key
    for key in shipped["training"]:
        line = next(number for number, text in enumerate(lines) if text.startswith(f"  {key}:"))
        assert lines[line - 1].startswith("  # "), key


def test_everything_that_the_schema_can_refuse_is_described():
    """The refusal prints the description of the part that was broken, so a part without one could not be told."""
    schema = yaml.safe_load(PATH.read_text(encoding="utf-8"))

    def undescribed(part: dict, at: str):
        if {"type", "enum", "anyOf"} & set(part) and "description" not in part:
            yield at
        for key in ("properties", "$defs"):
            for name, inner in part.get(key, {}).items():
                yield from undescribed(inner, f"{at}.{name}")
        for key in ("items", "propertyNames", "additionalProperties"):
            if isinstance(part.get(key), dict):
                yield from undescribed(part[key], f"{at}.{key}")

    assert list(undescribed(schema, "")) == []


def test_settings_are_read_off_the_source_as_python_sees_them():
    seen = inspect.signature(Model.__init__).parameters.values()
    expected = {
        parameter.name: parameter.annotation.__name__ for parameter in seen if parameter.kind is parameter.KEYWORD_ONLY
    }
    assert keyword_types("gmvae.models.gmdvae", "Model.__init__") == expected
