"""Inputs inferred from a notebook's parameters cell, for notebooks that nobody wrote a spec for.

The rules stand in `docs/writing-a-notebook.md`. The cell is parsed, never run.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from pydantic import ValidationError

from daybook.catalogue.constraints import Constraints
from daybook.catalogue.inputs import Input, name_fault
from daybook.catalogue.types import TYPES
from daybook.catalogue.values import Refused, as_json

MAX_DESCRIPTION_CHARACTERS = 500
"""Characters of a comment that become an input's description."""

_MAGIC_LINE = re.compile(r"^(?P<indent>\s*)([%!?].*|[\w.]+\?{1,2}\s*)$")
_MAGIC_VALUE = re.compile(r"^(?P<target>\s*\w+\s*=\s*)[%!].*$")
_TYPE_COMMENT = re.compile(r"type:\s*(?P<type>\S+)\s*(?P<help>.*)", re.DOTALL)
_SIMPLE = {
    "int": "integer",
    "float": "number",
    "str": "string",
    "bool": "boolean",
    "date": "date",
    "datetime.date": "date",
    "datetime": "datetime",
    "datetime.datetime": "datetime",
    "list": "list",
    "List": "list",
    "dict": "object",
    "Dict": "object",
}

Spec = dict[str, Any]


class CellSyntaxError(ValueError):
    """The parameters cell is not Python.

    Attributes:
        line: of the cell, from 1.
    """

    def __init__(self, message: str, line: int) -> None:
        self.line = line
        super().__init__(message)


def infer_inputs(source: str) -> tuple[Input, ...]:
    """Return the inputs that a Python parameters cell declares, in its order.

    Raises:
        CellSyntaxError: the cell is not Python.
    """
    tree, source = _parse(source)
    comments = _comments(source)
    found: dict[str, Input] = {}
    for assignment in _assignments(tree):
        if name_fault(assignment.name) is None:
            comment = comments.get(assignment.last_line, "")
            found[assignment.name] = _input(assignment, comment)
    return tuple(found.values())


@dataclass(frozen=True)
class _Assignment:
    name: str
    annotation: ast.expr | None
    value: ast.expr | None
    last_line: int


def _parse(source: str) -> tuple[ast.Module, str]:
    """Return the cell's tree and its code without magics.

    A magic is looked for only where Python stumbles: a line within a text may well look like one.
    """
    lines = source.split("\n")
    while True:
        try:
            return ast.parse("\n".join(lines)), "\n".join(lines)
        except SyntaxError as error:
            at = min(max(error.lineno or 1, 1), len(lines)) - 1
            plain = _without_magic(lines[at])
            if plain == lines[at]:
                raise CellSyntaxError(error.msg, at + 1) from None
            lines[at] = plain
        except (ValueError, RecursionError, MemoryError) as error:
            raise CellSyntaxError(str(error) or "it is nested too deeply", 1) from None


def _without_magic(line: str) -> str:
    line = _MAGIC_LINE.sub(r"\g<indent>pass", line)
    return _MAGIC_VALUE.sub(r"\g<target>_magic_()", line)


