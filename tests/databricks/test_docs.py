"""What the documentation says of messages and settings is what the code has."""

import ast
import re
from pathlib import Path

import daybook.databricks
from daybook.databricks import errors
from daybook.databricks.settings import Limits
from daybook.databricks.settings_sources import variable_of

DOCS = Path(__file__).parents[2] / "docs" / "databricks.md"


def rows(heading):
    """The first table below a heading, row by row."""
    section = DOCS.read_text("utf-8").split(f"{heading}\n", 1)[1]
    lines = re.split(r"\n## ", section)[0].splitlines()
    table = [line for line in lines if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table]


def texts():
    """Every text in the code of this room; `…` where a value is put in."""
    for file in Path(daybook.databricks.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                yield "".join(str(each.value) if isinstance(each, ast.Constant) else "…" for each in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield re.sub(r"\{\w*\}", "…", node.value)


def test_every_message_of_the_troubleshooting_table_is_one_of_ours():
    said = [*texts(), *vars(errors), "FileSizeError", "FilesUnreadable"]
    found = [message for row in rows("## When something is wrong") for message in re.findall(r"`([^`]+)`", row[0])]
    assert len(found) > 12
    pieces = [piece.strip(" ()") for message in found for piece in re.split(r"…|[A-Z]{4,}", message)]
    assert [piece for piece in pieces if not any(piece in each for each in said)] == []


def test_every_limit_stands_in_the_table_of_settings_with_its_default():
    table = {row[0].strip("`"): row for row in rows("### Settings")}
    for name, value in vars(Limits()).items():
        row = table[f"{name}_seconds"]
        assert row[3] == ("no limit" if value is None else f"{value:g}")
        assert variable_of(row[0].strip("`")).endswith(row[1].strip("`…"))
