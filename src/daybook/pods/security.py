"""What makes the pod fit Kubernetes' Pod Security level `restricted`, and a bit beyond: the root is read-only."""

from __future__ import annotations

from typing import Final

from kubernetes.client import models as k8s

from daybook.pods.models import new

USER_ID: Final = 1000
GROUP_ID: Final = 1000
"""Whom the notebook runs as, in numbers: `runAsNonRoot` alone cannot judge an image whose user is a name. The notebook
image's user has the same, and so have Jupyter's own."""


def pod_security() -> k8s.V1PodSecurityContext:
    """What holds for the whole pod; volumes belong to the group, so that the user can write to them."""
    return new(
        k8s.V1PodSecurityContext,
        run_as_non_root=True,
        run_as_user=USER_ID,
        run_as_group=GROUP_ID,
        fs_group=GROUP_ID,
        # A claim with a million files is not walked at each start.
        fs_group_change_policy="OnRootMismatch",
        seccomp_profile=_seccomp(),
    )


def container_security() -> k8s.V1SecurityContext:
    """What holds for the container."""
    return new(
        k8s.V1SecurityContext,
        run_as_non_root=True,
        privileged=False,
        allow_privilege_escalation=False,
        read_only_root_filesystem=True,
        capabilities=new(k8s.V1Capabilities, drop=["ALL"]),
        seccomp_profile=_seccomp(),
    )


def _seccomp() -> k8s.V1SeccompProfile:
    return new(k8s.V1SeccompProfile, type="RuntimeDefault")
