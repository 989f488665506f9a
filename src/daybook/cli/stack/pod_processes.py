"""The processes of pods, for when localpods itself cannot end them."""

from __future__ import annotations

import psutil

from daybook.cli.stack.project import Project


def pod_processes(project: Project) -> list[psutil.Process]:
    """Processes of pods: they carry nothing of the stack's, but their HOME or command line names its folder."""
    folder = f"{project.pods_state / 'pods'}/"
    return [process for process in psutil.process_iter() if _below(process, folder)]


def _below(process: psutil.Process, folder: str) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        named = [process.environ().get("HOME", ""), *process.cmdline()]
    except (psutil.Error, OSError):
        return False
    return any(each.startswith(folder) for each in named)
