"""A workspace's Spark server as a Pod, a Secret and a Service: pure functions, no I/O."""

from daybook.pods.spark.build import credentials_secret_of, key_secret, server_pod, server_service
from daybook.pods.spark.look import Answers, Ended, Look, Starts, look_at
from daybook.pods.spark.wanted import WantedServer

__all__ = [
    "Answers",
    "Ended",
    "Look",
    "Starts",
    "WantedServer",
    "credentials_secret_of",
    "key_secret",
    "look_at",
    "server_pod",
    "server_service",
]
