"""`daybook.spark.session` on the cluster, sent there as text: the session is the one that the cluster has already."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def get_spark_session(
    app_name: str | None,  # noqa: ARG001 - the cluster's application has its name
    settings: Mapping[str, object] | None,
    *,
    local: bool,
    report: Callable[[Mapping[str, str | None]], None],
    **_: object,
) -> Any:
    """The cluster's session, with the settings applied to it; a session of its own cannot be had there.

    Raises:
        ValueError: `local` was asked for, or the session does not take a setting.
    """
    from pyspark.sql import SparkSession

    if local:
        raise ValueError("a notebook on a Databricks cluster has the cluster's Spark session; leave out local=True")
    session = SparkSession.getActiveSession() or SparkSession.builder.getOrCreate()
    for name, value in (settings or {}).items():
        try:
            session.conf.set(name, str(value).lower() if isinstance(value, bool) else str(value))
        except Exception as error:
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ValueError(f"{name}: {first}; some settings belong into the cluster's own configuration") from error
    report({"application_id": _application(session), "version": session.version, "remote": None, "ui": None})
    return session


def _application(session: Any) -> str | None:
    """The application's id, where the cluster's access mode lets a notebook see it."""
    try:
        return str(session.sparkContext.applicationId)
    except Exception:  # noqa: BLE001 - each access mode refuses in its own way
        return None
