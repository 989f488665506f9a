"""The addresses of pods: loopback's own, or one of 127.0.0.0/8 for a pod that names ports.

Linux gives all of 127.0.0.0/8 to loopback, so servers of two pods may listen on one port each at an address of its own.
Elsewhere there is 127.0.0.1 alone: a second pod with the same port finds it taken.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Collection
from typing import Any, Final

from daybook.localpods.downward import HOST_IP

Json = dict[str, Any]
_TRIES: Final = 1000


def address_for(spec: Json, taken: Collection[str]) -> str:
    """An address that no other pod has, for a pod that names ports; loopback's for every other.

    Args:
        spec: the pod's.
        taken: the addresses of the pods that there are.
    """
    if sys.platform != "linux" or not any(one.get("ports") for one in spec["containers"]):
        return HOST_IP
    for _ in range(_TRIES):
        # Not of 127.0.0.0/16 and the like, where resolvers and others of the machine may listen.
        found = f"127.{random.randint(64, 254)}.{random.randint(1, 254)}.{random.randint(1, 254)}"  # noqa: S311
        if found not in taken:
            return found
    return HOST_IP
