"""What one kind of credentials adds to a pod."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from kubernetes.client import models as k8s

from daybook.pods.models import new

FOLDER = PurePosixPath("/var/run/secrets/daybook.dev")
"""Where files with credentials are mounted, read-only; on the node they are in memory."""

READABLE = 0o444
"""For whichever user the image has; nobody else is in the container."""


@dataclass(frozen=True)
class Fragment:
    """Parts of a pod.

    Attributes:
        env: of the container; no value in it is secret.
        env_from: of the container.
        volumes: of the pod.
        mounts: of the container.
    """

    env: tuple[k8s.V1EnvVar, ...] = ()
    env_from: tuple[k8s.V1EnvFromSource, ...] = ()
    volumes: tuple[k8s.V1Volume, ...] = ()
    mounts: tuple[k8s.V1VolumeMount, ...] = ()


def mount(volume: str, folder: PurePosixPath) -> k8s.V1VolumeMount:
    """A read-only mount."""
    return new(k8s.V1VolumeMount, name=volume, mount_path=str(folder), read_only=True)
