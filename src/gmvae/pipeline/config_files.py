"""The YAML files that the configuration is read from: the catalogues, config.yaml, and a user's own files.

Later files win: a mapping extends the one of the same key, anything else replaces it. Snakemake merges its config files
by the same rule. It accepts repeated keys and names no line in its errors, so each file is checked here first.
"""

import re
from pathlib import Path

import yaml

from gmvae.pipeline.errors import Refused

FAST_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # a tenth of the time, where PyYAML has libyaml
KINDS = {"int": "a number", "float": "a number", "bool": "true or false", "null": "nothing", "timestamp": "a date"} | {
    "map": "a mapping",
    "seq": "a list",
}  # of keys, by the ends of YAML's tags
MEANINGS = {  # words of the parser: what was found, and what is allowed
    "undefined alias": ("an alias without an anchor", "*name after &name in the same file"),
    "duplicate anchor": ("an anchor a second time", "each &name once"),
    "another document": ("a second document", "one document, without --- or ... between its keys"),
}
MANY_BRACKETS = 10_000
MANY_PARTS = 100_000  # keys and values; all files together have about 6,000
UNUSABLE = re.compile("[\0\ud800-\udfff]")
YAML_RULES = "the same indentation for all keys of a level, and quotes around a text that is not plain"


def catalogue_files(root: Path) -> list[Path]:
    """The files of what there is to choose from, to be read before config.yaml.

    Args:
        root: The folder of the checkout.

    Returns:
        workflow/catalogue/*.yaml, sorted by name.
    """
    return sorted((root / "workflow" / "catalogue").glob("*.yaml"))


def read_config(config: Path, configfiles: list[Path] | tuple[Path, ...] = ()) -> dict:
    """The merged configuration, as the Snakefile gets it without `--config`.

    Args:
        config: config.yaml; the catalogues are in the folder workflow/catalogue beside it.
        configfiles: More files, as for Snakemake's `--configfile`; the last one wins.

    Returns:
        The configuration; `pipeline.config_checks.check_config` checks its content.

    Raises:
        Refused: A file is missing, is no YAML, or holds a key twice.
    """
    merged = {}
    for file in [*catalogue_files(config.parent), config, *configfiles]:
        merge_config(merged, read_yaml(file))
    return merged


def merge_config(config: dict, changes: dict) -> dict:
    """Change `config` in place: mappings are merged key by key, all else replaces what was there.

    Args:
        config: The configuration so far.
        changes: The content of a file that is read later; it is not changed, nor shared with `config`.

    Returns:
        The same `config`.
    """
    for key, value in changes.items():
        if isinstance(value, dict):
            inner = config.get(key)
            config[key] = merge_config(inner if isinstance(inner, dict) else {}, value)
        else:
            config[key] = value
    return config


