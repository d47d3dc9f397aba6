"""A digest of a syntax tree that wording does not change.

Left out are comments, formatting, docstrings, the messages of raised exceptions and assertions, printed and logged
lines, warnings, and local texts that only these use. Whatever else a message does stays: calls of functions other than
those that words are made with, assignments, numbers such as an exit status. All else stays, too: where in doubt, a
change counts.
"""

import ast
import hashlib
from collections.abc import Iterator

from gmvae.pipeline.sources import statements

LOGGING = ("debug", "info", "warning", "warn", "error", "exception", "critical", "log")
LOGGERS = ("logging", "logger", "log", "warnings")
WORDING = (  # functions and methods that words are made with
    *("float", "format", "int", "isinstance", "join", "len", "list", "map", "max", "min", "range", "repr", "round"),
    *("set", "sorted", "sum", "str", "strip", "tuple", "type"),
)


def tree_digest(tree: ast.AST) -> str:
    """The digest of a syntax tree: 64 hexadecimal digits."""
    parts: list[str] = []
    append_node(tree, parts, frozenset())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def append_node(node: object, parts: list[str], texts: frozenset[str]) -> None:
    """Append the parts of a node in their order, each field after its name; empty fields say nothing.

    Python's own `ast.dump` writes empty fields differently from version to version.

    Args:
        node: a node, a list of nodes, or a plain value of the tree.
        parts: what is appended to.
        texts: local names that only messages use.
    """
    if isinstance(node, ast.Constant):
        parts += ["Constant", repr(node.value)]
    elif isinstance(node, ast.AST):
        parts.append(type(node).__name__)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            texts = texts | message_names(node)
        message = message_of(node)
        for field in node._fields:
            value = getattr(node, field, None)
            if field == "ctx" or value is None or value == []:
                continue
            parts.append(f".{field}")
            append_node(without_words(value) if value is message else value, parts, texts)
    elif isinstance(node, list):
        parts.append("[")
        for item in node:
            if isinstance(item, ast.stmt) and is_wording(item, texts):
                append_all(working_parts([item.value]), parts, texts)
            else:
                append_node(item, parts, texts)
        parts.append("]")
    else:
        parts.append(repr(node))


def append_all(nodes: list[ast.expr], parts: list[str], texts: frozenset[str]) -> None:
    """Append several nodes."""
    for node in nodes:
        append_node(node, parts, texts)


def is_wording(item: ast.stmt, texts: frozenset[str]) -> bool:
    """Whether a statement is a docstring, a message, or makes a text that only messages use."""
    if isinstance(item, ast.Expr):
        return isinstance(item.value, ast.Constant) or is_message(item.value)
    if isinstance(item, ast.Assign) and len(item.targets) == 1:
        return isinstance(item.targets[0], ast.Name) and item.targets[0].id in texts
    return isinstance(item, ast.AugAssign) and isinstance(item.target, ast.Name) and item.target.id in texts


def is_message(node: ast.expr) -> bool:
    """Whether an expression prints to the terminal, logs or warns."""
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Attribute) and node.func.attr in LOGGING:
        return isinstance(node.func.value, ast.Name) and node.func.value.id in LOGGERS
    if not isinstance(node.func, ast.Name) or node.func.id != "print":
        return False
    files = [ast.unparse(keyword.value) for keyword in node.keywords if keyword.arg in ("file", None)]
    return all(file in ("sys.stderr", "sys.stdout") for file in files)


def message_of(node: ast.AST) -> ast.expr | None:
    """The expression of a statement that is its message: what is raised, or what an assertion says."""
    if isinstance(node, ast.Raise):
        return node.exc
    return node.msg if isinstance(node, ast.Assert) else None


def without_words(message: ast.expr) -> list[ast.expr]:
    """What stays of a message: the class of the exception, numbers, and the parts that do something."""
    if isinstance(message, ast.Name | ast.Attribute):
        return [message]
    if not isinstance(message, ast.Call):
        return working_parts([message])
    numbers = [part for part in message.args if isinstance(part, ast.Constant) and not isinstance(part.value, str)]
    return [message.func, *numbers, *working_parts([*message.args, *message.keywords])]


def working_parts(words: list[ast.AST]) -> list[ast.expr]:
    """The parts of a message's expressions that may do more than word it: calls, assignments, yields."""
    return [
        node
        for word in words
        for node in ast.walk(word)
        if isinstance(node, ast.NamedExpr | ast.Await | ast.Yield | ast.YieldFrom)
        or (isinstance(node, ast.Call) and called_name(node) not in WORDING and not is_message(node))
    ]


def called_name(call: ast.Call) -> str:
    """The name of the function or method that is called, "" for any other expression."""
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def message_names(function: ast.FunctionDef | ast.AsyncFunctionDef) -> frozenset[str]:
    """The local names that messages of a function use and nothing else in it does."""
    lines = list(statements(function))
    messages = [line.value for line in lines if isinstance(line, ast.Expr) and is_message(line.value)]
    messages += [message for message in map(message_of, lines) if message is not None]
    names = loaded_names(messages)
    if not names:
        return frozenset()
    elsewhere = [function, *[part for message in messages for part in without_words(message)]]
    shared = {name for line in lines if isinstance(line, ast.Global | ast.Nonlocal) for name in line.names}
    return frozenset(names - shared - loaded_names(elsewhere, {id(message) for message in messages}))


def loaded_names(nodes: list[ast.AST], skipped: set[int] = frozenset()) -> set[str]:
    """The names that the nodes read; nodes whose ids are in `skipped` are not looked into."""
    return {node.id for node in walk(nodes, skipped) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}


def walk(nodes: list[ast.AST], skipped: set[int]) -> Iterator[ast.AST]:
    """All nodes below these and themselves, but for those whose ids are in `skipped`."""
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if id(node) not in skipped:
            yield node
            waiting.extend(ast.iter_child_nodes(node))
