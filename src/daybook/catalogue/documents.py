"""YAML and JSON files read with the line of everything in them, so that a fault can name its place.

YAML is read by its 1.2 core rules: `no` is a text, `2013-01-31` is a text, `010` is ten. PyYAML's own rules are those
of 1.1, which turn a country code into false and a date into something JSON cannot hold.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from json.decoder import scanstring  # type: ignore[attr-defined]  # the stdlib's own, missing in typeshed
from typing import Any

import yaml

from daybook.catalogue.model import Path

try:
    from yaml import CSafeLoader as _Base
except ImportError:  # a PyYAML built without libyaml is five times slower, and right all the same
    from yaml import SafeLoader as _Base  # type: ignore[assignment]

MAX_BYTES = 1_000_000
"""Bytes of a catalogue file; a larger one is no file that a person wrote."""

MAX_NODES = 100_000
"""Values in a catalogue file once aliases are followed, which a few lines can make billions of."""

Lines = dict[Path, int]
"""The line, from 1, of each key or list item."""


class Unreadable(ValueError):
    """A file is not what its name says.

    Attributes:
        line: where, from 1, or None.
    """

    def __init__(self, message: str, line: int | None = None) -> None:
        self.line = line
        super().__init__(message)


class _CoreLoader(_Base):
    """The composer of YAML nodes, with the plain scalars of YAML 1.2's core schema."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # PyYAML's own protocol; none of 1.1's rules


_SCALARS: dict[str, tuple[str, list[str] | None, Callable[[str], Any]]] = {
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""], lambda _: None),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF"), lambda text: text.lower() == "true"),
    "int": (r"[-+]?[0-9]+", list("-+0123456789"), int),
    "float": (
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+0123456789."),
        lambda text: float(text.replace(".inf", "inf").replace(".nan", "nan")),
    ),
    "str": (r"(?!)", None, str),
}
_TAG = "tag:yaml.org,2002:"
for _name, (_pattern, _first, _) in _SCALARS.items():
    _CoreLoader.add_implicit_resolver(f"{_TAG}{_name}", re.compile(f"^(?:{_pattern})$"), _first)


def read_text(content: bytes) -> str:
    """Return a file's text; it must be UTF-8, with or without a byte order mark."""
    if len(content) > MAX_BYTES:
        raise Unreadable(f"is larger than {MAX_BYTES} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"is not UTF-8 text: {error.reason}", content[: error.start].count(b"\n") + 1) from None


def read_yaml(text: str) -> tuple[Any, Lines]:
    """Return what a YAML document holds, as plain JSON values, and its lines.

    Raises:
        Unreadable: it is not one YAML document, names a key twice, or uses tags that are not plain data.
    """
    loader = _CoreLoader(text)
    try:
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise Unreadable(f"is not YAML: {error.problem or error.context}", mark.line + 1 if mark else None) from None
    except yaml.YAMLError as error:
        raise Unreadable(f"is not YAML: {' '.join(str(error).split())}") from None
    finally:
        loader.dispose()
    lines: Lines = {}
    return (None if node is None else _Builder(lines).value(node, ())), lines


class _Builder:
    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self.nodes = 0

    def value(self, node: yaml.Node, path: Path) -> Any:
        self.nodes += 1
        line = node.start_mark.line + 1
        self.lines.setdefault(path, line)
        if self.nodes > MAX_NODES or len(path) > 50:
            raise Unreadable("holds too much, or refers to itself", line)
        if not isinstance(node, yaml.ScalarNode) and str(node.tag).removeprefix(_TAG) not in {"map", "seq"}:
            raise Unreadable(f"uses the tag {node.tag}, which is not plain data", line)
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, position)) for position, item in enumerate(node.value)]
        return self.scalar(node)

    def mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise Unreadable("has a list or mapping as a key", line)
            key = str(key_node.value)
            if key in result:
                raise Unreadable(f"has the key '{key}' twice", line)
            self.lines[(*path, key)] = line
            result[key] = self.value(value_node, (*path, key))
        return result

    def scalar(self, node: yaml.Node) -> Any:
        kind = str(node.tag).removeprefix(_TAG)
        if kind not in _SCALARS:
            raise Unreadable(f"uses the tag {node.tag}, which is not plain data", node.start_mark.line + 1)
        try:
            return _SCALARS[kind][2](node.value)
        except ValueError as error:
            raise Unreadable(f"is not YAML: {error}", node.start_mark.line + 1) from None


def read_json_document(text: str) -> Any:
    """Return what a JSON document holds.

    Raises:
        Unreadable: it is not JSON.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise Unreadable(f"is not JSON: {error.msg}", error.lineno) from None
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"is not JSON: {error}") from None


def json_line(text: str, path: Path) -> int:
    """Return the line of a value, or of the nearest part of its path that is there, in valid JSON text."""
    at = _skip_space(text, 0)
    for step in path:
        found = next((start for key, start in _members(text, at) if key == step), None)
        if found is None:
            break
        at = found
    return text.count("\n", 0, at) + 1


_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


def _skip_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _members(text: str, at: int) -> Iterator[tuple[str | int, int]]:
    """Yield the key or position, and the start, of each value of the list or object that begins at `at`."""
    opening, position = text[at], 0
    if opening not in "[{":
        return
    at = _skip_space(text, at + 1)
    while text[at] not in "]}":
        key: str | int = position
        if opening == "{":
            key, at = scanstring(text, at + 1)
            at = _skip_space(text, _skip_space(text, at) + 1)
        yield key, at
        _, at = _DECODER.raw_decode(text, at)
        at = _skip_space(text, at)
        if text[at] == ",":
            at = _skip_space(text, at + 1)
        position += 1
