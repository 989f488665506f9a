"""The line of everything in a YAML document, so that a fault can name its place."""

from __future__ import annotations

from collections.abc import Iterator

import yaml

Place = tuple[str | int, ...]
"""Keys and positions from the document's root."""


def lines_of(text: str) -> dict[Place, int]:
    """The line, from 1, of each key and list item of a document that is YAML."""
    node = yaml.compose(text, yaml.SafeLoader)
    return {} if node is None else dict(_walk(node, (), ()))


def line_at(lines: dict[Place, int], place: Place) -> int | None:
    """The line of a place; of one that is not there, for it is missing, that of the nearest part that is."""
    return next((lines[place[:end]] for end in range(len(place), -1, -1) if place[:end] in lines), None)


def _walk(node: yaml.Node, place: Place, above: tuple[int, ...]) -> Iterator[tuple[Place, int]]:
    if not place:
        yield place, node.start_mark.line + 1
    if id(node) in above:  # an alias of a node that holds it
        return
    inside = (*above, id(node))
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                yield (*place, key.value), key.start_mark.line + 1
                yield from _walk(value, (*place, key.value), inside)
    elif isinstance(node, yaml.SequenceNode):
        for position, item in enumerate(node.value):
            yield (*place, position), item.start_mark.line + 1
            yield from _walk(item, (*place, position), inside)
