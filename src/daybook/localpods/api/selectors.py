"""Label and field selectors: from the text in a request to a test on an object."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from daybook.localpods.api.errors import Json, bad_request
from daybook.localpods.api.names import LABEL_VALUE, QUALIFIED_NAME, is_label_value, is_qualified_name

Operator = Literal["in", "notin", "exists", "absent"]
Test = Callable[[Json], bool]

_TOKEN: Final = re.compile(r"\s*(==|!=|[=!,()]|[^\s=!,()]+)")
_FIELD_TERM: Final = re.compile(r"([^=!\s]+)\s*(!=|==?)\s*(.*)", re.DOTALL)


@dataclass(frozen=True)
class Requirement:
    """One part of a label selector.

    Attributes:
        key: the label.
        operator: `a=b` is `in` with one value, `a!=b` is `notin` with one.
        values: what it is compared with; empty for `exists` and `absent`.
    """

    key: str
    operator: Operator
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels is meant. A missing label is `notin` everything."""
        if self.operator in ("exists", "absent"):
            return (self.key in labels) == (self.operator == "exists")
        if self.key not in labels:
            return self.operator == "notin"
        return (labels[self.key] in self.values) == (self.operator == "in")


def label_selector(text: str) -> Test:
    """A test on an object's labels.

    Raises:
        ApiError: 400, the selector cannot be understood.
    """
    requirements = parse_label_selector(text)
    return lambda one: all(part.matches(one["metadata"].get("labels") or {}) for part in requirements)


def parse_label_selector(text: str) -> list[Requirement]:
    """The parts of a selector such as `a=b,c!=d,e in (f,g),h notin (i),j,!k`; all must hold.

    Raises:
        ApiError: 400, with the place where it stops making sense.
    """
    parser = _Parser(text)
    found: list[Requirement] = []
    if parser.peek() is None:
        return found
    while True:
        found.append(parser.requirement())
        if parser.peek() is None:
            return found
        parser.expect(",")


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _TOKEN.findall(text)
        if "".join(self._tokens) != re.sub(r"\s+", "", text):
            raise self._error("cannot be read")

    def peek(self) -> str | None:
        return self._tokens[0] if self._tokens else None

    def expect(self, wanted: str) -> None:
        token = self._next()
        if token != wanted:
            raise self._error(f"found '{token or 'end'}', expected '{wanted}'")

    def requirement(self) -> Requirement:
        if self.peek() == "!":
            self._next()
            return Requirement(self._key(), "absent")
        key = self._key()
        operator = self.peek()
        if operator in (None, ","):
            return Requirement(key, "exists")
        self._next()
        if operator in ("=", "=="):
            return Requirement(key, "in", frozenset({self._value()}))
        if operator == "!=":
            return Requirement(key, "notin", frozenset({self._value()}))
        if operator == "in":
            return Requirement(key, "in", self._values())
        if operator == "notin":
            return Requirement(key, "notin", self._values())
        raise self._error(f"found '{operator}', expected one of =, ==, !=, in, notin")

    def _values(self) -> frozenset[str]:
        self.expect("(")
        values = {self._value()}
        while self.peek() == ",":
            self._next()
            values.add(self._value())
        self.expect(")")
        return frozenset(values)

    def _key(self) -> str:
        key = self._next() or ""
        if not is_qualified_name(key):
            raise self._error(f"key '{key}' {QUALIFIED_NAME}")
        return key

    def _value(self) -> str:
        """A value may be empty: `a=` and `a in (,b)`."""
        if self.peek() in (None, ",", ")"):
            return ""
        value = self._next() or ""
        if not is_label_value(value):
            raise self._error(f"value '{value}' {LABEL_VALUE}")
        return value

    def _next(self) -> str | None:
        return self._tokens.pop(0) if self._tokens else None

    def _error(self, problem: str) -> Exception:
        return bad_request(f"unable to parse label selector '{self._text}': {problem}")


def field_selector(text: str, fields: Mapping[str, Callable[[Json], str]]) -> Test:
    """A test on an object's fields.

    Args:
        text: such as `metadata.name=a,status.phase!=Failed`.
        fields: which fields can be selected by, and how each is read.

    Raises:
        ApiError: 400, the selector cannot be understood or names another field.
    """
    terms = [_field_term(term, fields) for term in text.split(",") if term.strip()]
    return lambda one: all((read(one) == value) == wanted for read, value, wanted in terms)


def _field_term(term: str, fields: Mapping[str, Callable[[Json], str]]) -> tuple[Callable[[Json], str], str, bool]:
    match = _FIELD_TERM.fullmatch(term.strip())
    if match is None:
        raise bad_request(f"invalid selector: '{term}'; can't understand '{term}'")
    name, operator, value = match.groups()
    if name not in fields:
        raise bad_request(f"field label not supported: {name} (supported: {', '.join(sorted(fields))})")
    return fields[name], value, operator != "!="


def _read(*path: str) -> Callable[[Json], str]:
    def read(one: Json) -> str:
        found: object = one
        for step in path:
            found = found.get(step) if isinstance(found, dict) else None
        return "" if found is None else str(found)

    return read


POD_FIELDS: Final[Mapping[str, Callable[[Json], str]]] = {
    ".".join(path): _read(*path)
    for path in (
        ("metadata", "name"),
        ("metadata", "namespace"),
        ("metadata", "uid"),
        ("spec", "nodeName"),
        ("spec", "restartPolicy"),
        ("spec", "schedulerName"),
        ("spec", "serviceAccountName"),
        ("status", "phase"),
        ("status", "podIP"),
        ("status", "nominatedNodeName"),
    )
}

EVENT_FIELDS: Final[Mapping[str, Callable[[Json], str]]] = {
    **{
        f"involvedObject.{name}": _read("involvedObject", name)
        for name in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
    },
    "metadata.name": _read("metadata", "name"),
    "metadata.namespace": _read("metadata", "namespace"),
    "reason": _read("reason"),
    "reportingComponent": _read("reportingComponent"),
    "source": _read("source", "component"),
    "type": _read("type"),
}

NAMESPACE_FIELDS: Final[Mapping[str, Callable[[Json], str]]] = {
    "metadata.name": _read("metadata", "name"),
    "status.phase": _read("status", "phase"),
}
