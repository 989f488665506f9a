"""Amounts of memory as people write them, to the byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from daybook.contract.memory import (
    DRIVER_OVERHEAD,
    EXECUTOR_OVERHEAD,
    MIB,
    MINIMUM_HEAP_BYTES,
    MINIMUM_OVERHEAD_BYTES,
    memory_bytes,
    spark_size,
    split,
)

GIB = 1024 * MIB
ENOUGH = some.integers(MINIMUM_HEAP_BYTES + MINIMUM_OVERHEAD_BYTES, 2**50)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("512MiB", 512 * MIB),
        ("512m", 512 * MIB),
        ("512 MB", 512 * MIB),
        ("512Mi", 512 * MIB),
        ("2g", 2 * GIB),
        ("2G", 2 * GIB),
        ("1.5GiB", 1536 * MIB),
        ("0.1GiB", 107_374_182),  # and four tenths of a byte
        ("1tib", 1024 * GIB),
        ("1Pi", 1024**2 * GIB),
        ("8k", 8192),
        ("7b", 7),
        ("1073741824", GIB),
        (1073741824, GIB),
        (" 3g ", 3 * GIB),
    ],
)
def test_an_amount_is_so_many_bytes(text, expected):
    assert memory_bytes(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "g",
        "-1g",
        "+1g",
        "1.5",
        "0",
        "0g",
        "0.1b",
        "1.0b",
        "1e3",
        "1 g b",
        "2gg",
        "2i",
        "2ib",
        "٣g",
        "1g\n2g",
        True,
        None,
        [1],
    ],
)
def test_what_is_no_amount_is_refused(text):
    with pytest.raises(ValueError, match="must be"):
        memory_bytes(text)


@given(some.integers(1, 2**60))
def test_spark_reads_back_exactly_what_was_meant(amount):
    assert memory_bytes(spark_size(amount)) == amount


@given(some.decimals(1, 9999, places=3), some.sampled_from(["k", "M", "GiB", "ti", "PB"]))
def test_a_fraction_of_a_unit_is_exact_to_the_byte(number, unit):
    power = "kmgtp".index(unit[0].lower()) + 1
    assert 0 <= number * 1024**power - memory_bytes(f"{number}{unit}") < 1


@given(
    some.integers(MINIMUM_HEAP_BYTES + MINIMUM_OVERHEAD_BYTES, 2**50),
    some.sampled_from([DRIVER_OVERHEAD, EXECUTOR_OVERHEAD]),
)
def test_heap_and_overhead_are_all_of_the_memory_to_the_mib(total, share):
    found = split(total, share)
    assert 0 <= total - found.total_bytes < MIB
    assert found.overhead_bytes >= max(MINIMUM_OVERHEAD_BYTES, found.total_bytes * share)
    assert found.heap_bytes >= MINIMUM_HEAP_BYTES
    assert found.heap_bytes % MIB == found.overhead_bytes % MIB == 0


@given(ENOUGH)
def test_more_memory_is_never_a_smaller_heap(total):
    assert split(total + MIB, EXECUTOR_OVERHEAD).heap_bytes >= split(total, EXECUTOR_OVERHEAD).heap_bytes


def test_an_executor_of_ten_gib_leaves_a_tenth_to_java():
    found = split(10 * GIB, EXECUTOR_OVERHEAD)
    assert (found.heap_bytes, found.overhead_bytes) == (9 * GIB, GIB)


def test_too_little_for_spark_is_refused_with_the_least():
    with pytest.raises(ValueError, match="needs at least 834MiB"):
        split(833 * MIB, DRIVER_OVERHEAD)
    assert split(834 * MIB, DRIVER_OVERHEAD).heap_bytes == MINIMUM_HEAP_BYTES