def read_yaml(file: Path) -> dict:
    """The content of a YAML or JSON file with keys.

    Args:
        file: The file.

    Returns:
        Its content, aliases and merge keys (`<<`) resolved within the file.

    Raises:
        Refused: The file is missing, is no YAML (tabs, wrong indentation), holds a key twice or one that is no text, or
            holds no keys. The message names file, line and key.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{shown_path(file)}: found no readable text file ({error}); allowed: a YAML file") from None
    if file.suffix == ".json":
        text = text.replace("\t", " ")  # JSON allows tabs between its parts, and none inside a text
    # Python's scanner and libyaml's differ in the tabs that they accept; Snakemake uses Python's. Brackets that are too
    # deep end the whole program in libyaml.
    is_safe = "\t" not in text and text.count("[") + text.count("{") < MANY_BRACKETS
    loader = (FAST_LOADER if is_safe else yaml.SafeLoader)(text)
    try:
        node = loader.get_single_node()
        check_node(file, node, [], set(), frozenset())
        check_size(file, node)
        content = loader.construct_document(node) if node else None
    except yaml.MarkedYAMLError as error:
        raise refusal_of_yaml_error(file, text, error) from None
    except RecursionError:
        raise Refused(f"{shown_path(file)}: found brackets or entries too many levels deep; allowed: a few") from None
    except (yaml.YAMLError, ValueError) as error:  # a character that YAML has not; a date that is none
        raise Refused(f"{shown_path(file)}: found {' '.join(str(error).split())}; allowed: YAML") from None
    if not isinstance(content, dict):
        raise Refused(
            f"{shown_path(file)}: found {'nothing' if content is None else 'no keys'}; allowed: keys with values"
        )
    return content


def check_node(file: Path, node: yaml.Node | None, at: list[str], checked: set[int], above: frozenset[int]) -> None:
    """Refuse what YAML reads and a configuration cannot mean, at whatever depth; a node with aliases is checked once.

    Args:
        file: The file, for the message.
        node: The node to check.
        at: The keys that lead to it.
        checked: The ids of the nodes that were checked; the node's own is added.
        above: The ids of the nodes that contain this one.
    """
    if node is None or (id(node) in checked and id(node) not in above):
        return
    if id(node) in above:
        raise refusal(file, node, at, "an alias of an entry that contains it", "aliases of other entries")
    checked.add(id(node))
    check_signs(file, node, at)
    if isinstance(node, yaml.SequenceNode):
        for number, inner in enumerate(node.value):
            check_node(file, inner, [*at, str(number)], checked, above | {id(node)})
    if isinstance(node, yaml.MappingNode):
        lines = {}
        for key, inner in node.value:
            here = [*at, key.value if isinstance(key, yaml.ScalarNode) else "?"]
            check_key(file, key, inner, here)
            check_signs(file, key, here)
            first = lines.setdefault(key.value, key.start_mark)
            if first is not key.start_mark:
                again = f"the key a second time, after line {first.line + 1}"
                raise refusal(file, key, here, again, "each key once")
            check_node(file, inner, here, checked, above | {id(node)})


def check_signs(file: Path, node: yaml.Node, at: list[str]) -> None:
    """Refuse a text that no command line and no path can have: with NUL, or with half of a sign of two halves."""
    if isinstance(node, yaml.ScalarNode) and UNUSABLE.search(node.value):
        raise refusal(file, node, at, "a text with \\0 or half a sign (\\ud800 to \\udfff)", "a text without these")


def check_size(file: Path, node: yaml.Node | None) -> None:
    """Refuse a text of some lines whose aliases of aliases stand for more keys and values than there is memory."""
    if node is not None and expanded_size(node, {}) > MANY_PARTS:
        raise Refused(
            f"{shown_path(file)}: found aliases that stand for more than {MANY_PARTS} keys and values; allowed: fewer; "
            "write out what is meant"
        )


def expanded_size(node: yaml.Node, sizes: dict[int, int]) -> int:
    """The number of keys and values below a node and itself, each alias counted as what it stands for.

    Args:
        node: A node that does not contain itself.
        sizes: The numbers by id of the nodes that were counted; the node's own is added.

    Returns:
        The number.
    """
    if id(node) not in sizes:
        parts = node.value if isinstance(node, yaml.CollectionNode) else []
        inner = [part for pair in parts for part in (pair if isinstance(pair, tuple) else (pair,))]
        sizes[id(node)] = 1 + sum(expanded_size(part, sizes) for part in inner)
    return sizes[id(node)]


def check_key(file: Path, key: yaml.Node, value: yaml.Node, at: list[str]) -> None:
    """Refuse a key that is no text, such as 1, yes or a date, and a merge key (`<<`) without mappings to merge."""
    kind = key.tag.rpartition(":")[2]
    if kind == "merge":
        parts = value.value if isinstance(value, yaml.SequenceNode) else [value]
        if not all(isinstance(part, yaml.MappingNode) for part in parts):
            raise refusal(file, key, at, "a merge key without a mapping", "a mapping, or an alias of one, behind <<")
    elif kind != "str":
        allowed = "a text; put the key in quotes" if isinstance(key, yaml.ScalarNode) else "a text"
        raise refusal(file, key, at, f"a key that is no text but {KINDS.get(kind, kind)}", allowed)


def refusal(file: Path, node: yaml.Node, at: list[str], content: str, allowed: str) -> Refused:
    """The refusal of what stands at a node: the keys that lead there, its line, what it is, and what is allowed."""
    return Refused(f"{place(file, node.start_mark.line + 1)}: {'.'.join(at)}: found {content}; allowed: {allowed}")


def refusal_of_yaml_error(file: Path, text: str, error: yaml.MarkedYAMLError) -> Refused:
    """The refusal of a text that is no YAML: its line, the key that stands there, and what the parser says."""
    mark = error.problem_mark or error.context_mark
    line = text.splitlines()[mark.line : mark.line + 1]
    key = line[0].partition(":")[0].strip() if line else ""
    sentence = " ".join(filter(None, [error.context, error.problem]))
    problem, allowed = f"no valid YAML ({error.problem or error.context})", YAML_RULES
    if "'\\t'" in problem:
        problem, allowed = "a tab", "spaces"
    for words, meaning in MEANINGS.items():
        if words in sentence:
            problem, allowed = meaning
    return Refused(f"{place(file, mark.line + 1)}: {key or 'at the end'}: found {problem}; allowed: {allowed}")


def place(file: Path, line: int) -> str:
    """A file and a line in it, counted from 1."""
    return f"{shown_path(file)}, line {line}"


def shown_path(file: Path) -> Path:
    """The file's path, relative to the current folder where it lies in it."""
    here = Path.cwd()
    return file.relative_to(here) if file.is_relative_to(here) else file
