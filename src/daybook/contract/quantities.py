"""Kubernetes quantities: `512Mi`, `1.5G`, `250m`, `1e3`."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal
from typing import Final

_QUANTITY: Final = re.compile(
    r"([+-]?(?:\d+\.?\d*|\.\d+))(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E|[eE][+-]?\d{1,3})?", re.ASCII
)
_MAX_CHARACTERS: Final = 64
_BINARY: Final = ("Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL: Final = ("n", "u", "m", "", "k", "M", "G", "T", "P", "E")
_FACTORS: Final = {
    **{suffix: Decimal(1024) ** power for power, suffix in enumerate(_BINARY, 1)},
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate(_DECIMAL, -_DECIMAL.index(""))},
}


def quantity(value: object) -> Decimal:
    """The number a quantity stands for.

    Raises:
        ValueError: it is none.
    """
    text = str(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""
    match = _QUANTITY.fullmatch(text) if len(text) <= _MAX_CHARACTERS else None
    if match is None:
        raise ValueError("must be a quantity such as 512Mi, 1.5G or 250m")
    suffix = match[2] or ""
    factor = _FACTORS[suffix] if suffix in _FACTORS else Decimal(10) ** int(suffix[1:])
    return Decimal(match[1]) * factor


def whole(value: Decimal) -> int:
    """The number rounded up, as Kubernetes does where a whole one is needed."""
    return int(value.to_integral_value(ROUND_CEILING))
