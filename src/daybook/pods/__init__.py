"""A `RunRequest` becomes a `V1Pod`: pure functions, no I/O. A pod is a sum of small fragments, one concern each."""

from daybook.pods.build import build_pod
from daybook.pods.ending import (
    GONE,
    Ending,
    disruption_of,
    ending_of,
    has_ended,
    image_digest_of,
    is_stuck,
    stuck_ending,
)
from daybook.pods.metadata import labels
from daybook.pods.resources import Resources
from daybook.pods.timing import GRACE_SECONDS
from daybook.workspaces.pod_template import CONTAINER

__all__ = [
    "CONTAINER",
    "GONE",
    "GRACE_SECONDS",
    "Ending",
    "Resources",
    "build_pod",
    "disruption_of",
    "ending_of",
    "has_ended",
    "image_digest_of",
    "is_stuck",
    "labels",
    "stuck_ending",
]
