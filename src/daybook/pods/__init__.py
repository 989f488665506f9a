"""A `RunRequest` becomes a `V1Pod`: pure functions, no I/O. A pod is a sum of small fragments, one concern each."""

from daybook.pods.build import CONTAINER, GRACE_SECONDS, build_pod

__all__ = ["CONTAINER", "GRACE_SECONDS", "build_pod"]
