"""What a workspace adds to its pods."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any, Literal

from pydantic import Field, JsonValue

from daybook.workspaces.fields import DnsLabel, DnsName
from daybook.workspaces.model import Model


class Toleration(Model):
    """A taint that the pods put up with, as Kubernetes writes it."""

    key: str | None = None
    operator: Literal["Exists", "Equal"] | None = None
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: int | None = None


class Volume(Model):
    """A volume that the workspace's operator allows, and where it is mounted."""

    name: DnsLabel
    mount_path: PurePosixPath
    read_only: bool = True
    persistent_volume_claim: DnsName | None = None
    config_map: DnsName | None = None
    secret: DnsName | None = None


class PodSettings(Model):
    """What is beside container, resources and credentials."""

    node_selector: dict[str, str] = Field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()
    pull_secrets: tuple[DnsName, ...] = Field(default=(), description="Secrets by which images are pulled")
    volumes: tuple[Volume, ...] = Field(default=(), description="the only volumes besides Daybook's own")
    runtime_class: DnsName | None = None
    priority_class: DnsName | None = None
    template: dict[str, JsonValue] = Field(
        default_factory=dict,
        description="a pod, as Kubernetes writes it, that adds to ours; what would weaken it is refused by name",
    )
    template_file: str | None = Field(default=None, description="the same, in a YAML file beside this one")

    def model_post_init(self, _: Any) -> None:
        """Kept here: a template and a file of one cannot both be meant."""
        if self.template and self.template_file:
            raise ValueError("has both template and template_file; give one")
