"""JSON Schema fragments that notebook authors write for values no other type describes.

`jsonschema` takes a quarter of a second to import, so only a catalogue that holds a fragment pays for it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import JsonValue

from daybook.catalogue.values import Refused, as_json, refused

MESSAGE_CHARACTERS = 200
"""Characters of the validator's message that are passed on; it repeats the whole value, however large."""

Fragment = Mapping[str, Any]


def fragment_fault(fragment: Fragment) -> str | None:
    """Return what is wrong with a fragment, or None.

    References must be local (`#/…`): a schema that fetches others would let a catalogue reach into the network.
    """
    try:
        as_json(dict(fragment))
    except Refused as error:
        return str(error)
    remote = sorted({ref for ref in _references(fragment) if not ref.startswith("#")})
    if remote:
        return f"refers to '{remote[0]}'; only local references that begin with # are followed"
    if not fragment:
        return None
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    try:
        Draft202012Validator.check_schema(fragment)
    except SchemaError as error:
        place = error.json_path.removeprefix("$").removeprefix(".")
        return f"is not a JSON Schema: {place} {error.message[:MESSAGE_CHARACTERS]}".replace(":  ", ": ")
    return None


def fitting(value: object, fragment: Fragment) -> JsonValue:
    """Return the value if it matches the fragment; else every mismatch is named with its place."""
    result = as_json(value)
    if not fragment:
        return result
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match
    from referencing.exceptions import Unresolvable

    try:
        errors = [best_match([error]) for error in Draft202012Validator(fragment).iter_errors(result)]
    except Unresolvable as error:
        raise refused(f"cannot be checked: its schema refers to nothing that is there ({error})") from None
    except RecursionError:
        raise refused("cannot be checked: its schema refers to itself without end") from None
    if errors:
        raise Refused(
            *((error.json_path.removeprefix("$"), error.message[:MESSAGE_CHARACTERS]) for error in errors if error)
        )
    return result


def embedded(fragment: Fragment) -> dict[str, Any]:
    """Return the fragment so that its local references still hold within a larger schema."""
    if "$id" in fragment or not any(True for _ in _references(fragment)):
        return dict(fragment)
    digest = hashlib.sha256(json.dumps(fragment, sort_keys=True).encode()).hexdigest()
    return {"$id": f"urn:daybook:schema:{digest[:16]}", **fragment}


def takes_null(fragment: Fragment) -> bool:
    """Tell whether null matches the fragment."""
    try:
        fitting(None, fragment)
    except Refused:
        return False
    return True


def _references(node: object) -> Iterator[str]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key in {"$ref", "$dynamicRef"} and isinstance(value, str):
                yield value
            else:
                yield from _references(value)
    elif isinstance(node, list):
        for item in node:
            yield from _references(item)
