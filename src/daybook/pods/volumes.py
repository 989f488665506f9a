"""What the pod can write to, since its root is read-only, and the volumes its workspace adds."""

from __future__ import annotations

from typing import Final

from kubernetes.client import models as k8s

from daybook.pods.models import new
from daybook.pods.resources import Resources
from daybook.workspaces import Volume, Workspace
from daybook.workspaces.mounts import HOME_FOLDER, SHARED_MEMORY_FOLDER, TEMPORARY_FOLDER, WORKING_FOLDER

WRITABLE: Final = {"work": WORKING_FOLDER, "home": HOME_FOLDER, "tmp": TEMPORARY_FOLDER}
"""Name and place of each emptyDir. The working folder is one of its own: where a container's working folder does not
exist, the runtime makes it as root, and the notebook could not write there."""

SHARED_MEMORY: Final = "daybook-shm"
"""Name of the emptyDir by which processes share memory: what the runtime gives, 64 MiB, is too small for PyTorch's data
loaders. What lies in it counts as memory of the container, so the container's limit bounds it."""

GROUP_MAY_READ: Final = 0o440
"""Mode of a Secret's files: the pod's group is its `fsGroup`."""


def volumes(workspace: Workspace, resources: Resources) -> list[k8s.V1Volume]:
    """The pod's volumes: none of the node's own file system.

    Args:
        workspace: whose operator allows further ones.
        resources: the pod's. Its limit on disk holds for all emptyDirs together and so for each.
    """
    disk = new(k8s.V1EmptyDirVolumeSource, size_limit=resources.ephemeral_storage)
    memory = new(k8s.V1EmptyDirVolumeSource, medium="Memory", size_limit=resources.memory)
    own = [
        *(new(k8s.V1Volume, name=name, empty_dir=disk) for name in WRITABLE),
        new(k8s.V1Volume, name=SHARED_MEMORY, empty_dir=memory),
    ]
    return own + [_volume(each) for each in workspace.pod.volumes]


def mounts(workspace: Workspace) -> list[k8s.V1VolumeMount]:
    """Where the container finds them."""
    places = {**WRITABLE, SHARED_MEMORY: SHARED_MEMORY_FOLDER}
    own = [new(k8s.V1VolumeMount, name=name, mount_path=path) for name, path in places.items()]
    return own + [
        new(k8s.V1VolumeMount, name=each.name, mount_path=str(each.mount_path), read_only=each.read_only)
        for each in workspace.pod.volumes
    ]


def _volume(volume: Volume) -> k8s.V1Volume:
    if volume.persistent_volume_claim is not None:
        claim = new(
            k8s.V1PersistentVolumeClaimVolumeSource,
            claim_name=volume.persistent_volume_claim,
            read_only=volume.read_only,
        )
        return new(k8s.V1Volume, name=volume.name, persistent_volume_claim=claim)
    if volume.config_map is not None:
        return new(k8s.V1Volume, name=volume.name, config_map=new(k8s.V1ConfigMapVolumeSource, name=volume.config_map))
    secret = new(k8s.V1SecretVolumeSource, secret_name=volume.secret, default_mode=GROUP_MAY_READ)
    return new(k8s.V1Volume, name=volume.name, secret=secret)
