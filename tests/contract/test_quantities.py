"""Kubernetes quantities, read by one parser for all who meet them."""

from decimal import Decimal
from typing import Any

import pytest

from daybook.contract.quantities import quantity, whole


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *(("1", 1), ("1.5", Decimal("1.5")), (".5", Decimal("0.5")), ("1.", 1), (0, 0), (2.5, Decimal("2.5"))),
        *(("1Ki", 1024), ("512Mi", 512 * 2**20), ("1.5Gi", 3 * 2**29), ("1Ei", 2**60)),
        *(
            ("1k", 1000),
            ("3M", 3_000_000),
            ("1E", 10**18),
            ("250m", Decimal("0.25")),
            ("1e3", 1000),
            ("1E-2", Decimal("0.01")),
        ),
        *(("100u", Decimal("0.0001")), ("5n", Decimal("5e-9")), ("-1", -1), ("+2", 2)),
    ],
)
def test_quantities(text: Any, number: Any) -> None:
    assert quantity(text) == number


@pytest.mark.parametrize(
    "text", ["", "x", "1 Gi", "1gi", "1KiB", "Mi", ".", "nan", "inf", "1e", "1e9999", True, None, [], "9" * 65]
)
def test_what_is_no_quantity(text: Any) -> None:
    with pytest.raises(ValueError, match="must be a quantity"):
        quantity(text)


def test_whole_numbers_are_rounded_up() -> None:
    assert (whole(Decimal("1.0001")), whole(Decimal(3)), whole(quantity("100m"))) == (2, 3, 1)
