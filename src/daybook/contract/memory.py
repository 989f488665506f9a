"""Amounts of memory as people write them for Spark, and how a process's memory is divided. Pure; free of heavy imports.

Every unit is a power of 1024, as Spark and Java mean them: `2g`, `2G`, `2GB`, `2Gi` and `2GiB` are one amount. A bare
number is bytes. Kubernetes quantities, where `G` is a power of 1000, are `contract.quantities`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

KIB = 1024
MIB = 1024**2
EXECUTOR_OVERHEAD = Decimal("0.10")
"""Of an executor's memory: what Java takes beside its heap (threads, classes, network buffers). Spark's own share."""
DRIVER_OVERHEAD = Decimal("0.05")
"""Of a driver's: it holds plans and results, all of them in the heap."""
MINIMUM_OVERHEAD_BYTES = 384 * MIB
"""Never less: Java itself takes so much, however small the heap. Spark's own minimum."""
MINIMUM_HEAP_BYTES = 450 * MIB
"""Spark starts with no smaller heap: it keeps 300 MiB for itself and wants half as much again."""
SUPERVISOR_BYTES = 128 * MIB
"""Of a server's pod, for the process that watches over Java."""
_UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_AMOUNT = re.compile(r"(\d{1,20}(?:\.\d{1,9})?)\s*(?:([kmgtp])(?:ib|b|i)?|b)?", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class Split:
    """A process's memory: all of it is one or the other.

    Attributes:
        heap_bytes: Java's heap, whole MiB.
        overhead_bytes: everything else, whole MiB.
    """

    heap_bytes: int
    overhead_bytes: int

    @property
    def total_bytes(self) -> int:
        """Both together: what the container is to have."""
        return self.heap_bytes + self.overhead_bytes


def memory_bytes(amount: object) -> int:
    """The bytes of an amount: `512MiB`, `2g`, `1.5GiB`, `1073741824`; a fraction of a byte is left off.

    Raises:
        ValueError: it is none, or nothing.
    """
    text = str(amount).strip() if isinstance(amount, str | int | float) and not isinstance(amount, bool) else ""
    match = _AMOUNT.fullmatch(text)
    if match is None or (match[2] is None and "." in text):
        raise ValueError("must be an amount of memory such as 512MiB, 2g or 1.5GiB, or a number of bytes")
    found = int((Decimal(match[1]) * Decimal(1024) ** _UNITS[(match[2] or "").lower()]).to_integral_value(ROUND_FLOOR))
    if found < 1:
        raise ValueError("must be more than nothing")
    return found


def spark_size(amount: int) -> str:
    """Bytes as Spark writes them, exactly, in the largest unit that divides them: `1536m`, `2g`, `1000b`."""
    for unit, power in (("g", 3), ("m", 2), ("k", 1)):
        if amount % 1024**power == 0:
            return f"{amount // 1024**power}{unit}"
    return f"{amount}b"


def split(total: int, share: Decimal) -> Split:
    """Divides a process's memory into heap and the rest, so that both together are all of it.

    Spark counts in whole MiB, so an odd rest below one MiB of the total cannot be used and is left off.

    Args:
        total: bytes.
        share: of the total, for everything beside the heap; at least `MINIMUM_OVERHEAD_BYTES`.

    Raises:
        ValueError: too little is left for a heap.
    """
    whole = total // MIB
    rest = max(int((whole * share).to_integral_value(ROUND_CEILING)), MINIMUM_OVERHEAD_BYTES // MIB)
    heap = whole - rest
    if heap < MINIMUM_HEAP_BYTES // MIB:
        least = (MINIMUM_HEAP_BYTES + MINIMUM_OVERHEAD_BYTES) // MIB
        raise ValueError(f"is too little for Spark, which needs at least {least}MiB")
    return Split(heap * MIB, rest * MIB)