def _comments(source: str) -> dict[int, str]:
    """Return the comment at the end of each line."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (tokenize.TokenError, SyntaxError):  # it reads some line ends otherwise than the parser does
        return {}
    return {token.start[0]: token.string.lstrip("#").strip() for token in tokens if token.type == tokenize.COMMENT}


def _assignments(tree: ast.Module) -> Iterator[_Assignment]:
    for statement in tree.body:
        last_line = statement.end_lineno or statement.lineno
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            yield _Assignment(statement.target.id, statement.annotation, statement.value, last_line)
        elif isinstance(statement, ast.Assign):
            for target in statement.targets:
                if isinstance(target, ast.Name):
                    yield _Assignment(target.id, None, statement.value, last_line)


def _input(assignment: _Assignment, comment: str) -> Input:
    annotation = assignment.annotation
    typed = _TYPE_COMMENT.fullmatch(comment)
    if typed:
        comment = typed["help"]
        annotation = annotation or _expression(typed["type"])
    notes: Spec = {"name": assignment.name, "description": comment[:MAX_DESCRIPTION_CHARACTERS]}
    for spec in _specs(assignment, annotation):
        try:
            return Input(**notes, **spec)
        except ValidationError:
            continue  # the annotation and the value do not agree: the next says less
    return Input(**notes, type="schema", required=False)


def _specs(assignment: _Assignment, annotation: ast.expr | None) -> Iterator[Spec]:
    """Yield what the input may be, the most telling first; the first that its default fits is taken."""
    declared = _annotated(annotation) if annotation is not None else None
    if assignment.value is None:
        yield declared or {"type": "schema"}
        return
    known, value = _literal(assignment.value)
    if not known:
        made = _made_by_call(assignment.value)
        yield {**made, **(declared or {}), "required": False}
        yield {**made, "required": False}
    elif declared is not None:
        yield {**_bbox_or(declared, assignment.name, value), "default": value}
        yield {**declared, "default": value}
    if known:
        yield {**_bbox_or(_of_value(value), assignment.name, value), "default": value}
        yield {**_of_value(value), "default": value}


def _literal(node: ast.expr) -> tuple[bool, Any]:
    """Return whether a node is a literal that JSON can hold, and its value.

    A tuple or set would come back from JSON as a list, so that a notebook which nobody gave a value would no longer
    see its own: those defaults are left to it.
    """
    try:
        return True, as_json(ast.literal_eval(node))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError, Refused):
        return False, None


def _made_by_call(node: ast.expr) -> Spec:
    """Return the type of `date(2020, 1, 1)` and its like; the call's value serves as the example."""
    if isinstance(node, ast.Call) and not node.keywords:
        kind = _SIMPLE.get(_dotted(node.func))
        try:
            numbers = [ast.literal_eval(argument) for argument in node.args]
            if kind == "date":
                return {"type": "date", "example": date(*numbers).isoformat()}
            if kind == "datetime":
                return {"type": "datetime", "example": datetime(*numbers).isoformat() + "Z"}
        except (ValueError, TypeError, SyntaxError):
            pass
    return {"type": "schema"}


def _bbox_or(spec: Spec, name: str, value: Any) -> Spec:
    if "bbox" not in name.lower() or spec["type"] not in {"list", "schema"}:
        return spec
    return {"type": "bbox"} if _fits("bbox", value) else spec


def _fits(type_name: str, value: Any) -> bool:
    try:
        TYPES[type_name].from_json(value, Constraints())
    except Refused:
        return False
    return True


def _of_value(value: Any) -> Spec:
    if isinstance(value, bool):
        return {"type": "boolean"}
    if isinstance(value, int):
        return {"type": "integer"}
    if isinstance(value, float):
        return {"type": "number"}
    if isinstance(value, str):
        return {"type": "url" if _fits("url", value) else "string"}
    if isinstance(value, list):
        return _of_list(value)
    return {"type": "object" if isinstance(value, dict) else "schema"}


def _of_list(value: list[Any]) -> Spec:
    kinds = {_of_value(item)["type"] for item in value}
    if kinds == {"url"}:
        return {"type": "url_list"}
    if kinds == {"integer", "number"}:
        kinds = {"number"}
    if kinds == {"url", "string"}:
        kinds = {"string"}
    simple = len(kinds) == 1 and kinds <= {"string", "integer", "number", "boolean"}
    return {"type": "list", "items": kinds.pop()} if simple else {"type": "list"}


# --- annotations ----------------------------------------------------------------------------------------------------


def _expression(text: str) -> ast.expr | None:
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError):
        return None


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _annotated(node: ast.expr) -> Spec | None:
    """Return what an annotation says, or None where it says nothing that an input type could."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        inner = _expression(node.value)
        return _annotated(inner) if inner is not None else None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _union([node.left, node.right])
    if isinstance(node, ast.Subscript):
        return _subscript(_dotted(node.value).removeprefix("typing."), node.slice)
    kind = _SIMPLE.get(_dotted(node).removeprefix("typing."))
    return {"type": kind} if kind else None


def _subscript(name: str, inner: ast.expr) -> Spec | None:
    parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    if name == "Optional":
        return _annotated(inner)
    if name == "Union":
        return _union(parts)
    if name == "Literal":
        known = [_literal(part) for part in parts]
        return {"type": "enum", "choices": [value for _, value in known]} if all(ok for ok, _ in known) else None
    if name in {"list", "List"}:
        return _list_of(inner)
    return {"type": "object"} if name in {"dict", "Dict"} else None


def _list_of(inner: ast.expr) -> Spec:
    items = _annotated(inner)
    return (
        {"type": "list"} if items is None or items["type"] in {"list", "object"} else {"type": "list", "items": items}
    )


def _union(parts: Sequence[ast.expr]) -> Spec | None:
    """`X | None` is an X; a None default makes it nullable. Unions of several types are anything."""
    others = [part for part in parts if not (isinstance(part, ast.Constant) and part.value is None)]
    return _annotated(others[0]) if len(others) == 1 else None
