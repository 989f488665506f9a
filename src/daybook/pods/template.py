"""What a workspace's pod template adds. That it adds nothing else was checked when the workspaces were read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_MEMBERS: Final = {
    "affinity": "affinity",
    "dnsConfig": "dns_config",
    "hostAliases": "host_aliases",
    "topologySpreadConstraints": "topology_spread_constraints",
}
"""Members of the spec that may come from a template, and the client's names for them."""


def added(template: Mapping[str, Any], *path: str) -> dict[str, Any]:
    """The mapping at a path of the template; empty where there is none."""
    found: Any = template
    for key in path:
        found = found.get(key) or {}
    return dict(found)


def added_to_spec(template: Mapping[str, Any]) -> dict[str, Any]:
    """Members of the pod's spec, as Kubernetes writes them."""
    spec = added(template, "spec")
    return {ours: spec[key] for key, ours in _MEMBERS.items() if key in spec}
