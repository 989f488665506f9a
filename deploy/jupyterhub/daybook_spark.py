"""Gives people in JupyterHub the Spark of their workspaces: a profile for each workspace that they are a member of.

Who is a member Daybook says, asked with the token that the person logged in with; the Hub asks again when a server is
started, so that a profile which is not on somebody's list is not to be had. Address and key come from the site's own
configuration, never from an answer.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from daybook_hub import fetch, token_of

LABEL = "daybook.dev/workspace"
"""By it the network lets a server to its workspace's Spark and to no other."""
KEY = "token"
"""In the Secret: the pre-shared key."""
_LOG = logging.getLogger("jupyterhub.daybook")

Profile = dict[str, Any]


@dataclass(frozen=True)
class Spark:
    """Where a workspace's Spark is.

    Attributes:
        remote: `sc://host:port` of a server that stays (deploy/kubernetes/components/spark-standing).
        secret: the Secret with its key, in the namespace of the Hub's servers.
    """

    remote: str
    secret: str


class Profiles:
    """The profiles of whoever is about to start a server; what the Hub calls with their spawner.

    Args:
        url: where the Hub reaches Daybook.
        base: the profiles for everybody; the first is the one that those with Spark are made of.
        workspaces: those with Spark.
    """

    def __init__(self, url: str, base: Sequence[Profile], workspaces: Mapping[str, Spark]) -> None:
        self._url = url.rstrip("/")
        self._base = list(base)
        self._workspaces = workspaces

    async def __call__(self, spawner: Any) -> list[Profile]:
        """The list; without Daybook nobody is known to be a member of anything."""
        mine = await self._memberships(spawner.user)
        found = [self._with(name, spark) for name, spark in self._workspaces.items() if name in mine]
        return [*self._base, *found]

    async def _memberships(self, user: Any) -> frozenset[str]:
        token = await token_of(user)
        answer = None if token is None else await fetch(f"{self._url}/api/v1/spark", token)
        if answer is None or answer.code != 200:
            return frozenset()
        try:
            return frozenset(str(each["workspace"]) for each in json.loads(answer.body)["workspaces"])
        except (ValueError, KeyError, TypeError) as error:
            _LOG.warning("Daybook answers something that is no list of workspaces: %r", error)
            return frozenset()

    def _with(self, name: str, spark: Spark) -> Profile:
        first = self._base[0]
        override = first.get("kubespawner_override", {})
        return {
            **first,
            "display_name": f"{first['display_name']} with the Spark of {name}",
            "slug": f"{first['slug']}-spark-{name}",
            "default": False,
            "kubespawner_override": {
                **override,
                "environment": {**override.get("environment", {}), **environment(name, spark)},
                "extra_labels": {**override.get("extra_labels", {}), LABEL: name},
            },
        }


def environment(workspace: str, spark: Spark) -> dict[str, Any]:
    """What a server is told, as a run is: `get_spark_session()` does the same in both."""
    return {
        "DAYBOOK_WORKSPACE": workspace,
        "SPARK_REMOTE": spark.remote,
        "SPARK_CONNECT_AUTHENTICATE_TOKEN": {"valueFrom": {"secretKeyRef": {"name": spark.secret, "key": KEY}}},
    }


def configure(c: Any, url: str, workspaces: Mapping[str, Spark]) -> None:
    """Adds the profiles.

    Args:
        c: the Hub's configuration, whose `KubeSpawner.profile_list` is for everybody.
        url: where the Hub reaches Daybook.
        workspaces: those with Spark, by name.
    """
    profiles: Callable[[Any], Awaitable[list[Profile]]] = Profiles(url, c.KubeSpawner.profile_list, workspaces)
    c.KubeSpawner.profile_list = profiles
