"""May a pod reach a place? The rules of `networking.k8s.io/v1` NetworkPolicy, without a cluster.

A pod that no policy selects in a direction is open in it; one that is selected may do what any of them allows. Traffic
between pods must be allowed by both. An `ipBlock` is taken to mean pods too, as most clusters' networks have it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

from deploy.rendered import Document, Rendered


@dataclass(frozen=True)
class Pod:
    """A pod, as far as policies see it."""

    namespace: str
    labels: Mapping[str, str] = field(default_factory=dict)
    address: str = "10.244.0.7"


@dataclass(frozen=True)
class Place:
    """Whatever is no pod: a node, a service of the cloud, the internet."""

    address: str


@dataclass(frozen=True)
class Network:
    """The policies of an overlay in a cluster that also has namespaces of others."""

    rendered: Rendered
    others: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def reaches(self, source: Pod | Place, target: Pod | Place, port: int, protocol: str = "TCP") -> bool:
        """Whether a connection from `source` to that port of `target` comes about."""
        leaves = not isinstance(source, Pod) or self._allows(source, "Egress", target, port, protocol)
        enters = not isinstance(target, Pod) or self._allows(target, "Ingress", source, port, protocol)
        return leaves and enters

    def _allows(self, pod: Pod, direction: str, peer: Pod | Place, port: int, protocol: str) -> bool:
        policies = [each for each in self._selecting(pod) if direction in each["spec"]["policyTypes"]]
        rules = [rule for each in policies for rule in each["spec"].get(direction.lower()) or ()]
        side = "to" if direction == "Egress" else "from"
        return not policies or any(
            self._is_peer(rule.get(side), peer, pod.namespace) and _is_port(rule.get("ports"), port, protocol)
            for rule in rules
        )

    def _selecting(self, pod: Pod) -> Iterator[Document]:
        for each in self.rendered.of("NetworkPolicy", pod.namespace):
            if matches(each["spec"]["podSelector"], pod.labels):
                yield each

    def _is_peer(self, peers: list[Any] | None, found: Pod | Place, namespace: str) -> bool:
        return not peers or any(self._is_one(peer, found, namespace) for peer in peers)

    def _is_one(self, peer: Mapping[str, Any], found: Pod | Place, namespace: str) -> bool:
        if "ipBlock" in peer:
            address = ip_address(found.address)
            without = peer["ipBlock"].get("except", ())
            inside = address in ip_network(peer["ipBlock"]["cidr"])
            return inside and not any(address in ip_network(each) for each in without)
        if not isinstance(found, Pod):
            return False
        if "namespaceSelector" in peer:
            in_namespace = matches(peer["namespaceSelector"], self._namespace_labels(found.namespace))
        else:
            in_namespace = found.namespace == namespace
        return in_namespace and matches(peer.get("podSelector", {}), found.labels)

    def _namespace_labels(self, name: str) -> Mapping[str, str]:
        found = {each["metadata"]["name"]: each["metadata"].get("labels", {}) for each in self.rendered.of("Namespace")}
        return {**found, **self.others}.get(name, {}) | {"kubernetes.io/metadata.name": name}


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector selects a thing with these labels; an empty one selects everything."""
    wanted = selector.get("matchLabels") or {}
    expressions = selector.get("matchExpressions") or ()
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _holds(each, labels) for each in expressions
    )


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values", ())
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    raise ValueError(f"unknown operator in {expression}")


def _is_port(ports: list[Any] | None, port: int, protocol: str) -> bool:
    return not ports or any(
        each.get("protocol", "TCP") == protocol and each["port"] <= port <= each.get("endPort", each["port"])
        for each in ports
    )
