"""Every limit, default and timeout of localpods, each with its unit and its reason."""

from __future__ import annotations

from typing import Final

KEEP_FINISHED_PODS: Final = 200
"""Finished pods kept before the oldest are removed, as Kubernetes does from its own threshold of 12,500 on."""

MAX_BODY_BYTES: Final = 3 * 1024 * 1024
"""Largest request body, bytes: what a Kubernetes API server takes."""

MAX_BODY_DEPTH: Final = 100
"""Levels of nesting in a body: no pod has a third of that, and it bounds every recursion over one."""

MAX_ANNOTATION_BYTES: Final = 256 * 1024
"""Sum of a pod's annotation keys and values, bytes: Kubernetes' own limit."""

MAX_LOG_BYTES: Final = 1024 * 1024 * 1024
"""Log kept of one container, bytes. A cell that prints in an endless loop must not fill the disk."""

MAX_LOG_LINE_BYTES: Final = 16 * 1024
"""A longer line is stored in pieces of this size, bytes, as container runtimes do; a reader sees one line."""

FALLBACK_MESSAGE_BYTES: Final = 2048
FALLBACK_MESSAGE_LINES: Final = 80
"""How much of the log's end becomes a failed container's message: Kubernetes' `FallbackToLogsOnError`."""

DEFAULT_GRACE_SECONDS: Final = 30
"""`terminationGracePeriodSeconds` of a pod that names none, seconds: Kubernetes' default."""

MEMORY_POLL_SECONDS: Final = 0.25
"""How often the memory of a container with a limit is summed, seconds: less than a millisecond of work each."""

DRAIN_SECONDS: Final = 2.0
"""How long, seconds, a shim waits for the last output after every process of its container was killed."""

KILL_SECONDS: Final = 5.0
"""How long, seconds, SIGKILL is repeated while processes of a container are still there."""

PULL_BACKOFF_SECONDS: Final = (1.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0)
"""Waits between two looks for an image or a secret that is missing, seconds; the last one repeats. The first is the
time between ErrImagePull and ImagePullBackOff, the others are the kubelet's."""

WATCH_HISTORY: Final = 2048
"""Changes kept so that a watch can go on from an older resourceVersion; an older one gets 410, as in Kubernetes."""

WATCH_BACKLOG: Final = 4096
"""Changes one slow watcher may lag behind before it is cut off and has to list again."""

WATCH_SECONDS: Final = 1800
"""How long a watch lasts that names no `timeoutSeconds`, seconds."""

EVENT_SECONDS: Final = 3600
"""How long an event is listed, seconds: Kubernetes' default."""

MAX_EVENTS: Final = 5000
"""Events kept over all pods; the oldest go first."""

VERSION_BLOCK: Final = 1000
"""resourceVersions reserved on disk at a time, so that not every change costs a write."""

SHUTDOWN_SECONDS: Final = 3
"""How long an ending server waits for open answers, seconds. Running pods are left alone."""

KEEP_ALIVE_SECONDS: Final = 75
"""How long an idle connection stays open, seconds. Operators poll through one every few seconds; it must not be closed
under a request that is on its way."""

HANDSHAKE_SECONDS: Final = 10.0
"""How long a client may take to say its first byte and finish its TLS handshake, seconds."""
