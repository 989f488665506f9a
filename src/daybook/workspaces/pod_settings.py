"""What a workspace adds to its pods."""

from __future__ import annotations

from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, JsonValue, ValidationInfo, model_validator

from daybook.workspaces.faults import Place, raise_all
from daybook.workspaces.fields import DnsLabel, DnsName
from daybook.workspaces.model import Model
from daybook.workspaces.mounts import mount_fault
from daybook.workspaces.pod_metadata import domain_fault
from daybook.workspaces.pod_template import template_faults
from daybook.workspaces.template_file import read_template

FOLDER: Final = "folder"
"""In the validation's context: where `workspaces.yaml` lies."""

OUR_VOLUMES: Final = ("work", "home", "tmp")
OUR_VOLUMES_PREFIX: Final = "daybook-"
"""Names of the pod's volumes that are Daybook's own."""


class Toleration(Model):
    """A taint that the pods put up with, as Kubernetes writes it."""

    key: str | None = None
    operator: Literal["Exists", "Equal"] | None = None
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: int | None = None

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        """Kubernetes' own rules, so that a slip shows when the file is read and not at the first pod."""
        if self.operator == "Exists" and self.value is not None:
            raise ValueError("a toleration with operator Exists has no value")
        if self.operator != "Exists" and not self.key:
            raise ValueError("a toleration without key tolerates everything, and needs operator: Exists to say so")
        if self.toleration_seconds is not None and self.effect != "NoExecute":
            raise ValueError("toleration_seconds goes with effect: NoExecute only")
        return self


def _volume_name(name: str) -> str:
    if name in OUR_VOLUMES or name.startswith(OUR_VOLUMES_PREFIX):
        raise ValueError(f"{name!r} is the name of a volume of Daybook's own; choose another")
    return name


def _mount_path(path: PurePosixPath) -> PurePosixPath:
    fault = mount_fault(path)
    if fault:
        raise ValueError(f"'{path}' {fault}")
    return path


class Volume(Model):
    """A volume that the workspace's operator allows, and where it is mounted."""

    name: Annotated[DnsLabel, AfterValidator(_volume_name)]
    mount_path: Annotated[PurePosixPath, AfterValidator(_mount_path)]
    read_only: bool = True
    persistent_volume_claim: DnsName | None = None
    config_map: DnsName | None = None
    secret: DnsName | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        sources = (self.persistent_volume_claim, self.config_map, self.secret)
        if sum(source is not None for source in sources) != 1:
            raise ValueError("must name exactly one of persistent_volume_claim, config_map, secret")
        if not self.read_only and self.persistent_volume_claim is None:
            raise ValueError("read_only: false is for a persistent_volume_claim; nobody writes to the others")
        return self


def _different(volumes: tuple[Volume, ...]) -> tuple[Volume, ...]:
    names = Counter(volume.name for volume in volumes)
    paths = Counter(str(volume.mount_path) for volume in volumes)
    twice = [each for each, count in [*names.items(), *paths.items()] if count > 1]
    if twice:
        raise ValueError(f"each name and mount_path may stand once only: {', '.join(twice)}")
    return volumes


def _acted_upon_by_nothing(domain: str) -> str:
    fault = domain_fault(domain)
    if fault:
        raise ValueError(f"{domain!r} {fault}")
    return domain


def _may_be_added(template: dict[str, JsonValue], info: ValidationInfo) -> dict[str, JsonValue]:
    domains = info.data.get("domains")  # not there where it is faulty itself
    if domains is not None:
        raise_all((_place(path), message) for path, message in template_faults(template, domains))
    return template


def _place(path: str) -> Place:
    return (path,) if path else ()


class PodSettings(Model):
    """What is beside container, resources and credentials."""

    node_selector: dict[str, str] = Field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()
    pull_secrets: tuple[DnsName, ...] = Field(default=(), description="Secrets by which images are pulled")
    volumes: Annotated[tuple[Volume, ...], AfterValidator(_different)] = Field(
        default=(), description="the only volumes besides Daybook's own"
    )
    network_policies: Literal["required"] | None = Field(
        default=None, description="no cell is executed before the network denies the pod what policies deny it"
    )
    runtime_class: DnsName | None = None
    priority_class: DnsName | None = None
    domains: tuple[Annotated[DnsName, AfterValidator(_acted_upon_by_nothing)], ...] = Field(
        default=(), description="of the template's labels and annotations; nothing in the cluster acts upon theirs"
    )
    template: Annotated[dict[str, JsonValue], AfterValidator(_may_be_added)] = Field(
        default_factory=dict,
        description="a pod, as Kubernetes writes it, that adds to ours; what would weaken it is refused by name",
    )
    template_file: str | None = Field(default=None, description="the same, in a YAML file beside this one")

    @model_validator(mode="before")
    @classmethod
    def _read_template_file(cls, given: Any, info: ValidationInfo) -> Any:
        """Puts the file's content in the template's place, so that it is checked as one."""
        name = given.get("template_file") if isinstance(given, dict) else None
        if not isinstance(name, str):
            return given
        if given.get("template"):
            raise ValueError("has both template and template_file; give one")
        folder = (info.context or {}).get(FOLDER)
        if not isinstance(folder, Path):
            raise ValueError("template_file is read beside workspaces.yaml only; give the template itself here")
        return {**given, "template": read_template(folder, name)}
