"""What a link or a posted form gives, sorted into values, workspace and settings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from daybook.catalogue import RUN_SETTINGS, WORKSPACE, Input, Notebook, settings_of_texts
from daybook.contract.errors import Fault
from daybook.web.asking import Wish
from daybook.web.posted import ONCE

PARAMETERS = "parameters"
"""The field for values beyond the inputs, as one JSON object, of a notebook that takes any."""

SIDES = ("west", "south", "east", "north")

EMPTY_LIST = "[]"
"""Stands hidden before the fields of a list that has a default: a list that was emptied is empty, not the default."""

_SETTING = f"{RUN_SETTINGS}."

Texts = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Given:
    """What somebody gave.

    Attributes:
        source: how values are spelled.
        values: texts by name.
        workspace: where; None where none was named.
        settings: the run's settings by name.
        faults: what was wrong already with the way it was given.
        raw: the same as it came, to be shown again.
    """

    source: Literal["query", "form"]
    values: dict[str, list[str]]
    workspace: str | None
    settings: dict[str, str]
    faults: tuple[Fault, ...] = ()
    raw: Texts = field(default_factory=dict)

    def wish(self, notebook: Notebook) -> Wish:
        """What they want to run."""
        chosen = settings_of_texts(self.settings)
        return Wish(notebook.id, self.values, self.source, self.workspace, chosen)


def from_link(fields: Texts) -> Given:
    """What a link gives."""
    return _sorted("query", fields, {name: list(texts) for name, texts in fields.items() if not _is_ours(name)}, ())


def from_form(notebook: Notebook, fields: Texts) -> Given:
    """What a form gives, with the fields of one input joined."""
    values = {name: list(texts) for name, texts in fields.items() if not _is_ours(name) and name != ONCE}
    faults: list[Fault] = []
    for item in notebook.inputs:
        joined = _joined(item, values)
        if joined is not None:
            values[item.name] = joined
    if notebook.open_inputs:
        more, faults = _further("".join(values.pop(PARAMETERS, ())))
        values = {**more, **values}
    return _sorted("form", fields, values, faults)


def _sorted(
    source: Literal["query", "form"], fields: Texts, values: dict[str, list[str]], faults: Sequence[Fault]
) -> Given:
    ours = {name: [text for text in texts if text] for name, texts in fields.items() if _is_ours(name)}
    twice = [Fault(name, "is given several times; give it once") for name, texts in ours.items() if len(texts) > 1]
    once = {name: texts[0] for name, texts in ours.items() if texts}
    settings = {name.removeprefix(_SETTING): text for name, text in once.items() if name != WORKSPACE}
    return Given(source, values, once.get(WORKSPACE), settings, (*faults, *twice), fields)


def _is_ours(name: str) -> bool:
    return name == WORKSPACE or name.startswith(_SETTING)


def _joined(item: Input, values: dict[str, list[str]]) -> list[str] | None:
    """The texts of an input that has several fields; None for one that has not."""
    if item.type == "bbox":
        sides = [values.pop(f"{item.name}.{side}", None) for side in SIDES]
        if all(side is None for side in sides):
            return None
        texts = ["".join(side or ()).strip() for side in sides]
        return [",".join(texts)] if any(texts) else []
    texts = values.get(item.name, [])
    if len(texts) > 1 and texts[0] == EMPTY_LIST and any(texts[1:]):
        return texts[1:]
    return None


def _further(text: str) -> tuple[dict[str, list[str]], list[Fault]]:
    """Values beyond the inputs, spelled as a form spells them."""
    if not text.strip():
        return {}, []
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        return {}, [Fault(PARAMETERS, f"is not JSON: {error}")]
    if not isinstance(found, dict):
        return {}, [Fault(PARAMETERS, "must be an object of values by name")]
    return {name: [json.dumps(value)] for name, value in found.items()}, []
