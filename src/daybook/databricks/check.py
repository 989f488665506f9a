"""What `daybook databricks check` finds: every setting with its origin, who asks, and whether the cluster answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from databricks.sdk.core import Config
from databricks.sdk.service.compute import Language

from daybook.contract.errors import DaybookError
from daybook.databricks.cluster import Cluster
from daybook.databricks.connection import Connection, connect
from daybook.databricks.context import Context
from daybook.databricks.interruption import Interruption
from daybook.databricks.refusals import FOREIGN, in_our_words
from daybook.databricks.settings import Settings, load_settings

FROM_SDK = "a login that the SDK finds by itself"
"""Of the Databricks CLI, of the cloud's command line, of the machine."""
DEFAULT = "default"


@dataclass(frozen=True)
class Line:
    """One thing that was found.

    Attributes:
        name: of what.
        value: as people read it; of a secret never.
        origin: where it comes from.
    """

    name: str
    value: str
    origin: str = ""


@dataclass
class Report:
    """What was found, up to what went wrong.

    Attributes:
        settings: all that the kernel goes by.
        answers: what Databricks said.
        notes: what was found and is not heeded.
        error: what ended the check; None where a cell could run.
    """

    settings: list[Line] = field(default_factory=list)
    answers: list[Line] = field(default_factory=list)
    notes: tuple[str, ...] = ()
    error: DaybookError | None = None


def check(environment: Mapping[str, str], folder: Path) -> Report:
    """Looks for everything, asks Databricks who asks and for the cluster; starts nothing.

    Args:
        environment: this process's variables.
        folder: where a notebook would run.
    """
    report = Report()
    try:
        settings = load_settings(environment, folder)
        report.settings, report.notes = _settings(settings), settings.notes
        at_once = replace(settings, limits=replace(settings.limits, unreachable=0))  # somebody waits to be told
        connection = connect(at_once, Interruption())
        report.settings[:0] = _connection(settings, connection, environment)
        _ask(settings, connection, report.answers)
    except DaybookError as error:
        report.error = error
    return report


def _connection(settings: Settings, connection: Connection, environment: Mapping[str, str]) -> list[Line]:
    config = connection.client.config
    file = f"{config.config_file or '~/.databrickscfg'} [{config.profile or 'DEFAULT'}]"
    return [
        Line("host", connection.host, settings.origins.get("host", file)),
        Line("credentials", str(config.auth_type), _of_credentials(config, environment) or file),
        Line("cluster_id", connection.cluster_id, settings.origins.get("cluster_id", file)),
    ]


def _of_credentials(config: Config, environment: Mapping[str, str]) -> str | None:
    """The variables that the credentials are in, or what else has them; None for the SDK's file."""
    given = [each for each in Config.attributes() if each.auth and getattr(config, each.name)]
    kind = str(config.auth_type)
    used = [each for each in given if kind.startswith(each.auth)] or given
    if not used:
        return FROM_SDK
    names = [
        name
        for each in used
        for name in (each.env, *getattr(each, "env_aliases", ()))
        if name and environment.get(name)
    ]
    return ", ".join(names) or None


def _settings(settings: Settings) -> list[Line]:
    limits, sync = settings.limits, settings.sync
    found: dict[str, object] = {f"{name}_seconds": value for name, value in vars(limits).items()}
    found.update({f"sync.{name}": value for name, value in vars(sync).items()})
    return [Line(name, _shown(value), settings.origins.get(name, DEFAULT)) for name, value in found.items()]


def _shown(value: object) -> str:
    if value is None:
        return "no limit"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "nothing"
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _ask(settings: Settings, connection: Connection, answers: list[Line]) -> None:
    try:
        user = connection.client.current_user.me().user_name
    except FOREIGN as error:
        raise in_our_words(error, "asking who asks", connection.host) from error
    answers.append(Line("user", str(user)))
    interruption = Interruption()
    cluster = Cluster(connection, settings.limits, interruption)
    details = cluster.details()
    answers.append(Line("cluster", f"{details.cluster_name}, {details.state.value if details.state else 'unknown'}"))
    answers.append(Line("runtime", str(details.spark_version)))
    if not Cluster.is_usable(details):
        answers.append(Line("context", "not tried: the first cell starts the cluster"))
        return
    context = Context(connection, cluster, settings.limits, interruption, Language.PYTHON)
    try:
        context.open()
    finally:
        context.close()
    answers.append(Line("context", "can be made"))
