"""The form of the configuration: its keys, and which kinds of values they hold, as pydantic classes.

The workflow reads the merged dictionary, not objects of these classes: they only say what is refused. The step train
imports this file, so it imports nothing that names models, datasets or tasks.
"""

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from gmvae.pipeline.config_refusals import allowed_values, check_form, config_refusal, schema_part
from gmvae.pipeline.config_types import (
    SHA256,
    AboveZero,
    Address,
    Components,
    Count,
    Encode,
    Entry,
    Figures,
    FileName,
    FromZero,
    HeldOut,
    Key,
    Keys,
    Margins,
    Positive,
    Seeds,
    Settings,
    Switch,
    Text,
    Texts,
    TextsByText,
    Threshold,
    ValuesByAnnotation,
    Views,
)


class TrainingSettings(Entry):
    """Training settings. None is required here: `check_training_settings` checks which must be there."""

    epochs: Positive = None
    batch_size: Positive = None
    learning_rate: AboveZero = None
    schedule: Literal["constant", "cosine", "one_cycle"] = None
    warmup_epochs: Count = None
    kl_warmup_epochs: Count = None
    autoencode_epochs: Count = None
    guide_epochs: Count = None
    guide: Literal["kmeans", "mixture", "leiden", "none"] = None
    guide_weight: FromZero = None
    graph: Literal["plain", "balanced"] = None
    clip: FromZero = None
    weight_decay: FromZero = None
    label_weight: Annotated[
        FromZero, Field(description="a number from 0, which weighs the mean over the labelled rows (100 by default)")
    ] = None
    views: Views = None
    information: FromZero = None
    n_samples: Positive = None
    precision: Literal["auto", "float32", "float64", "tf32", "bfloat16"] = None
    patience: Count = None
    diverged: Literal["fail", "keep"] = None
    start: Literal["auto", "data", "balanced", "zero"] = None


class Study(Entry):
    """A set of tasks and the seeds of their models."""

    title: Text
    seeds: Seeds
    tasks: Keys
    training: TrainingSettings = None


class Download(Entry):
    """A raw file: its address, and one checksum."""

    url: Address
    sha256: Annotated[str, SHA256] = None
    sha256_decompressed: Annotated[str, SHA256] = None

    @model_validator(mode="after")
    def refuse_other_than_one_checksum(self):
        """Refuse no checksum, and two."""
        if len(self.model_fields_set & {"sha256", "sha256_decompressed"}) != 1:
            raise PydanticCustomError("entry", "an entry with url and sha256 or sha256_decompressed")
        return self


class Join(Entry):
    """A second source, whose rows are added."""

    source: Key
    settings: Settings = None


class Rows(Entry):
    """How a dataset is derived from its source."""

    join: Join = None
    merge: TextsByText = None
    coarse: TextsByText = None
    keep: ValuesByAnnotation = None
    condition: Literal["batch"] = None
    train_only: Texts = None
    tested: ValuesByAnnotation = None
    hold_out: HeldOut = None


class Dataset(Entry):
    """A dataset: its source, split, quality control and derivation."""

    name: Text
    source: Key
    test_share: Annotated[float, Field(gt=0, lt=1, description="a share between 0 and 1, both left out")] = None
    split_seed: Count = None
    settings: Settings = None
    cells: Annotated[dict[str, Threshold], Field(description="thresholds with their numbers")] = None
    rows: Rows = None
    download: Download = None


class Task(Entry):
    """A dataset, the labels that models may see, and the models."""

    name: Text = None
    dataset: Key
    labels: Annotated[
        Literal["none", "all", "louvain"]
        | Annotated[int, Field(ge=1)]
        | Annotated[float, Field(gt=0, lt=1)]
        | Annotated[str, Field(pattern="^batch:.+")],
        Field(
            description="none, all, louvain, a share between 0 and 1, a number of labelled rows from 1, or batch:<name>"
        ),
    ]
    n_components: Components
    models: Keys
    encode: Encode = None
    delta: Literal["none", "global", "near"] = None
    settings: Settings = None
    training: TrainingSettings = None
    training_of: Annotated[
        dict[str, TrainingSettings], Field(description="models of the task, each with training settings")
    ] = None


