"""Whole numbers, numbers, and true or false."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from daybook.catalogue.constraints import Constraints
from daybook.catalogue.kinds.common import Schema, refuse_if, schema
from daybook.catalogue.values import bounded, finite, read_boolean, shown, unlike


def integer(value: object, c: Constraints) -> int:
    """Return a whole number; 5.0 is one, since JSON knows one kind of number only, and true is none."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise unlike("a whole number", value)
    refuse_if(_range_faults(bounded(value), c))
    return value


def number(value: object, c: Constraints) -> float:
    """Return a finite number, always as a float."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise unlike("a number", value)
    result = finite(value)
    refuse_if(_range_faults(result, c))
    return result


def _range_faults(value: float, c: Constraints) -> list[str]:
    limits: tuple[tuple[float | None, str, Callable[[float], bool]], ...] = (
        (c.minimum, "at least", lambda limit: value >= limit),
        (c.maximum, "at most", lambda limit: value <= limit),
        (c.exclusive_minimum, "above", lambda limit: value > limit),
        (c.exclusive_maximum, "below", lambda limit: value < limit),
    )
    return [
        f"must be {words} {shown(limit)}, not {shown(value)}"
        for limit, words, holds in limits
        if limit is not None and not holds(limit)
    ]


def number_schema(kind: str) -> Callable[[Constraints], Schema]:
    """Return the builder of the schema of an `integer` or a `number`."""
    return lambda c: schema(
        type=kind,
        minimum=c.minimum,
        maximum=c.maximum,
        exclusiveMinimum=c.exclusive_minimum,
        exclusiveMaximum=c.exclusive_maximum,
    )


def number_widgets(c: Constraints) -> tuple[str, ...]:
    """Return the widgets of a number: a slider needs both ends."""
    return ("number",) if c.minimum is None or c.maximum is None else ("number", "slider")


def boolean(value: object, _: Constraints) -> bool:
    """Return true or false; 1 and "true" are neither."""
    if not isinstance(value, bool):
        raise unlike("true or false", value)
    return value


def form_boolean(texts: Sequence[str], _: Constraints) -> bool:
    """Read a tick box.

    A browser sends nothing for an unticked box, so forms put a hidden "false" before it: the last one counts.
    """
    return read_boolean(texts[-1])
