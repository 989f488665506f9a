"""What the stack remembers between commands, and what of it is alive."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import psutil

from daybook.cli.stack import airflow, kubeconfig, local_workspace
from daybook.cli.stack.files import write_private
from daybook.cli.stack.ports import Ports
from daybook.cli.stack.processes import ProcessRecord, family, marked, process_of, read_record
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
    for path in sorted(project.records.glob("*.json")):
        record = read_record(project.records, path.stem)
        process = process_of(record, project.state) if record else None
        if record and process:
            found[record.component] = (record, process)
    return found


def remains(project: Project) -> list[psutil.Process]:
    """Processes of the stack that belong to no living component: what a killed one, or a killed `up`, left behind."""
    in_use = {each.pid for _, process in alive(project).values() for each in family(process)}
    return [each for each in marked(project.state) if each.pid not in in_use]
