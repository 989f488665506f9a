"""What of `daybook.notebook` is otherwise on a cluster: sent there as text, and put in the place of what is here."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any


def secret(name: str) -> str:
    """Secret inputs do not reach a cluster: their values would stand in its history of commands.

    Raises:
        LookupError: always, with the way out.
    """
    raise LookupError(
        f"secret input {name!r} does not reach a Databricks cluster; keep it in a secret scope of Databricks, and use "
        "dbutils.secrets.get(scope, key)"
    )


def get_spark_session(
    app_name: str | None = None,  # noqa: ARG001 - the cluster's application has its name
    *,
    settings: Mapping[str, object] | None = None,
    ready_seconds: float | None = None,  # noqa: ARG001 - it is there already
    **elsewhere: object,
) -> Any:
    """The cluster's session, with the settings applied to it.

    Args:
        app_name: means nothing here.
        settings: Spark settings, `{"spark.sql.shuffle.partitions": 4}`.
        ready_seconds: means nothing here.
        elsewhere: whatever would make it another session than the cluster's, such as `local` or `remote`.

    Raises:
        ValueError: another session was asked for, or the session does not take a setting.
    """
    asked = sorted(name for name, value in elsewhere.items() if value)
    if asked:
        raise ValueError(
            f"a notebook on a Databricks cluster has the cluster's Spark session; leave out {', '.join(asked)}"
        )
    from pyspark.sql import SparkSession

    session = SparkSession.getActiveSession() or SparkSession.builder.getOrCreate()
    for name, value in (settings or {}).items():
        try:
            session.conf.set(name, str(value).lower() if isinstance(value, bool) else str(value))
        except Exception as error:
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ValueError(f"{name}: {first}; some settings belong into the cluster's own configuration") from error
    found = {"application_id": _application(session), "version": session.version, "remote": None, "ui": None}
    sys.modules["daybook.notebook"].__dict__["_tell"]({"kind": "spark", **found})
    return session


def _application(session: Any) -> str | None:
    """The application's id, where the cluster's access mode lets a notebook see it."""
    try:
        return str(session.sparkContext.applicationId)
    except Exception:  # noqa: BLE001 - each access mode refuses in its own way
        return None
