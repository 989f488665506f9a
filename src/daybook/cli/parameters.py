"""From `-p name=value` and a JSON file to the typed parameters of a run, with every fault named at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import JsonValue

from daybook.catalogue import Notebook, resolve
from daybook.contract.errors import Fault, InvalidRequest


def read_settings(given: Sequence[str]) -> dict[str, str]:
    """The values of `--set` by name.

    Raises:
        InvalidRequest: some are not of the form name=value, or a name is given twice.
    """
    texts = read_texts(given, "--set")
    twice = [Fault(f"--set {name}", "is given twice; give it once") for name, each in texts.items() if len(each) > 1]
    if twice:
        raise InvalidRequest("cannot read the settings", twice)
    return {name: text for name, (text,) in texts.items()}


def read_texts(given: Sequence[str], option: str = "-p") -> dict[str, list[str]]:
    """The values of an option such as `-p` by name, in order; a name given twice has two.

    Raises:
        InvalidRequest: some are not of the form name=value.
    """
    texts: dict[str, list[str]] = {}
    faults = []
    for each in given:
        name, equals, value = each.partition("=")
        if not equals or not name.strip():
            faults.append(Fault(f"{option} {each}", "must be name=value"))
        else:
            texts.setdefault(name.strip(), []).append(value)
    if faults:
        raise InvalidRequest("cannot read the parameters", faults)
    return texts


def typed(notebook: Notebook, texts: Mapping[str, list[str]], values: Mapping[str, Any]) -> dict[str, JsonValue]:
    """The parameters of a run.

    Args:
        notebook: what they are for.
        texts: from the command line, spelled as in a link.
        values: from a JSON file, typed already.

    Raises:
        InvalidRequest: they do not fit; every fault of both is named.
    """
    if not values:
        return notebook.resolve(texts, "query")
    twice = [Fault(name, "is given by -p and in the file; give it once") for name in texts if name in values]
    parsed, faults = _parsed(notebook, texts)
    settled = {fault.where for fault in faults} | {fault.where for fault in twice}
    unknown = {name: text for name, text in texts.items() if name not in parsed and name not in settled}
    try:
        parameters = notebook.resolve({**values, **unknown, **parsed})
    except InvalidRequest as error:
        # What failed above is missing here for that reason only.
        rest = [fault for fault in error.faults if _name(fault.where) not in {_name(where) for where in settled}]
        raise InvalidRequest(error.summary, [*twice, *faults, *rest]) from error
    if twice or faults:
        raise InvalidRequest(f"Notebook '{notebook.id}' cannot run with these parameters", [*twice, *faults])
    return parameters


def _parsed(notebook: Notebook, texts: Mapping[str, list[str]]) -> tuple[dict[str, JsonValue], list[Fault]]:
    """The texts whose names the notebook knows, as JSON values; and what is wrong with them."""
    known = [item for item in notebook.inputs if item.name in texts]
    parsed: dict[str, JsonValue] = {}
    faults: list[Fault] = []
    for item in known:
        try:
            parsed |= resolve([item], {item.name: texts[item.name]}, "query")
        except InvalidRequest as error:
            faults += error.faults
    if notebook.open_inputs:
        named = {item.name for item in known}
        others = {name: text for name, text in texts.items() if name not in named}
        try:
            parsed |= resolve([], others, "query", open_names=True)
        except InvalidRequest as error:
            faults += error.faults
    return parsed, faults


def _name(where: str) -> str:
    """The input that a fault's place begins with: `bbox[2]` is about `bbox`."""
    return where.split("[", 1)[0].split(".", 1)[0]
