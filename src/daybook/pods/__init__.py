"""A `RunRequest` becomes a `V1Pod`: pure functions, no I/O. A pod is a sum of small fragments, one concern each."""

from daybook.pods.build import CONTAINER, GRACE_SECONDS, build_pod, labels
from daybook.pods.ending import GONE, Ending, disruption_of, ending_of, image_digest_of, is_stuck, stuck_ending
from daybook.pods.resources import Resources

__all__ = [
    "CONTAINER",
    "GONE",
    "GRACE_SECONDS",
    "Ending",
    "Resources",
    "build_pod",
    "disruption_of",
    "ending_of",
    "image_digest_of",
    "is_stuck",
    "labels",
    "stuck_ending",
]
