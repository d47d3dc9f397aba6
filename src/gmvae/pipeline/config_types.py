"""The kinds of values that the configuration holds, as types for pydantic.

A refusal prints the `description` of a type after "allowed:"; `pipeline.config_refusals` derives it elsewhere.
"""

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

POINT = "(YAML reads 1e-3 as text: write 1.0e-3)"
SHA256 = Field(pattern="^[0-9a-f]{64}$", description="64 hexadecimal digits in small letters, in quotes")


def refuse_unusable_address(address: str) -> str:
    """Refuse an address without a host, or with a port, brackets or signs that no address has."""
    try:
        parts = urlsplit(address)
        is_usable = parts.hostname and parts.port != 0 and address.isprintable() and " " not in address
    except ValueError:
        is_usable = False
    if not is_usable:
        raise PydanticCustomError("address", "no address")
    return address


def refuse_repeats(values: list) -> list:
    """Refuse a list that holds a value twice."""
    if len(set(values)) < len(values):
        raise PydanticCustomError("repeated", "a value stands twice")
    return values


def refuse_mixed_views(kinds: list) -> list:
    """Refuse views of images beside views of counts: no dataset has both."""
    if {"affine", "thinning"} <= set(kinds):
        raise PydanticCustomError("mixed", "views of images and of counts")
    return kinds


Different = AfterValidator(refuse_repeats)
Positive = Annotated[int, Field(ge=1, description="a whole number from 1")]
Count = Annotated[int, Field(ge=0, description="a whole number from 0")]
FromZero = Annotated[float, Field(ge=0, description=f"a number from 0 {POINT}")]
AboveZero = Annotated[float, Field(gt=0, description=f"a number above 0 {POINT}")]
Switch = Annotated[bool, Field(description="true or false (in --config: True or False)")]
Text = Annotated[str, Field(min_length=1, description="a text")]
Texts = Annotated[list[Text], Field(min_length=1, description="a list of texts, at least one")]
Candidates = Annotated[list[Annotated[int, Field(ge=2)]], Field(min_length=2), Different]
Components = Annotated[
    Positive | Literal["auto"] | Candidates,
    Field(description="a whole number from 1, auto, or a list of at least two different numbers from 2 to choose from"),
]
Address = Annotated[
    str,
    Field(pattern="^https?://", description="an address that begins with https:// (or http://localhost)"),
    AfterValidator(refuse_unusable_address),
]
Encode = Literal["auto", "components", "genes"]
Key = Annotated[
    str, Field(pattern="^[a-z][a-z0-9_]*$", description="a name of small letters, digits and _, a letter first")
]
FileName = Annotated[
    str,
    Field(
        pattern="^[A-Za-z0-9][A-Za-z0-9._+-]*$",
        max_length=200,
        description="a plain file name of letters, digits, ., _, + and -",
    ),
]
Keys = Annotated[list[Key], Field(min_length=1, description="a list of different names, at least one"), Different]
Seeds = Annotated[
    list[Count],
    Field(min_length=1, description="a list of different whole numbers from 0, at least one"),
    Different,
]
Figures = Annotated[
    dict[Key, Annotated[Literal["all"] | Keys, Field(description="the word all or a list of different tasks")]],
    Field(description="figures, each with the word all or a list of tasks"),
]
Margins = Annotated[dict[Key, AboveZero], Field(description="metrics with the largest difference that counts as none")]
Setting = Annotated[
    str | int | float | bool | list[Any], Field(description="a text, a number, true, false or a list of these")
]
Settings = Annotated[dict[str, Setting], Field(description="settings with their values")]
Threshold = Annotated[
    FromZero | Text, Field(description="a number from 0, or for mito_genes the name of a column of var")
]
Annotation = Literal["label", "condition", "batch"]
ValuesByAnnotation = Annotated[
    dict[Annotation, Texts], Field(description="label, condition or batch, each with a list of values")
]
TextOrTexts = Annotated[Text | Texts, Field(description="a text or a list of texts")]
HeldOut = Annotated[
    dict[Annotation, TextOrTexts], Field(description="label, condition or batch, each with a value or a list of values")
]
TextsByText = Annotated[dict[Text, Texts], Field(description="new labels or groups, each with a list of labels")]
View = Annotated[Literal["neighbours", "affine", "thinning"], Field(description="neighbours, affine or thinning")]
VIEWS = "a list of different words out of neighbours and affine (images) or thinning (counts); [] for none"
Views = Annotated[list[View], Field(description=VIEWS), Different, AfterValidator(refuse_mixed_views)]


class Entry(BaseModel):
    """Keys with values, no other keys; 1.0 is no whole number, true is no number, and neither are .nan and .inf."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
