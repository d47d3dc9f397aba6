"""The form of the configuration: its keys, and which kinds of values they hold, as pydantic classes.

The workflow reads the merged dictionary, not objects of these classes: they only say what is refused. A refusal prints
the `description` of a field after "allowed:"; `pipeline.config_refusals` derives the text where there is none.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

POINT = "(YAML reads 1e-3 as text: write 1.0e-3)"
SHA256 = Field(pattern="^[0-9a-f]{64}$", description="64 hexadecimal digits in small letters, in quotes")


def refuse_repeats(values: list) -> list:
    """Refuse a list that holds a value twice."""
    if len(set(values)) < len(values):
        raise PydanticCustomError("repeated", "a value stands twice")
    return values


Different = AfterValidator(refuse_repeats)
Positive = Annotated[int, Field(ge=1, description="a whole number from 1")]
Count = Annotated[int, Field(ge=0, description="a whole number from 0")]
FromZero = Annotated[float, Field(ge=0, description=f"a number from 0 {POINT}")]
AboveZero = Annotated[float, Field(gt=0, description=f"a number above 0 {POINT}")]
Switch = Annotated[bool, Field(description="true or false (in --config: True or False)")]
Text = Annotated[str, Field(min_length=1, description="a text")]
Texts = Annotated[list[Text], Field(min_length=1, description="a list of texts, at least one")]
Key = Annotated[
    str, Field(pattern="^[a-z][a-z0-9_]*$", description="a name of small letters, digits and _, a letter first")
]
Keys = Annotated[list[Key], Field(min_length=1, description="a list of different names, at least one"), Different]
Seeds = Annotated[
    list[Count],
    Field(min_length=1, description="a list of different whole numbers from 0, at least one"),
    Different,
]
Setting = Annotated[
    str | int | float | bool | list[Any], Field(description="a text, a number, true, false or a list of these")
]
Settings = Annotated[dict[str, Setting], Field(description="settings with their values")]
Annotation = Literal["label", "condition", "batch"]
ValuesByAnnotation = Annotated[
    dict[Annotation, Texts], Field(description="label, condition or batch, each with a list of values")
]
TextsByText = Annotated[dict[Text, Texts], Field(description="new labels or groups, each with a list of labels")]


class Entry(BaseModel):
    """Keys with values, no other keys; 1.0 is no whole number, true is no number, and neither are .nan and .inf."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class Training(Entry):
    """Training settings. Each may be left out, but for the defaults of config.yaml (`check_training` looks at that)."""

    epochs: Positive = None
    batch_size: Positive = None
    learning_rate: AboveZero = None
    schedule: Literal["constant", "cosine", "one_cycle"] = None
    warmup_epochs: Count = None
    kl_warmup_epochs: Count = None
    autoencode_epochs: Count = None
    guide_epochs: Count = None
    clip: FromZero = None
    weight_decay: FromZero = None
    label_weight: Annotated[Literal["auto"] | FromZero, Field(description="auto, or a number from 0")] = None
    n_samples: Positive = None
    precision: Literal["float32", "float64", "bfloat16"] = None
    patience: Count = None
    diverged: Literal["fail", "keep"] = None


class Study(Entry):
    """A set of tasks and the seeds of their models."""

    title: Text
    seeds: Seeds
    tasks: Keys
    training: Training = None


class Download(Entry):
    """A raw file: its address, and one checksum."""

    url: Annotated[
        str, Field(pattern="^https?://", description="an address that begins with https:// (or http://localhost)")
    ]
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
    hold_out: Annotated[dict[Annotation, Text], Field(description="label, condition or batch, each with one value")] = (
        None
    )


class Dataset(Entry):
    """A dataset: its source, split, quality control and derivation."""

    name: Text
    source: Key
    test_share: Annotated[float, Field(gt=0, lt=1, description="a share between 0 and 1, both left out")] = None
    split_seed: Count = None
    settings: Settings = None
    cells: Annotated[dict[str, FromZero], Field(description="thresholds with their numbers")] = None
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
    n_components: Positive
    models: Keys
    settings: Settings = None
    training: Training = None
    training_of: Annotated[
        dict[str, Training], Field(description="models of the task, each with training settings")
    ] = None


KINDS_OF_MODELS = (  # the keys that each kind needs, and those that it may have, beside name and n_components
    ({"module"}, {"settings", "training"}),
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
    settings: Settings = None
    training: Training = None

    @model_validator(mode="after")
    def refuse_other_than_one_kind(self):
        """Refuse an entry that is of no kind, or of two."""
        keys = self.model_fields_set - {"name", "n_components"}
        if not any(needed <= keys <= needed | optional for needed, optional in KINDS_OF_MODELS):
            words = "an entry with name and module (a trained model), or baseline and space, or response"
            raise PydanticCustomError("entry", words)
        return self


class Thesis(Entry):
    """The title page, how claims are enforced, and which figures are drawn."""

    author: Text
    place: Text
    date: Text
    claims: Literal["fail", "warn"]
    figures: Annotated[
        dict[Key, Annotated[Literal["all"] | Keys, Field(description="the word all or a list of different tasks")]],
        Field(description="figures, each with the word all or a list of tasks"),
    ]


class Config(Entry):
    """The whole configuration, the catalogues included."""

    study: Annotated[str, Field(description="the name of an entry of `studies`")]
    device: Literal["auto", "cpu", "cuda"]
    threads: Positive
    mirror: Annotated[str, Field(description='a folder or a base URL in quotes, or "" for none')]
    cache: Annotated[str, Field(description='a folder in quotes, or "" for none')]
    offline: Switch
    progress: Switch
    checkpoint_minutes: FromZero
    memory: FromZero
    studies: Annotated[dict[Key, Study], Field(min_length=1, description="names of studies with their entries")]
    downloads: Annotated[
        dict[Key, Annotated[dict[str, Download], Field(min_length=1, description="files with their addresses")]],
        Field(description="sources with their files, {} for none"),
    ]
    datasets: Annotated[dict[Key, Dataset], Field(min_length=1, description="names of datasets with their entries")]
    tasks: Annotated[dict[Key, Task], Field(min_length=1, description="names of tasks with their entries")]
    models: Annotated[dict[Key, Model], Field(min_length=1, description="names of models with their entries")]
    training: Training
    thesis: Thesis
    names: Annotated[dict[str, Text], Field(description="keys with the text that tables and figures show for them")]
