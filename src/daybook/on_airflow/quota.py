"""What a quota's refusal tells: whether there may be room later, or never.

The admission plugin gives no reason of its own, just words (plugin/pkg/admission/resourcequota/controller.go):
`exceeded quota: team, requested: requests.memory=4Gi, used: requests.memory=6Gi, limited: requests.memory=8Gi`.
It names what does not fit, and nothing else.
"""

from __future__ import annotations

import re

from daybook.contract.quantities import quantity

_WORDS = re.compile(r"exceeded quota: .*?, requested: (?P<requested>.*?), used: .*?, limited: (?P<limited>\S+)")


def is_quota(said: str) -> bool:
    """Whether Kubernetes says that a quota is exceeded."""
    return "exceeded quota" in said


def beyond(said: str) -> str | None:
    """What is asked for beyond the whole quota, so that no end of other pods makes room for it; None for nothing."""
    found = _WORDS.search(said)
    if found is None:
        return None
    limited = _amounts(found["limited"])
    parts = (
        f"{name}: {asked} of {limited[name]}"
        for name, asked in _amounts(found["requested"]).items()
        if name in limited and _exceeds(asked, limited[name])
    )
    return ", ".join(parts) or None


def _amounts(text: str) -> dict[str, str]:
    return dict(each.split("=", 1) for each in text.split(",") if "=" in each)


def _exceeds(asked: str, limit: str) -> bool:
    try:
        return quantity(asked) > quantity(limit)
    except ValueError:  # words that a later Kubernetes writes otherwise: then it is waited, as for any quota
        return False
