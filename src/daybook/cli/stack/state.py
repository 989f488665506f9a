"""What the stack remembers between commands, and what of it is alive."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import psutil

from daybook.cli.stack import airflow, kubeconfig, local_workspace
from daybook.cli.stack.components import ALL_COMPONENTS
from daybook.cli.stack.files import write_private
from daybook.cli.stack.ports import Ports
from daybook.cli.stack.processes import ProcessRecord, process_of, read_record
from daybook.cli.stack.project import Project


def remembered(project: Project) -> dict[str, Any]:
    """The content of `stack.json`; empty when the stack was never up, or the file was cut short by a crash."""
    try:
        found = json.loads(project.stack_file.read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def remember(project: Project, ports: Ports) -> None:
    """Writes `stack.json`, where other commands find the stack."""
    content = {
        "version": 1,
        "ports": asdict(ports),
        "api_url": airflow.api_url(ports),
        "pods_url": kubeconfig.pods_url(ports),
        "spark_remote": local_workspace.spark_remote(ports),
        "spark_ui": local_workspace.spark_ui(ports),
    }
    write_private(project.stack_file, json.dumps(content, indent=2) + "\n")


def alive(project: Project) -> dict[str, tuple[ProcessRecord, psutil.Process]]:
    """The components whose process lives, by name."""
    found = {}
    for name in ALL_COMPONENTS:
        record = read_record(project.records, name)
        process = process_of(record, project.state) if record else None
        if record and process:
            found[name] = (record, process)
    return found
