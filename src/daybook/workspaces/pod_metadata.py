"""Which labels and annotations a pod template may add.

What in a cluster acts upon them (webhooks, runtimes, networks) cannot be known here. So a key has no domain, or one of
`HARMLESS_DOMAINS`, or one that the workspace names under `pod.domains`; and those of `_ACTING` it cannot name.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any, Final

Faults = Iterator[tuple[str, str]]
"""Paths in the template, and what is wrong there."""

HARMLESS_DOMAINS: Final = (
    "app.kubernetes.io",  # says what a pod belongs to
    "cluster-autoscaler.kubernetes.io",
    "karpenter.sh",  # both say when a node may be taken away
    "kueue.x-k8s.io",  # says in which queue the pod waits
)

_ACTING: Final = (
    (
        re.compile(
            r"(.+\.)?(kubernetes|k8s|nri|crio|cri-o|containerd|openshift|velero)\.io|(.+\.)?gvisor\.dev|io\..+|run\.oci"
        ),
        "may change how the node runs the pod; Daybook adds no such key",
    ),
    (
        re.compile(r"(.+\.)?(amazonaws\.com|gke\.io|workload\.identity|hashicorp\.com|spiffe\.io|1password\.io)"),
        "may give the pod an identity or Secrets of somebody else; say it under `credentials`",
    ),
    (
        re.compile(
            r"(.+\.)?((istio|linkerd|kuma|dapr|openservicemesh|networkservicemesh|opentelemetry|jaegertracing)\.io"
            r"|(konghq|datadoghq|dynatrace|getambassador)\.com|k8s\.aws)|gke-gcsfuse"
        ),
        "may make a webhook change the pod or add containers to it; Daybook's pod has one",
    ),
    (
        re.compile(r"(.+\.)?(cncf\.io|multus-cni\.io|projectcalico\.org|cilium\.io|ovn\.org)"),
        "may change the pod's network",
    ),
)
"""Domains of what is known to act upon a pod: by sidecars, identities, networks, profiles, commands."""

_OUR_DOMAIN = "daybook.dev"
_OUR_LABELS = ("app.kubernetes.io/name", "app.kubernetes.io/component")
_AIRFLOWS_LABELS = (
    *("dag_id", "task_id", "run_id", "try_number", "map_index", "airflow_version", "airflow_kpo_in_cluster"),
    *("kubernetes_pod_operator", "already_checked", "kubernetes_executor"),
)
"""By which the provider finds its pods again."""
_POD_IDENTITY_LABEL = "aadpodidbinding"
"""Of Azure's older pod identity; it has no domain."""

_KEY = re.compile(
    r"(?:(?P<domain>[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)/)?[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
)
_LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")


def domain_fault(domain: str) -> str | None:
    """Why no template of a workspace may add labels and annotations of a domain; None where it may."""
    if domain in HARMLESS_DOMAINS:
        return None
    if domain == _OUR_DOMAIN:
        return "belongs to Daybook itself"
    return next((fault for domains, fault in _ACTING if domains.fullmatch(domain)), None)


def label_faults(path: str, labels: dict[str, Any], domains: Collection[str]) -> Faults:
    """What is wrong with labels, of which those of `domains` may be added too."""
    for key, text in labels.items():
        if key in _OUR_LABELS:
            fault: str | None = "is a label that Daybook itself sets"
        elif key in _AIRFLOWS_LABELS:
            fault = "is a label by which Airflow finds its pods"
        elif key == _POD_IDENTITY_LABEL:
            fault = domain_fault("workload.identity")
        else:
            fault = _key_fault(key, domains)
        if fault is None and not (isinstance(text, str) and _LABEL_VALUE.fullmatch(text)):
            fault = "must be a text of at most 63 letters, digits, '-', '_' and '.'"
        if fault:
            yield f"{path}[{key}]", fault


def annotation_faults(path: str, annotations: dict[str, Any], domains: Collection[str]) -> Faults:
    """What is wrong with annotations, of which those of `domains` may be added too."""
    for key, text in annotations.items():
        # Runtimes write theirs without a slash too: org.systemd.property.…, io.kubernetes.cri-o.…, run.oci.…
        fault = domain_fault("run.oci") if "." in key and "/" not in key else _key_fault(key, domains)
        if fault is None and not isinstance(text, str):
            fault = "must be a text"
        if fault:
            yield f"{path}[{key}]", fault


def _key_fault(key: str, domains: Collection[str]) -> str | None:
    match = _KEY.fullmatch(key)
    if match is None:
        return "must be a key as Kubernetes writes it: a name, or a domain, a slash and a name"
    domain = match["domain"]
    if domain is None:
        return None
    if fault := domain_fault(domain):
        return fault
    if domain in (*HARMLESS_DOMAINS, *domains):
        return None
    return "has a domain upon which something in the cluster may act; if nothing does, name it under `pod.domains`"
