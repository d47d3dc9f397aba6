"""The form of config.yaml against workflow/schemas/config.schema.yaml; one line instead of jsonschema's page."""

import difflib
import json
import math
from collections.abc import Iterable

import yaml
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from gmvae.pipeline.errors import Refused
from gmvae.pipeline.sources import ROOT

PATH = ROOT / "workflow" / "schemas" / "config.schema.yaml"
# jsonschema's own kinds let 1.0 pass as an integer, and .nan and .inf as numbers.
KINDS = Draft202012Validator.TYPE_CHECKER.redefine_many(
    {
        "integer": lambda _, value: isinstance(value, int) and not isinstance(value, bool),
        "number": lambda _, value: type(value) in (int, float) and math.isfinite(value),
    }
)
WORDS = {  # how the type of a setting is checked and described
    "int": ("integer", "a whole number"),
    "float": ("number", "a number (YAML reads 1e-3 as text: write 1.0e-3)"),
    "str": ("string", "a text"),
    "bool": ("boolean", "true or false"),
}
Validator = extend(Draft202012Validator, type_checker=KINDS)


def check_form(config: object) -> None:
    """Raise `Refused` for the first key that is unknown, missing, or holds what the schema does not allow."""
    schema = yaml.safe_load(PATH.read_text(encoding="utf-8"))
    errors = sorted(Validator(schema).iter_errors(config), key=urgency)
    if errors:
        raise refusal_of_error(errors[0], schema)


def check_type(at: list[str], value: object, annotation: str) -> None:
    """Raise `Refused` where a setting's value is not what its Python annotation says; one without is not checked."""
    kind, words = WORDS.get(annotation, (None, ""))
    if kind and not KINDS.is_type(value, kind):
        raise config_refusal(at, show_value(value), words)


def urgency(error: ValidationError) -> tuple:
    """Unknown keys first: a misspelt key is often missing elsewhere too; then by place, outer before inner."""
    return error.validator != "additionalProperties", [str(step) for step in error.absolute_path]


def refusal_of_error(error: ValidationError, schema: dict) -> Refused:
    """The error as `key: found ...; allowed: ...`."""
    at = [str(step) for step in error.absolute_path]
    part = resolve_reference(error.schema, schema)
    if error.validator == "additionalProperties":
        known = list(part["properties"])
        unknown = next(key for key in error.instance if key not in known)
        return config_refusal([*at, unknown], "an unknown key", known, nearest_to=unknown)
    if error.validator == "required":
        missing = next(key for key in error.validator_value if key not in error.instance)
        return config_refusal(
            [*at, missing], "nothing", resolve_reference(part["properties"][missing], schema)["description"]
        )
    words = [word for choice in [part, *part.get("anyOf", [])] for word in choice.get("enum", [])]
    return config_refusal(at, show_value(error.instance), part["description"], error.instance, words)


def resolve_reference(part: dict, schema: dict) -> dict:
    """A part of the schema with what it refers to; its own words win."""
    return schema["$defs"][part["$ref"].rpartition("/")[2]] | part if "$ref" in part else part


def config_refusal(
    at: Iterable[str], found: str, allowed: str | list[str], nearest_to: object = None, among: Iterable[str] = ()
) -> Refused:
    """The refusal of what stands at the key `at`; `allowed` is a list of names, or words that describe them."""
    if isinstance(allowed, list):
        among, allowed = allowed, ", ".join(allowed) or "none"
    near = difflib.get_close_matches(str(nearest_to), [str(name) for name in among], n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]}?" if near else ""
    return Refused(f"config.yaml: {'.'.join(at) or 'all of it'}: found {found}; allowed: {allowed}{hint}")


def show_value(value: object) -> str:
    """A value as config.yaml would have it, in one short line."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "keys (" + ", ".join(map(str, value)) + ")" if value else "{}"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."
