"""The workspace `local` of the stack: a folder as bucket, the local Spark Connect server, a secret for its token."""

from __future__ import annotations

import re
from pathlib import Path

from daybook.cli.stack.files import minted, write_private
from daybook.cli.stack.ports import LOOPBACK, Ports
from daybook.cli.stack.project import Project

WORKSPACE = "local"
NAMESPACE = "default"
SPARK_SECRET = "daybook-spark"  # noqa: S105 - the name of the secret
SPARK_SECRET_KEY = "token"  # noqa: S105 - the name of the key

_TEMPLATE = """\
# The workspaces of the local stack. Written once by `daybook up`; yours to edit from then on.
# `daybook up` changes only the ports of a Spark server at {loopback} in it, so that they stay true.
workspaces:
  - name: {workspace}
    bucket: {bucket}
    members: ["*"]
    namespace: {namespace}
    allowed: {{images: ["*"]}}  # an image is but a Python environment of this machine
    spark:
      remote: {remote}
      ui: {ui}
      token: {{name: {secret}, key: {key}}}
"""
_SPARK_PORTS = re.compile(r"^(\s*remote:\s*)sc://127\.0\.0\.1:\d+(\s*(?:#.*)?)$", re.MULTILINE)
_UI_PORTS = re.compile(r"^(\s*ui:\s*)http://127\.0\.0\.1:\d+(\s*(?:#.*)?)$", re.MULTILINE)


def spark_remote(ports: Ports) -> str:
    """The Connect server's address, as pyspark takes it."""
    return f"sc://{LOOPBACK}:{ports.spark}"


def spark_ui(ports: Ports) -> str:
    """Where the Spark server's pages are."""
    return f"http://{LOOPBACK}:{ports.spark_ui}"


def spark_token_file(project: Project) -> Path:
    """The Spark server's pre-shared key, where localpods finds it for the pods of the workspace."""
    return project.pod_secrets / NAMESPACE / SPARK_SECRET / SPARK_SECRET_KEY


def write_workspaces(project: Project, ports: Ports) -> None:
    """Writes `workspaces.yaml` when there is none; in one that is there, makes the Spark server's ports true.

    Only lines that name a Spark server on loopback are touched: those are this stack's, everything else is the user's.
    """
    minted(spark_token_file(project), end="")
    path = project.workspaces
    if not path.exists():
        write_private(path, _first(project, ports))
        return
    text = path.read_text()
    changed = _SPARK_PORTS.sub(rf"\g<1>{spark_remote(ports)}\g<2>", text)
    changed = _UI_PORTS.sub(rf"\g<1>{spark_ui(ports)}\g<2>", changed)
    if changed != text:
        write_private(path, changed)


def _first(project: Project, ports: Ports) -> str:
    return _TEMPLATE.format(
        loopback=LOOPBACK,
        workspace=WORKSPACE,
        bucket=_quoted((project.state / "bucket").as_uri()),
        namespace=NAMESPACE,
        remote=spark_remote(ports),
        ui=spark_ui(ports),
        secret=SPARK_SECRET,
        key=SPARK_SECRET_KEY,
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
