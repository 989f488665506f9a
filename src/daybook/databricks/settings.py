"""What the kernel is told: which cluster, how long, and which files to bring along."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from daybook.contract.errors import Fault, InvalidSettings
from daybook.databricks.settings_sources import Found, from_environment, from_pyproject

CLUSTER_VARIABLE = "DATABRICKS_CLUSTER_ID"
COMMAND_LIMIT_VARIABLE = "DAYBOOK_DATABRICKS_COMMAND_SECONDS"
SERVERLESS_VARIABLE = "DATABRICKS_SERVERLESS_COMPUTE_ID"
_SERVERLESS = frozenset({"serverless", "auto"})
NOT_SERVERLESS = (
    "serverless compute has no execution contexts to run cells in; name an all-purpose cluster, or attach the notebook "
    "to Databricks over Spark Connect: daybook.notebook.get_spark_session(remote=…)"
)


_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_CREDENTIALS = ("DATABRICKS_TOKEN", "DATABRICKS_CLIENT_SECRET")


@dataclass(frozen=True)
class Limits:
    """How long the kernel waits, in seconds.

    Attributes:
        command: the longest a cell may take; None as long as it takes, since who runs the notebook has limits too.
        cluster_start: a cluster on spot instances may need a quarter of an hour.
        context: the driver answers within seconds, unless it has just started or is overloaded.
        unreachable: how long a workspace that fails to answer is asked again, while a command runs there.
        longest_poll: between two questions about a long command.
        cancel: how long a cancelled command may take to end; a cell in compiled code ends late.
    """

    command: float | None = None
    cluster_start: float = 1800.0
    context: float = 300.0
    unreachable: float = 120.0
    longest_poll: float = 3.0
    cancel: float = 30.0


@dataclass(frozen=True)
class SyncSettings:
    """Which of the project's files are brought to the cluster before each cell.

    Attributes:
        enabled: whether any are.
        source: the folder, absolute; what it holds appears in the remote folder.
        exclude: patterns as in `.gitignore`, beside the ones that always hold.
        max_size_mb: all files together, in megabytes of 2**20 bytes; None for no limit.
        max_file_size_mb: one file; None for no limit.
        use_gitignore: whether `.gitignore` files hold.
    """

    enabled: bool = True
    source: Path = field(default_factory=Path.cwd)
    exclude: tuple[str, ...] = ()
    max_size_mb: float | None = None
    max_file_size_mb: float | None = None
    use_gitignore: bool = True


@dataclass(frozen=True)
class Settings:
    """All of it.

    Attributes:
        cluster_id: None where only the SDK's own file may name it.
        host: None where the environment or the SDK's own file names it.
        profile: of the SDK's own file; None for what the environment or the SDK chooses.
        origins: where each value that was found comes from, by its name.
        notes: what was found and is not heeded, one sentence each.
    """

    cluster_id: str | None = None
    host: str | None = None
    profile: str | None = None
    limits: Limits = Limits()
    sync: SyncSettings = field(default_factory=SyncSettings)
    origins: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def load_settings(environment: Mapping[str, str], folder: Path) -> Settings:
    """Reads what the environment and the nearest `pyproject.toml` say; the environment comes first.

    Args:
        environment: this process's variables.
        folder: where the notebook runs; its `pyproject.toml`, or its nearest parent's, is read.

    Raises:
        InvalidSettings: something is wrong with the values; every fault is named.
    """
    project = from_pyproject(folder)
    found = Found.first(from_environment(environment), project)
    faults = [*found.faults, *_cluster_faults(found, environment), *_host_faults(found, project, environment)]
    source = _source(found, project.folder or folder, faults)
    if faults:
        raise InvalidSettings("the Databricks kernel's settings are wrong", faults)
    return Settings(
        cluster_id=found.value("cluster_id"),
        host=_address(found.value("host")),
        profile=found.value("profile"),
        limits=_limits(found),
        sync=_sync(found, source, in_project=project.folder is not None),
        origins=found.origins,
        notes=found.notes,
    )


def _cluster_faults(found: Found, environment: Mapping[str, str]) -> list[Fault]:
    cluster_id = found.value("cluster_id")
    if cluster_id in _SERVERLESS:
        return [Fault(found.origins["cluster_id"], NOT_SERVERLESS)]
    if cluster_id is None and environment.get(SERVERLESS_VARIABLE):
        return [Fault(SERVERLESS_VARIABLE, NOT_SERVERLESS)]
    return []


def _host_faults(found: Found, project: Found, environment: Mapping[str, str]) -> list[Fault]:
    """Credentials go to the host: not in the clear, and not to one that only the project names, which is anybody's."""
    host, origin = found.value("host"), found.origins.get("host", "host")
    if host is None:
        return []
    url = urlsplit(host if "://" in host else f"https://{host}")
    if url.scheme != "https" and url.hostname not in _LOOPBACK:
        return [Fault(origin, "must begin with https://, for credentials go there")]
    beside = [name for name in _CREDENTIALS if environment.get(name)]
    if found.value("profile"):
        beside.append("the profile")
    if beside and origin == project.origins.get("host"):
        told = f"says where {beside[0]} would go, and a project's file may be anybody's; set DATABRICKS_HOST"
        return [Fault(origin, told)]
    return []


def _source(found: Found, base: Path, faults: list[Fault]) -> Path:
    source = (base / (found.value("sync.source") or ".")).resolve()
    if not source.is_dir():
        faults.append(Fault(found.origins.get("sync.source", "sync.source"), f"{source} is no folder"))
    return source


def _address(host: str | None) -> str | None:
    """The workspace's address out of whatever was copied from the browser's bar."""
    if host is None:
        return None
    url = urlsplit(host if "://" in host else f"https://{host}")
    return f"{url.scheme}://{url.netloc}"


def _limits(found: Found) -> Limits:
    named = ("command", "cluster_start", "context", "unreachable", "longest_poll", "cancel")
    given = {name: found.value(f"{name}_seconds") for name in named}
    return Limits(**{name: value for name, value in given.items() if value is not None})


def _sync(found: Found, source: Path, *, in_project: bool) -> SyncSettings:
    """Outside of a project nothing is brought along unasked: the folder may be somebody's home."""
    enabled = found.value("sync.enabled")
    names = ("max_size_mb", "max_file_size_mb", "use_gitignore")
    given = {name: found.value(f"sync.{name}") for name in names}
    return SyncSettings(
        enabled=in_project if enabled is None else enabled,
        source=source,
        exclude=tuple(found.value("sync.exclude") or ()),
        **{name: value for name, value in given.items() if value is not None},
    )
