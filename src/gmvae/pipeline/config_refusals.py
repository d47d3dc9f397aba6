"""What is wrong with the configuration, in one line: `config.yaml: key: found ...; allowed: ...; did you mean ...?`."""

import difflib
import json
from collections.abc import Iterable

from pydantic import BaseModel, ValidationError

from gmvae.pipeline.errors import Refused

UNKNOWN_KEY = ("extra_forbidden", "invalid_key")  # errors of pydantic: a key that the class does not have
TEXT_KEY = {"description": "a text as the key"}


def check_form(form: type[BaseModel], content: object, at: Iterable[str] = ()) -> None:
    """Refuse content that does not have the form.

    Args:
        form: A class of `pipeline.config_model`.
        content: What YAML or JSON holds.
        at: The keys under which the content stands in the configuration.

    Raises:
        Refused: For the first key that is unknown, missing, or holds a value of the wrong kind. Unknown keys come
            first, as a misspelt key is often missing too; then the order is by place.
    """
    try:
        form.model_validate(content)
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False, include_context=False)
        first = min(errors, key=lambda error: (error["type"] not in UNKNOWN_KEY, [str(key) for key in error["loc"]]))
        raise refusal_of_error(first, form.model_json_schema(), list(at)) from None


def refusal_of_error(error: dict, schema: dict, at: list[str]) -> Refused:
    """The refusal of pydantic's error, in the words of the JSON schema of the form."""
    keys = list(error["loc"])
    if error["type"] in UNKNOWN_KEY:
        known = list(schema_part(schema, keys[:-1])[1]["properties"])
        return config_refusal([*at, *keys], "an unknown key", known, nearest_to=keys[-1])
    place, part = schema_part(schema, keys)
    if error["type"] == "missing":
        return config_refusal([*at, *place], "nothing", allowed_values(part))
    allowed = error["msg"] if error["type"] == "entry" else allowed_values(part)
    words = [word for choice in [part, *part.get("anyOf", [])] for word in choice.get("enum", [choice.get("const")])]
    among = [word for word in words if word is not None]
    return config_refusal([*at, *place], show_value(error["input"]), allowed, error["input"], among)


def schema_part(schema: dict, keys: list[str | int]) -> tuple[list[str | int], dict]:
    """The part of a JSON schema at the keys of an error, and the keys that lead there.

    Pydantic ends the keys by `[key]` where the key itself is wrong, and by a choice's name where a value has several
    kinds to choose from; both stand for the value that holds them.
    """
    if keys and keys[-1] == "[key]":
        place, part = schema_part(schema, keys[:-2])
        return place, resolve_reference(schema, part.get("propertyNames", TEXT_KEY))
    part = resolve_reference(schema, schema)
    for depth, key in enumerate(keys):
        of_any_key = [part.get("additionalProperties"), *part.get("patternProperties", {}).values(), part.get("items")]
        inner = part.get("properties", {}).get(key) or next(filter(None, of_any_key), None)
        if not inner:
            return keys[:depth], part
        part = resolve_reference(schema, inner)
    return keys, part


def resolve_reference(schema: dict, part: dict) -> dict:
    """A part of a schema with what it refers to; its own words win."""
    return schema["$defs"][part["$ref"].rpartition("/")[2]] | part if "$ref" in part else part


def allowed_values(part: dict) -> str:
    """What a part of a schema allows, in words."""
    if "enum" in part or "const" in part:
        return join_words(part.get("enum", [part.get("const")]), "or")
    if "properties" in part:
        needed = part.get("required", [])
        return "an entry with " + (join_words(needed, "and") if needed else "some of " + ", ".join(part["properties"]))
    return part["description"]


def join_words(words: list[str], last: str) -> str:
    """`a, b or c`."""
    return f" {last} ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def config_refusal(
    at: Iterable[object],
    content: str,
    allowed: str | list[str],
    nearest_to: object = None,
    among: Iterable[object] = (),
) -> Refused:
    """The refusal of what stands at a key of the configuration.

    Args:
        at: The keys that lead there, from the outermost.
        content: What stands there.
        allowed: The allowed names, or words that describe them.
        nearest_to: What to look up among the allowed names, for "did you mean".
        among: The names to look it up in, where `allowed` is words.

    Returns:
        The exception, to be raised.
    """
    if isinstance(allowed, list):
        among, allowed = allowed, ", ".join(allowed) or "none"
    near = difflib.get_close_matches(str(nearest_to), [str(name) for name in among], n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]}?" if near else ""
    return Refused(f"config.yaml: {'.'.join(map(str, at)) or 'all of it'}: found {content}; allowed: {allowed}{hint}")


def show_value(value: object) -> str:
    """A value as YAML has it, in one short line.

    Args:
        value: What YAML or JSON holds.

    Returns:
        At most 60 characters; of a mapping only the keys.
    """
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "keys (" + ", ".join(map(str, value)) + ")" if value else "{}"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."
