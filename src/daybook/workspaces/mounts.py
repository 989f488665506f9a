"""Where things lie in a pod's file system, and where a workspace's own volumes may."""

from __future__ import annotations

from pathlib import PurePosixPath

HOME_VARIABLE = "HOME"
HOME_FOLDER = "/home/daybook"
"""Where libraries keep what they remember: Jupyter's and IPython's files, matplotlib's fonts, caches."""
WORKING_FOLDER = "/home/daybook/work"
TEMPORARY_FOLDER = "/tmp"  # noqa: S108 - the pod's own, an emptyDir
SHARED_MEMORY_FOLDER = "/dev/shm"  # noqa: S108 - the same, in memory

_TAKEN = (
    *(HOME_FOLDER, TEMPORARY_FOLDER),
    # What makes the image run, and what the runtime puts there (credentials and tokens lie below /var/run).
    *("/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/root", "/run", "/sbin"),
    *("/sys", "/usr", "/var/run"),
)


def mount_fault(path: PurePosixPath) -> str | None:
    """Why a workspace's volume cannot be mounted at a path, or None."""
    if not path.is_absolute() or ".." in path.parts or str(path).startswith("//"):
        return "must be an absolute path without `..`"
    if any(each in str(path) for each in (":", "\\", "\0")):
        return "must be without colon, backslash and NUL, which Kubernetes does not take"
    for taken in _TAKEN:
        if path.is_relative_to(taken) or PurePosixPath(taken).is_relative_to(path):
            return f"would lie in or over {taken}, which is not the workspace's; choose another, such as /data"
    return None