KINDS_OF_MODELS = (  # the keys that each kind needs, and those that it may have, beside name and n_components
    ({"module"}, {"settings", "training", "encode"}),
    ({"baseline", "space"}, {"settings"}),
    ({"response"}, set()),
)


class Model(Entry):
    """A trained model (module), a baseline (baseline and space) or an expectation (response)."""

    name: Text
    module: Key = None
    baseline: Key = None
    response: Key = None
    space: Key = None
    n_components: Positive = None
    encode: Encode = None
    settings: Settings = None
    training: TrainingSettings = None

    @model_validator(mode="after")
    def refuse_other_than_one_kind(self):
        """Refuse an entry that is of no kind, or of two."""
        keys = self.model_fields_set - {"name", "n_components"}
        if not any(needed <= keys <= needed | optional for needed, optional in KINDS_OF_MODELS):
            words = "an entry with name and module (a trained model), or baseline and space, or response"
            raise PydanticCustomError("entry", words)
        return self


class Thesis(Entry):
    """The title page, how claims are judged, and which figures are drawn."""

    author: Text
    place: Text
    date: Text
    institution: Text = None
    degree: Text = None
    claims: Literal["fail", "warn"]
    margins: Margins
    figures: Figures


class Config(Entry):
    """The whole configuration, the catalogues included."""

    study: Annotated[str, Field(description="the name of an entry of `studies`")]
    device: Literal["auto", "cpu", "cuda"]
    share_gpu: Annotated[Literal["auto"] | Positive, Field(description="auto, or a whole number from 1")]
    threads: Positive
    mirror: Annotated[str, Field(description='a folder or a base URL in quotes, or "" for none')]
    cache: Annotated[str, Field(description='a folder in quotes, or "" for none')]
    offline: Switch
    progress: Switch
    checkpoint_minutes: FromZero
    memory: FromZero
    studies: Annotated[dict[Key, Study], Field(min_length=1, description="names of studies with their entries")]
    downloads: Annotated[
        dict[Key, Annotated[dict[FileName, Download], Field(min_length=1, description="files with their addresses")]],
        Field(description="sources with their files, {} for none"),
    ]
    datasets: Annotated[dict[Key, Dataset], Field(min_length=1, description="names of datasets with their entries")]
    tasks: Annotated[dict[Key, Task], Field(min_length=1, description="names of tasks with their entries")]
    models: Annotated[dict[Key, Model], Field(min_length=1, description="names of models with their entries")]
    training: TrainingSettings
    thesis: Thesis
    names: Annotated[dict[str, Text], Field(description="keys with the text that tables and figures show for them")]


def check_training_settings(settings: dict, required: Iterable[str]) -> None:
    """Check the training settings of one run, or the defaults of config.yaml.

    Args:
        settings: Training settings with their values.
        required: The settings that must be there.

    Raises:
        Refused: A setting is unknown, missing, or has a value of the wrong kind.
    """
    check_form(TrainingSettings, settings, ["training"])
    for name in required:
        if name not in settings:
            _, part = schema_part(TrainingSettings.model_json_schema(), [name])
            raise config_refusal(["training", name], "nothing", allowed_values(part))


def check_guide(settings: dict, run: str = "") -> None:
    """Check that a phase `guide` has labels to learn from.

    Args:
        settings: The training settings of one run.
        run: Words for the run in the message.

    Raises: Refused where the guide is `none`, but the phase has epochs.
    """
    if settings.get("guide") == "none" and settings.get("guide_epochs", 0) > 0:
        allowed = "0, as training.guide is none; or set guide to kmeans, mixture or leiden"
        raise config_refusal(["training", "guide_epochs"], f"{settings['guide_epochs']}{run}", allowed)
